# Calls a task twice with a cache in which the n-th call of the operating system fails.
import errno
import os
import sys
import warnings

import helper

import bandsaw

number, kind = int(sys.argv[1]), sys.argv[2]


@bandsaw.task
def work(x):
    return helper.helped(x)


if __name__ == "__main__":
    warnings.simplefilter("error", ResourceWarning)
    calls = 0

    def failing(function):
        def call(*args, **kwargs):
            global calls
            calls += 1
            if calls == number:
                raise OSError(getattr(errno, kind), "injected")
            return function(*args, **kwargs)

        return call

    names = ("open", "write", "replace", "mkdir", "unlink")
    originals = {name: getattr(os, name) for name in names}
    for name, function in originals.items():
        setattr(os, name, failing(function))
    first = work(20)
    for name, function in originals.items():
        setattr(os, name, function)
    print(first, work(20), "all" if calls < number else "")
