"""A lane of a connection: to a `Worker`, a process that continues its sessions.

What really continues them is the process there that is free next. So a lane has a
channel, two outputs and an end like a process on this machine, but starting one takes
nothing, and there are more of them than processes: those whose sessions wait there.

The thread that waits for an answer moves the messages of all lanes meanwhile, unless
another one does so: the answer to a single caller wakes up no thread but its own.
"""

from __future__ import annotations

import time
from collections import deque

from ..exceptions import InterpreterDiedError, InterpreterError
from ..runtime.contexts import suppress
from ..runtime.fork import Lock, closed_gate
from ..runtime.log_forwarding import wanted_levels
from . import frames
from .frames import Channel, Lacking, Unread, WholeSessionMessage, pack_head
from .keeping import MOST_OF_A_SESSION, SMALLEST_KEPT, new_digest, pack_numbers
from .link import (
    CREDIT,
    CREDIT_TOLD,
    DATA,
    ERROR,
    MOST_UNDER_WAY,
    OUTPUT,
    PIECE,
    TIMED,
    pack_credit,
)
from .output import TextOutput
from .termination import describe_exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence

    from .boot import Code
    from .far_connection import FarConnection
    from .frames import Content, Frame, Handshake, SessionMessage
    from .keeping import KeptBuffer
    from .link import Link

# How often a thread that waits looks if it still has to, in seconds.
_INTERVAL = 0.1

_NO_DESCRIPTOR = -1

_ANSWERS = (frames.ANSWER, frames.VALUE)


class LaneStream:
    """The bytes that have arrived of one of the streams of a lane, and were not taken.

    Args:
        lane: The lane, `None` for what is sent on none.
        kind: The kind of its messages.

    Attributes:
        pieces: What has arrived.
    """

    __slots__ = ("_kind", "_lane", "_untold", "pieces")

    def __init__(self, lane: FarProcess | None, kind: int) -> None:
        self._lane = lane
        self._kind = kind
        self._untold = 0
        self.pieces: deque[Content] = deque()

    def take(self) -> Content:
        """Take the next piece, of which there is one."""
        piece = self.pieces.popleft()
        lane = self._lane
        if lane is not None:
            self._untold += len(piece)
            if self._untold >= CREDIT_TOLD:
                credit = pack_credit(self._kind, self._untold)
                self._untold = 0
                lane.connection.post(CREDIT, lane.number, credit)
        return piece


class LaneOutput(TextOutput):
    """A standard stream of what continues the sessions of a lane.

    Args:
        name: `stdout` or `stderr`.
        stream: What arrives.
    """

    def __init__(self, name: str, stream: LaneStream) -> None:
        super().__init__(name)
        self._stream = stream

    def watch(self, channel: Channel) -> None:
        """Be pumped whenever a thread waits for a channel."""
        channel.watch(_NO_DESCRIPTOR, self._pump)

    def wait(self, seconds: float) -> None:
        """Do nothing: a lane that is closed has ended."""

    def _read(self) -> bytes | None:
        return bytes(self._stream.take()) if self._stream.pieces else None


