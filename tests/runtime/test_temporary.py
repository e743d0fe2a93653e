"""Temporary directories, and what becomes of those of processes that are killed."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from bandsaw.runtime.temporary import TemporaryDirectory, choose_directory
from tests.waiting import wait_until
from tests.workflows import MOVING, Workflow, read_script

MAKES = """
import os, sys
from bandsaw.runtime.temporary import TemporaryDirectory, choose_directory

directory = TemporaryDirectory(*sys.argv[1:])
open(os.path.join(directory.path, "file"), "w").close()
child = os.fork() if "fork" in sys.argv else 1
if child:
    print(directory.path, flush=True)
sys.stdin.read()
"""


class Process:
    """Another process that has made a directory."""

    def __init__(self, workflow: Workflow, *arguments: str) -> None:
        self._process = workflow.start("-c", MAKES, *arguments)
        assert self._process.stdout is not None
        self.directory = Path(self._process.stdout.readline().rstrip("\n"))

    def kill(self) -> None:
        """Kill it, but not what it has forked."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Let it end, and what it has forked."""
        self._process.communicate()


@pytest.fixture(name="other")
def _other(workflow: Workflow) -> Iterator[Process]:
    process = Process(workflow)
    yield process
    process.end()


def names_in(directory: Path) -> set[str]:
    return set(os.listdir(str(directory)))


def test_what_a_killed_process_has_left_is_removed_by_the_next_one(
    other: Process,
) -> None:
    other.kill()
    assert (other.directory / "file").exists()

    directory = TemporaryDirectory()

    assert not other.directory.exists()
    assert Path(directory.path).is_dir()


def test_the_directory_of_a_process_that_lives_stays(other: Process) -> None:
    TemporaryDirectory()

    assert (other.directory / "file").exists()
    other.end()
    assert not other.directory.exists()


def test_a_process_that_has_lost_its_locks_keeps_its_directories(
    workflow: Workflow, tmp_path: Path
) -> None:
    directory = TemporaryDirectory(str(tmp_path))
    # A lock is lost with any descriptor of its file that is closed.
    (Path(directory.path) / ".lock").read_bytes()

    workflow.python("-c", MAKES, tmp_path)

    assert names_in(tmp_path) == {Path(directory.path).name}


def test_what_another_machine_has_made_stays(other: Process) -> None:
    other.kill()
    lock = other.directory / ".lock"
    process, name = lock.read_text().split()
    lock.write_text(f"{process} another-{name}")

    TemporaryDirectory()

    assert (other.directory / "file").exists()
    shutil.rmtree(other.directory)


def test_a_forked_child_does_not_keep_what_its_parent_has_left(
    workflow: Workflow, tmp_path: Path
) -> None:
    parent = Process(workflow, str(tmp_path), "fork")
    try:
        parent.kill()

        directory = TemporaryDirectory(str(tmp_path))

        assert names_in(tmp_path) == {Path(directory.path).name}
    finally:
        parent.end()


@pytest.mark.parametrize("names", [[], [".lock.new"]], ids=["before", "while locking"])
def test_what_a_process_leaves_that_is_killed_at_its_first_step_is_removed(
    tmp_path: Path, names: list[str]
) -> None:
    hours = (0, 60)
    for directory, age in zip(
        (tmp_path / "bandsaw-0123456789", tmp_path / "bandsaw-abcdef0123"), hours
    ):
        directory.mkdir()
        for name in names:
            (directory / name).touch()
        moment = os.stat(directory).st_mtime - age * 3600
        os.utime(directory, (moment, moment))

    made = TemporaryDirectory(str(tmp_path))

    assert names_in(tmp_path) == {
        "bandsaw-0123456789",
        os.path.basename(made.path),
    }


@pytest.mark.parametrize("inside", ["", "directory-of-{}"])
def test_the_lock_of_a_directory_is_removed_last(
    other: Process, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    names = [f"file-{number}" for number in range(20)]
    for name in names:
        path = other.directory / inside.format(name) / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    removed: list[str] = []
    for function in (os.unlink, os.rmdir):
        monkeypatch.setattr(
            os,
            function.__name__,
            lambda path, *, function=function, **given: (
                removed.append(os.path.basename(path)),
                function(path, **given),
            ),
        )
    other.kill()

    TemporaryDirectory()

    assert removed.index(".lock") > max(map(removed.index, names))


def test_only_what_holds_a_lock_is_removed(tmp_path: Path) -> None:
    for name in "bandsaw-of-user-0123456789", "other":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "bandsaw-file-0123456789").touch()
    (tmp_path / "bandsaw-link-0123456789").symlink_to(tmp_path / "other")
    (tmp_path / "bandsaw-pipe-0123456789").mkdir()
    os.mkfifo(str(tmp_path / "bandsaw-pipe-0123456789" / ".lock"))
    (tmp_path / "bandsaw-of-user").mkdir()
    os.utime(tmp_path / "bandsaw-of-user", (0, 0))
    before = names_in(tmp_path)

    TemporaryDirectory(str(tmp_path)).remove()

    assert names_in(tmp_path) == before


