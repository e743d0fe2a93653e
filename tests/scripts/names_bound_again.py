import os

import bandsaw


def plain(x):
    return os.getpid(), x


plain = bandsaw.task(plain)


class Tasks:
    @staticmethod
    @bandsaw.task
    def static(x):
        return os.getpid(), x

    @bandsaw.task
    def method(self, x):
        return os.getpid(), x

    @classmethod
    @bandsaw.task
    def of_class(cls, x):
        return os.getpid(), cls is Tasks and x


if __name__ == "__main__":
    for task in plain, Tasks.static, Tasks().method, Tasks.of_class:
        pid, value = task(5)
        print(pid != os.getpid(), value)
