"""Both ends of a channel, against each other."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any, Iterator, Tuple

import pytest
from hypothesis import given, strategies as st

from bandsaw.exceptions import ProtocolError
from bandsaw.transports import frames
from bandsaw.transports.frames import Channel

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


@given(
    st.lists(
        st.tuples(
            st.integers(frames.GREETING, frames.FAREWELL),
            st.dictionaries(st.text(max_size=5), JSON, max_size=4),
            st.lists(st.binary(max_size=3000), max_size=4),
        ),
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
            assert received[1] == head
            assert bytes(received[2]) == b"".join(pieces)
            assert received[3] is None
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
            here.send(frames.JOB, {}, [b"x" * number], file.fileno())
        path.unlink()

    for number in range(3):
        _, _, content, descriptor = there.receive()
        assert descriptor is not None
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


def test_the_end_that_is_asked_waits_only_so_long(ends: Ends) -> None:
    here, there = ends
    there.be_patient(0.05)
    with pytest.raises(TimeoutError):
        there.receive()
    here.send(frames.FAREWELL)
    assert there.receive()[0] == frames.FAREWELL


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
