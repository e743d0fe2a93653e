# For each number, writes in a process whose call of the operating system with that
# number fails, and says how that has ended.
import errno
import os
import signal
import sys

from bandsaw.stores import LocalStore

kind, size = sys.argv[1], int(sys.argv[2])
for line in sys.stdin:
    number = int(line)
    child = os.fork()
    if not child:
        break
    status = os.waitpid(child, 0)[1]
    print(os.WEXITSTATUS(status) - os.WTERMSIG(status), flush=True)
else:
    sys.exit()

store = LocalStore(str(number))
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
file_calls = ["open", "write", "close", "replace", "mkdir", "unlink"]
for name in [*file_calls, "fstat", "lstat", "fsync"]:
    setattr(os, name, failing(getattr(os, name)))
try:
    store.write_dated("task/a", [b"new" * size, b"!"], 1234.5)
except OSError as error:
    status = 3 if error.args[1:] == ("injected",) else 4
else:
    status = 0
# Nothing fails any more, as others may write something when a process ends.
number = 0
os._exit(status)
