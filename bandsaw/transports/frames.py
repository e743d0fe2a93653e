"""The frames that two interpreters exchange over two sockets, seen from both ends.

A frame is a header, a head and a content. The header begins with a mark, by which bytes
that somebody else has written into the socket are recognized. The head is plain data,
written by `marshal`, which needs no import; it says what the content is made of. A
frame may bring a file along: its descriptor is handed over by the system, so the file
needs no name that could be left behind.

The first frame of each end is a greeting that says which versions it speaks.
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import select
import struct
import time
from marshal import dumps, loads

from ..exceptions import ProtocolError
from ..runtime.fork import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Callable,
        NamedTuple,
        Sequence,
        Union,
    )

    Content = Union[bytes, memoryview]

    class Frame(NamedTuple):
        """What was received."""

        kind: int
        head: dict[str, Any]
        content: memoryview
        descriptor: int | None


# What a frame holds.
GREETING, PREPARE, JOB, ANSWER, RECORD, PROGRESS, FAREWELL = range(1, 8)

#: What somebody who continues a session tells meanwhile, by the kind of its frame.
TOLD_BY_JOBS = {RECORD: "record", PROGRESS: "progress"}

_MARK = b"bSaW"
# The mark, the kind, how many descriptors come along, and the sizes of what follows.
_HEADER = struct.Struct("<4sBBIQ")

# How many pieces a system call takes; POSIX promises 16, every system takes this.
_MOST_PIECES = 512

# What one read asks for, and from which size on the rest of a frame is read in place.
_READ_SIZE = 1 << 16

# What every Python reads, and writes in the same way.
_MARSHAL_VERSION = 2

# A head that claims to be larger is garbage.
_LARGEST_HEAD = 1 << 26

_DESCRIPTOR = struct.Struct("i")
_SPACE_FOR_DESCRIPTOR = _socket.CMSG_SPACE(_DESCRIPTOR.size)

# A program that another thread starts meanwhile must not inherit a file.
_CLOSE_ON_EXEC = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)

# How often somebody who waits looks whether the other end is still alive, in seconds.
_INTERVAL = 0.1

# How long somebody who waits does so actively. With a single processor the other end
# could not work meanwhile.
_SECONDS_TO_SPIN = 0.0001 if (os.cpu_count() or 1) > 1 else 0.0
_spinning = Lock()

# How many waits go by at most without another try, when it has not helped.
_MOST_SKIPPED = 63


class Unread(EOFError):
    """The other end is gone and has not read all that it was sent."""


class Channel:
    """One end of a pair of sockets.

    Args:
        descriptor: The descriptor of the socket, which belongs to the channel from now.
        is_alive: Tells if the other end may still answer. A process that it has started
            may hold the socket open. Left out at the end that is asked.
    """

    def __init__(
        self,
        descriptor: int,
        is_alive: Callable[[], bool] | None = None,
    ) -> None:
        self._socket = _socket.socket(fileno=descriptor)
        self._is_alive = is_alive
        self._sending = Lock()
        self._received = bytearray()
        self._descriptors: list[int] = []
        self._watched: dict[int, Callable[[], object]] = {}
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLIN)
        self._descriptor = descriptor
        # How many waits went by after the last try that has not helped, and are to.
        self._skipped = self._waits_to_skip = 0
        #: Is called once when a wait turns out to be long.
        self.meanwhile: Callable[[], None] | None = None
        self._socket.setblocking(True)
        if is_alive is not None:
            # Whoever watches the other end must not be stopped by it. Waiting in the
            # system call that reads is faster than waiting before it.
            self._limit(_socket.SO_RCVTIMEO, _INTERVAL)
            self._limit(_socket.SO_SNDTIMEO, _INTERVAL)

    def _limit(self, option: int, seconds: float) -> None:
        whole, part = divmod(max(seconds, 1e-6), 1)
        timeval = struct.pack("ll", int(whole), int(1e6 * part))
        self._socket.setsockopt(_socket.SOL_SOCKET, option, timeval)

    def be_patient(self, seconds: float) -> None:
        """Wait only so long for the next frame, at the end that is asked.

        Args:
            seconds: How long; after that `receive` raises a `TimeoutError`.
        """
        self._limit(_socket.SO_RCVTIMEO, seconds)

    def watch(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Have something called whenever a descriptor is readable during a wait.

        Args:
            descriptor: The descriptor.
            callback: Reads from it, or calls `forget`.
        """
        self._watched[descriptor] = callback
        self._ready.register(descriptor, select.POLLIN)

    def forget(self, descriptor: int) -> None:
        """Watch a descriptor no longer; again does no harm."""
        if self._watched.pop(descriptor, None) is not None:
            self._ready.unregister(descriptor)

    def send(
        self,
        kind: int,
        head: dict[str, Any] | None = None,
        pieces: Sequence[Content] = (),
        descriptor: int | None = None,
        deadline: float | None = None,
    ) -> None:
        """Send a frame.

        Args:
            kind: What it holds.
            head: Plain data: dicts with text as keys, lists, text, numbers, `None`.
            pieces: Its content; large pieces are not copied.
            descriptor: An open file that goes along. It stays open here.
            deadline: When to give up, on the clock of `time.monotonic`.

        Raises:
            EOFError: If the other end is gone.
            TimeoutError: If it does not take the frame in time.
        """
        packed = b"" if head is None else dumps(head, _MARSHAL_VERSION)
        size = 0
        for piece in pieces:
            size += len(piece)
        count = 0 if descriptor is None else 1
        header = _HEADER.pack(_MARK, kind, count, len(packed), size)
        waiting: list[Any] = [header + packed]
        waiting += [piece for piece in pieces if len(piece)]
        ancillary: Any = ()
        if descriptor is not None:
            ancillary = _ancillary(descriptor)
        with self._sending:
            while waiting:
                try:
                    written = self._socket.sendmsg(waiting[:_MOST_PIECES], ancillary)
                except BlockingIOError:
                    self._wait(select.POLLOUT, deadline)
                    continue
                except OSError as error:
                    if error.errno == errno.ENOBUFS:  # macOS, when its memory is full
                        self._wait(select.POLLOUT, deadline)
                        continue
                    raise EOFError("the other end is gone") from error
                ancillary = ()
                while waiting and written >= len(waiting[0]):
                    written -= len(waiting[0])
                    del waiting[0]
                if written:
                    waiting[0] = memoryview(waiting[0])[written:]

    def receive(self, deadline: float | None = None) -> Frame:
        """Wait for the next frame.

        Args:
            deadline: When to give up, on the clock of `time.monotonic`.

        Returns:
            Its kind, its head, its content, and the file that came along, which belongs
            to the caller.

        Raises:
            EOFError: If the other end is gone; `Unread` if it has not read all.
            TimeoutError: If it does not come in time.
            ProtocolError: If there is something else than a frame.
        """
        header = self._take(_HEADER.size, deadline)
        mark, kind, count, head_size, size = _HEADER.unpack(header)
        if (
            mark != _MARK
            or not GREETING <= kind <= FAREWELL
            or count > 1
            or head_size > _LARGEST_HEAD
        ):
            raise ProtocolError(
                "The channel between two interpreters holds something else than their "
                f"frames, beginning with {bytes(header)!r}. Something has written into "
                "a descriptor that it did not open."
            )
        head = self._take_head(head_size, deadline) if head_size else {}
        content = self._take(size, deadline)
        if count and not self._descriptors:
            raise ProtocolError("The file of a frame has not come along.")
        descriptor = self._descriptors.pop(0) if count else None
        return (kind, head, content, descriptor)  # type: ignore[return-value]

    def _take(self, size: int, deadline: float | None) -> memoryview:
        received = self._received
        while len(received) < size:
            if size - len(received) > _READ_SIZE:
                return self._take_large(size, deadline)
            # Waiting in the read itself is faster by far.
            if self._watched or deadline is not None:
                self._wait(select.POLLIN, deadline)
            else:
                self._spin()
            try:
                piece, ancillary, _, _ = self._socket.recvmsg(
                    _READ_SIZE, _SPACE_FOR_DESCRIPTOR, _CLOSE_ON_EXEC
                )
            except BlockingIOError:
                if self._is_alive is None and not received:
                    raise TimeoutError from None
                self._use_the_time()
                self._wait(select.POLLIN, deadline)
                continue
            except ConnectionResetError as error:
                raise Unread("the other end is gone") from error
            except OSError as error:
                raise EOFError("the other end is gone") from error
            if ancillary:
                self._keep_descriptors(ancillary)
            if not piece:
                raise EOFError("the other end is gone")
            received += piece
        self._received = received[size:]
        return memoryview(received)[:size]

    def _spin(self) -> None:
        """Look again and again for a moment before the thread goes to sleep.

        To be woken up takes longer than all the rest of a short call. One thread at a
        time does it. Where nothing comes so soon, it is tried less and less often.
        """
        self._waits_to_skip -= 1
        if self._waits_to_skip >= 0 or not _spinning.acquire(False):
            return
        try:
            poll = self._ready.poll
            end = time.monotonic() + _SECONDS_TO_SPIN
            while not poll(0):
                if time.monotonic() > end:
                    self._skipped = min(2 * self._skipped + 1, _MOST_SKIPPED)
                    self._waits_to_skip = self._skipped
                    return
            self._skipped = 0
        finally:
            _spinning.release()

    def _take_head(self, size: int, deadline: float | None) -> dict[str, Any]:
        content = self._take(size, deadline)
        try:
            head = loads(content)
        except (EOFError, TypeError, ValueError) as error:
            raise ProtocolError(f"The head of a frame is damaged: {error}") from error
        if type(head) is not dict:
            raise ProtocolError(f"The head of a frame is no dict: {bytes(content)!r}")
        return head

    def _take_large(self, size: int, deadline: float | None) -> memoryview:
        """Read the rest of a large frame into its place, and nothing behind it."""
        try:
            content = memoryview(bytearray(size))
        except (MemoryError, OverflowError) as error:
            raise ProtocolError(f"A frame claims to have {size} bytes.") from error
        filled = len(self._received)
        content[:filled] = self._received
        self._received = bytearray()
        while filled < size:
            if self._watched or deadline is not None:
                self._wait(select.POLLIN, deadline)
            try:
                count = self._socket.recv_into(content[filled:])
            except BlockingIOError:
                self._wait(select.POLLIN, deadline)
                continue
            except OSError as error:
                raise EOFError("the other end is gone") from error
            if not count:
                raise EOFError("the other end is gone")
            filled += count
        return content

    def _keep_descriptors(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                whole = data[: len(data) // _DESCRIPTOR.size * _DESCRIPTOR.size]
                for (descriptor,) in _DESCRIPTOR.iter_unpack(whole):
                    self._descriptors.append(descriptor)

    def _wait(self, event: int, deadline: float | None) -> None:
        """Wait until the socket is ready, as long as the other end lives.

        What is watched is looked after meanwhile.
        """
        ready = self._ready
        if event != select.POLLIN:
            ready.modify(self._descriptor, event)
        try:
            while True:
                found = ready.poll(1000 * self._patience(deadline))
                for descriptor, _ in found:
                    if descriptor == self._descriptor:
                        return
                    callback = self._watched.get(descriptor)
                    if callback is not None:
                        callback()
                if not found:
                    self._use_the_time()
                if not found and self._is_alive is not None and not self._is_alive():
                    # What it has written before it died is still to be read.
                    if any(fd == self._descriptor for fd, _ in ready.poll(0)):
                        return
                    raise EOFError("the other end is gone")
        finally:
            if event != select.POLLIN:
                ready.modify(self._descriptor, select.POLLIN)

    def _use_the_time(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()

    @staticmethod
    def _patience(deadline: float | None) -> float:
        if deadline is None:
            return _INTERVAL
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left + 0.001, _INTERVAL)

    def close(self) -> None:
        """Close the socket, and the files that nobody has taken; again does no harm."""
        with contextlib.suppress(OSError):  # A task may have closed its descriptor.
            self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.pop())


def _ancillary(descriptor: int) -> Any:
    """Return what hands a descriptor over together with the bytes of a frame."""
    data = _DESCRIPTOR.pack(descriptor)
    return ((_socket.SOL_SOCKET, _socket.SCM_RIGHTS, data),)
