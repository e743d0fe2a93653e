"""Messages over one pair of descriptors, seen from both ends.

What leads to another machine is the standard input and output of one command. The
caller opens lanes over it, on each of which it sends one session after the other. The
server lets the processes there continue the sessions in the order in which they arrive,
whatever lane they are on, and answers on the lane of the session:

    caller                                      server

    PROBE: directories                  ------>
                                        <------  PROBED: which of them are the same
    SPECIFY: how to start a process     ------>
    OPEN: a lane                        ------>
    TIMED: tell when it is taken        ------>
    DATA: a session                     ------>
                                        <------  TAKEN: a process continues it
                                        <------  OUTPUT, ERROR: what that prints
                                        <------  DATA: records, progress, the answer
                                        <------  UNREAD: it has to be sent again
    DROP: a buffer that was kept        ------>
                                        <------  EXITED: its process has ended
    STOP: close the lane                ------>
    LEAVE: let all processes exit       ------>

What is sent on a lane are the frames of `bandsaw.transports.frames`. Of each of its
three streams as much may be under way as its recipient has taken, and 1 MiB more: the
recipient tells by CREDIT what it has taken. So a small call does not wait behind a
large one, and neither end holds more than that of a session that waits.

Between short calls, the process that continues them may read and write the link itself,
see `bandsaw.transports.lending`.

A message is a header and a content, together at most 64 KiB. What a process has written
to its output is sent before what it writes on its channel afterwards.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections import deque
from itertools import islice

from ..exceptions import ProtocolError
from ..runtime.fork import Lock
from .boot import HEADER, MARK, PING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Union

    Content = Union[bytes, memoryview]

# What a message holds; those that come before are in `bandsaw.transports.boot`.
SPECIFY, OPEN, TIMED, DATA, TAKEN, OUTPUT, ERROR = range(16, 23)
CREDIT, UNREAD, EXITED, STOP, LEAVE, PROBE, PROBED, DROP = range(23, 31)

#: The streams of a lane.
STREAMS = (DATA, OUTPUT, ERROR)

#: The largest content of a message, which fits into a pipe with its header.
PIECE = (1 << 16) - HEADER.size

#: How much of a stream may be under way, and how much of that is told at once.
MOST_UNDER_WAY = 1 << 20
CREDIT_TOLD = 1 << 18

# How much is read of the link at once: a large piece of memory costs as much as a call.
_SMALL_READ, _LARGE_READ = 1 << 12, 1 << 18

# A larger content is not copied beside its header.
_SMALL = 1 << 12

# How much may wait to be written to the link, so that a small call soon has its turn.
_LARGEST_QUEUE = 1 << 18

# POSIX promises that a system call takes so many pieces.
_MOST_PIECES = 16

# How often an end looks whether it has said something, in seconds.
_HEARTBEAT = 5.0

# Linux's F_SETPIPE_SZ, which older Pythons do not name
_SET_PIPE_SIZE = 1031

_CREDIT = struct.Struct("<BI")

_TORN = "An interrupt has come while its messages were moved."


def pack_exit(status: int | None, reason: str = "") -> bytes:
    """Write the content of a message that a process has ended.

    Args:
        status: Its exit status, `None` if it could not be started.
        reason: Why it could not, or why it had to be ended.
    """
    return f"{'' if status is None else status}\n{reason}".encode("utf-8", "replace")


def read_exit(content: Content) -> tuple[int | None, str]:
    """Read the content of a message that a process has ended.

    Args:
        content: What `pack_exit` gave. It comes from another machine, so it is text.

    Raises:
        ProtocolError: If it is something else.
    """
    status, _, reason = bytes(content).decode("utf-8", "replace").partition("\n")
    try:
        return (int(status) if status else None), reason
    except ValueError:
        shown = bytes(content[:99])
        raise ProtocolError(f"A process has ended with {shown!r}.") from None


def pack_credit(stream: int, count: int) -> bytes:
    """Write the content of a message that some of a stream was taken.

    Args:
        stream: One of the streams of a lane.
        count: How many bytes.
    """
    return _CREDIT.pack(stream, count)


def read_credit(content: Content) -> tuple[int, int]:
    """Read the content of a message that some of a stream was taken.

    Args:
        content: What `pack_credit` gave.

    Raises:
        ProtocolError: If it is something else.
    """
    if len(content) == _CREDIT.size:
        stream, count = _CREDIT.unpack(content)
        if stream in STREAMS:
            return stream, count
    raise ProtocolError(f"A credit is {bytes(content[:99])!r}.")


def beginning_of(kind: int, number: int) -> bytes:
    """Return what messages begin with, before the size of their content.

    Args:
        kind: What they are.
        number: The number of the lane that they are about.
    """
    return HEADER.pack(MARK, kind, number, 0)[:-4]


def widen(descriptor: int) -> None:
    """Let a pipe hold more, where the system can do that.

    Args:
        descriptor: One of its ends, or something else.
    """
    try:
        import fcntl

        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, MOST_UNDER_WAY)
    except (ImportError, OSError):
        pass  # It is no pipe, or not of Linux.


class LinkEnded(EOFError):
    """The other end of a link is gone."""


class Link:
    """One end of a link. One thread at a time takes a turn; others may send meanwhile.

    Args:
        source: The descriptor that the other end writes to.
        target: The descriptor that the other end reads.
        received: What was read of it already.
        wake: Ends the wait of the thread that takes a turn.

    Attributes:
        now: When something was moved last, on the clock of `time.monotonic`.
        heard: When the other end was heard of.
        is_ended: Whether nothing can be written any more.
        descriptors: The descriptors that are read and written.
        uploads: Give contents that are sent when there is nothing else to be sent.
    """

    def __init__(
        self,
        source: int,
        target: int,
        received: bytes = b"",
        wake: Callable[[], object] | None = None,
    ) -> None:
        self._source = source
        self._target = target
        self.descriptors = source, target
        self._received = received
        self._size = _SMALL_READ
        self._wake = wake
        self._lock = Lock()
        self._queue: deque[Any] = deque()
        self._queued = 0
        self._callbacks: dict[int, Callable[[], object]] = {}
        # All that is waited for, and without what would only make the queue longer
        self._poll, self._poll_of_link = select.poll(), select.poll()
        self._waits_for_target = False
        # A thread that Ctrl-C has interrupted may have left one in the middle.
        self._is_reading = self._is_writing = False
        # What is called when the other end has gone while this link is lent
        self._is_lent: Callable[[], object] | None = None
        self.is_ended = False
        self.now = self.heard = time.monotonic()
        self._has_said = False
        self._next_look = self.now + _HEARTBEAT
        self.uploads: deque[Iterator[tuple[int, bytes]]] = deque()
        for descriptor in source, target:
            os.set_blocking(descriptor, False)
        for poll in self._poll, self._poll_of_link:
            poll.register(source, select.POLLIN)

    def watch(
        self,
        descriptor: int,
        callback: Callable[[], object],
        event: int = select.POLLIN,
        makes_queue_longer: bool = False,
    ) -> None:
        """Have something called whenever a descriptor is ready.

        Args:
            descriptor: The descriptor.
            callback: Uses it, or calls `forget`.
            event: What it is to be ready for.
            makes_queue_longer: Whether that has to wait while much is to be written.
        """
        self._callbacks[descriptor] = callback
        self._poll.register(descriptor, event)
        if not makes_queue_longer:
            self._poll_of_link.register(descriptor, event)

    def forget(self, descriptor: int) -> None:
        """Watch a descriptor no longer; idempotent.

        Args:
            descriptor: The descriptor.
        """
        if self._callbacks.pop(descriptor, None) is None:
            return
        for poll in self._poll, self._poll_of_link:
            try:
                poll.unregister(descriptor)
            except KeyError:
                pass

    def send(self, kind: int, number: int = 0, content: Content = b"") -> None:
        """Queue a message.

        Args:
            kind: What it is.
            number: The number of the lane that it is about.
            content: What it holds.
        """
        header = HEADER.pack(MARK, kind, number, len(content))
        with self._lock:
            if len(content) > _SMALL:
                self._queue.append(header)
                self._queue.append(content)
            else:
                self._queue.append(header + content)
            self._queued += len(header) + len(content)

    def post(self, kind: int, number: int, content: Content = b"") -> bool:
        """Send a message at once, as far as it is taken, in any thread.

        Should the link have ended, the thread that takes a turn notices it.

        Args:
            kind: What it is.
            number: The number of the lane that it is about.
            content: What it holds.

        Returns:
            Whether the link has not ended.
        """
        with self._lock:
            self.send(kind, number, content)
            self._write()
            is_left = self._queue and not self._waits_for_target
        if (is_left or self.is_ended) and self._wake is not None:
            self._wake()
        return not self.is_ended

    def await_room(self, seconds: float) -> None:
        """Write until there is not much left, in a thread that takes no turn.

        Args:
            seconds: How long to wait at most.
        """
        if self._queued > _LARGEST_QUEUE and not self.is_ended:
            writable = select.poll()
            writable.register(self._target, select.POLLOUT)
            writable.poll(1000 * seconds)
            with self._lock:
                self._write()

    def close(self) -> None:
        """Write nothing any more: the descriptors are closed next."""
        with self._lock:
            self.is_ended = True

    def lend(self, end: Callable[[], object]) -> bool:
        """Read and write nothing from now on, as another process does.

        Args:
            end: Is called when the other end has gone.

        Returns:
            Whether that was possible; not in the middle of something.
        """
        with self._lock:
            if (
                self._queue
                or self._received
                or self.uploads
                or self._waits_for_target
                or self.is_ended
            ):
                return False
            self._is_lent = end
        for poll in self._poll, self._poll_of_link:
            poll.modify(self._source, 0)
        return True

    def take_back(
        self, received: bytes, take: Callable[[int, int, Content], object]
    ) -> None:
        """Read and write again.

        Args:
            received: What the other process has read and has left to this one.
            take: Takes what is a message of that.
        """
        self._is_lent = None
        self.heard = self.now
        for poll in self._poll, self._poll_of_link:
            poll.modify(self._source, select.POLLIN)
        if received:
            self._take(memoryview(received), take)

    @property
    def has_queue(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether so much is queued that a small message would have to wait."""
        return self._queued > _LARGEST_QUEUE

    def turn(self, seconds: float, take: Callable[[int, int, Content], object]) -> None:
        """Move what can be moved, and wait a time for that.

        Args:
            seconds: How long to wait at most.
            take: Takes the kind, the number and the content of each message, before
                anything that is watched is used.

        Raises:
            LinkEnded: If the other end is gone.
            ProtocolError: If there is something else than messages.
        """
        if (
            self._queue or self.uploads or self._waits_for_target
        ) and self._is_lent is None:
            with self._lock:
                if self._is_writing:
                    raise ProtocolError(_TORN)
                if not self._waits_for_target:
                    self._write()
            self._wait_for_target(bool(self._queue))
        if self._is_reading:
            raise ProtocolError(_TORN)
        poll = self._poll_of_link if self._queued > _LARGEST_QUEUE else self._poll
        found = poll.poll(1000 * seconds)
        self.now = now = time.monotonic()
        has_read = False
        may_write = not self._waits_for_target or self._source == self._target
        for descriptor, _ in found:
            # It is the first.
            if descriptor == self._source:
                if self._is_lent is None:
                    has_read = self._read(take)
                else:
                    self._is_lent()
            elif descriptor == self._target:
                may_write = True
            else:
                callback = self._callbacks.get(descriptor)
                if callback is not None:
                    callback()
        if now > self._next_look:
            self._next_look = now + _HEARTBEAT
            if not self._has_said:
                self.send(PING)
            self._has_said = False
        if may_write and self._queue:
            with self._lock:
                self._write()
        if self.is_ended and not has_read:
            raise LinkEnded

    def _wait_for_target(self, is_full: bool) -> None:
        if is_full == self._waits_for_target:
            return
        self._waits_for_target = is_full
        for poll in self._poll, self._poll_of_link:
            # One that is both could not be registered twice.
            event = select.POLLOUT if is_full else 0
            if self._source == self._target:
                poll.register(self._target, event | select.POLLIN)
            elif event:
                poll.register(self._target, event)
            else:
                poll.unregister(self._target)

    def _write(self) -> None:
        if self._is_writing or self.is_ended or self._is_lent is not None:
            return
        while self.uploads and self._queued <= _LARGEST_QUEUE:
            part = next(self.uploads[0], None)
            if part is None:
                self.uploads.popleft()
            else:
                self.send(part[0], 0, part[1])
        queue = self._queue
        self._is_writing = True
        while queue:
            try:
                written = os.writev(self._target, [*islice(queue, _MOST_PIECES)])
            except BlockingIOError:
                break
            except OSError:
                # What the other end has sent before is still to be read.
                self.is_ended = True
                queue.clear()
                self._queued = 0
                break
            self._has_said = True
            self._queued -= written
            while queue and written >= len(queue[0]):
                written -= len(queue.popleft())
            if written:
                queue[0] = memoryview(queue[0])[written:]
        self._is_writing = False

    def _read(self, take: Callable[[int, int, Content], object]) -> bool:
        """Read once, and tell if there was something."""
        self._is_reading = True
        try:
            piece = os.read(self._source, self._size)
        except BlockingIOError:
            self._is_reading = False
            return False
        except OSError as error:
            raise LinkEnded from error
        if not piece:
            raise LinkEnded
        self._size = _SMALL_READ if len(piece) < _SMALL_READ else _LARGE_READ
        self.heard = self.now
        for view in self._split(piece) if self._received else (memoryview(piece),):
            self._take(view, take)
        self._is_reading = False
        return True

    def _take(
        self, view: memoryview, take: Callable[[int, int, Content], object]
    ) -> None:
        """Take the messages that have arrived as a whole."""
        place, count = 0, len(view)
        while count - place >= HEADER.size:
            mark, kind, number, size = HEADER.unpack_from(view, place)
            if mark != MARK:
                raise ProtocolError(
                    "The connection holds something else than the messages of its "
                    f"two ends, beginning with {bytes(view[place:][:64])!r}. "
                    "Something has written into it."
                )
            start = place + HEADER.size
            if count - start < size:
                break
            place = start + size
            take(kind, number, view[start:place])
        self._received = bytes(view[place:])

    def _split(self, piece: bytes) -> list[memoryview]:
        """Complete a message that has begun, and return it and what comes behind it.

        What comes behind it is not copied.
        """
        view, begun = memoryview(piece), self._received
        missing = len(piece)
        if len(begun) >= HEADER.size:
            missing = HEADER.size + HEADER.unpack_from(begun)[3] - len(begun)
        views = [memoryview(begun + view[:missing]), view[missing:]]
        return views[: 1 + (missing < len(piece))]
