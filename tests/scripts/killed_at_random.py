# Calls tasks until each has answered, whatever interpreter is killed meanwhile.
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import bandsaw
from bandsaw.exceptions import InterpreterError


# Goes to another interpreter on shared memory, as an array does.
class Data:
    def __init__(self, content):
        self.content = bytes(content)

    def __fingerprint__(self):
        return self.content

    def __reduce_ex__(self, protocol):
        return Data, (pickle.PickleBuffer(self.content),)


@bandsaw.task
def work(number, data):
    return number * 2, Data(data.content[::-1])


def call(number):
    # Behind a connection, only what is larger goes by a file.
    content = bytes([number]) + bytes(200_000 if number % 5 else 1 << 20)
    while True:
        try:
            doubled, data = work(number, Data(content))
        except InterpreterError:
            continue
        assert data.content == content[::-1]
        return f"{number} {doubled}\n"


if __name__ == "__main__":
    first, calls = map(int, sys.argv[1:])
    with ThreadPoolExecutor(3) as pool:
        for line in pool.map(call, range(first, first + calls)):
            sys.stdout.write(line)
            sys.stdout.flush()
