"""Both ends of a channel, against each other."""

from __future__ import annotations

import contextlib
import marshal
import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Tuple

import pytest
from hypothesis import given, strategies as st

from bandsaw.exceptions import InvalidSessionError, ProtocolError
from bandsaw.serialization.buffers import (
    ClosedContent,
    FileContent,
    HeldContent,
    blocks_of,
)
from bandsaw.serialization.shared_memory import map_buffers, write_buffers
from bandsaw.session.frame_format import SessionFrames
from bandsaw.transports import frames
from bandsaw.transports.frames import (
    Channel,
    Handshake,
    Message,
    Prepare,
    Progress,
    Record,
    SavedSession,
    SentSession,
    SessionMessage,
    Settings,
    WholeSessionMessage,
)
from tests.waiting import wait_until

if TYPE_CHECKING:
    from bandsaw.serialization.buffers import Buffer

Ends = Tuple[Channel, Channel]


def make_ends() -> Ends:
    here, there = socket.socketpair()
    return Channel(here.detach(), is_alive=lambda: True), Channel(there.detach())


@pytest.fixture
def ends() -> Iterator[Ends]:
    here, there = make_ends()
    yield here, there
    here.close()
    there.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


CONTENT = st.lists(st.binary(max_size=3000), max_size=4)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([frames.HANDSHAKE, frames.JOB, frames.ANSWER, frames.EXIT]),
            st.dictionaries(st.text(max_size=5), JSON, max_size=4),
            CONTENT,
        )
        | st.tuples(st.sampled_from([frames.CALL, frames.VALUE]), st.none(), CONTENT),
        max_size=5,
    )
)
def test_frames_arrive_as_they_were_sent(
    sent: list[tuple[int, dict[str, Any], list[bytes]]],
) -> None:
    here, there = make_ends()
    try:
        for kind, head, pieces in sent:
            here.send(kind, head, pieces)
        for kind, head, pieces in sent:
            received = there.receive()
            assert received[0] == kind
            assert received[1] == (head or {})
            assert bytes(received[2]) == b"".join(pieces)
            assert received[3] == ()
    finally:
        here.close()
        there.close()


def test_large_frames_of_many_pieces_arrive(ends: Ends) -> None:
    here, there = ends
    pieces = [bytes([number % 256]) * 10_000 for number in range(2_000)]
    thread = threading.Thread(target=here.send, args=(frames.JOB, {"a": 1}, pieces))
    thread.start()

    _, head, content, _ = there.receive()

    thread.join()
    assert head == {"a": 1}
    assert bytes(content) == b"".join(pieces)


def test_a_file_goes_along_and_belongs_to_the_receiver(
    ends: Ends, tmp_path: Any
) -> None:
    here, there = ends
    for number in range(3):
        path = tmp_path / str(number)
        path.write_text(f"content {number}")
        with path.open() as file:
            here.send(frames.JOB, {}, [b"x" * number], [file.fileno()])
        path.unlink()

    for number in range(3):
        _, _, content, (descriptor,) = there.receive()
        assert not os.get_inheritable(descriptor)
        with os.fdopen(descriptor) as received:
            received.seek(0)
            assert received.read() == f"content {number}"
        assert len(content) == number


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage " * 10,
        b"bSaW" + bytes(20),  # no such kind
        b"bSaW\x03\x09" + bytes(20),  # too many files
        b"bSaW\x03\x00" + b"\xff" * 12,  # an endless head
        b"bSaW\x03\x00" + bytes(4) + b"\xff" * 8,  # an endless content
        b"bSaW\x03\x01" + bytes(12),  # a file that has not come
        b"bSaW\x03\x00\x02\x00\x00\x00" + bytes(8) + b"[]",  # no dict
        b"bSaW\x03\x00\x02\x00\x00\x00" + bytes(8) + b"{x",  # no JSON
    ],
)
def test_what_is_no_frame_is_refused(ends: Ends, garbage: bytes) -> None:
    here, there = ends
    there._socket.send(garbage)
    with pytest.raises(ProtocolError):
        here.receive(time.monotonic() + 30)


def test_the_end_of_the_other_end_is_noticed(ends: Ends) -> None:
    here, there = ends
    there.send(frames.ANSWER, {"last": "words"})
    there.close()

    assert here.receive()[1] == {"last": "words"}
    with pytest.raises(EOFError):
        here.receive()
    with pytest.raises(EOFError):
        for _ in range(2):
            here.send(frames.JOB)