class LaneChannel(Channel):
    """The channel of a lane.

    Args:
        lane: The lane.
        is_alive: Tells if the other end may still answer.
    """

    def __init__(self, lane: FarProcess, is_alive: Callable[[], bool]) -> None:
        self._lane = lane
        self._is_alive = is_alive
        self._sending = Lock()
        self._received = memoryview(b"")
        self._descriptors = []
        self._pumps: list[Callable[[], object]] = []
        self.shared_directory = lane.connection.shared_directory
        self.meanwhile = None
        # When the last session was sent that has a limited time
        self._sent_at = 0.0

    def watch(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Have something called during a wait when something was printed."""
        self._pumps.append(callback)

    def send(
        self,
        kind: int,
        head: dict[str, Any] | None = None,
        pieces: Sequence[Content] = (),
        descriptors: Sequence[int] = (),
        deadline: float | None = None,
    ) -> None:
        """Send a frame. That the process is to exit means that the lane is closed."""
        lane = self._lane
        if kind == frames.EXIT:
            lane.close()
            return
        lane.begin()
        if kind == frames.JOB and head is not None:
            levels = wanted_levels()
            if levels is not None:
                # The process that takes it may have been told others.
                head["levels"] = levels
        if deadline is not None:
            self._sent_at = time.monotonic()
            lane.connection.post(TIMED, lane.number)
        super().send(kind, head, pieces, descriptors, deadline)

    def send_session(
        self,
        kind: int,
        head: dict[str, Any],
        session_message: SessionMessage,
        deadline: float | None = None,
    ) -> None:
        """Send a session, and what it has that is to be kept at the far end."""
        assert isinstance(session_message, WholeSessionMessage)
        lane = self._lane
        lane.begin()
        places = self._let_keep(session_message, deadline)
        pieces = session_message.pieces
        if places:
            pieces = session_message.pack_without(places)
            head.update(session_message.fields)
            numbers = pack_numbers(kept.number for kept in lane.needed)
            super().send_bare(frames.USE, numbers)
        self.send(kind, head, pieces, (), deadline)

    def _let_keep(
        self, session_message: WholeSessionMessage, deadline: float | None
    ) -> list[int]:
        """Let the far end keep large buffers, and return their places."""
        lane = self._lane
        keeping = lane.connection.keeping

        def wait(is_there: Callable[[], object]) -> None:
            if not is_there():
                self._await(is_there, deadline)

        places: list[int] = []
        for place, content in enumerate(session_message.buffers):
            if content.nbytes < SMALLEST_KEPT or len(places) == MOST_OF_A_SESSION:
                continue
            shared = session_message.shared[place]
            kept = keeping.claim(content, shared, wait)
            if kept is None:
                continue
            lane.needed.append(kept)
            places.append(place)
            if not kept.digest:
                try:
                    digest = self._send_kept(kept, content, deadline)
                except BaseException:
                    keeping.abandon(kept)
                    raise
                keeping.settle(kept, digest)
                if shared is not None:
                    shared.digest = digest
        return places

    def _send_kept(
        self, kept: KeptBuffer, content: memoryview, deadline: float | None
    ) -> bytes:
        """Send a buffer that is to be kept, and return the hash of what was sent."""
        lane = self._lane
        digest = new_digest()
        head = {"number": kept.number}
        header = frames.beginning(frames.KEEP, head, content.nbytes)
        self._send_all([header], (), deadline)
        while content:
            if not lane.may_send():
                self._await(lane.may_send, deadline)
            piece = bytes(content[: min(PIECE, lane.credit)])
            digest.update(piece)
            self._post(piece)
            content = content[len(piece) :]
        found: bytes = digest.digest()
        return found

    def send_bare(self, kind: int, content: Content) -> None:
        """Send a frame that has only a content."""
        self._lane.begin()
        super().send_bare(kind, content)

    def _send_all(
        self, waiting: list[Any], ancillary: Any, deadline: float | None
    ) -> None:
        lane = self._lane
        size = sum(map(len, waiting))
        if size <= PIECE and size <= lane.allowed - lane.sent:
            self._post(b"".join(waiting))
            return
        for content in waiting:
            view = memoryview(content)
            while view:
                if not lane.may_send():
                    self._await(lane.may_send, deadline)
                piece = view[: min(PIECE, lane.credit)]
                self._post(piece)
                view = view[len(piece) :]

    def _post(self, piece: Content) -> None:
        lane = self._lane
        lane.sent += len(piece)
        if not lane.link.post(DATA, lane.number, piece):
            raise EOFError("the other end is gone")

    def receive(self, deadline: float | None = None) -> Frame:
        """Wait for the next frame."""
        frame = super().receive(deadline)
        if frame[0] in _ANSWERS:
            self._lane.end_session()
        return frame

    def _gather(self, size: int, deadline: float | None) -> memoryview:
        received, data = self._received, self._lane.data
        while len(received) < size:
            if not data.pieces:
                self._await(data.pieces.__len__, deadline)
            piece = data.take()
            received = memoryview(received.tobytes() + piece if received else piece)
            self._received = received
        return received

    def _take_into(self, content: memoryview, deadline: float | None) -> None:
        filled, data = 0, self._lane.data
        while filled < len(content):
            if not data.pieces:
                self._await(data.pieces.__len__, deadline)
            piece = memoryview(data.take())
            end = min(len(content), filled + len(piece))
            content[filled:end] = piece[: end - filled]
            self._received = piece[end - filled :]
            filled = end

    def _await(self, is_there: Callable[[], object], deadline: float | None) -> None:
        """Wait until something is there, as long as the other end lives.

        What is printed is looked after meanwhile.
        """
        lane = self._lane
        while True:
            patience = _INTERVAL if deadline is None else self._patience_with(deadline)
            lane.connection.move(lane, is_there, patience)
            if lane.has_news:
                lane.has_news = False
                for pump in self._pumps:
                    while pump():
                        pass
            if is_there():
                return
            if lane.is_lacking:
                raise Lacking("the session has to be sent again, as a whole")
            if lane.is_unread:
                raise Unread("the session has to be sent again")
            if lane.poll() is not None:
                # What was sent before the end may have come just now.
                if is_there():
                    return
                raise EOFError("the other end is gone")
            self._use_the_time()
            if self._is_alive is not None:
                self._is_alive()  # It may end the lane.

    def _patience_with(self, deadline: float) -> float:
        taken_at = self._lane.taken_at
        if not taken_at:
            # As long as it waits for a process, it takes none of its time.
            return _INTERVAL
        return self._patience(deadline + taken_at - self._sent_at)

    def close(self) -> None:
        """Do nothing: it is the lane that is closed."""


class FarProcess:
    """A lane of a connection, as a `Worker` sees it.

    Args:
        name: What the process is called in an error.
        connection: The connection.
        code: The code that is needed there.
        limits: How many processes there are at most, and after how many sessions each
            of them ends.

    Attributes:
        name: What the process is called in an error.
        connection: The connection.
        link: The link of that.
        number: The number of the lane.
        streams: Where the standard output and error arrive.
        data: What arrives of the channel.
        sent: How much was sent on the channel.
        allowed: How much may be sent.
        is_busy: Whether it has a session that was not answered.
        taken_at: When a process has taken that, 0 if that is not known.
        needed: What the far end keeps that the session needs.
        is_unread: Whether it has to be sent again, to another lane.
        is_lacking: Whether that is because the far end lacks what it was to keep.
        has_ended: Whether the process has ended.
        has_news: Whether the thread that waits has something else to do.
        status: How it has ended, as `subprocess` says it; `None` if that is unknown.
        reason: Why the process had to be ended there, empty if it had not.
        failure: Why it could not be started.
        gate: Is opened when something has arrived.
    """

    is_ready = True

    def __init__(
        self,
        name: str,
        connection: FarConnection,
        code: Code,
        limits: tuple[int, int | None],
    ) -> None:
        self.name = name
        self.connection = connection
        self._code = code
        self._limits = limits
        self.data = LaneStream(self, DATA)
        self._printed = {kind: LaneStream(self, kind) for kind in (OUTPUT, ERROR)}
        self.streams: list[TextOutput | None] = [
            LaneOutput("stdout", self._printed[OUTPUT]),
            LaneOutput("stderr", self._printed[ERROR]),
        ]
        self.sent, self.allowed = 0, MOST_UNDER_WAY
        self.is_busy = self.is_unread = self.has_ended = self._is_closed = False
        self.has_news = self.is_lacking = False
        self.needed: list[KeptBuffer] = []
        self.taken_at = 0.0
        self.status: int | None = None
        self.reason = ""
        self.failure: InterpreterError | None = None
        self.gate = closed_gate()
        self.number = connection.add(self)
        assert connection.link is not None
        self.link: Link = connection.link

    def open_channel(self, is_alive: Callable[[], bool]) -> LaneChannel:
        """Return the channel.

        Args:
            is_alive: Tells if the other end may still answer.
        """
        return LaneChannel(self, is_alive)

    def greet(self, channel: Channel, handshake: Handshake) -> None:
        """Open the lane.

        Args:
            channel: The channel.
            handshake: The first message to each process there.
        """
        handshake.takes_files = False
        handshake.shared_directory = self.connection.shared_directory
        head = pack_head(handshake.encode())
        idle_timeout = handshake.idle_timeout or 0.0
        start = (self._code.digest, head, *self._limits, idle_timeout)
        self.connection.open(self, start)

    @property
    def credit(self) -> int:
        """Return the number of bytes that may be sent on the channel now."""
        return self.allowed - self.sent

    def may_send(self) -> bool:
        """Tell if something may be sent on the channel now."""
        return self.credit > 0 and self.connection.has_room()

    def receive(self, kind: int, content: Content) -> None:
        """Take what has arrived.

        Args:
            kind: The kind of the message.
            content: Its content.
        """
        if kind == DATA:
            self.data.pieces.append(content)
        else:
            self._printed[kind].pieces.append(content)
            self.has_news = True

    def wake(self) -> None:
        """Let the thread go on that waits for the lane."""
        with suppress(RuntimeError):  # It is open already.
            self.gate.release()

    def begin(self) -> None:
        """Be about to send a session.

        Raises:
            EOFError: If that makes no sense any more.
        """
        self.taken_at = 0.0
        self.is_busy = True
        connection = self.connection
        if self._is_closed or not (connection.is_usable or connection.stays()):
            self.is_busy = False
            raise EOFError("the other end is gone")

    def end_session(self) -> None:
        """Note that the session was answered."""
        self.connection.used_at = self.link.now
        self.is_busy = False
        if self.needed:
            self._release()

    def _release(self) -> None:
        needed, self.needed = self.needed, []
        self.connection.keeping.release(needed)

    def poll(self) -> int | None:
        """Return its exit status, `None` while it runs, as far as that is known."""
        if self.has_ended or self._is_closed or self.connection.failure is not None:
            return self.status or 0
        return None

    def death(self, more: str) -> InterpreterError:
        """Return the error about its end.

        Args:
            more: What the message adds.
        """
        if self.failure is not None:
            return self.failure
        if self.status is not None:
            end = self.reason or describe_exit(self.status)
            return InterpreterDiedError(f"Interpreter {self.name} {end}{more}")
        if self.connection.failure is not None:
            error = self.connection.error()
            return type(error)(f"{error}{more}")
        return InterpreterDiedError(f"Interpreter {self.name} was ended.{more}")

    def wait(self, seconds: float | None) -> None:
        """Do nothing: that it has ended is known as soon as its channel has."""

    def end_group(self) -> None:
        """End the process that continues its session, with what that has started."""
        self.close()

    def end(self) -> None:
        """End the process that continues its session, with what that has started."""
        self.close()

    def kill(self) -> None:
        """Close it; it has had no session yet."""
        self.close()

    def close(self) -> None:
        """Close it, and end the process that continues its session; idempotent."""
        if not self._is_closed:
            self._is_closed = self.has_news = True
            self.connection.remove(self)
            self._release()
            self.wake()

    def forget(self) -> None:
        """Let go of it in a forked child: it is its parent's."""
        self._is_closed = True
