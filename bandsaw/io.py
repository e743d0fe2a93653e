"""Streams of generators, and generators of streams."""

from __future__ import annotations

from io import RawIOBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, BinaryIO, Iterable, Iterator, Union

    _Chunk = Union[bytes, bytearray, memoryview]

    # As the classes of the standard library do, so that it goes where a file goes.
    class _RawStream(RawIOBase, BinaryIO):
        pass
else:
    _RawStream = RawIOBase


class BytearrayGeneratorToStream(_RawStream):
    """A raw stream of what a generator yields.

    A reader gets as many bytes as it asks for, from as many chunks as that takes. Less
    means that the generator has ended; an empty chunk does not mean that.

    Args:
        generator: Yields bytes or bytearrays.
    """

    def __init__(self, generator: Iterable[_Chunk]) -> None:
        super().__init__()
        self._chunks = iter(generator)
        self._chunk = memoryview(b"")

    def readable(self) -> bool:
        """Tell that the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes.

        Args:
            buffer: The buffer to fill.

        Returns:
            The number of bytes; less than asked for only at the end of the stream.
        """
        with memoryview(buffer) as view, view.cast("B") as target:
            filled = 0
            while filled < len(target) and self._has_chunk():
                count = min(len(self._chunk), len(target) - filled)
                target[filled : filled + count] = self._chunk[:count]
                self._chunk = self._chunk[count:]
                filled += count
        return filled

    def peek(self, size: int = 0) -> bytes:
        """Return the next bytes without taking them from the stream.

        Args:
            size: Not used: what the generator has yielded last is returned.

        Returns:
            At least one byte, unless the stream is at its end.
        """
        return bytes(self._chunk) if self._has_chunk() else b""

    def _has_chunk(self) -> bool:
        while not self._chunk:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._chunk = memoryview(chunk).cast("B")
        return True


def read_stream_to_generator(
    stream: IO[bytes], buffer_size: int = 8192
) -> Iterator[bytearray]:
    """Yield what a stream has, chunk by chunk.

    Args:
        stream: The binary stream to read.
        buffer_size: The largest number of bytes in a chunk.

    Yields:
        The chunks.

    Raises:
        ValueError: If the buffer size is not positive.
        BlockingIOError: If the stream does not block and has nothing to read now.
    """
    if buffer_size < 1:
        raise ValueError(f"The buffer size must be positive, not {buffer_size}")
    while True:
        chunk = stream.read(buffer_size)
        if chunk is None:
            raise BlockingIOError("The stream has not ended, and nothing to read now.")
        if not chunk:
            return
        yield bytearray(chunk)