def test_a_dead_process_ends_the_wait_though_the_socket_is_open() -> None:
    here, there = socket.socketpair()
    alive = threading.Event()
    alive.set()
    channel = Channel(here.detach(), is_alive=alive.is_set)
    threading.Timer(0.3, alive.clear).start()
    with pytest.raises(EOFError):
        channel.receive()
    with pytest.raises(EOFError):
        channel.send(frames.JOB, {}, [bytes(10_000_000)])
    channel.close()
    there.close()


def test_what_a_process_has_written_before_it_died_is_read() -> None:
    here, there = socket.socketpair()
    other = Channel(there.detach())

    def write_and_die() -> bool:
        other.send(frames.JOB, {"last": "words"})
        return False

    channel = Channel(here.detach(), is_alive=write_and_die)
    channel.watch(other._descriptor, lambda: None)
    assert channel.receive()[1] == {"last": "words"}
    channel.close()
    other.close()


def test_what_is_watched_no_longer_is_not_called(ends: Ends) -> None:
    here, there = ends
    reading, writing = os.pipe()
    called: list[int] = []

    def forget() -> None:
        called.append(1)
        here.forget(reading)
        here.forget(reading)
        there.send(frames.JOB, {"x": 1})

    here.watch(reading, forget)
    os.write(writing, b"x")
    assert here.receive()[1] == {"x": 1}

    # It can still be read, which must not keep the end that waits busy.
    here.meanwhile = lambda: there.send(frames.JOB, {"x": 2})
    assert here.receive(time.monotonic() + 10)[1] == {"x": 2}
    assert called == [1]
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("direction", ["receive", "send"])
def test_a_deadline_ends_a_wait(ends: Ends, direction: str) -> None:
    here, _ = ends
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        if direction == "receive":
            here.receive(start + 0.2)
        else:
            here.send(frames.JOB, {}, [bytes(10_000_000)], deadline=start + 0.2)
    assert time.monotonic() - start >= 0.2


def test_a_deadline_ends_the_wait_for_another_thread_that_sends() -> None:
    here, there = make_ends()

    def send_much() -> None:
        with contextlib.suppress(EOFError):
            here.send(frames.JOB, {}, [bytes(1 << 24)])

    sending = threading.Thread(target=send_much)
    sending.start()
    wait_until(lambda: there._ready.poll(0))

    with pytest.raises(TimeoutError):
        here.send(frames.EXIT, deadline=time.monotonic() + 0.1)

    there.close()
    sending.join()
    here.close()


def test_the_end_that_is_asked_waits_only_so_long(ends: Ends) -> None:
    here, there = ends
    there.set_timeout(0.05)
    with pytest.raises(TimeoutError):
        there.receive()
    here.send(frames.EXIT)
    assert there.receive()[0] == frames.EXIT


def test_threads_send_whole_frames(ends: Ends) -> None:
    here, there = ends

    def send(number: int) -> None:
        for _ in range(50):
            there.send(frames.RECORD, {"number": number}, [bytes([number]) * 5000])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        _, head, content, _ = here.receive(time.monotonic() + 60)
        assert bytes(content) == bytes([head["number"]]) * 5000
    for thread in threads:
        thread.join()


def test_a_head_may_hold_what_users_have_derived_from_plain_data(ends: Ends) -> None:
    class Word(str):
        pass

    here, there = ends
    here.send(frames.JOB, {"word": Word("x"), "words": (Word("y"), "(z[z" * 9)})

    assert there.receive()[1] == {"word": "x", "words": ["y", "(z[z" * 9]}


@pytest.mark.parametrize("code", [b"(", b"["])
@pytest.mark.parametrize("nested", [1, 2])
def test_a_list_that_claims_more_than_there_is_takes_no_memory(
    ends: Ends, code: bytes, nested: int
) -> None:
    here, there = ends
    claim = code + (b"\xff\xff\xff\x7f" if nested == 1 else b"\x20\0\0\0")
    head = b"{" + marshal.dumps("a", 2) + nested * claim + b"N" * 30

    there._socket.send(frames._HEADER.pack(b"bSaW", frames.JOB, 0, len(head), 0) + head)

    with pytest.raises(ProtocolError, match="head of a frame is damaged"):
        here.receive(time.monotonic() + 30)