def test_a_directory_inside_of_another_one_needs_no_lock() -> None:
    outer = TemporaryDirectory()
    inner = TemporaryDirectory(outer.path, "session-")

    assert names_in(Path(inner.path)) == set()
    outer.remove()
    assert not os.path.exists(inner.path)


WORKFLOW = """
import os, signal, sys
import bandsaw

@bandsaw.task
def hang():
    os.write(1, b"hanging\\n")
    while True:
        signal.pause()

if __name__ == "__main__":
    hang()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("is_chosen", [False, True])
def test_a_child_removes_what_its_killed_parent_leaves(
    workflow: Workflow, tmp_path: Path, number: signal.Signals, is_chosen: bool
) -> None:
    temporary, config = Path(tempfile.gettempdir()), MOVING
    if is_chosen:
        temporary = tmp_path / "chosen"
        temporary.mkdir()
        config += f"configuration.set_temp_directory({str(temporary)!r})\n"
    workflow.write_script(WORKFLOW, config)
    process = workflow.start("workflow.py", start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "hanging\n"
    assert names_in(temporary) != set()

    process.send_signal(number)
    process.communicate()

    wait_until(lambda: names_in(temporary) == set())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_what_a_killed_process_of_a_pool_leaves_is_removed_at_the_end(
    workflow: Workflow, method: str
) -> None:
    script = read_script("killed_in_a_pool.py")

    # conftest looks for what is left.
    assert workflow.run(script, method).stdout == "True\n"


WHERE = """
import os, sys
from bandsaw.runtime.temporary import TemporaryDirectory, choose_directory

directory = TemporaryDirectory()
place = os.path.dirname(directory.path)
directory.remove()
print(os.path.exists(directory.path))
print("tempfile" in sys.modules, "shutil" in sys.modules)
import tempfile
print(place == tempfile.gettempdir(), place)
"""


@pytest.mark.parametrize(
    ("variables", "is_quick"),
    [
        ({"TMPDIR": "{}/first", "TMP": "{}/second"}, True),
        ({"TMPDIR": "", "TMP": "{}/second"}, True),
        ({"TMPDIR": "{}/missing", "TMP": "{}/second"}, False),
        ({"TMPDIR": "{}/file", "TEMP": "{}/first"}, False),
    ],
)
def test_a_directory_is_made_where_python_makes_them(
    workflow: Workflow, tmp_path: Path, variables: dict[str, str], is_quick: bool
) -> None:
    for name in "first", "second":
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch(0o700)

    environment = {name: text.format(tmp_path) for name, text in variables.items()}
    output = workflow.python("-c", WHERE, environment=environment).stdout.split()

    assert output[:1] + output[3:4] == ["False", "True"]
    # What takes long to import is imported when it is needed.
    assert not is_quick or output[1:3] == ["False", "False"]
    assert Path(output[4]).parent == tmp_path


@pytest.mark.parametrize("removals", range(1, 9))
def test_what_leads_to_a_directory_may_be_removed_meanwhile(
    removals: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "above" / "place"
    choose_directory(str(place))
    make = os.mkdir
    left = removals

    def make_after_a_removal(path: str, mode: int = 0o777) -> None:
        nonlocal left
        if left:
            left -= 1
            for empty in (place, place.parent):
                with contextlib.suppress(OSError):
                    empty.rmdir()
        make(path, mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", make_after_a_removal)
        directory = TemporaryDirectory(str(place))

    assert left == 0
    assert Path(directory.path).parent == place
    directory.remove()


@pytest.mark.parametrize("call", ["mkdir", "open", "write", "rename"])
def test_a_directory_that_cannot_be_locked_does_not_stay(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    TemporaryDirectory(str(tmp_path)).remove()
    gc.collect()  # What earlier tests have left open
    before = len(os.listdir("/dev/fd"))
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space left"):
            TemporaryDirectory(str(tmp_path))
    gc.collect()

    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/dev/fd")) == before
