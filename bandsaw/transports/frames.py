"""The frames that two interpreters exchange over a pair of pipes, seen from both ends.

A frame is a header and a content. The header begins with a mark, by which bytes that
somebody else has written into the pipe are recognized. The first frame of each end is a
greeting that says which versions it speaks.
"""

from __future__ import annotations

import os
import select
import struct
import time
from _thread import allocate_lock

from ..exceptions import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, NamedTuple, Optional, Union

    Content = Union[bytes, memoryview]

    class Frame(NamedTuple):
        """What was received."""

        kind: int
        content: memoryview


PROTOCOL = 1

# What a frame holds.
GREETING, JOB, ANSWER, RECORD, PROGRESS, OUTPUT, CANCEL, FAREWELL = range(1, 9)

_MARK = b"bSaW"
_HEADER = struct.Struct("<4sBQ")

# How many pieces a system call takes; POSIX promises 16, every system takes this.
_MOST_PIECES = 512

# One read takes as much as a pipe holds.
_READ_SIZE = 1 << 16

# How often somebody who waits looks whether the other end is still alive, in seconds.
_INTERVAL = 0.1


class Channel:
    """One end of a pair of pipes.

    Args:
        source: The descriptor to read from.
        target: The descriptor to write to.
        is_alive: Tells if the other end may still answer. A process that it has started
            may hold the pipe open.
    """

    def __init__(
        self,
        source: int,
        target: int,
        is_alive: Optional[Callable[[], bool]] = None,
    ) -> None:
        self._source, self._target = source, target
        self._is_alive = is_alive
        self._lock = allocate_lock()
        self._received = bytearray()
        if is_alive is not None:
            # Whoever watches the other end must not be stopped by it.
            os.set_blocking(source, False)
            os.set_blocking(target, False)

    def send(
        self, kind: int, *pieces: Content, deadline: Optional[float] = None
    ) -> None:
        """Send a frame.

        Args:
            kind: What it holds.
            *pieces: Its content; large pieces are not copied.
            deadline: When to give up, on the clock of `time.monotonic`.

        Raises:
            EOFError: If the other end is gone.
            TimeoutError: If it does not take the frame in time.
        """
        size = sum(map(len, pieces))
        waiting: List[Any] = [_HEADER.pack(_MARK, kind, size)]
        waiting += [piece for piece in pieces if len(piece)]
        with self._lock:
            while waiting:
                try:
                    written = os.writev(self._target, waiting[:_MOST_PIECES])
                except BlockingIOError:
                    self._wait(self._target, select.POLLOUT, deadline)
                    continue
                except OSError as error:
                    raise EOFError("the other end is gone") from error
                while waiting and written >= len(waiting[0]):
                    written -= len(waiting[0])
                    del waiting[0]
                if written:
                    waiting[0] = memoryview(waiting[0])[written:]

    def receive(self, deadline: Optional[float] = None) -> Frame:
        """Wait for the next frame.

        Args:
            deadline: When to give up, on the clock of `time.monotonic`.

        Returns:
            Its kind and its content.

        Raises:
            EOFError: If the other end is gone.
            TimeoutError: If it does not come in time.
            ProtocolError: If there is something else than a frame.
        """
        header = self._take(_HEADER.size, deadline)
        mark, kind, size = _HEADER.unpack(header)
        if mark != _MARK or not GREETING <= kind <= FAREWELL:
            raise ProtocolError(
                "The pipe between two interpreters holds something else than their "
                f"frames, beginning with {bytes(header)!r}. A task has written into a "
                "descriptor that it did not open."
            )
        from typing import cast

        return cast("Frame", (kind, self._take(size, deadline)))

    def _take(self, size: int, deadline: Optional[float]) -> memoryview:
        received = self._received
        while len(received) < size:
            missing = size - len(received)
            try:
                piece = os.read(self._source, max(missing, _READ_SIZE))
            except BlockingIOError:
                self._wait(self._source, select.POLLIN, deadline)
                continue
            except OSError as error:
                raise EOFError("the other end is gone") from error
            if not piece:
                raise EOFError("the other end is gone")
            received += piece
        self._received = received[size:]
        return memoryview(received)[:size]

    def _wait(self, descriptor: int, event: int, deadline: Optional[float]) -> None:
        """Wait until a descriptor is ready, as long as the other end lives."""
        ready = select.poll()
        ready.register(descriptor, event)
        while not ready.poll(int(1000 * self._patience(deadline))):
            if self._is_alive is not None and not self._is_alive():
                # What it has written before it died is still to be read.
                if ready.poll(0):
                    return
                raise EOFError("the other end is gone")

    @staticmethod
    def _patience(deadline: Optional[float]) -> float:
        if deadline is None:
            return _INTERVAL
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left + 0.001, _INTERVAL)

    def close(self) -> None:
        """Close both descriptors; again does no harm."""
        source, self._source = self._source, -1
        target, self._target = self._target, -1
        for descriptor in {source, target} - {-1}:
            os.close(descriptor)
