"""The server at the far end of a connection passes on what its processes send."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any, Iterator

import pytest

from bandsaw.runner.server import _Lane, _Process, _Server
from bandsaw.transports.link import CREDIT, DATA, EXITED, Link, pack_credit


class Ended:
    """A process that has written something into its channel, and has ended.

    Args:
        content: What it has written.
    """

    def __init__(self, content: bytes) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.sendall(content)
        theirs.close()
        self.channel_end = ours.detach()
        self.status = 3

    def poll(self) -> int:
        return self.status

    def wait(self, seconds: float | None) -> None:
        pass

    def end_group(self) -> None:
        pass

    def end(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def pair() -> Iterator[tuple[_Server, Link]]:
    """A server, and the end of the caller of its link."""
    kept = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGCHLD)
    }
    here, there = socket.socketpair()
    far: Any = None
    with here, there:
        server = _Server(Link(there.fileno(), there.fileno()), far)
        try:
            yield server, Link(here.fileno(), here.fileno())
        finally:
            os.close(signal.set_wakeup_fd(-1))
            os.close(server._signals)
            for number, handler in kept.items():
                signal.signal(number, handler)


def test_what_a_dead_process_has_left_is_sent_when_the_caller_takes_more(
    pair: tuple[_Server, Link],
) -> None:
    server, caller = pair
    started: Any = Ended(b"what is left")
    specification: Any = None
    lane = server._lanes[7] = _Lane(7, specification)
    lane.credits[DATA] = 4
    lane.process = process = _Process(started, specification, {})
    process.lane, process.is_ready = lane, True
    server._processes.append(process)
    told: list[tuple[int, bytes]] = []

    def exchange() -> None:
        server._link.turn(0, server._take)
        caller.turn(0, lambda kind, _, content: told.append((kind, bytes(content))))

    server._note_ends()
    exchange()
    assert told == [(DATA, b"what")]

    caller.send(CREDIT, 7, pack_credit(DATA, 100))
    caller.turn(0, server._take)
    server._link.turn(0, server._take)
    exchange()
    assert told[1] == (DATA, b" is left")
    assert [kind for kind, _ in told] == [DATA, DATA, EXITED]
    assert not server._lanes
