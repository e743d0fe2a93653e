"""Large buffers that stand beside what a serializer has written.

A buffer is a `memoryview`. Its content is taken in the order of C. It need not be
contiguous in memory: that of every second column of an array is gathered block by block
while it is written, which needs no memory for a copy. The content of a file
is not in memory at all.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Callable, Iterator, Union

    Buffer = Union[memoryview, "FileContent"]

# How much is gathered or read at once, in bytes; it stays in the processor's cache.
_BLOCK_SIZE = 1 << 20


class FileContent:
    """The content of a file, read block by block.

    Args:
        open: Opens the file.
        nbytes: The size of the content in bytes.
        start: Where in the file the content begins.
    """

    def __init__(
        self, open: Callable[[], IO[bytes]], nbytes: int, start: int = 0
    ) -> None:
        self._open = open
        self.nbytes = nbytes
        self._start = start

    def blocks(self) -> Iterator[memoryview]:
        """Yield the content.

        Raises:
            OSError: If the file has become shorter.
        """
        left = self.nbytes
        with self._open() as file:
            if self._start:
                file.seek(self._start)
            while left:
                block = file.read(min(left, _BLOCK_SIZE))
                if not block:
                    raise OSError(f"{file.name} has become shorter while it was read.")
                left -= len(block)
                yield memoryview(block)


def blocks_of(buffer: Buffer) -> Iterator[memoryview]:
    """Yield the content of a buffer as contiguous blocks of bytes.

    Args:
        buffer: The buffer. A contiguous one is a single block, and not copied.
    """
    if not buffer.nbytes:
        return
    if isinstance(buffer, FileContent):
        yield from buffer.blocks()
    elif buffer.c_contiguous:
        yield buffer.cast("B")
    else:
        # Only numpy makes others.
        yield from _gather(sys.modules["numpy"].asarray(buffer))


def _gather(array: Any) -> Iterator[memoryview]:
    numpy = sys.modules["numpy"]
    row_size = array.nbytes // len(array)
    if row_size > _BLOCK_SIZE and array.ndim > 1:
        for row in array:
            yield from _gather(row)
        return
    count = max(1, _BLOCK_SIZE // row_size)
    for start in range(0, len(array), count):
        block = numpy.ascontiguousarray(array[start : start + count])
        yield memoryview(block.reshape(-1).view("u1"))


def contiguous(buffer: memoryview) -> memoryview:
    """Return the content of a buffer as one run of bytes.

    Args:
        buffer: The buffer. A contiguous one is not copied.
    """
    if buffer.c_contiguous:
        return buffer.cast("B") if buffer.nbytes else memoryview(b"")
    content = bytearray(buffer.nbytes)
    end = 0
    for block in blocks_of(buffer):
        start, end = end, end + len(block)
        content[start:end] = block
    return memoryview(content)
