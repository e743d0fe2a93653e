"""The messages of a link: whole, in order, and from any thread."""

from __future__ import annotations

import socket
from threading import Thread
from typing import Any, Iterator

import pytest

from bandsaw.exceptions import ProtocolError
from bandsaw.transports.boot import HEADER
from bandsaw.transports.link import (
    DATA,
    OPEN,
    PIECE,
    Link,
    LinkEnded,
    pack_credit,
    pack_exit,
    read_credit,
    read_exit,
)
from tests.waiting import SECONDS, wait_until


class Ends:
    """Both ends of a link."""

    def __init__(self) -> None:
        self.sockets = socket.socketpair()
        first, second = (one.fileno() for one in self.sockets)
        self.woken = 0
        self.here = Link(first, first, wake=self.wake)
        self.there = Link(second, second)

    def wake(self) -> None:
        self.woken += 1


def turn(link: Link, seconds: float = 0) -> list[tuple[int, int, bytes]]:
    """Take a turn, and returns the messages that have arrived."""
    taken: list[tuple[int, int, bytes]] = []
    link.turn(seconds, lambda *message: taken.append((*message[:2], bytes(message[2]))))
    return taken


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    for one in made.sockets:
        one.close()


def test_messages_arrive_as_they_were_sent(ends: Ends) -> None:
    sent = [(OPEN, 3, b"content"), (DATA, 1 << 30, b""), (DATA, 0, bytes(PIECE))]
    for message in sent:
        ends.here.send(*message)
    received: list[tuple[int, int, bytes]] = []
    while len(received) < len(sent):
        turn(ends.here)
        received += turn(ends.there)

    assert received == sent


def test_another_thread_writes_at_once_what_it_sends(ends: Ends) -> None:
    thread = Thread(target=ends.here.post, args=(OPEN, 0))
    thread.start()
    thread.join()

    assert [message[0] for message in turn(ends.there)] == [OPEN]
    assert ends.woken == 0


def test_what_is_not_taken_at_once_is_left_to_the_next_turn(ends: Ends) -> None:
    count = 0
    while not ends.woken:
        ends.here.post(DATA, count, bytes(PIECE))
        count += 1
    numbers: list[int] = []
    while len(numbers) < count:
        turn(ends.here)
        numbers += [number for _, number, _ in turn(ends.there)]

    assert numbers == list(range(count))


def test_a_sender_waits_for_room(ends: Ends) -> None:
    while not ends.here.is_full:
        ends.here.send(DATA, 0, bytes(PIECE))
    thread = Thread(target=ends.here.await_room, args=(SECONDS,))
    thread.start()

    wait_until(lambda: bool(turn(ends.there)) and not ends.here.is_full)
    thread.join()


def test_an_interrupt_in_the_middle_of_a_turn_tears_the_link(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    ends.there.send(OPEN)
    turn(ends.there)
    with monkeypatch.context() as patched:
        patched.setattr("bandsaw.transports.link.memoryview", interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt):
            turn(ends.here, 1)

    with pytest.raises(ProtocolError, match="interrupt"):
        turn(ends.here, 1)


def test_something_else_than_messages_is_refused(ends: Ends) -> None:
    ends.sockets[0].sendall(b"g" * HEADER.size)

    with pytest.raises(ProtocolError, match="beginning with b'ggg"):
        turn(ends.there, 1)


def test_the_end_of_the_link_is_noticed(ends: Ends) -> None:
    ends.sockets[0].shutdown(socket.SHUT_WR)

    with pytest.raises(LinkEnded):
        turn(ends.there, 1)


def test_what_was_sent_before_the_end_arrives(ends: Ends) -> None:
    ends.there.send(OPEN)
    turn(ends.there)
    ends.sockets[1].close()
    ends.here.send(DATA)

    assert [message[0] for message in turn(ends.here, 1)] == [OPEN]
    with pytest.raises(LinkEnded):
        turn(ends.here, 1)


@pytest.mark.parametrize("end", [(0,), (-9,), (None, "OSError: no room\nat all")])
def test_how_a_process_has_ended_arrives_as_text(end: tuple[Any, ...]) -> None:
    status, reason = (*end, "")[:2]
    assert read_exit(pack_exit(*end)) == (status, reason)


@pytest.mark.parametrize("content", [b"killed\n", b"\xff\x00(\xff\xff\xff\x7f"])
def test_an_end_that_makes_no_sense_is_refused(content: bytes) -> None:
    with pytest.raises(ProtocolError, match="A process has ended with"):
        read_exit(content)


@pytest.mark.parametrize("content", [b"", pack_credit(OPEN, 1), bytes(6)])
def test_a_credit_that_makes_no_sense_is_refused(content: bytes) -> None:
    assert read_credit(pack_credit(DATA, 1 << 20)) == (DATA, 1 << 20)
    with pytest.raises(ProtocolError, match="A credit is"):
        read_credit(content)
