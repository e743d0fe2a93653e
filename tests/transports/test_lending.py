"""A process that has the link answers short calls there, and returns all else."""

from __future__ import annotations

import os
import select
import socket
from typing import Iterator

import pytest

from bandsaw.session.route import Routes
from bandsaw.transports import frames
from bandsaw.transports.boot import HEADER, MARK, PING
from bandsaw.transports.lending import (
    EXECUTING,
    WAITING,
    BorrowedLink,
    LentLink,
    can_lend,
)
from bandsaw.transports.link import DATA, STOP, beginning_of
from tests.workflows import FAR, HEAD, Workflow

pytestmark = pytest.mark.skipif(not can_lend(), reason="no links are lent here")

LANE = 7
ROUTE = 3
CONTENT = ROUTE.to_bytes(4, "little") + b"arguments"


def message(
    kind: int = DATA,
    lane: int = LANE,
    content: bytes = frames.bare(frames.CALL, CONTENT),
) -> bytes:
    return HEADER.pack(MARK, kind, lane, len(content)) + content


CALL = message()


class Ends:
    """Both ends of a link that is lent, and the caller's end of it."""

    def __init__(self) -> None:
        source, self.caller = os.pipe()
        self.answers, target = os.pipe()
        self.printed, self.output = os.pipe()
        self.server, self.process = socket.socketpair()
        os.set_blocking(source, False)
        self.link = source, target
        self.lent = LentLink()
        self.lend()
        size = socket.CMSG_SPACE(4 * 4)
        _, ancillary, _, _ = self.process.recvmsg(frames.HEADER_SIZE, size)
        descriptors = memoryview(ancillary[0][2]).cast("i").tolist()
        self.borrowed = BorrowedLink(descriptors, self.process.fileno())
        self.borrowed._outputs = [self.output]
        self.routes = Routes()
        self.routes.add(ROUTE)

    def lend(self, credit: int = 1 << 20) -> None:
        beginning = beginning_of(DATA, LANE)
        self.lent.lend(self.server.fileno(), self.link, beginning, credit)

    def call(self, content: bytes = CALL) -> bytes | None:
        os.write(self.caller, content)
        found = self.borrowed.next_call(self.routes)
        return None if found is None else bytes(found)

    def has_answer(self) -> bool:
        return bool(select.select([self.answers], [], [], 0)[0])

    def has_bell(self) -> bool:
        return bool(select.select([self.lent.bell], [], [], 0)[0])


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.borrowed._close()
    made.lent.close()
    for descriptor in [made.caller, made.answers, made.printed, *made.link]:
        os.close(descriptor)
    for one in made.server, made.process:
        one.close()


def test_short_calls_are_read_and_answered_without_the_server(ends: Ends) -> None:
    for _ in range(3):
        assert ends.call() == CONTENT
        assert ends.borrowed.answer(b"value")
        value = frames.bare(frames.VALUE, b"value")
        assert os.read(ends.answers, 1 << 12) == message(content=value)
        assert ends.lent.has_gone_on()

    assert not ends.has_bell()
    assert not ends.lent.has_gone_on()
    sizes = 3 * (len(CALL) - HEADER.size), 3 * len(value)
    assert ends.lent.take_back() == (WAITING, 3, *sizes, b"")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(message(lane=LANE + 1), id="another lane"),
        pytest.param(message(PING, 0, b""), id="no call"),
        pytest.param(message(STOP, content=b""), id="the end of the lane"),
        pytest.param(2 * CALL, id="two calls"),
        pytest.param(CALL[:-1], id="the beginning of a call"),
        pytest.param(CALL[:5], id="the beginning of a header"),
        pytest.param(message(content=bytes(99)), id="no frame"),
        pytest.param(
            message(content=frames.packed(frames.JOB, {}, [b"job"])), id="a session"
        ),
        pytest.param(
            message(content=frames.bare(frames.CALL, bytes(9))), id="another route"
        ),
        pytest.param(
            message(content=frames.bare(frames.CALL, CONTENT + bytes(3000))),
            id="a large call",
        ),
    ],
)
def test_all_but_a_short_call_is_returned(ends: Ends, content: bytes) -> None:
    assert ends.call(content) is None
    assert ends.has_bell()
    returned = ends.lent.take_back()

    assert returned is not None
    unread = b""
    if len(returned[4]) < len(content):
        unread = os.read(ends.link[0], 1 << 12)
    assert returned[:4] == (WAITING, 0, 0, 0)
    assert returned[4] + unread == content
    assert not ends.has_bell()


