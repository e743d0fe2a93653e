"""Large buffers that the far end of a connection keeps, seen from both ends.

What was sent before is not sent again, but referred to by a number. The caller knows by
their content what is kept under which number, and how much that is: it says what is to
be kept, and drops what was used least when there is no more room. So the far end only
does as it is told. It keeps files, which the processes there map copy-on-write, so that
each session has a value of its own. Should it lack a file, because there was no room
for it on its disk, it says so, and nothing is referred to any more.

A buffer is hashed while it is sent, by what is sent: another thread may change it.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from functools import partial
from struct import Struct

from ..exceptions import ProtocolError
from ..runtime.fork import Lock
from ..serialization.shared_memory import open_with_room, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Sequence

    from .frames import Content
    from .sharing import SharedBuffer

#: Smaller buffers are sent again: a message more takes as long.
SMALLEST_KEPT = 1 << 18

#: How many buffers of a session are referred to: each needs a descriptor.
MOST_OF_A_SESSION = 16

# How much is kept behind a connection at most.
_MOST_KEPT = 1 << 29

#: The message of the far end when it lacks a buffer.
LACKING = b"lacking"

_NUMBER = Struct("<I")

# What is compared of two buffers before all of them is.
_SAMPLE = 1 << 12


def pack_numbers(numbers: Iterable[int]) -> bytes:
    """Write the numbers of the buffers that a session needs."""
    return b"".join(map(_NUMBER.pack, numbers))


def numbers_of(content: Content) -> list[int]:
    """Read what `pack_numbers` has written.

    Args:
        content: What was written.

    Raises:
        ProtocolError: If it is something else.
    """
    if len(content) % _NUMBER.size:
        raise ProtocolError(f"Numbers of buffers are {bytes(content[:99])!r}.")
    return [number for (number,) in _NUMBER.iter_unpack(content)]


class KeptBuffer:
    """A buffer that the far end keeps, as the caller knows it.

    Args:
        number: Its number.
        size: Its size in bytes.
        sample: Some of its content.

    Attributes:
        number: Its number.
        size: Its size in bytes.
        sample: Some of its content.
        users: How many sessions that were not answered need it.
        digest: The hash of its content, empty while it is sent.
        is_known: Whether it may be referred to.
    """

    __slots__ = ("digest", "is_known", "number", "sample", "size", "users")

    def __init__(self, number: int, size: int, sample: bytes) -> None:
        self.number = number
        self.size = size
        self.sample = sample
        self.users = 1
        self.digest = b""
        self.is_known = True


class Keeping:
    """The buffers that one far end keeps.

    Args:
        drop: Tells the far end the number of what it is to keep no longer.
    """

    def __init__(self, drop: Callable[[int], object]) -> None:
        self._drop = drop
        self._lock = Lock()
        # The one that was used last at the end
        self._kept: OrderedDict[int, KeptBuffer] = OrderedDict()
        self._count = self._size = 0
        self._is_given_up = False

    def claim(
        self,
        content: memoryview,
        shared: SharedBuffer | None,
        wait: Callable[[Callable[[], bool]], object],
    ) -> KeptBuffer | None:
        """Let a session need a buffer.

        Args:
            content: The buffer.
            shared: What is known of it.
            wait: Waits until something holds.

        Returns:
            What is kept, and is to be sent now if it has no digest; `None` if it cannot
            be kept.
        """
        sample = _sample_of(content)
        digest = b"" if shared is None else shared.digest
        while True:
            sent: KeptBuffer | None
            with self._lock:
                alike = [one for one in self._kept.values() if one.sample == sample]
                sent = next((one for one in alike if not one.digest), None)
                if sent is None and (digest or not alike):
                    for one in alike:
                        if one.digest == digest:
                            one.users += 1
                            self._kept.move_to_end(one.number)
                            return one
                    return self._reserve(content.nbytes, sample)
            if sent is not None:
                # Another thread is sending what may be the same.
                wait(partial(_is_sent, sent))
            elif shared is None:
                digest = _digest_of(content)
            else:
                with shared.lock:
                    digest = shared.digest = shared.digest or _digest_of(content)

    def _reserve(self, size: int, sample: bytes) -> KeptBuffer | None:
        unused = [one for one in self._kept.values() if not one.users]
        room = _MOST_KEPT - self._size
        if self._is_given_up or room + sum(one.size for one in unused) < size:
            return None
        for one in unused:
            if room >= size:
                break
            room += one.size
            self._forget(one)
            self._drop(one.number)
        self._count += 1
        kept = self._kept[self._count] = KeptBuffer(self._count, size, sample)
        self._size += size
        return kept

    def _forget(self, kept: KeptBuffer) -> None:
        if self._kept.pop(kept.number, None) is not None:
            self._size -= kept.size
        kept.is_known = False

    def settle(self, kept: KeptBuffer, digest: bytes) -> None:
        """Note that a buffer was sent.

        Args:
            kept: The buffer.
            digest: The hash of what was sent.
        """
        kept.digest = digest

    def abandon(self, kept: KeptBuffer) -> None:
        """Note that a buffer could not be sent to its end.

        Args:
            kept: The buffer.
        """
        with self._lock:
            self._forget(kept)

    def release(self, needed: Sequence[KeptBuffer]) -> None:
        """Note that a session needs some buffers no longer.

        Args:
            needed: The buffers.
        """
        with self._lock:
            for kept in needed:
                kept.users -= 1

    def give_up(self) -> None:
        """Refer to nothing any more, as the far end lacks something."""
        with self._lock:
            self._is_given_up = True
            for kept in list(self._kept.values()):
                self._forget(kept)
                self._drop(kept.number)


def _is_sent(kept: KeptBuffer) -> bool:
    return bool(kept.digest) or not kept.is_known


def new_digest() -> Any:
    """Return what hashes the content of a buffer."""
    from hashlib import sha256

    return sha256()


def _digest_of(content: memoryview) -> bytes:
    digest = new_digest()
    digest.update(content)
    found: bytes = digest.digest()
    return found


def _sample_of(content: memoryview) -> bytes:
    size = content.nbytes
    digest = new_digest()
    digest.update(b"%d" % size)
    for start in 0, size // 2, max(0, size - _SAMPLE):
        digest.update(content[start : start + _SAMPLE])
    found: bytes = digest.digest()
    return found


class Storing:
    """A buffer that arrives at the far end.

    Args:
        number: Its number.
        size: Its size in bytes.

    Attributes:
        number: Its number.
        descriptor: The file in which it is kept, `None` if there is no room for it.
    """

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.descriptor: int | None = None
        try:
            self.descriptor = open_with_room(size)
        except OSError:
            pass  # The session that needs it finds out.

    def write(self, content: memoryview) -> None:
        """Take more of it.

        Args:
            content: What has arrived.
        """
        if self.descriptor is not None:
            try:
                write_all(self.descriptor, content)
            except OSError:
                self.close()

    def close(self) -> None:
        """Keep it no longer; idempotent."""
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class KeptFiles:
    """The files that the far end keeps."""

    def __init__(self) -> None:
        self._files: dict[int, Storing] = {}

    def store(self, head: Any, size: int) -> Storing:
        """Begin to keep a buffer.

        Args:
            head: The head of the frame that has it.
            size: Its size in bytes.

        Raises:
            ProtocolError: If the head is something else.
        """
        number = head.get("number") if type(head) is dict else None
        if type(number) is not int:
            raise ProtocolError(f"A buffer to be kept comes with {head!r}.")
        return Storing(number, size)

    def add(self, storing: Storing) -> None:
        """Keep a buffer that has arrived."""
        self._files[storing.number] = storing

    def drop(self, number: int) -> None:
        """Keep a buffer no longer; one that is not kept is ignored.

        Args:
            number: Its number.
        """
        file = self._files.pop(number, None)
        if file is not None:
            file.close()

    def find(self, numbers: Sequence[int]) -> list[int] | None:
        """Return the descriptors of some files, `None` if one is lacking.

        Args:
            numbers: Their numbers.
        """
        found = []
        for number in numbers:
            file = self._files.get(number)
            if file is None or file.descriptor is None:
                return None
            found.append(file.descriptor)
        return found
