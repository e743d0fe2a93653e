"""Many streams of bytes over one pair of descriptors, seen from both ends.

What leads to another machine is the standard input and output of one command. Each
process there that continues sessions has three streams: its channel, its standard
output and its standard error. A stream leads from a descriptor at one end to a
descriptor at the other one; what its bytes mean, the link does not know.

A message is a header and a content of at most 64 KiB. A stream may send as much as its
recipient has written on, and 1 MiB more. So a small call does not wait behind a large
one, neither end holds more than that of a stream, and a process that does not read
holds up itself only.

What a process has written to its output is sent before what it writes on its channel
afterwards.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections import deque

from ..exceptions import ProtocolError
from .boot import HEADER, MARK, PING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

# What a message holds; those that come before are in `bandsaw.transports.boot`.
OPEN, DATA, CREDIT, END, EXITED, STOP = range(16, 22)

#: How many streams a process has; those of the n-th one begin with this times n.
STREAMS = 3
CHANNEL, OUTPUT, ERROR = range(STREAMS)

# How much is read at once, and the largest content of a message.
_PIECE = 1 << 16

# How much is read of the link at once
_LARGEST_READ = 1 << 18

# A larger content is not copied beside its header.
_SMALL = 1 << 12

# How much a stream may have under way, and how much of that is told at once.
_CREDIT = 1 << 20
_CREDIT_TOLD = 1 << 18

# How much may wait to be written to the link, so that a small call soon has its turn.
_LARGEST_QUEUE = 1 << 18

# POSIX promises that a system call takes so many pieces.
_MOST_PIECES = 16

# How often an end says something at least, in seconds.
_HEARTBEAT = 10.0

# Linux's F_SETPIPE_SZ, which older Pythons do not name
_SET_PIPE_SIZE = 1031

_COUNT = struct.Struct("<I")


def pack_exit(status: int | None, reason: str = "") -> bytes:
    """Write the content of a message that a process has ended.

    Args:
        status: Its exit status, `None` if it could not be started.
        reason: Why it could not.
    """
    return f"{'' if status is None else status}\n{reason}".encode("utf-8", "replace")


def read_exit(content: bytes) -> tuple[int | None, str]:
    """Read the content of a message that a process has ended.

    Args:
        content: What `pack_exit` gave. It comes from another machine, so it is text.

    Raises:
        ProtocolError: If it is something else.
    """
    status, _, reason = content.decode("utf-8", "replace").partition("\n")
    try:
        return (int(status) if status else None), reason
    except ValueError:
        raise ProtocolError(f"A process has ended with {content[:99]!r}.") from None


def widen(descriptor: int) -> None:
    """Let a pipe hold more, where the system can do that.

    Args:
        descriptor: One of its ends, or something else.
    """
    try:
        import fcntl

        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _CREDIT)
    except (ImportError, OSError):
        pass  # It is no pipe, or not of Linux.


class LinkEnded(EOFError):
    """The other end of a link is gone."""


class Link:
    """One end of a link, which belongs to one thread.

    Args:
        source: The descriptor that the other end writes to.
        target: The descriptor that the other end reads.
        received: What was read of it already.

    Attributes:
        heard: When the other end was heard of, on the clock of `time.monotonic`.
        uploads: Give contents that are sent when there is nothing else to be sent.
    """

    def __init__(self, source: int, target: int, received: bytes = b"") -> None:
        self._source = source
        self._target = target
        self._received = received
        self._queue: deque[Any] = deque()
        self._queued = 0
        self._streams: dict[int, Stream] = {}
        self._callbacks: dict[int, Callable[[], object]] = {}
        # All that is waited for, and without what would only make the queue longer
        self._poll, self._poll_of_link = select.poll(), select.poll()
        self._is_target_full = False
        self.heard = self._said = time.monotonic()
        self.uploads: deque[Iterator[tuple[int, bytes]]] = deque()
        for descriptor in source, target:
            os.set_blocking(descriptor, False)
        for poll in self._poll, self._poll_of_link:
            poll.register(source, select.POLLIN)

    def watch(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Have something called whenever a descriptor is readable.

        Args:
            descriptor: The descriptor.
            callback: Reads from it, or calls `forget`.
        """
        self._callbacks[descriptor] = callback
        for poll in self._poll, self._poll_of_link:
            poll.register(descriptor, select.POLLIN)

    def forget(self, descriptor: int) -> None:
        """Watch a descriptor no longer.

        Args:
            descriptor: The descriptor.
        """
        del self._callbacks[descriptor]
        for poll in self._poll, self._poll_of_link:
            poll.unregister(descriptor)

    def attach(
        self,
        number: int,
        descriptor: int,
        mode: str,
        after: tuple[Stream, ...] = (),
    ) -> Stream:
        """Let a stream lead to, or from, a descriptor.

        Args:
            number: The number of the stream.
            descriptor: The descriptor, which belongs to the stream from now on.
            mode: `r` if the descriptor is read, `w` if it is written, or `rw`.
            after: Streams of which all is moved before anything is moved here.
        """
        stream = Stream(self, number, descriptor, mode, after)
        self._streams[number] = stream
        self._callbacks[descriptor] = stream.come
        stream.register()
        return stream

    def send(self, kind: int, number: int = 0, content: bytes = b"") -> None:
        """Queue a message.

        Args:
            kind: What it is.
            number: The number of the stream that it is about.
            content: What it holds.
        """
        header = HEADER.pack(MARK, kind, number, len(content))
        if len(content) > _SMALL:
            self._queue.append(header)
            self._queue.append(content)
        else:
            self._queue.append(header + content)
        self._queued += len(header) + len(content)

    def turn(self, seconds: float) -> list[tuple[int, int, bytes]]:
        """Move what can be moved, and wait a time for that.

        Args:
            seconds: How long to wait at most.

        Returns:
            The kind, the number and the content of each message that is not about the
            bytes of a stream.

        Raises:
            LinkEnded: If the other end is gone.
            ProtocolError: If there is something else than messages.
        """
        self._write()
        is_full = self._queued > _LARGEST_QUEUE
        poll = self._poll_of_link if is_full else self._poll
        found = poll.poll(1000 * seconds)
        messages: list[tuple[int, int, bytes]] = []
        for descriptor, _ in found:
            if descriptor == self._source:
                messages = self._read()
            elif descriptor != self._target:
                callback = self._callbacks.get(descriptor)
                if callback is not None:
                    callback()
        if time.monotonic() - self._said > _HEARTBEAT:
            self.send(PING)
        self._write()
        return messages

    @property
    def has_queue(self) -> bool:
        """Whether something waits to be written to the link."""
        return bool(self._queue)

    def _write(self) -> None:
        while self.uploads and self._queued <= _LARGEST_QUEUE:
            part = next(self.uploads[0], None)
            if part is None:
                self.uploads.popleft()
            else:
                self.send(part[0], 0, part[1])
        queue = self._queue
        while queue:
            pieces = [queue[place] for place in range(min(len(queue), _MOST_PIECES))]
            try:
                written = os.writev(self._target, pieces)
            except BlockingIOError:
                break
            except OSError as error:
                raise LinkEnded from error
            self._said = time.monotonic()
            self._queued -= written
            while queue and written >= len(queue[0]):
                written -= len(queue.popleft())
            if written:
                queue[0] = memoryview(queue[0])[written:]
        if bool(queue) != self._is_target_full:
            self._is_target_full = not self._is_target_full
            for poll in self._poll, self._poll_of_link:
                # One that is both could not be registered twice.
                event = select.POLLOUT if self._is_target_full else 0
                if self._source == self._target:
                    poll.register(self._target, event | select.POLLIN)
                elif event:
                    poll.register(self._target, event)
                else:
                    poll.unregister(self._target)

    def _read(self) -> list[tuple[int, int, bytes]]:
        try:
            piece = os.read(self._source, _LARGEST_READ)
        except BlockingIOError:
            return []
        except OSError as error:
            raise LinkEnded from error
        if not piece:
            raise LinkEnded
        self.heard = time.monotonic()
        received = self._received + piece if self._received else piece
        view = memoryview(received)
        messages = []
        place = 0
        while len(received) - place >= HEADER.size:
            mark, kind, number, size = HEADER.unpack_from(received, place)
            if mark != MARK:
                raise ProtocolError(
                    "The connection holds something else than the messages of its two "
                    f"ends, beginning with {received[place : place + 64]!r}. Something "
                    "has written into it."
                )
            start = place + HEADER.size
            if len(received) - start < size:
                break
            place = start + size
            content = view[start:place]
            if not OPEN < kind <= END:
                messages.append((kind, number, bytes(content)))
                continue
            stream = self._streams.get(number)
            if stream is None:
                continue  # It was closed here meanwhile.
            if kind == DATA:
                stream.receive(content)
            elif kind == CREDIT:
                stream.give_credit(_COUNT.unpack(content)[0])
            else:
                stream.end_writing()
        self._received = received[place:]
        return messages

    def close(self) -> None:
        """Close the descriptors of all streams."""
        for stream in list(self._streams.values()):
            stream.close()


