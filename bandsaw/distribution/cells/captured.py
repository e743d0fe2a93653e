"""Captured data of a notebook, written with its definitions and read for each session.

Small data is part of the definitions. Large data stays beside them, in a file without a
name for each value, and the definitions have the hash of its content. The other
interpreter keeps such files, and maps them anew for each session.
"""

from __future__ import annotations

import os
from hashlib import sha256
from io import BytesIO
from weakref import WeakValueDictionary

from ...config import configuration_of_notebook
from ...exceptions import InvalidSessionError
from ...serialization import PickleSerializer
from ...serialization.buffers import HeldContent, HeldFile, blocks_of, contiguous
from ...serialization.shared_memory import starts_of, write_buffers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from ...serialization import Serializer
    from ...serialization.buffers import Buffer

    # What stands among the definitions for a value: whether pickle has written it
    # whatever the serializer is, its content or the number of its file, the hash of a
    # file, and the sizes of the pieces that it consists of.
    Reference = tuple[bool, bytes | int, bytes, Sequence[int]]

# Smaller data is part of the definitions: to map a file takes longer.
_SMALLEST_APART = 1 << 16

# How many files of data go along with a session: each needs a descriptor.
_MOST_FILES = 16

# How much is compared at once.
_BLOCK = 1 << 20

_pickle = PickleSerializer()

# The files that are in use, by the hash of their content. Several tasks use the same.
_held: WeakValueDictionary[bytes, HeldContent] = WeakValueDictionary()


class CapturedValue:
    """A value as it was when it was written.

    Args:
        value: The value.
        serializer: What writes it, `None` for pickle whatever the serializer is.

    Attributes:
        size: Its size in bytes.

    Raises:
        SerializationError: If it cannot be written.
    """

    def __init__(self, value: Any, serializer: Serializer | None) -> None:
        self._serializer = serializer
        pieces = self._pieces_of(value)
        self._sizes = [piece.nbytes for piece in pieces]
        self.size = sum(self._sizes)
        self._digest, self._held, self._content = b"", None, b""
        if len(pieces) > 1 or self.size >= _SMALLEST_APART:
            try:
                self._digest, self._held = _hold(pieces)
            except OSError:
                pass  # There is no room for a file.
        if self._held is None:
            self._content = _joined(pieces)

    def _pieces_of(self, value: Any) -> list[memoryview]:
        stream = BytesIO()
        serializer = self._serializer or _pickle
        buffers = serializer.serialize_with_buffers(value, stream)
        return [stream.getbuffer(), *buffers]

    def is_still(self, value: Any) -> bool:
        """Tell if a value would be written in the same way now.

        Args:
            value: The value.
        """
        pieces = self._pieces_of(value)
        if [piece.nbytes for piece in pieces] != self._sizes:
            return False
        if self._held is None:
            return _joined(pieces) == self._content
        return _holds(self._held, pieces)

    def refer(self, files: list[HeldContent]) -> Reference:
        """Return what stands for the value among the definitions.

        Args:
            files: The files that go along, to which that of the value is added.
        """
        by_pickle = self._serializer is None
        held = self._held
        if held is None:
            return by_pickle, self._content, b"", self._sizes
        if held not in files and len(files) < _MOST_FILES:
            files.append(held)
        if held in files:
            return by_pickle, files.index(held), self._digest, self._sizes
        return by_pickle, b"".join(held.blocks()), b"", self._sizes


def _joined(pieces: list[memoryview]) -> bytes:
    """Return data as it would be in a file."""
    if len(pieces) == 1:
        return bytes(pieces[0])
    starts = starts_of([piece.nbytes for piece in pieces])
    content = bytearray(starts[-1])
    for start, piece in zip(starts, pieces):
        content[start : start + piece.nbytes] = piece
    return bytes(content)


def _holds(held: HeldContent, pieces: list[memoryview]) -> bool:
    """Tell if a file holds some data."""
    descriptor = held.file.descriptor
    for place, piece in zip(starts_of([piece.nbytes for piece in pieces]), pieces):
        for block in blocks_of(piece):
            for start in range(0, block.nbytes, _BLOCK):
                part = bytes(block[start : start + _BLOCK])
                # To compare views takes ten times as long.
                if os.pread(descriptor, len(part), place) != part:
                    return False
                place += len(part)
    return True


def _hold(pieces: list[memoryview]) -> tuple[bytes, HeldContent]:
    """Write data into a file, unless it is in one, and return its hash and the file."""
    size = starts_of([piece.nbytes for piece in pieces])[-1]
    for digest, held in list(_held.items()):
        # It takes a tenth of the time of writing and hashing it.
        if held.nbytes == size and _holds(held, pieces):
            return digest, held
    descriptor = write_buffers(pieces)
    try:
        held = HeldContent(HeldFile(descriptor), size, 0)
    finally:
        os.close(descriptor)
    # What was written is hashed, as another thread may change the value meanwhile.
    hashed = sha256()
    for block in held.blocks():
        hashed.update(block)
    digest = hashed.digest()
    return digest, _held.setdefault(digest, held)


class CapturedData:
    """The captured data of some definitions, as their recipient has it.

    Args:
        buffers: The large data.
        serializer: What reads the data, `None` for that of the notebook's
            configuration.
    """

    def __init__(
        self, buffers: Sequence[Buffer] = (), serializer: Serializer | None = None
    ) -> None:
        self._buffers = buffers
        self._serializer = serializer

    def read(self, reference: Reference) -> Any:
        """Read a value, which is another one each time.

        Args:
            reference: What `CapturedValue.refer` has returned.

        Raises:
            InvalidSessionError: If some of the data is missing.
        """
        by_pickle, content, _, sizes = reference
        serializer: Serializer | None = _pickle if by_pickle else self._serializer
        if serializer is None:
            configuration = configuration_of_notebook()
            serializer = _pickle if configuration is None else configuration.serializer
        if isinstance(content, bytes) and len(sizes) == 1:
            return serializer.deserialize_with_buffers(content, ())
        whole, starts = self._fresh(content), starts_of(sizes)
        if whole.nbytes < starts[-1]:
            raise InvalidSessionError("The saved session lacks captured data.")
        written, *buffers = [whole[s : s + size] for s, size in zip(starts, sizes)]
        return serializer.deserialize_with_buffers(written, buffers)

    def _fresh(self, content: bytes | int) -> memoryview:
        """Return data in memory that may be changed."""
        if isinstance(content, bytes):
            return memoryview(bytearray(content))
        if not 0 <= content < len(self._buffers):
            raise InvalidSessionError("The saved session lacks captured data.")
        buffer: Any = self._buffers[content]
        if isinstance(buffer, HeldContent):
            return buffer.mapped()
        return memoryview(bytearray(contiguous(buffer)))
