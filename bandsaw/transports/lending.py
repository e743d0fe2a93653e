"""A link that is lent: a process at the far end reads calls from it, and answers there.

Between two short calls of a caller, the server at the far end lends its link to the
process that continues them, see `bandsaw.transports.link`. So a call wakes up that
process only, and its answer only the caller. The server looks after the process
meanwhile, and takes the link back as soon as

- the process has done nothing with it for a while, be it idle or in a task;
- it has printed something, or has sent something on its channel;
- it has ended;
- or the process has returned it, with what it has read: everything but a short call on
  the one lane for which the link is lent.

Both ends share a page of memory. Who reads or writes the link, or changes the page,
holds a lock on its file, for some microseconds. The system releases the lock of a
process that has ended, and the page tells how far that has come. What was written is
whole, unless the link is a terminal that takes parts.

It needs what Linux has. Elsewhere nothing is lent.
"""

from __future__ import annotations

import os
import select
import struct
from functools import partial

from ..exceptions import ProtocolError
from ..runtime.contexts import suppress
from ..runtime.fork import call_in_child
from ..session.route import number_of
from . import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, NamedTuple, Sequence

    from ..session.route import Routes

    class Returned(NamedTuple):
        """A link that was lent, as it comes back.

        Attributes:
            phase: What the process does with it.
            calls: How many calls it has begun.
            taken: How many bytes of the lane it has taken.
            sent: How many bytes it has sent on the lane.
            rest: What it has read and has left to the server.
        """

        phase: int
        calls: int
        taken: int
        sent: int
        rest: bytes


#: What a process does with a link: it waits, reads, executes a task, or answers.
WAITING, READING, EXECUTING, ANSWERING = range(4)

# How much is taken or sent at most until the server has told the caller.
_MOST_OF_A_LOAN = 1 << 17

# The largest call that is read, and the largest value that is written, with headers. A
# pipe takes so much as a whole.
_LARGEST = 1 << 11

# What a message of the lane begins with, before the size of its content
_BEGINNING_SIZE = 7

# Whether the link is lent, the phase, what a message begins with, how many calls were
# begun, how much of the lane was taken and sent, how much may be, and the size of what
# follows
_PAGE = struct.Struct("<BB7sIIIII")
_COUNTS = struct.Struct("<III")
_COUNTS_START = struct.calcsize("<BB7s")
_PAGE_SIZE = 1 << 12
_SIZE = struct.Struct("<I")
_IS_LENT, _PHASE = 0, 1

# How many files come with the first frame that lends a link
_DESCRIPTORS = 4

# The headers of a message with a call
_HEADER_SIZE = _BEGINNING_SIZE + _SIZE.size
_HEADERS = _HEADER_SIZE + frames.HEADER_SIZE


