"""The streams of a link: none holds up another one, and their order is kept."""

from __future__ import annotations

import os
import socket
from typing import Any, Iterator

import pytest

from bandsaw.exceptions import ProtocolError
from bandsaw.transports.boot import HEADER
from bandsaw.transports.link import OPEN, Link, LinkEnded, pack_exit, read_exit

# What a stream may have under way, and what pipes and queues may hold beside that.
MOST = (1 << 20) + (1 << 19)


class Ends:
    """Both ends of a link, and pipes for their streams."""

    def __init__(self) -> None:
        self.sockets = socket.socketpair()
        first, second = (one.fileno() for one in self.sockets)
        self.here, self.there = Link(first, first), Link(second, second)
        self.own: list[int] = []

    def stream(self, number: int) -> tuple[int, int]:
        """Returns what to write to here, and what to read from there."""
        (source, target), (far_source, far_target) = os.pipe(), os.pipe()
        self.here.attach(number, source, "r")
        self.there.attach(number, far_target, "w")
        for descriptor in target, far_source:
            os.set_blocking(descriptor, False)
        self.own += [target, far_source]
        return target, far_source

    def turn(self, times: int = 4) -> None:
        for _ in range(times):
            self.here.turn(0)
            self.there.turn(0)

    def close(self) -> None:
        for link in self.here, self.there:
            link.close()
        for descriptor in self.own:
            os.close(descriptor)
        for one in self.sockets:
            one.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.close()


def write_some(target: int) -> int:
    try:
        return os.write(target, bytes(1 << 16))
    except BlockingIOError:
        return 0


def read_some(source: int) -> bytes:
    try:
        return os.read(source, 1 << 16)
    except BlockingIOError:
        return b""


def test_a_stream_that_is_not_read_holds_little_and_holds_up_no_other(
    ends: Ends,
) -> None:
    full, not_read = ends.stream(1)
    other, source = ends.stream(2)
    written = 0
    for _ in range(100):
        written += write_some(full)
        ends.turn()

    os.write(other, b"small")
    ends.turn()

    assert read_some(source) == b"small"
    assert 1 << 20 <= written <= MOST
    read = 0
    for _ in range(1000):
        read += len(read_some(not_read))
        ends.turn()
    assert read == written


def test_what_was_written_before_arrives_before(ends: Ends) -> None:
    (output, to_output), (channel, to_channel) = os.pipe(), os.pipe()
    first = ends.here.attach(1, output, "r")
    ends.here.attach(0, channel, "r", (first,))
    (to_first, from_first), (to_second, from_second) = os.pipe(), os.pipe()
    there = ends.there.attach(1, from_first, "w")
    ends.there.attach(0, from_second, "w", (there,))
    ends.own += [to_output, to_channel, to_first, to_second]
    for descriptor in to_first, to_second, to_output:
        os.set_blocking(descriptor, False)
    # As much as one pipe can hold is not read yet, and more follows.
    while write_some(to_output):
        ends.turn()
    os.write(to_channel, b"answer")
    ends.turn()

    assert read_some(to_second) == b""
    while read_some(to_first):
        ends.turn()

    assert read_some(to_second) == b"answer"


def test_messages_about_no_stream_are_returned(ends: Ends) -> None:
    ends.here.send(OPEN, 3, b"content")
    ends.here.turn(0)

    assert ends.there.turn(0) == [(OPEN, 3, b"content")]


def test_something_else_than_messages_is_refused(ends: Ends) -> None:
    ends.sockets[0].sendall(b"g" * HEADER.size)

    with pytest.raises(ProtocolError, match="beginning with b'ggg"):
        ends.there.turn(1)


def test_the_end_of_the_link_is_noticed(ends: Ends) -> None:
    ends.sockets[0].shutdown(socket.SHUT_WR)

    with pytest.raises(LinkEnded):
        ends.there.turn(1)


@pytest.mark.parametrize("end", [(0,), (-9,), (None, "OSError: no room\nat all")])
def test_how_a_process_has_ended_arrives_as_text(end: tuple[Any, ...]) -> None:
    status, reason = (*end, "")[:2]
    assert read_exit(pack_exit(*end)) == (status, reason)


@pytest.mark.parametrize("content", [b"killed\n", b"\xff\x00(\xff\xff\xff\x7f"])
def test_an_end_that_makes_no_sense_is_refused(content: bytes) -> None:
    with pytest.raises(ProtocolError, match="A process has ended with"):
        read_exit(content)