def test_what_would_exceed_the_credit_of_its_lane_is_returned(ends: Ends) -> None:
    ends.lent.take_back()
    ends.lend(credit=(1 << 11) - 1)
    ends.process.recv(1 << 12)

    assert ends.call() is None


def test_the_end_of_the_link_is_returned(ends: Ends) -> None:
    os.close(ends.caller)
    ends.caller = os.dup(0)

    assert ends.borrowed.next_call(ends.routes) is None
    assert ends.has_bell()


def test_a_link_that_was_taken_back_is_left_alone(ends: Ends) -> None:
    assert ends.lent.take_back() == (WAITING, 0, 0, 0, b"")

    assert ends.call() is None
    assert os.read(ends.link[0], 1 << 12) == CALL


def test_a_link_is_left_for_what_comes_over_the_channel(ends: Ends) -> None:
    ends.server.send(b"frame")

    assert ends.call() is None
    assert os.read(ends.link[0], 1 << 12) == CALL


@pytest.mark.parametrize("what", ["told", "printed", "large", "taken back", "full"])
def test_an_answer_that_has_to_pass_the_server_is_not_written(
    ends: Ends, what: str
) -> None:
    sent: list[object] = []
    value = b"value"
    assert ends.call() == CONTENT
    if what == "told":
        ends.borrowed.telling(sent.append)("record")
    elif what == "printed":
        os.write(ends.output, b"printed")
    elif what == "large":
        value = bytes(1 << 11)
    elif what == "taken back":
        assert ends.lent.take_back() == (EXECUTING, 1, len(CALL) - HEADER.size, 0, b"")
    else:
        os.set_blocking(ends.link[1], False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(ends.link[1], bytes(1 << 12))

    assert not ends.borrowed.answer(value)
    assert not ends.borrowed.is_answered
    assert what == "full" or not ends.has_answer()
    assert sent == ["record"] * (what == "told")
    returned = ends.lent.take_back()
    assert returned is not None
    assert returned[0] == EXECUTING


CALLS = (
    HEAD
    + """
import signal

@bandsaw.task
def work(how):
    if how == "lent":
        return "memfd:bandsaw" in open("/proc/self/maps").read()
    if how == "print":
        print("printed")
    elif how == "write":
        os.write(1, b"written\\n")
    elif how == "limit":
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        last = 0
        while last < 63:
            last = os.dup(0)
        os.close(last)
    elif how == "fail":
        raise ValueError(how)
    elif how == "fork":
        if not os.fork():
            os._exit(0)
        os.wait()
    elif how == "large":
        return bytes(1 << 16)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return how

def warm():
    # A busy machine may take its time.
    while not all(work("lent") for _ in range(20)):
        pass

if __name__ == "__main__":
    work("limit")
    print({work(number) for number in range(100)} == {*range(100)}, work("lent"))
    text_of(work, "kill")
    for how in "print", "write", "fail", "fork", "large", "kill":
        warm()
        print(text_of(work, how)[:20], flush=True)
    warm()
"""
)

CONFIG = f"""
import bandsaw
{FAR}
configuration = bandsaw.Configuration().add_advice_chain(far())
"""


def test_a_call_over_a_link_that_was_lent_is_like_any_other(
    workflow: Workflow,
) -> None:
    output = workflow.output(CALLS, config=CONFIG)

    assert output.splitlines() == [
        "True False",
        *("printed", "'print'", "written", "'write'", "ValueError: fail"),
        *("'fork'", repr(bytes(1 << 16))[:20], "InterpreterDiedError"),
    ]
