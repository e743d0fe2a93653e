"""Large arguments are sent once, and each call reads a value of its own."""

from __future__ import annotations

import os
from typing import Any, Callable

import pytest

from bandsaw.exceptions import ProtocolError
from bandsaw.serialization.shared_memory import map_buffers
from bandsaw.transports import keeping
from bandsaw.transports.frames import SavedSession
from bandsaw.transports.keeping import (
    Keeping,
    KeptFiles,
    Storing,
    numbers_of,
    pack_numbers,
)
from bandsaw.transports.sharing import Sharing
from tests.transports.test_buffers import CONFIG as CHAINS
from tests.transports.test_far import config
from tests.workflows import HEAD, Workflow, read_script

SIZE = 1 << 18


def content_of(character: str) -> memoryview:
    return memoryview(character.encode() * SIZE)


def never(is_there: Callable[[], bool]) -> None:
    raise AssertionError("nothing is being sent")


class FarEnd:
    """Values that are kept, without a connection."""

    def __init__(self) -> None:
        self.dropped: list[int] = []
        self.keeping = Keeping(self.dropped.append)

    def claim(self, character: str) -> keeping.KeptBuffer | None:
        return self.keeping.claim(content_of(character), None, never)

    def keep(self, character: str) -> keeping.KeptBuffer:
        """Send something, unless it was sent before."""
        kept = self.claim(character)
        assert kept is not None
        if not kept.digest:
            digest = keeping.new_digest()
            digest.update(content_of(character))
            self.keeping.settle(kept, digest.digest())
        return kept


@pytest.fixture(name="far_end")
def _far_end(monkeypatch: pytest.MonkeyPatch) -> FarEnd:
    monkeypatch.setattr(keeping, "_MOST_KEPT", 2 * SIZE)
    return FarEnd()


# What is kept


def test_what_was_sent_before_is_referred_to_by_its_content(far_end: FarEnd) -> None:
    assert far_end.keep("a") is far_end.keep("a")
    assert far_end.keep("b") is not far_end.keep("a")


def test_what_was_used_least_is_dropped_and_sent_again(far_end: FarEnd) -> None:
    kept = [far_end.keep(character) for character in "ab"]
    far_end.keeping.release([*kept, far_end.keep("a")])

    far_end.keeping.release([far_end.keep("c")])
    again = far_end.claim("b")

    assert again is not None
    assert not again.digest
    assert far_end.dropped == [kept[1].number, kept[0].number]


def test_what_a_session_needs_is_not_dropped(far_end: FarEnd) -> None:
    far_end.keep("a")
    far_end.keep("b")

    assert far_end.claim("c") is None
    assert far_end.dropped == []


def test_what_could_not_be_sent_to_its_end_is_sent_anew(far_end: FarEnd) -> None:
    kept = far_end.claim("a")
    assert kept is not None

    far_end.keeping.abandon(kept)

    again = far_end.claim("a")
    assert again is not None
    assert again is not kept


def test_another_session_waits_for_what_is_being_sent(far_end: FarEnd) -> None:
    kept = far_end.claim("a")
    assert kept is not None
    waited: list[bool] = []

    def wait(is_there: Callable[[], bool]) -> None:
        waited.append(is_there())
        digest = keeping.new_digest()
        digest.update(content_of("a"))
        far_end.keeping.settle(kept, digest.digest())
        waited.append(is_there())

    assert far_end.keeping.claim(content_of("a"), None, wait) is kept
    assert waited == [False, True]


