# Lets the call of the operating system with a number fail. A child reads from the
# environment with which one it does so, its parent says it.
import builtins
import errno
import io
import os

NAMES = ("open", "write", "rename", "replace", "mkdir", "unlink")
calls = number = 0
kind = "EIO"


def failing(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == number:
            raise OSError(getattr(errno, kind), "injected")
        return function(*args, **kwargs)

    return call


for name in NAMES:
    setattr(os, name, failing(getattr(os, name)))
builtins.open = io.open = failing(io.open)
if "BANDSAW_PROCESSES" in os.environ:
    number, kind = int(os.environ.get("FAILS", "0")), os.environ.get("KIND", "EIO")
