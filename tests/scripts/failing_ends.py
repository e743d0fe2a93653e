# For each line, calls a task in a process of its own, while a call of the operating
# system fails there or in the interpreter that runs the task; and calls it once more.
import os
import pickle
import sys

import sitecustomize

import bandsaw
from bandsaw.exceptions import BandsawError


# Goes to another interpreter on shared memory, as an array does.
class Data:
    def __init__(self, content):
        self.content = bytes(content)

    def __reduce_ex__(self, protocol):
        return Data, (pickle.PickleBuffer(self.content),)


@bandsaw.task
def work(data):
    import sitecustomize

    return Data(data.content[::-1]), sitecustomize.calls


def call():
    content = b"a" + bytes(200_000)
    try:
        data, calls = work(Data(content))
    except (BandsawError, OSError) as error:
        return repr(error), 0
    return ("right" if data.content == content[::-1] else "wrong"), calls


def attack(end, number, kind):
    if end == "child":
        os.environ.update(FAILS=number, KIND=kind)
    else:
        sitecustomize.calls, sitecustomize.kind = 0, kind
        sitecustomize.number = int(number)
    said, calls = call()
    if end == "parent":
        calls, sitecustomize.number = sitecustomize.calls, 0
    else:
        del os.environ["FAILS"]
    print(said, call()[0], calls < int(number), sep="\n", flush=True)


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if not child:
            attack(*line.split())
            break
        status = os.waitpid(child, 0)[1]
        print(status, flush=True)