def test_what_differs_in_one_byte_is_something_else(far_end: FarEnd) -> None:
    far_end.keep("a")
    other = bytearray(content_of("a"))
    other[SIZE // 4] = 0

    found = far_end.keeping.claim(memoryview(other), None, never)

    assert found is not None
    assert not found.digest


@pytest.mark.parametrize("size", [1, 64, 500_000])
def test_a_kept_buffer_of_any_size_can_be_mapped(size: int) -> None:
    content = os.urandom(size)
    storing = Storing(1, size)
    assert storing.descriptor is not None

    storing.write(memoryview(content))

    (buffer,) = map_buffers(storing.descriptor, [size], 1)
    assert bytes(buffer) == content  # type: ignore[arg-type]
    storing.close()


@pytest.mark.parametrize("head", [None, [], {}, {"number": "1"}])
def test_a_buffer_without_a_number_is_refused(head: Any) -> None:
    with pytest.raises(ProtocolError, match="to be kept"):
        KeptFiles().store(head, 1)


def test_numbers_that_make_no_sense_are_refused() -> None:
    assert numbers_of(pack_numbers([1, 70000])) == [1, 70000]
    with pytest.raises(ProtocolError, match="Numbers of buffers"):
        numbers_of(b"abc")


@pytest.mark.parametrize(
    "apart", [[], [(0, 4), (1, 4)], [(1, 4)], [(-1, 4)], [(0, 1 << 40)], [4], [("", 4)]]
)
def test_files_that_do_not_fit_to_their_session_are_refused(apart: Any) -> None:
    form = {"session": {}, "members": {"a": 0}, "buffers": {"a": 1}}
    file = os.open(__file__, os.O_RDONLY)
    try:
        with pytest.raises(ProtocolError, match="files of a frame are damaged"):
            SavedSession.open({"form": form, "apart": apart}, b"", (), files=[file])
        _, found = SavedSession.open(
            {"form": form, "apart": [(0, 4)]}, b"", (), files=[file]
        )
        assert bytes(found.members["a"][1][0]) == b'"""L'  # type: ignore[arg-type]
    finally:
        os.close(file)


# What is shared


def test_a_buffer_that_only_one_session_had_is_soon_let_go() -> None:
    numpy = pytest.importorskip("numpy")
    sharing = Sharing()
    before = len(os.listdir("/dev/fd"))
    arrays = [numpy.full(SIZE, number, dtype="u1") for number in range(8)]

    for array in arrays:
        (found,) = sharing.look_up([memoryview(array)])
        assert found is not None
        assert os.pread(found.descriptor, 1, 0) == bytes(array[:1])
        del found

    assert len(os.listdir("/dev/fd")) - before == 2


def test_not_too_many_files_are_open() -> None:
    numpy = pytest.importorskip("numpy")
    sharing = Sharing()
    arrays = [memoryview(numpy.full(SIZE, 1, dtype="u1")) for _ in range(70)]

    found = sharing.look_up(arrays)

    assert len([one for one in found if one is not None]) == 64
    assert sharing.look_up(arrays) == found


def test_the_same_memory_in_another_shape_is_something_else() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(SIZE)
    view = memoryview(array)

    whole, part, backwards = Sharing().look_up([view, view[: SIZE // 2], view[::-1]])

    assert part is None
    assert whole is not None
    assert backwards is not None
    assert bytes(backwards.content) == array[::-1].tobytes()
    assert bytes(whole.content) == array.tobytes()


@pytest.mark.parametrize("chain", ["fresh", "pool", "far", "far apart"])
def test_what_items_of_a_map_share_is_read_once(workflow: Workflow, chain: str) -> None:
    pytest.importorskip("numpy")
    script = read_script("sharing_arrays.py")
    output = workflow.output(script, *chain.split(), config=CHAINS)

    expected = "first True\nothers True\na call True\nown True\nown True\n"
    more = {"fresh": "", "far apart": "left 0\nsent 6\n"}
    assert output == expected + more.get(chain, "left 0\n")


def test_a_far_end_without_room_is_sent_everything_each_time(
    workflow: Workflow,
) -> None:
    pytest.importorskip("numpy")
    output = workflow.output(
        HEAD
        + """
import numpy as np
from bandsaw.transports.lane import LaneChannel
from bandsaw.transports.shared_directory import OfferedDirectories

@bandsaw.task
def size(array):
    return os.getppid(), array.nbytes

def counted(self, place, content, *others, original=LaneChannel._send_kept):
    kept.append(content.nbytes)
    return original(self, place, content, *others)

kept = []

if __name__ == "__main__":
    OfferedDirectories.choose = lambda *_: None
    LaneChannel._send_kept = counted
    array = np.ones(1 << 20, dtype="u1")
    print([size(array) == (size(None or array[:1])[0], 1 << 20) for _ in range(3)])
    print(len(kept))
""",
        config=config("sh", "-c", 'ulimit -f 1000; exec "$@"', "sh"),
    )
    assert output == "[True, True, True]\n1\n"
