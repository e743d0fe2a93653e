"""The server at the far end of a connection passes on what its processes send."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any, Iterator

import pytest

from bandsaw.runner import server as module
from bandsaw.runner.server import _Lane, _Process, _Server, _Specification
from bandsaw.transports import frames
from bandsaw.transports.boot import PING
from bandsaw.transports.lending import (
    ANSWERING,
    EXECUTING,
    READING,
    WAITING,
    can_lend,
)
from bandsaw.transports.link import (
    CREDIT,
    DATA,
    EXITED,
    Link,
    LinkEnded,
    pack_credit,
)


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


class Going(Ended):
    """A process that goes on, with the other end of its channel."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.channel_end = ours.detach()
        self.status: Any = None


class Lending:
    """A server that has lent its link to a process after a call."""

    CALL = frames.bare(frames.CALL, bytes(4))
    VALUE = frames.bare(frames.VALUE, b"value")

    def __init__(self, server: _Server, caller: Link) -> None:
        self.server, self.caller = server, caller
        self.started: Any = Going()
        specification = _Specification("", {}, 1, None, 60.0)
        self.lane = server._lanes[7] = _Lane(7, specification)
        self.process = _Process(self.started, specification, {})
        self.process.is_ready = True
        self.process.routes.add(0)
        server._processes.append(self.process)
        server._idle.append(self.process)
        server._watch(self.process)
        assert not self.is_lent
        self.call()
        assert self.started.theirs.recv(1 << 12) == self.CALL
        self.started.theirs.send(self.VALUE)
        server._link.turn(1, server._take)
        assert self.hear() == [DATA]
        assert self.is_lent
        assert self.lent is not None
        # Another process would do that.
        self.page = self.lent._page.content

    @property
    def is_lent(self) -> bool:
        return self.server._borrower is not None

    @property
    def lent(self) -> Any:
        return self.process.link

    def call(self) -> None:
        self.caller.send(DATA, 7, self.CALL)
        self.turn()

    def turn(self) -> None:
        self.caller.turn(0, lambda *_: None)
        self.server._link.turn(0, self.server._take)

    def hear(self) -> list[int]:
        kinds: list[int] = []
        self.caller.turn(0, lambda kind, *_: kinds.append(kind))
        return kinds


@pytest.fixture
def lending(
    pair: tuple[_Server, Link], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lending]:
    if not can_lend():
        pytest.skip("no links are lent here")
    # However busy the machine is
    monkeypatch.setattr(module, "_LONGEST_SHORT_CALL", 1e9)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 1e9)
    made = Lending(*pair)
    yield made
    made.started.theirs.close()
    if made.process in made.server._processes:
        made.lent.close()
        os.close(made.process.channel)


def test_a_link_that_is_lent_is_not_used_until_it_is_taken_back(
    lending: Lending,
) -> None:
    server, theirs = lending.server, lending.started.theirs
    assert theirs.recv(1 << 12)[4] == frames.LEND
    server._link.send(PING)
    lending.call()
    assert lending.is_lent
    assert lending.hear() == []

    assert server._take_back()
    lending.turn()
    assert theirs.recv(1 << 12) == lending.CALL
    assert lending.hear() == [PING]


def test_an_answer_over_the_channel_is_that_to_a_call_over_the_link(
    lending: Lending,
) -> None:
    lending.page[1] = EXECUTING
    lending.started.theirs.send(lending.VALUE)
    lending.turn()

    assert lending.hear() == [DATA]
    assert lending.process.lane is None


def test_a_caller_that_is_gone_is_noticed_while_the_link_is_lent() -> None:
    source, caller = os.pipe()
    link = Link(source, os.dup(caller))
    told: list[bool] = []
    assert link.lend(lambda: told.append(True))
    for descriptor in caller, link.descriptors[1]:
        os.close(descriptor)

    link.turn(60, lambda *_: None)
    assert told == [True]
    os.close(source)


@pytest.mark.parametrize("phase", [WAITING, EXECUTING, ANSWERING])
def test_the_session_of_a_process_that_has_ended_with_the_link_ends(
    lending: Lending, phase: int
) -> None:
    lending.page[1] = phase
    lending.started.theirs.close()
    lending.started.status = -9
    lending.server._note_ends()
    lending.turn()

    has_session = phase != WAITING
    assert lending.hear() == [EXITED] * has_session
    assert bool(lending.server._lanes) != has_session
    assert not lending.is_lent


def test_a_link_that_a_process_may_have_torn_is_given_up(lending: Lending) -> None:
    lending.page[1] = READING
    lending.started.status = -9

    with pytest.raises(LinkEnded, match="that was reading it"):
        lending.server._note_ends()