def test_a_content_that_never_comes_takes_no_memory(ends: Ends) -> None:
    resource = pytest.importorskip("resource")
    here, there = ends
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    header = frames._HEADER.pack(b"bSaW", frames.JOB, 0, 0, 1 << 30)
    there._socket.send(header + b"beginning")
    there.close()

    with pytest.raises((EOFError, ProtocolError)):
        here.receive(time.monotonic() + 30)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < (1 << 19)  # Units of 1 KiB, on macOS of 1 B


MESSAGES = [
    Settings(path=["a"], environment={"A": "b"}, script="script", arguments=["c"]),
    Handshake(run={"id": "1"}, idle_timeout=1.5, settings={}),
    Prepare(configuration="a", modules=["b", "c"]),
    SavedSession(form={"members": {}}, sizes=[1, 2], mapped=1),
    SentSession(form={}, levels={"": 30}, held=[["a", "b"]], memory_limit=5),
    Record(name="a", levelno=20, msg="b"),
    Progress(task="a", done=1, total=2.5, message="b"),
]
_NAMES = [type(message).__name__ for message in MESSAGES]


@pytest.mark.parametrize("message", MESSAGES, ids=_NAMES)
def test_a_message_arrives_as_it_was_sent(ends: Ends, message: Message) -> None:
    here, there = ends
    here.send(frames.JOB, message.encode())

    received = type(message).decode(there.receive()[1])

    assert received.encode() == message.encode()


@pytest.mark.parametrize("message", MESSAGES, ids=_NAMES)
def test_a_field_that_is_damaged_or_missing_is_named(message: Message) -> None:
    for name, types in message.FIELDS:
        head = dict(message.encode())
        head[name] = b"damaged"
        with pytest.raises(ProtocolError, match=rf"has b'damaged' as its {name}\."):
            type(message).decode(head)
        del head[name]
        if type(None) not in types:
            with pytest.raises(ProtocolError, match=rf"lacks {name}\."):
                type(message).decode(head)


@pytest.mark.parametrize(
    "damage",
    [
        {"sizes": [-5, 5]},
        {"sizes": [1 << 40]},
        {"sizes": ["1"]},
        {"sizes": [1], "mapped": 2},
        {"mapped": -1},
        {"form": None},
        {"closed": [[0, 1, 0, 1]]},
        {"closed": [[0, -1, 0, 1]]},
        {"closed": [[0, 0, 0, 1 << 40]]},
        {"closed": [[0, 0, 0]]},
        {"closed": [5]},
    ],
)
def test_the_file_of_a_damaged_message_is_closed(damage: dict[str, Any]) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    form: dict[str, Any] = {"session": {}, "members": {}, "buffers": {}}
    head = {"form": form, "sizes": [], **damage}

    with pytest.raises(ProtocolError):
        SavedSession.open(head, b"", (reading,))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


def test_a_parcel_without_buffers_has_no_file() -> None:
    form = SessionFrames()
    form.head = {"step": 1}
    form.members["a"] = (b"content", ())
    with SessionMessage(form) as session_message:
        assert session_message.descriptors == ()
        assert set(session_message.fields) == {"form"}


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_large_buffers_lie_on_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))

    descriptor = write_buffers([memoryview(b"content")])

    os.lseek(descriptor, 0, os.SEEK_SET)
    assert os.read(descriptor, 100).rstrip(b"\0") == b"content"
    os.close(descriptor)


def test_a_large_attachment_can_be_read_more_than_once(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"content")
    content = FileContent(lambda: path.open("rb"), 7)
    descriptor = write_buffers([content])
    [read] = map_buffers(descriptor, [7], 0)
    os.close(descriptor)

    for _ in range(2):
        assert b"".join(bytes(block) for block in blocks_of(read)) == b"content"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_buffers_that_cannot_be_written_leave_no_descriptor(tmp_path: Path) -> None:
    content = FileContent(lambda: (tmp_path / "missing").open("rb"), 7)
    before = os.listdir("/proc/self/fd")

    with pytest.raises(FileNotFoundError):
        write_buffers([content])

    assert os.listdir("/proc/self/fd") == before


def test_a_parcel_without_its_file_is_no_session() -> None:
    form = SessionFrames()
    form.head = {"step": 1}
    form.members["a"] = (b"content", [memoryview(bytes(100))])
    with SessionMessage(form) as session_message:
        head = SavedSession(**session_message.fields).encode()

    with pytest.raises(InvalidSessionError, match="whole session"):
        SavedSession.open(head, b"content", ())


