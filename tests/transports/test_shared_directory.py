"""Large buffers go by a file where both ends of a connection share a directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Callable

import pytest

from bandsaw.exceptions import ProtocolError
from bandsaw.serialization.buffers import ClosedContent, blocks_of
from bandsaw.serialization.shared_memory import open_named_buffers, write_named_buffers
from bandsaw.session.frame_format import SessionFrames
from bandsaw.transports import shared_directory
from bandsaw.transports.frames import FarSessionMessage, SavedSession
from bandsaw.transports.lane import LaneChannel
from bandsaw.transports.shared_directory import OfferedDirectories, read_probe
from tests.waiting import wait_until
from tests.workflows import FAR, HEAD, Workflow

NAME = "0123456789abcdef" * 2


@pytest.fixture
def offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], OfferedDirectories]:
    """Make directories, none of them beside those of other processes."""
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(shared_directory, "_SHARED_MEMORY", str(memory))
    return lambda: OfferedDirectories(str(tmp_path / "others"))


def test_the_first_directory_that_both_ends_have_is_chosen(
    offered: Callable[[], OfferedDirectories],
) -> None:
    directories = offered()
    first, second = directories.paths
    found = [read_probe(path) for path in (first, second)]

    chosen = directories.choose(["", found[1]])

    assert chosen == second
    assert os.listdir(second) == [".lock"]
    assert not os.path.exists(first)
    directories.remove()
    assert not os.path.exists(second)


def put_another_content(probe: Path) -> None:
    probe.write_bytes(bytes(32))


def put_a_link(probe: Path) -> None:
    probe.rename(probe.with_name("moved"))
    probe.symlink_to("moved")


def let_others_enter(probe: Path) -> None:
    probe.parent.chmod(0o750)


@pytest.mark.parametrize(
    "change", [put_another_content, put_a_link, let_others_enter, Path.unlink]
)
def test_a_directory_that_is_another_one_there_is_not_shared(
    offered: Callable[[], OfferedDirectories], change: Callable[[Path], None]
) -> None:
    directories = offered()
    for path in directories.paths:
        change(Path(path, "probe"))
    paths = directories.paths
    found = [read_probe(path) for path in paths]

    assert directories.choose(found) is None
    assert not any(map(os.path.exists, paths))


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("make", [make_link, os.mkfifo, Path.mkdir])
def test_nothing_but_a_file_is_opened(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / NAME)
    with pytest.raises((OSError, ValueError)):
        open_named_buffers(NAME, str(tmp_path))


@pytest.mark.parametrize("name", ["../" + NAME, NAME[1:], "/etc/passwd", ".lock", ""])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "shared"
    path.mkdir()
    (tmp_path / NAME).touch()
    with pytest.raises(ValueError, match="no name of a file with large buffers"):
        open_named_buffers(name, str(path))


def test_a_file_loses_its_name_when_it_is_opened(tmp_path: Path) -> None:
    name = write_named_buffers([memoryview(b"content")], str(tmp_path))
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600

    with open(open_named_buffers(name, str(tmp_path)), "rb") as file:
        assert file.read().rstrip(b"\0") == b"content"
    assert not os.listdir(tmp_path)


def test_a_file_of_an_answer_is_refused_where_no_directory_is_shared() -> None:
    form = {"session": {}, "members": {}, "buffers": {}}
    with pytest.raises(ProtocolError, match="there is no place for it"):
        SavedSession.open({"form": form, "file": NAME, "sizes": [1]}, b"", ())


@pytest.mark.parametrize("size", [1 << 18, 1 << 19])
@pytest.mark.parametrize("place", ["shared", "missing"])
def test_large_buffers_are_in_a_file_where_one_can_be_written(
    tmp_path: Path, size: int, place: str
) -> None:
    (tmp_path / "shared").mkdir()
    content = os.urandom(size)
    form = SessionFrames()
    closed = ClosedContent(memoryview(content).toreadonly())
    form.members["a"] = (b"content", [closed, memoryview(content)])
    channel = LaneChannel.__new__(LaneChannel)
    channel.shared_directory = str(tmp_path / place)
    with FarSessionMessage(form) as session_message:
        for _ in range(2):  # Another process may need it once more.
            session_message.pack_for(channel)
            count = len(os.listdir(tmp_path / "shared"))
            assert count == (size >= 1 << 19 and place == "shared")
        head = SavedSession(**session_message.fields).encode()
        pieces = b"".join(session_message.pieces)
        _, read = SavedSession.open(head, pieces, (), channel.shared_directory)
    for buffer in read.members["a"][1]:
        assert b"".join(map(bytes, blocks_of(buffer))) == content
    assert not os.listdir(tmp_path / "shared")


def test_what_is_not_opened_is_removed_by_its_sender(tmp_path: Path) -> None:
    form = SessionFrames()
    form.members["a"] = (b"content", [memoryview(bytes(1 << 20))])
    channel = LaneChannel.__new__(LaneChannel)
    channel.shared_directory = str(tmp_path)
    with FarSessionMessage(form) as session_message:
        session_message.pack_for(channel)
        assert os.listdir(tmp_path)
    assert not os.listdir(tmp_path)


CONFIG = f"""
import bandsaw
{FAR}
configuration = bandsaw.Configuration().add_advice_chain(far())
"""

MAPPED = (
    HEAD
    + """
import re
import numpy as np

def shared():
    with open("/proc/self/maps") as maps:
        return re.findall(r"(/\\S*/bandsaw-shared-\\w+)/\\w+", maps.read())

@bandsaw.task
def double(array):
    return 2 * array, shared()

@bandsaw.task
def hang(array):
    print(os.getppid(), *shared(), flush=True)
    import time
    time.sleep(600)

ARRAY = np.arange(1 << 18)
"""
)

needs_maps = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@needs_maps
def test_arguments_and_results_are_mapped_and_nothing_is_left(
    workflow: Workflow,
) -> None:
    pytest.importorskip("numpy")
    output = workflow.output(
        MAPPED
        + """
if __name__ == "__main__":
    for _ in range(3):
        doubled, [place] = double(ARRAY)
        print((doubled == 2 * ARRAY).all(), shared() == [place], os.listdir(place))
        doubled += 1
    print(place)
""",
        config=CONFIG,
    )
    *lines, place = output.splitlines()
    assert lines == ["True True ['.lock']"] * 3
    assert not os.path.exists(place)


@needs_maps
@pytest.mark.parametrize("end", ["caller", "server"])
def test_nothing_is_left_by_an_end_that_is_killed(workflow: Workflow, end: str) -> None:
    pytest.importorskip("numpy")
    script = '\nif __name__ == "__main__":\n    print(text_of(hang, ARRAY))\n'
    workflow.write_script(MAPPED + script, CONFIG)
    process = workflow.start("workflow.py")
    assert process.stdout is not None
    server, place = process.stdout.readline().split()
    assert os.listdir(place) == [".lock"]

    os.kill(process.pid if end == "caller" else int(server), 9)

    process.communicate()
    wait_until(lambda: not os.path.exists(place))