class _Page:
    """The page of memory that both ends share.

    Args:
        file: The descriptor of its file.

    Attributes:
        content: What it holds.
        lock: Locks it.
        unlock: Unlocks it.
    """

    def __init__(self, file: int) -> None:
        from fcntl import LOCK_EX, LOCK_UN, lockf
        from mmap import mmap

        self.file = file
        self.content = mmap(file, _PAGE_SIZE)
        self.lock = partial(lockf, file, LOCK_EX)
        self.unlock = partial(lockf, file, LOCK_UN)

    def try_to_lock(self) -> bool:
        """Lock it unless the other end has locked it, and tell if it is locked."""
        from fcntl import LOCK_EX, LOCK_NB, lockf

        try:
            lockf(self.file, LOCK_EX | LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX allows both.
            return False
        return True


class LentLink:
    """The end of the server.

    Attributes:
        bell: Is readable when the process has returned the link.

    Raises:
        OSError: If there can be none.
    """

    def __init__(self) -> None:
        file = os.memfd_create("bandsaw", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, _PAGE_SIZE)
            self._page = _Page(file)
            self.bell, self._bell_target = os.pipe()
        except BaseException:
            os.close(file)
            raise
        for descriptor in self.bell, self._bell_target:
            os.set_blocking(descriptor, False)
        self._calls = 0
        self._is_introduced = False

    def lend(
        self, channel: int, link: tuple[int, int], beginning: bytes, credit: int
    ) -> None:
        """Let a process have the link from now on.

        Args:
            channel: The descriptor of the channel of the process, always the same one.
            link: The descriptors from which the link is read, and to which it is
                written.
            beginning: What the messages of the lane begin with whose calls it may take.
            credit: How much it may send there.

        Raises:
            OSError: If the process takes nothing.
        """
        page = self._page
        self._calls = 0
        most = min(credit, _MOST_OF_A_LOAN)
        page.lock()
        try:
            _PAGE.pack_into(page.content, 0, 1, WAITING, beginning, 0, 0, 0, most, 0)
        finally:
            page.unlock()
        needed = () if self._is_introduced else (*link, page.file, self._bell_target)
        frames.send_descriptors(channel, frames.LEND, needed)
        self._is_introduced = True

    def has_gone_on(self) -> bool:
        """Tell if calls have begun since this was asked last."""
        last, self._calls = self._calls, _PAGE.unpack_from(self._page.content)[3]
        return self._calls != last

    def take_back(self) -> Returned | None:
        """Take the link back; `None` if the process reads or writes it just now."""
        page = self._page
        if not page.try_to_lock():
            return None
        try:
            content = page.content
            _, phase, _, calls, taken, sent, _, size = _PAGE.unpack_from(content)
            content[_IS_LENT] = 0
            with suppress(BlockingIOError):
                os.read(self.bell, _PAGE_SIZE)
            rest = content[_PAGE.size : _PAGE.size + size]
            return (phase, calls, taken, sent, rest)  # type: ignore[return-value]
        finally:
            page.unlock()

    def close(self) -> None:
        """Let go of it."""
        self._page.content.close()
        for descriptor in self._page.file, self.bell, self._bell_target:
            os.close(descriptor)


class BorrowedLink:
    """The end of the process.

    Args:
        descriptors: The files that have come with the first frame that lends the link.
        channel: The descriptor of the channel of the process.

    Attributes:
        is_answered: Whether the last call was answered on the link.
    """

    def __init__(self, descriptors: Sequence[int], channel: int) -> None:
        from fcntl import ioctl
        from termios import FIONREAD

        self._source, self._target, file, self._bell = descriptors
        self._page = _Page(file)
        self._poll = select.poll()
        for descriptor in self._source, channel:
            self._poll.register(descriptor, select.POLLIN)
        self._count_unread: Callable[[int, bytearray], object] = lambda pipe, count: (
            ioctl(pipe, FIONREAD, count)
        )
        # What a task prints goes there, whatever it does with its own descriptors.
        self._outputs: list[int] = []
        for output in 1, 2:
            with suppress(OSError):  # A task may have closed it.
                self._outputs.append(os.dup(output))
        self._beginning = b""
        self._calls = self._taken = self._sent = 0
        self._has_told = self.is_answered = False
        call_in_child(self._close)

    @classmethod
    def of(cls, descriptors: Sequence[int], channel: int) -> BorrowedLink | None:
        """Return the end of a process, `None` if that can open no more files.

        Args:
            descriptors: The files that have come along.
            channel: The descriptor of the channel of the process.
        """
        if len(descriptors) == _DESCRIPTORS:
            with suppress(ImportError, OSError):
                return cls(descriptors, channel)
        for descriptor in descriptors:
            os.close(descriptor)
        return None

    def next_call(self, routes: Routes) -> memoryview | None:
        """Wait for the next call.

        Args:
            routes: The routes that it may take.

        Returns:
            The content of its frame; `None` if the process has the link no longer.
        """
        page, source = self._page.content, self._source
        while page[_IS_LENT]:
            for descriptor, _ in self._poll.poll():
                if descriptor != source:
                    return None
            self._page.lock()
            try:
                if not page[_IS_LENT]:
                    return None
                page[_PHASE] = READING
                try:
                    piece = os.read(source, _LARGEST)
                except BlockingIOError:
                    page[_PHASE] = WAITING
                    continue
                except OSError:
                    piece = b""  # The server finds out why.
                content = self._call_in(piece, routes)
                if content is None:
                    self._return(piece)
                    return None
                self._note(self._calls + 1, EXECUTING)
            finally:
                self._page.unlock()
            self._has_told = self.is_answered = False
            return content
        return None

    def _call_in(self, piece: bytes, routes: Routes) -> memoryview | None:
        """Return the content of a call, `None` if there is something else."""
        if len(piece) <= _HEADERS:
            return None
        _, _, beginning, calls, taken, sent, most, _ = _PAGE.unpack_from(
            self._page.content
        )
        (size,) = _SIZE.unpack_from(piece, _BEGINNING_SIZE)
        taken += size
        if (
            not piece.startswith(beginning)
            or size != len(piece) - _HEADER_SIZE
            or taken > most
            or sent + _LARGEST > most
        ):
            return None
        try:
            kind, head_size, size = frames.measure(piece, _HEADER_SIZE)
        except ProtocolError:
            return None
        content = memoryview(piece)[_HEADERS:]
        if kind != frames.CALL or head_size or size != len(content):
            return None
        if number_of(content) not in routes:
            return None
        self._beginning, self._calls = beginning, calls
        self._taken, self._sent = taken, sent
        return content

    def _note(self, calls: int, phase: int) -> None:
        page = self._page.content
        _COUNTS.pack_into(page, _COUNTS_START, calls, self._taken, self._sent)
        page[_PHASE] = phase
        self._calls = calls

    def _return(self, piece: bytes) -> None:
        """Leave what was read to the server."""
        page = self._page.content
        page[_PAGE.size : _PAGE.size + len(piece)] = piece
        _SIZE.pack_into(page, _PAGE.size - _SIZE.size, len(piece))
        page[_PHASE] = WAITING
        page[_IS_LENT] = 0
        with suppress(OSError):
            os.write(self._bell, b".")

    def telling(self, send: Callable[..., object]) -> Callable[..., None]:
        """Return what sends on the channel, where the answer has to follow then.

        Args:
            send: Sends something.
        """

        def tell(*arguments: Any) -> None:
            self._has_told = True
            send(*arguments)

        return tell

    def answer(self, value: bytes) -> bool:
        """Answer the last call, unless that has to be done on the channel.

        Args:
            value: The value as it is written.

        Returns:
            Whether it was answered.
        """
        frame = frames.bare(frames.VALUE, value)
        size = len(frame)
        if self._has_told or size > _LARGEST - _HEADER_SIZE or self._has_printed():
            return False
        page = self._page.content
        self._page.lock()
        try:
            if not page[_IS_LENT]:
                return False
            page[_PHASE] = ANSWERING
            message = self._beginning + _SIZE.pack(size) + frame
            try:
                self._write(message)
            except OSError:
                # It is full, or the caller is gone.
                page[_PHASE] = EXECUTING
                return False
            self._sent += size
            self._note(self._calls, WAITING)
        finally:
            self._page.unlock()
        self.is_answered = True
        return True

    def _has_printed(self) -> bool:
        """Tell if something is in the pipes to the server that was not read."""
        count = bytearray(4)
        try:
            for output in self._outputs:
                self._count_unread(output, count)
                if any(count):
                    return True
        except OSError:
            return True  # A task has closed it.
        return False

    def _write(self, message: bytes) -> None:
        written = os.write(self._target, message)
        while written < len(message):
            writable = select.poll()
            writable.register(self._target, select.POLLOUT)
            writable.poll()
            with suppress(BlockingIOError):
                written += os.write(self._target, message[written:])

    def _close(self) -> None:
        """Let go of it in a forked child."""
        page = self._page
        found = self._source, self._target, page.file, self._bell, *self._outputs
        for descriptor in found:
            with suppress(OSError):  # A task may have closed it.
                os.close(descriptor)


def can_lend() -> bool:
    """Tell if links can be lent on this system."""
    return hasattr(os, "memfd_create")