class Stream:
    """One end of a stream.

    Args:
        link: The link that it is a part of.
        number: Its number.
        descriptor: The descriptor that it leads to or from.
        mode: `r` if the descriptor is read, `w` if it is written, or `rw`.
        after: Streams of which all is moved before anything is moved here.
    """

    def __init__(
        self,
        link: Link,
        number: int,
        descriptor: int,
        mode: str,
        after: tuple[Stream, ...],
    ) -> None:
        self._link = link
        self.number = number
        self._descriptor = descriptor
        self._reads = "r" in mode
        self._writes = "w" in mode
        self._after = after
        self._held: list[Stream] = []
        for other in after:
            other._held.append(self)
        self._is_held = False
        self._credit = _CREDIT
        self._to_write: deque[Any] = deque()
        self._untold = 0
        self._is_ending = False
        self._event = -1
        #: Whether all of it was written by a process that has ended.
        self.is_last = False
        os.set_blocking(descriptor, False)

    @property
    def is_read(self) -> bool:
        """Whether there may be more to be read from the descriptor."""
        return self._reads

    @property
    def is_written(self) -> bool:
        """Whether something still has to be written to the descriptor."""
        return bool(self._to_write)

    def register(self) -> None:
        """Wait for what can be done with the descriptor."""
        reads = self._reads and self._credit > 0 and not self._is_held
        writes = self._to_write and not self._waits_for_others
        event = (select.POLLIN if reads else 0) | (select.POLLOUT if writes else 0)
        if event == self._event or self._descriptor < 0:
            return
        self._event = event
        self._register_at(self._link._poll, event)
        self._register_at(self._link._poll_of_link, event & select.POLLOUT)

    @property
    def _waits_for_others(self) -> bool:
        return any(other._to_write for other in self._after)

    def _register_at(self, poll: Any, event: int) -> None:
        # What waits for nothing must not be told of its end all the time.
        if event:
            poll.register(self._descriptor, event)
            return
        try:
            poll.unregister(self._descriptor)
        except KeyError:
            pass

    def come(self) -> None:
        """Do what can be done with the descriptor."""
        if self._to_write:
            self._write()
        if self._reads:
            self.read()

    def read(self) -> None:
        """Read once from the descriptor, and send that."""
        for other in self._after:
            while other._reads and other._credit > 0 and other._read_once():
                pass
            if other._reads and other._credit <= 0:
                self._is_held = True
                self.register()
                return
        self._read_once()

    def read_all(self) -> None:
        """Read all that there is, as far as it may be sent."""
        while self._reads and self._credit > 0 and self._read_once():
            pass

    def _read_once(self) -> bool:
        """Read, and tell if there was something."""
        if self._descriptor < 0:
            return False
        try:
            piece = os.read(self._descriptor, min(_PIECE, self._credit))
        except BlockingIOError:
            if self.is_last:
                self._end_reading()
            return False
        except OSError:
            piece = b""
        if not piece:
            self._end_reading()
            return False
        self._credit -= len(piece)
        self._link.send(DATA, self.number, piece)
        if self._credit <= 0:
            self.register()
        return True

    def _end_reading(self) -> None:
        self._reads = False
        self._link.send(END, self.number)
        self._release_held()
        if self._writes:
            self.register()
        else:
            self.close()

    def _release_held(self) -> None:
        for stream in self._held:
            if stream._is_held:
                stream._is_held = False
                stream.register()
            if stream._to_write:
                stream._write()

    def give_credit(self, count: int) -> None:
        """Let more be sent.

        Args:
            count: How many bytes.
        """
        self._credit += count
        self.register()
        self._release_held()
        if self.is_last:
            self.read_all()

    def receive(self, content: bytes | memoryview) -> None:
        """Write what has arrived.

        Args:
            content: What has arrived.
        """
        if not self._writes:
            return
        self._to_write.append(content)
        if len(self._to_write) == 1:
            self._write()

    def _write(self) -> None:
        waiting = self._to_write
        while waiting and not self._waits_for_others:
            try:
                written = os.write(self._descriptor, waiting[0])
            except BlockingIOError:
                break
            except OSError:
                self._writes = False  # It is not read any more.
                waiting.clear()
                break
            if written == len(waiting[0]):
                waiting.popleft()
            else:
                waiting[0] = memoryview(waiting[0])[written:]
            self._untold += written
        if self._untold >= _CREDIT_TOLD:
            self._link.send(CREDIT, self.number, _COUNT.pack(self._untold))
            self._untold = 0
        self.register()
        if not waiting:
            self._release_held()
            if self._is_ending:
                self._close_writing()

    def end_writing(self) -> None:
        """Close the descriptor for writing when all that has arrived is written."""
        self._is_ending = True
        if not self._to_write:
            self._close_writing()

    def _close_writing(self) -> None:
        self._writes = False
        if not self._reads:
            self.close()
            return
        import _socket

        # A duplicate of the socket shares its state.
        duplicate = _socket.socket(fileno=os.dup(self._descriptor))
        try:
            duplicate.shutdown(_socket.SHUT_WR)
        except OSError:
            pass  # The other end is gone.
        finally:
            duplicate.close()

    def close(self) -> None:
        """Close the descriptor; idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        self._reads = self._writes = False
        self._to_write.clear()
        link = self._link
        for poll in link._poll, link._poll_of_link:
            try:
                poll.unregister(descriptor)
            except KeyError:
                pass
        link._callbacks.pop(descriptor, None)
        link._streams.pop(self.number, None)
        os.close(descriptor)
        self._release_held()