def test_a_whole_parcel_brings_its_buffers_which_can_be_changed() -> None:
    contents = [bytes([number]) * size for number, size in enumerate((100, 64, 1))]
    form = SessionFrames()
    form.head = {"step": 1}
    form.members["a"] = (b"content", [memoryview(content) for content in contents])
    session_message = WholeSessionMessage(form)
    head = SavedSession(**session_message.fields).encode()

    _, read = SavedSession.open(head, b"".join(session_message.pieces), ())

    content, buffers = read.members["a"]
    assert bytes(content) == b"content"
    assert [bytes(buffer) for buffer in buffers] == contents
    assert not any(buffer.readonly for buffer in buffers)


def moved(buffers: Iterable[Buffer], ends: Ends) -> Iterable[Buffer]:
    """Buffers as they arrive at the other end."""
    here, there = ends
    form = SessionFrames()
    form.head = {"step": 1}
    form.members["a"] = (b"", [*buffers])
    with SessionMessage(form) as session_message:
        message = SavedSession(**session_message.fields).encode()
        here.send(
            frames.ANSWER, message, session_message.pieces, session_message.descriptors
        )
    _, head, content, descriptors = there.receive()
    _, read = SavedSession.open(head, content, descriptors)
    return read.members["a"][1]


def closed(number: int) -> ClosedContent:
    return ClosedContent(memoryview(bytes([number]) * 100_000))


def test_what_the_recipient_cannot_read_stays_in_its_file_and_goes_on(
    ends: Ends, tmp_path: Path
) -> None:
    path = tmp_path / "attachment"
    path.write_bytes(b"\4" * 10)
    attachment = FileContent(lambda: path.open("rb"), 10)
    arrays = [memoryview(bytes([number]) * 70) for number in range(2)]
    first = moved([closed(2), arrays[0], closed(3), attachment], ends)
    kept = [buffer for buffer in first if isinstance(buffer, HeldContent)]
    other = [b for b in moved([closed(5)], ends) if isinstance(b, HeldContent)]

    again = list(moved([kept[1], arrays[1], *other, closed(6), kept[0]], ends))

    places = [bytes(next(iter(blocks_of(buffer)))[:1]) for buffer in first]
    assert places == [b"\2", b"\0", b"\3", b"\4"]
    places = [bytes(next(iter(blocks_of(buffer)))[:1]) for buffer in again]
    assert places == [b"\3", b"\1", b"\5", b"\6", b"\2"]
    assert [buffer.nbytes for buffer in again] == [10**5, 70, *[10**5] * 3]
    assert kept[0].file is kept[1].file


def test_what_goes_on_can_be_changed_where_it_arrives_only(ends: Ends) -> None:
    (kept,) = moved([closed(1)], ends)
    (arrived,) = moved([kept], ends)
    assert isinstance(kept, HeldContent)
    assert isinstance(arrived, HeldContent)

    memory = arrived.mapped()
    memory[0] = 2

    assert kept.mapped() == closed(1).mapped()
    if sys.platform == "linux":
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(arrived.file.descriptor, b"\2")


def test_more_files_than_go_along_with_a_frame_are_copied(ends: Ends) -> None:
    kept = [buffer for number in range(40) for buffer in moved([closed(number)], ends)]

    arrived = moved(kept, ends)

    assert [next(iter(blocks_of(buffer)))[0] for buffer in arrived] == [*range(40)]


@pytest.mark.parametrize("inside", [[-5, 5], [1 << 40], ["1"], [1, 1]])
def test_a_damaged_whole_parcel_is_refused(inside: list[Any]) -> None:
    form = {"session": {}, "members": {}, "buffers": {}}

    with pytest.raises(ProtocolError, match="buffers of a frame are damaged"):
        SavedSession.open({"form": form, "inside": inside}, bytes(64), ())


@given(st.data())
def test_a_damaged_head_is_refused_or_read(data: st.DataObject) -> None:
    head = marshal.dumps({"form": {"a (b": [1, 2.5, [None, True, "ä"]]}, "b": 2**70}, 2)
    damaged = bytearray(head)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(head) - 1))
        # What the codes of `marshal` are, more often than by chance
        damaged[place] = data.draw(
            st.sampled_from(b"([{0NTFiluts") | st.integers(0, 255)
        )
    here, there = make_ends()
    try:
        there._socket.send(
            frames._HEADER.pack(b"bSaW", frames.JOB, 0, len(head), 0) + damaged
        )
        received = here.receive(time.monotonic() + 30)[1]
        assert isinstance(received, dict)
    except ProtocolError:
        pass
    finally:
        here.close()
        there.close()
