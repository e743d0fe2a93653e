"""The frames and messages that two interpreters exchange, seen from both ends.

The parent starts a child with one end of a pair of sockets:

    parent                                      child

    HANDSHAKE: versions, run, settings  ------>
                                        <------  HANDSHAKE: versions
    PREPARE: what to import             ------>
    FILE: one that the next job needs   ------>
    JOB: a saved session                ------>
                                        <------  RECORD, PROGRESS: any number of them
                                        <------  ANSWER: a saved session
    CALL: a route, arguments            ------>
                                        <------  RECORD, PROGRESS: any number of them
                                        <------  VALUE: what the task has returned
    LEND: a link to the caller          ------>
                                        <------  LEND, when it cannot use that
    CLAIMS: one of two pipes            ------>
    AHEAD: a number, a route, arguments ------>
    AHEAD: a number, a route, arguments ------>
                                        <------  VALUE: of the first one
                                        <------  VALUE: of the second one
    MANY: a number, a route, several    ------>
                                        <------  DONE: values are in the pipe
    EXIT                                ------>
                                        <------  EXIT, when it was idle for too long

A link is lent at the far end of a connection only, see `bandsaw.transports.lending`.

Calls that are sent ahead are begun in their order, unless they are taken back before;
see `bandsaw.transports.claims`.

A frame is a header, a head, a content and perhaps files:

- The header begins with a mark, by which bytes are recognized that something else has
  written into the socket.
- The head is plain data, written by `marshal`, which needs no import. A class for each
  kind of frame says which fields it has.
- The content is that of the members of a saved session, one after the other. That of a
  call and of a value is all that these frames hold, see `bandsaw.session.route`. A call
  may be answered by a saved session, too.
- The descriptor of a file with large buffers is handed over by the system, so the file
  needs no name that could be left behind. The files in which the recipient of an
  earlier frame has left buffers come before the one that is made for this frame. One
  that several jobs need has a frame of its own.

A server at the far end of a connection understands two more, which it does not pass on:
KEEP has a large buffer that it is to keep under a number, and USE has the numbers of
those that the next job needs; it sends their files.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import struct
import sys
import time
from marshal import dumps, loads

from ..exceptions import ProtocolError
from ..runtime.contexts import suppress
from ..runtime.fork import Lock
from ..serialization.buffers import ClosedContent, HeldContent, HeldFile, contiguous
from ..session.frame_format import SessionFrames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Callable,
        NamedTuple,
        Sequence,
        TypeVar,
        Union,
    )

    from ..serialization.buffers import Buffer
    from .sharing import SharedBuffer

    Content = Union[bytes, memoryview]
    Fields = tuple[tuple[str, tuple[type, ...]], ...]
    M = TypeVar("M", bound="Message")
    S = TypeVar("S", bound="SavedSession")

    class Frame(NamedTuple):
        """A frame that was received."""

        kind: int
        head: dict[str, Any]
        content: memoryview
        descriptors: tuple[int, ...]


# What a frame holds.
(
    HANDSHAKE,
    PREPARE,
    JOB,
    CALL,
    ANSWER,
    VALUE,
    RECORD,
    PROGRESS,
    EXIT,
    CLAIMS,
    AHEAD,
    MANY,
    DONE,
    FILE,
    LEND,
    KEEP,
    USE,
) = range(1, 18)

#: Both ends have to speak the same one.
PROTOCOL = 7

# They have neither a head nor a file.
_BARE = (CALL, VALUE, AHEAD, MANY, DONE)

_MARK = b"bSaW"
# The mark, the kind, how many descriptors come along, and the sizes of what follows.
_HEADER = struct.Struct("<4sBBIQ")
HEADER_SIZE = _HEADER.size

# How many pieces a system call takes; POSIX promises 16, every system takes this.
_MOST_PIECES = 512

# What one read asks for, and from which size on the rest of a frame is read in place.
_READ_SIZE = 1 << 16

# From which size on the system makes room for a content only as far as it arrives.
_MAPPED_SIZE = 1 << 22

# What every Python reads, and writes in the same way.
_MARSHAL_VERSION = 2

# A head that claims to be larger is garbage.
_LARGEST_HEAD = 1 << 26

# What numpy and all that computes with vectors like best.
_ALIGNMENT = 64

# Fewer bytes go through a channel as fast as by a file with a name.
_SMALLEST_FILE = 1 << 20
# How many files go along with a frame beside the one that is made for it.
_MOST_FILES = 31

_DESCRIPTOR = struct.Struct("i")
# Every system hands over so many at once.
_MOST_DESCRIPTORS = 32
_SPACE_FOR_DESCRIPTORS = _socket.CMSG_SPACE(_MOST_DESCRIPTORS * _DESCRIPTOR.size)

# A program that another thread starts meanwhile must not inherit a file.
_CLOSE_ON_EXEC = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)

# How often an end that waits checks if the other one is alive, in seconds.
_INTERVAL = 0.1

_NO_HEAD: dict[str, Any] = {}
_NOTHING = memoryview(b"")


class Unread(EOFError):
    """The other end is gone and has not read all that it was sent."""


class Left(Unread):
    """The other end has left, as it was idle for too long, and has begun nothing."""


class Lacking(Unread):
    """The other end lacks something that it was to keep, and has begun nothing."""


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
        # What was received and not taken yet
        self._received = _NOTHING
        self._descriptors: list[int] = []
        self._watched: dict[int, Callable[[], object]] = {}
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLIN)
        self._descriptor = descriptor
        #: What packs the sessions that are sent.
        self.session_message: Callable[[SessionFrames], SessionMessage] = SessionMessage
        #: A directory that both ends share, where no descriptors can come along.
        self.shared_directory: str | None = None
        #: Is called once when a wait turns out to be long.
        self.meanwhile: Callable[[], None] | None = None
        self._socket.setblocking(True)
        if is_alive is not None:
            # A child that hangs must not hold up its parent. Waiting in the system call
            # that reads is faster than waiting before it.
            self._limit(_socket.SO_RCVTIMEO, _INTERVAL)
            self._limit(_socket.SO_SNDTIMEO, _INTERVAL)

    def _limit(self, option: int, seconds: float) -> None:
        whole, part = divmod(max(seconds, 1e-6), 1)
        timeval = struct.pack("ll", int(whole), int(1e6 * part))
        self._socket.setsockopt(_socket.SOL_SOCKET, option, timeval)

    def set_timeout(self, seconds: float) -> None:
        """Set the timeout for the next frames, at the end that is asked.

        Args:
            seconds: The timeout, after which `receive` raises a `TimeoutError`.
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
        """Watch a descriptor no longer; idempotent."""
        if self._watched.pop(descriptor, None) is not None:
            self._ready.unregister(descriptor)

    def send(
        self,
        kind: int,
        head: dict[str, Any] | None = None,
        pieces: Sequence[Content] = (),
        descriptors: Sequence[int] = (),
        deadline: float | None = None,
    ) -> None:
        """Send a frame.

        Args:
            kind: What it holds.
            head: Plain data: dicts with text as keys, lists, text, numbers, `None`.
            pieces: Its content; large pieces are not copied.
            descriptors: Open files that go along. They stay open here.
            deadline: When to give up, on the clock of `time.monotonic`.

        Raises:
            EOFError: If the other end is gone.
            TimeoutError: If it does not take the frame in time.
        """
        packed = b"" if head is None else pack_head(head)
        size = sum(map(len, pieces))
        header = _HEADER.pack(_MARK, kind, len(descriptors), len(packed), size)
        waiting: list[Any] = [header + packed, *filter(len, pieces)]
        ancillary = _ancillary(descriptors) if descriptors else ()
        # Another thread may be sending, to an end that does not read.
        patience = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._sending.acquire(True, patience):
            raise TimeoutError
        try:
            self._send_all(waiting, ancillary, deadline)
        finally:
            self._sending.release()

    def send_session(
        self,
        kind: int,
        head: dict[str, Any],
        session_message: SessionMessage,
        deadline: float | None = None,
    ) -> None:
        """Send a frame with a saved session, and the files that it needs before.

        Args:
            kind: What it holds.
            head: Plain data, with the fields of the message.
            session_message: The session.
            deadline: When to give up, on the clock of `time.monotonic`.

        Raises:
            EOFError: If the other end is gone.
            TimeoutError: If it does not take the frames in time.
        """
        for file in session_message.files:
            self.send(FILE, None, (), (file,), deadline)
        self.send(
            kind, head, session_message.pieces, session_message.descriptors, deadline
        )

    def send_bare(self, kind: int, content: Content) -> None:
        """Send a frame that has only a content.

        Args:
            kind: What it holds.
            content: Its content.

        Raises:
            EOFError: If the other end is gone.
        """
        header = _HEADER.pack(_MARK, kind, 0, 0, len(content))
        with self._sending:
            self._send_all([header, content], (), None)

    def send_ahead(self, contents: Sequence[tuple[int, bytes, bytes]]) -> None:
        """Send calls that the other end begins one after the other.

        Args:
            contents: The kind of each, and two pieces of its content.

        Raises:
            EOFError: If the other end is gone.
        """
        pieces: list[bytes] = []
        for kind, first, second in contents:
            size = len(first) + len(second)
            pieces += _HEADER.pack(_MARK, kind, 0, 0, size), first, second
        with self._sending:
            self._send_all([b"".join(pieces)], (), None)

    def _send_all(
        self, waiting: list[Any], ancillary: Any, deadline: float | None
    ) -> None:
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
            Its kind, its head, its content, and the files that came along, which belong
            to the caller.

        Raises:
            EOFError: If the other end is gone; `Unread` if it has not read all.
            TimeoutError: If it does not come in time.
            ProtocolError: If there is something else than a frame.
        """
        received = self._received
        if len(received) < _HEADER.size:
            received = self._gather(_HEADER.size, deadline)
        mark, kind, count, head_size, size = _HEADER.unpack_from(received)
        if kind in _BARE and mark == _MARK and not count and not head_size:
            end = _HEADER.size + size
            if len(received) >= end:
                # This is all that most calls take. An empty rest would keep in memory
                # what it is the rest of.
                self._received = received[end:] if len(received) > end else _NOTHING
                content = received[_HEADER.size : end]
                return (kind, _NO_HEAD, content, ())  # type: ignore[return-value]
        elif (
            mark != _MARK
            or not HANDSHAKE <= kind <= LEND
            or count > _MOST_DESCRIPTORS
            or head_size > _LARGEST_HEAD
            or kind in _BARE
        ):
            header = received[: _HEADER.size]
            raise ProtocolError(
                "The channel between two interpreters holds something else than their "
                f"frames, beginning with {bytes(header)!r}. Something has written into "
                "a descriptor that it did not open."
            )
        self._take(_HEADER.size, deadline)
        head = self._take_head(head_size, deadline) if head_size else {}
        content = self._take(size, deadline)
        descriptors: tuple[int, ...] = ()
        if count:
            # A process that has no room for the descriptors of a link needs none.
            if len(self._descriptors) < count and kind != LEND:
                raise ProtocolError("The file of a frame has not come along.")
            descriptors = tuple(self._descriptors[:count])
            del self._descriptors[:count]
        return (kind, head, content, descriptors)  # type: ignore[return-value]

    def _take(self, size: int, deadline: float | None) -> memoryview:
        received = self._received
        if len(received) < size:
            if size - len(received) > _READ_SIZE:
                return self._take_large(size, deadline)
            received = self._gather(size, deadline)
        # An empty rest would keep in memory what it is the rest of.
        self._received = received[size:] if len(received) > size else _NOTHING
        return received[:size]

    def _gather(self, size: int, deadline: float | None) -> memoryview:
        """Return what was received when it has at least a size."""
        received = self._received
        while len(received) < size:
            # Waiting in the read itself is faster by far.
            if self._watched or deadline is not None:
                self._wait(select.POLLIN, deadline)
            try:
                piece, ancillary, _, _ = self._socket.recvmsg(
                    _READ_SIZE, _SPACE_FOR_DESCRIPTORS, _CLOSE_ON_EXEC
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
            received = memoryview(received.tobytes() + piece if received else piece)
            self._received = received
        return received

    def _take_head(self, size: int, deadline: float | None) -> dict[str, Any]:
        content = self._take(size, deadline).tobytes()
        _check_claims(content)
        try:
            head = loads(content)
        except (EOFError, MemoryError, TypeError, ValueError) as error:
            raise ProtocolError(f"The head of a frame is damaged: {error}") from error
        if type(head) is not dict:
            raise ProtocolError(f"The head of a frame is no dict: {content[:99]!r}")
        return head

    def _take_large(self, size: int, deadline: float | None) -> memoryview:
        """Read the rest of a large frame into its place, and nothing behind it."""
        try:
            content = _room_for(size)
        except (MemoryError, OSError, OverflowError, ValueError) as error:
            raise ProtocolError(f"A frame claims to have {size} bytes.") from error
        filled = len(self._received)
        content[:filled] = self._received
        self._received = _NOTHING
        self._take_into(content[filled:], deadline)
        return content

    def _take_into(self, content: memoryview, deadline: float | None) -> None:
        filled = 0
        while filled < len(content):
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
        due = time.monotonic() + _INTERVAL
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
                now = time.monotonic()
                if found and now < due:
                    continue
                # A child that writes all the time is looked after, too.
                due = now + _INTERVAL
                if self._is_alive is not None and not self._is_alive():
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
        """Close the socket, and the files that were not taken; idempotent."""
        with suppress(OSError):  # A task may have closed its descriptor.
            self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.pop())


def send_descriptors(channel: int, kind: int, descriptors: Sequence[int]) -> None:
    """Send a frame that only has files, over a channel that has room for it.

    Args:
        channel: The descriptor of the channel's socket.
        kind: What it holds.
        descriptors: The descriptors of the files.

    Raises:
        OSError: If the other end is gone.
    """
    ancillary = _ancillary(descriptors) if descriptors else ()
    socket = _socket.socket(fileno=channel)
    try:
        header = _HEADER.pack(_MARK, kind, len(descriptors), 0, 0)
        socket.sendmsg([header], ancillary)
    finally:
        socket.detach()


def bare(kind: int, content: bytes) -> bytes:
    """Return a frame that has only a content.

    Args:
        kind: What it holds.
        content: Its content.
    """
    return _HEADER.pack(_MARK, kind, 0, 0, len(content)) + content


def beginning(kind: int, head: dict[str, Any], size: int) -> bytes:
    """Return what stands before the content of a frame.

    Args:
        kind: What it holds.
        head: Plain data, as `Channel.send` takes it.
        size: The size of the content.
    """
    content = pack_head(head)
    return _HEADER.pack(_MARK, kind, 0, len(content), size) + content


def packed(kind: int, head: dict[str, Any], pieces: Sequence[Content] = ()) -> bytes:
    """Return a frame as bytes.

    Args:
        kind: What it holds.
        head: Plain data, as `Channel.send` takes it.
        pieces: Its content.
    """
    return b"".join([beginning(kind, head, sum(map(len, pieces))), *pieces])


def measure(content: Content, place: int = 0) -> tuple[int, int, int]:
    """Return the kind of a frame, and the sizes of its head and its content.

    Args:
        content: The bytes in which it begins.
        place: Where it begins.

    Raises:
        ProtocolError: If there is something else.
    """
    mark, kind, count, head_size, size = _HEADER.unpack_from(content, place)
    is_known = HANDSHAKE <= kind <= EXIT or kind in (LEND, KEEP, USE)
    if mark != _MARK or count or not is_known:
        raise ProtocolError(f"There is no frame in {bytes(content[place:][:99])!r}.")
    return kind, head_size, size


def _ancillary(descriptors: Sequence[int]) -> Any:
    """Return what hands descriptors over together with the bytes of a frame."""
    data = b"".join(map(_DESCRIPTOR.pack, descriptors))
    return ((_socket.SOL_SOCKET, _socket.SCM_RIGHTS, data),)


def _room_for(size: int) -> memoryview:
    """Return memory for a content, of which a claim alone takes none."""
    if size < _MAPPED_SIZE:
        return memoryview(bytearray(size))
    import mmap

    return memoryview(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def pack_head(head: dict[str, Any]) -> bytes:
    """Write the head of a frame, as `marshal` reads it.

    Args:
        head: Plain data.
    """
    try:
        return dumps(head, _MARSHAL_VERSION)
    except ValueError:
        # Classes of the user's own, derived from those of plain data
        import json

        return dumps(json.loads(json.dumps(head)), _MARSHAL_VERSION)


# How many bytes follow a code of `marshal`.
_SIZES = {b"N"[0]: 0, b"T"[0]: 0, b"F"[0]: 0, b"0"[0]: 0, b"{"[0]: 0}
_SIZES.update({b"i"[0]: 4, b"g"[0]: 8})
_TEXT, _LONG, _CONTAINERS = b"u"[0], b"l"[0], b"(["


def _check_claims(head: bytes) -> None:
    """Refuse lists that claim to be longer than the whole head.

    `marshal` makes room for them before it reads what is in them.
    """
    claimed = 0
    for code in b"(", b"[":
        place = head.find(code)
        while place >= 0:
            claimed += int.from_bytes(head[place + 1 : place + 5], "little")
            place = head.find(code, place + 1)
    if claimed <= len(head):
        return
    # Some of them may be part of a text.
    claimed = place = 0
    while place < len(head):
        code_here = head[place]
        size = _SIZES.get(code_here)
        if size is None:
            count = int.from_bytes(head[place + 1 : place + 5], "little", signed=True)
            size = 4
            if code_here in _CONTAINERS:
                claimed += count
            elif code_here == _TEXT:
                size += count
            elif code_here == _LONG:
                size += 2 * abs(count)
            else:
                count = -1
            if (count < 0 and code_here != _LONG) or claimed > len(head):
                raise ProtocolError(f"The head of a frame is damaged: {head[:99]!r}")
        place += 1 + size


_OPTIONAL = type(None)
_LISTS = (list, tuple)


class Message:
    """The head of a frame, as its sender writes it and its recipient reads it.

    Args:
        **fields: The fields.
    """

    #: The types of each field. One that may be left out has that of `None` among them.
    FIELDS: Fields = ()

    _types: dict[str, tuple[type, ...]]
    _required: list[str]

    def __init_subclass__(cls) -> None:
        cls._types = dict(cls.FIELDS)
        cls._required = []
        for name, types in cls.FIELDS:
            if _OPTIONAL in types:
                setattr(cls, name, None)
            else:
                cls._required.append(name)

    def __init__(self, **fields: Any) -> None:
        self.__dict__ = fields

    def encode(self) -> dict[str, Any]:
        """Return the head of the frame."""
        return self.__dict__

    @classmethod
    def decode(cls: type[M], head: dict[str, Any]) -> M:
        """Read the head of a frame.

        Args:
            head: The head, which belongs to the message from now on.

        Raises:
            ProtocolError: If a field is missing, or is something else.
        """
        for name in cls._required:
            if name not in head:
                raise ProtocolError(
                    f"The message {cls.__name__} of another interpreter lacks {name}."
                )
        for name, value in head.items():
            if name in cls._types and not isinstance(value, cls._types[name]):
                raise ProtocolError(
                    f"The message {cls.__name__} of another interpreter has {value!r} "
                    f"as its {name}."
                )
        message = cls.__new__(cls)
        message.__dict__ = head
        return message


_SAVED_SESSION: Fields = (
    ("form", (dict,)),
    ("inside", (*_LISTS, _OPTIONAL)),
    ("sizes", (*_LISTS, _OPTIONAL)),
    ("mapped", (int, _OPTIONAL)),
    ("file", (str, _OPTIONAL)),
    ("closed", (*_LISTS, _OPTIONAL)),
    ("apart", (*_LISTS, _OPTIONAL)),
)


class Settings(Message):
    """The settings of a process that continues sessions.

    Attributes:
        path: Directories to look for modules in first.
        environment: Environment variables to set.
        modules: What the process that started it can import, if that is another Python.
        script: The module name of the workflow's script.
        arguments: The words on its command line, as it finds them in `sys.argv`.
        temporary_directory: Where to make temporary files.
        lifeline: What ends when the process has to end, see `end_with_parent`.
        originals: Where the user's own files are that the code was copied from, by
            their names in the archive.
    """

    FIELDS = (
        ("path", (*_LISTS, _OPTIONAL)),
        ("environment", (dict, _OPTIONAL)),
        ("modules", (*_LISTS, _OPTIONAL)),
        ("script", (str, _OPTIONAL)),
        ("arguments", (*_LISTS, _OPTIONAL)),
        ("temporary_directory", (str, _OPTIONAL)),
        ("lifeline", (dict, _OPTIONAL)),
        ("originals", (dict, _OPTIONAL)),
    )
    path: Sequence[str] | None
    environment: dict[str, str] | None
    modules: Sequence[str] | None
    script: str | None
    arguments: Sequence[str] | None
    temporary_directory: str | None
    lifeline: dict[str, Any] | None
    originals: dict[str, str] | None


class Handshake(Message):
    """The first message of each end.

    Attributes:
        protocol: The version of the protocol.
        python: The version of Python.
        run: The run of the workflow; of the parent only, as is what follows.
        idle_timeout: How long the child waits for a job, in seconds.
        settings: The settings of the child.
        takes_files: Whether descriptors of files can come along with frames.
        shared_directory: Where files have names that both ends know, if they cannot.
    """

    FIELDS = (
        ("protocol", (int,)),
        ("python", _LISTS),
        ("run", (dict, _OPTIONAL)),
        ("idle_timeout", (int, float, _OPTIONAL)),
        ("settings", (dict, _OPTIONAL)),
        ("takes_files", (bool, _OPTIONAL)),
        ("shared_directory", (str, _OPTIONAL)),
    )
    run: dict[str, Any] | None
    idle_timeout: float | None
    settings: dict[str, Any] | None
    takes_files: bool | None
    shared_directory: str | None

    def __init__(self, **fields: Any) -> None:
        super().__init__(protocol=PROTOCOL, python=list(sys.version_info[:3]), **fields)

    @classmethod
    def receive(
        cls, channel: Channel, name: str, deadline: float | None = None
    ) -> Handshake:
        """Receive the handshake of the other end.

        Args:
            channel: The channel.
            name: What the other end is called in an error.
            deadline: When to give up, on the clock of `time.monotonic`.

        Raises:
            ProtocolError: If it speaks another protocol, or sends something else.
        """
        kind, head, _, _ = channel.receive(deadline)
        protocol = head.get("protocol") if kind == HANDSHAKE else None
        if protocol != PROTOCOL:
            raise ProtocolError(
                f"{name} speaks version {protocol} of the protocol, and this "
                f"interpreter version {PROTOCOL}."
            )
        return cls.decode(head)


class Prepare(Message):
    """The modules that a child imports before a job needs them.

    Attributes:
        configuration: The module of the configuration.
        modules: The other modules.
    """

    FIELDS = (("configuration", (str,)), ("modules", _LISTS))
    configuration: str
    modules: Sequence[str]


class SavedSession(Message):
    """A saved session, as an answer has it.

    Attributes:
        form: What `SessionFrames.unpack` takes.
        inside: The sizes of the buffers that are the end of the content.
        sizes: The sizes of the buffers in the last file that comes along.
        mapped: How many of them, from the first on, are read into memory.
        file: The name of that file, if it is in a directory that both ends share.
        closed: The buffers that stay in their files: the place of each among all
            buffers, the number of its file, where it begins there, and its size.
        apart: The place among all buffers, and the size, of each that has a file of its
            own, in the order of their places.
    """

    FIELDS = _SAVED_SESSION
    form: dict[str, Any]
    inside: Sequence[int] | None
    sizes: Sequence[int] | None
    mapped: int | None
    file: str | None
    closed: Sequence[Sequence[int]] | None
    apart: Sequence[Sequence[int]] | None

    @classmethod
    def open(
        cls: type[S],
        head: dict[str, Any],
        content: Content,
        descriptors: Sequence[int],
        shared_directory: str | None = None,
        files: Sequence[int] = (),
    ) -> tuple[S, SessionFrames]:
        """Read the head of a frame, and unpack the session.

        Args:
            head: The head.
            content: The content of the frame.
            descriptors: The files that came along. They are closed.
            shared_directory: Where a file is that has a name.
            files: The files that came before. They stay open.

        Raises:
            InvalidSessionError: If something of the session is missing.
            OSError: If the file that has a name is gone.
            ProtocolError: If the head or a file is damaged.
        """
        buffers: Sequence[Buffer] = ()
        if not descriptors and head.get("file") is not None:
            descriptors = (cls.decode(head)._open_file(shared_directory),)
        if not descriptors:
            message = cls.decode(head)
            if message.inside is not None:
                content, buffers = message._split(content)
        else:
            try:
                message = cls.decode(head)
                buffers = message._map_buffers(descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
        if files or message.apart:
            buffers = message._with_files(buffers, files)
        return message, SessionFrames.unpack(message.form, content, buffers)

    def _split(self, content: Content) -> tuple[Content, Sequence[Buffer]]:
        """Return the content of the members, and the buffers that stand behind it."""
        view = memoryview(content)
        if view.readonly:
            view = memoryview(bytearray(view))  # What is read may be changed.
        sizes = self.inside or ()
        try:
            starts = [len(view)]
            for size in reversed(sizes):
                starts.append(starts[-1] - size - -size % _ALIGNMENT)
            if starts[-1] < 0 or any(size < 0 for size in sizes):
                raise ValueError("it is too short")
        except (TypeError, ValueError) as error:
            raise ProtocolError(
                f"The buffers of a frame are damaged: {error}"
            ) from error
        starts.reverse()
        buffers = [view[start : start + size] for start, size in zip(starts, sizes)]
        return view[: starts[0]], buffers

    def _open_file(self, directory: str | None) -> int:
        if directory is None or self.file is None:
            raise ProtocolError("A file has a name, and there is no place for it.")
        from ..serialization.shared_memory import open_named_buffers

        try:
            return open_named_buffers(self.file, directory)
        except ValueError as error:
            raise ProtocolError(f"The file of a frame is damaged: {error}") from error

    def _map_buffers(self, descriptors: Sequence[int]) -> Sequence[Buffer]:
        from ..serialization.shared_memory import held_buffer, map_buffers

        try:
            buffers = map_buffers(descriptors[-1], self.sizes or (), self.mapped or 0)
            if self.closed is not None:
                files = [*map(HeldFile, descriptors)]
                for place, *where in self.closed:
                    buffers.insert(place, held_buffer(files, *where))
            return buffers
        except (OverflowError, TypeError, ValueError) as error:
            raise ProtocolError(f"The file of a frame is damaged: {error}") from error

    def _with_files(
        self, buffers: Sequence[Buffer], files: Sequence[int]
    ) -> Sequence[Buffer]:
        """Return all buffers, with those that have files of their own."""
        found = [*buffers]
        try:
            apart = [(place, size) for place, size in self.apart or ()]
            if len(apart) != len(files):
                raise ValueError(f"it needs {len(apart)} files and has {len(files)}")
            for (place, size), file in zip(apart, files):
                if not 0 <= place <= len(found):
                    raise ValueError(f"a buffer has the place {place}")
                found[place:place] = _map_file(file, [size], 1)
        except (OverflowError, TypeError, ValueError) as error:
            raise ProtocolError(f"The files of a frame are damaged: {error}") from error
        return found


def _map_file(descriptor: int, sizes: Sequence[int], mapped: int) -> list[Buffer]:
    # Most sessions have none.
    from ..serialization.shared_memory import map_buffers

    return map_buffers(descriptor, sizes, mapped)


class SentSession(SavedSession):
    """A saved session with the conditions under which it is continued.

    Attributes:
        levels: Which log records the parent takes, `None` for those that it took last.
        held: The locks that are held until the session has ended.
        memory_limit: How many bytes it may take beyond those of its arguments.
        route: The number under which it is remembered.
    """

    FIELDS = (
        *_SAVED_SESSION,
        ("levels", (dict, _OPTIONAL)),
        ("held", (*_LISTS, _OPTIONAL)),
        ("memory_limit", (int, _OPTIONAL)),
        ("route", (int, _OPTIONAL)),
    )
    levels: dict[str, int] | None
    held: Sequence[tuple[str, str]] | None
    memory_limit: int | None
    route: int | None


class Record(Message):
    """A log record; it has all attributes of the record that are plain data."""

    FIELDS = (("name", (str,)), ("levelno", (int,)), ("msg", (str,)))


class Progress(Message):
    """The progress of a task, see `bandsaw.reporting.Progress`."""

    FIELDS = (
        ("task", (str,)),
        ("done", (int, float)),
        ("total", (int, float, _OPTIONAL)),
        ("message", (str, _OPTIONAL)),
    )


#: What a session tells while it is continued: its name and its fields, by the kind of
#: the frame.
TOLD_BY_JOBS: dict[int, tuple[str, type[Message]]] = {
    RECORD: ("record", Record),
    PROGRESS: ("progress", Progress),
}


class SessionMessage:
    """A saved session, packed to be sent; a context manager around its file.

    Args:
        form: The session.

    Attributes:
        fields: The fields of a `SavedSession`.
        pieces: The pieces of the frame's content.
        descriptors: The files that go along.
        files: Those that have to be there before, in which buffers of other sessions
            are, too. They belong to what shares them.
    """

    descriptors: tuple[int, ...] = ()
    files: Sequence[int] = ()
    _files: Sequence[HeldFile] = ()
    _made: int | None = None
    _shared: Sequence[object] = ()

    def __init__(self, form: SessionFrames) -> None:
        head, self.pieces, buffers = form.pack()
        self.fields: dict[str, Any] = {"form": head}
        if buffers and form.sharing is not None:
            buffers = self._take_shared(form.shared_buffers(), buffers)
        if buffers:
            self._add_files(buffers)

    def _add_files(self, buffers: Sequence[Buffer]) -> None:
        """Write the buffers into a file, but for those that are in files already."""
        from ..serialization.shared_memory import write_buffers

        # They stay open until they are sent, whatever becomes of the values.
        self._files, written = self._note_files(buffers, _MOST_FILES)
        self.descriptors = tuple(file.descriptor for file in self._files)
        if written:
            self._made = write_buffers(written)
            self.descriptors += (self._made,)

    def _note_files(
        self, buffers: Sequence[Buffer], most_files: int
    ) -> tuple[list[HeldFile], list[Buffer]]:
        """Note in which file each buffer is.

        Args:
            buffers: The buffers.
            most_files: How many files may go along that are there already.

        Returns:
            These files, and what has to be written into one behind them.
        """
        from ..serialization.shared_memory import starts_of

        files: list[HeldFile] = []
        closed: list[tuple[int, int, int, int]] = []
        new: list[tuple[int, Buffer]] = []
        others: list[Buffer] = []
        for place, buffer in enumerate(buffers):
            if isinstance(buffer, HeldContent) and len(files) < most_files:
                if buffer.file not in files:
                    files.append(buffer.file)
                number = files.index(buffer.file)
                closed.append((place, number, buffer.start, buffer.nbytes))
            elif isinstance(buffer, (ClosedContent, HeldContent)):
                new.append((place, buffer))
            else:
                others.append(buffer)
        written = [*others, *(buffer for _, buffer in new)]
        starts = starts_of([buffer.nbytes for buffer in written])[len(others) :]
        closed += [
            (place, len(files), start, buffer.nbytes)
            for (place, buffer), start in zip(new, starts)
        ]
        self.fields["sizes"] = [buffer.nbytes for buffer in others]
        self.fields["mapped"] = sum(isinstance(one, memoryview) for one in others)
        if closed:
            self.fields["closed"] = sorted(closed)
        return files, written

    def pack_for(self, channel: Channel) -> None:
        """Be packed for a channel; by default it is the same for all of them.

        Args:
            channel: The channel.
        """

    def hand_over(self) -> None:
        """Leave what has a name to the recipient."""

    def _take_shared(
        self, found: Sequence[SharedBuffer | None], buffers: list[Buffer]
    ) -> list[Buffer]:
        """Let buffers go by the files that others share, and return the rest."""
        self._shared = shared = [one for one in found if one is not None]
        if not shared:
            return buffers
        self.files = [one.descriptor for one in shared]
        self.fields["apart"] = [
            (place, one.nbytes) for place, one in enumerate(found) if one is not None
        ]
        return [buffer for one, buffer in zip(found, buffers) if one is None]

    def close(self) -> None:
        """Close the files; idempotent."""
        descriptor, self._made = self._made, None
        self.descriptors = self._files = self._shared = self.files = ()
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> SessionMessage:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.close()


class WholeSessionMessage(SessionMessage):
    """A message for a channel that takes no files: the buffers are in the content.

    Args:
        form: The session.

    Attributes:
        buffers: The buffers, unless they are in a file.
        shared: What other sessions share of each of them, `None` if nothing is known.
    """

    def __init__(self, form: SessionFrames) -> None:
        self._take(form)
        self._pack_whole()

    def _take(self, form: SessionFrames) -> None:
        self._head, self._members, buffers = form.pack()
        self.shared: Sequence[SharedBuffer | None] = form.shared_buffers()
        self._all_buffers = [
            buffer if one is None else one.content
            for one, buffer in zip(self.shared, buffers)
        ]

    def _pack_whole(self) -> None:
        self.fields = {"form": self._head}
        self.buffers = [*map(_in_memory, self._all_buffers)]
        self.pieces = self.pack_without(()) if self.buffers else self._members

    def pack_without(self, places: Sequence[int]) -> list[Content]:
        """Return the content of the frame, without some buffers that are elsewhere.

        Args:
            places: Their places among all buffers. The fields are those that belong to
                this content from now on.
        """
        pieces = [*self._members]
        buffers = [b for place, b in enumerate(self.buffers) if place not in places]
        self.fields["inside"] = [buffer.nbytes for buffer in buffers] or None
        self.fields["apart"] = [(p, self.buffers[p].nbytes) for p in places] or None
        for buffer in buffers:
            pieces += buffer, bytes(-buffer.nbytes % _ALIGNMENT)
        return pieces


def _in_memory(buffer: Buffer) -> memoryview:
    if isinstance(buffer, memoryview):
        return contiguous(buffer)
    return memoryview(b"".join(buffer.blocks()))


class FarSessionMessage(WholeSessionMessage):
    """A message for a channel to another place, whose ends may share a directory.

    Large buffers are in a file there, which has a name until its recipient opens it.
    Where that cannot be written, they are in the content.

    Args:
        form: The session.
        channel: The channel. Left out, `pack_for` has to follow.
    """

    def __init__(self, form: SessionFrames, channel: Channel | None = None) -> None:
        self._take(form)
        self._path: str | None = None
        if channel is not None:
            self.pack_for(channel)

    def pack_for(self, channel: Channel) -> None:
        """Be packed for a channel.

        Args:
            channel: The channel.
        """
        self.close()
        directory, buffers = channel.shared_directory, self._all_buffers
        size = sum(buffer.nbytes for buffer in buffers)
        if directory is not None and size >= _SMALLEST_FILE:
            from ..serialization.shared_memory import write_named_buffers

            with suppress(OSError):
                self.fields = {"form": self._head}
                self.pieces, self.buffers = self._members, []
                _, written = self._note_files(buffers, 0)
                name = write_named_buffers(written, directory)
                self._path = os.path.join(directory, name)
                self.fields["file"] = name
                return
        self._pack_whole()

    def hand_over(self) -> None:
        """Leave the file to the recipient."""
        self._path = None

    def close(self) -> None:
        """Remove the file if it was not opened; idempotent."""
        path, self._path = self._path, None
        if path is not None:
            with suppress(OSError):
                os.unlink(path)
