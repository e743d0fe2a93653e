"""Every step of a write fails, in turn and in every way; what is kept is whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bandsaw.stores import LocalStore
from bandsaw.stores.entries import Entry
from tests.interpreters import is_one_of
from tests.workflows import environment_of, run_python, write_files

# It takes long, and what is tested hardly depends on the Python.
pytestmark = pytest.mark.skipif(
    not is_one_of(min, max), reason="runs with the oldest and the newest Python only"
)

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
    endings: set[int] = set()
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


# Calls a task twice with a cache in which the n-th call of the operating system fails.
CALLER = """
import errno, os, sys, warnings

number, kind = int(sys.argv[1]), sys.argv[2]
import bandsaw
import helper

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
"""

CACHED = {
    "bandsaw_config.py": """
        import bandsaw
        from bandsaw.advices.cache import CachingAdvice
        configuration = bandsaw.Configuration().add_advice_chain(
            CachingAdvice("cache", max_size="1 GB")
        )
        """,
    "helper.py": "def helped(x):\n    return x + 1\n",
    "workflow.py": CALLER,
}


@pytest.mark.parametrize("kind", ["ENOSPC", "EIO"])
def test_a_call_returns_its_result_whatever_fails(tmp_path: Path, kind: str) -> None:
    write_files(tmp_path, CACHED)
    for number in range(1, 60):
        completed = run_python(
            "workflow.py",
            str(number),
            kind,
            directory=tmp_path,
            environment={"BANDSAW_HOME": str(tmp_path / "home")},
        )
        assert completed.stdout.startswith("21 21"), f"call {number} failed"
        assert completed.stderr.count("Warning:") <= 1
        store = LocalStore(tmp_path / "cache")
        for item in store.items():
            content = store.read(item.name)
            assert content is not None
            if "/.code-" not in item.name:
                Entry(content).verify()
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        shutil.rmtree(tmp_path / "home", ignore_errors=True)
        if completed.stdout.endswith("all\n"):
            break

    assert 5 < number < 59
