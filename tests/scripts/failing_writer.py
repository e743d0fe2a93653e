# Writes in a process whose n-th call of the operating system fails.
import errno
import os
import signal
import sys

from bandsaw.stores import LocalStore

directory, size, number, kind = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4]

store = LocalStore(directory)
with store.alone("task/a", 0):
    pass
calls = 0


def failing(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == number:
            if kind == "SIGKILL":
                os.kill(os.getpid(), signal.SIGKILL)
            if function is write:
                # A full disk takes a part of it.
                write(args[0], args[1][: len(args[1]) // 2])
            raise OSError(getattr(errno, kind), "injected")
        return function(*args, **kwargs)

    return call


write = os.write
for name in ("open", "write", "close", "replace", "mkdir", "unlink", "fstat", "lstat"):
    setattr(os, name, failing(getattr(os, name)))
try:
    store.write("task/a", [b"new" * size, b"!"])
except OSError as error:
    status = 3 if error.args[1:] == ("injected",) else 4
else:
    status = 0
# Nothing fails any more, as others may write something when a process ends.
number = 0
os._exit(status)
