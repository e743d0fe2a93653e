"""Every step of a write fails, in turn and in every way; what is kept is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Set

import pytest

from bandsaw.stores import LocalStore
from tests.workflows import environment_of

# Writes in a process whose n-th call of the operating system fails.
WRITER = """
import errno, os, signal, sys

directory, size, number, kind = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4]
from bandsaw.stores import LocalStore
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
"""


def write_failing(directory: Path, size: int, number: int, kind: str) -> int:
    """Runs the writer, and returns how it ended."""
    return subprocess.run(
        [sys.executable, "-c", WRITER, str(directory), str(size), str(number), kind],
        env=environment_of(),
        stdout=subprocess.DEVNULL,
        timeout=120,
    ).returncode


@pytest.mark.parametrize("kind", ["ENOSPC", "EIO", "SIGKILL"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_entry_is_whole_or_absent_whatever_fails(
    tmp_path: Path, kind: str, old: object
) -> None:
    size = 100_000
    new = b"new" * size + b"!"
    endings: Set[int] = set()
    for number in range(1, 30):
        directory = tmp_path / str(number)
        store = LocalStore(directory)
        if isinstance(old, bytes):
            store.write("task/a", [old])
        ending = write_failing(directory, size, number, kind)
        endings.add(ending)
        content = store.read("task/a")
        found = None if content is None else bytes(content)
        assert found in (old, new), f"call {number} failed"
        if ending == 0:
            assert found == new
        # The next one is not disturbed by what is left, and takes it away.
        store.write("task/a", [b"next"])
        assert store.read("task/a") == b"next"
        left = [path.name for path in (directory / "task").glob(".writing-*")]
        assert left == [] or kind == "SIGKILL"
        if ending == 0 and number > 3:
            break

    assert endings <= ({0, -9} if kind == "SIGKILL" else {0, 3})
    assert len(endings) == 2, "No call failed, or every one did."
