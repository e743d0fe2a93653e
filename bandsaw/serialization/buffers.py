"""Large buffers that stand beside what a serializer has written.

A buffer is a `memoryview`. Its content is taken in the order of C. It need not be
contiguous in memory: that of every second column of an array is gathered block by block
while it is written, which needs no memory for a copy. The content of a file
is not in memory at all. So is what belongs to a value that cannot be read where it
arrives: that is handed on as it has come.
"""

from __future__ import annotations

import os
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


class HeldFile:
    """A file that is open as long as it may be read, and never written to.

    Args:
        descriptor: A descriptor of the file, which stays that of the caller.
    """

    def __init__(self, descriptor: int) -> None:
        try:
            # A duplicate could be written to wherever it is handed on to.
            self.descriptor = os.open(
                f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC
            )
        except OSError:
            self.descriptor = os.dup(descriptor)

    def open(self) -> IO[bytes]:
        """Open the file; all that are opened share their position."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self.descriptor), "rb")

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "descriptor"):
            close(self.descriptor)


class HeldContent(FileContent):
    """The content of a buffer that stays in the file in which it has come.

    Args:
        file: The file.
        nbytes: The size of the content in bytes.
        start: Where in the file the content begins.

    Attributes:
        file: The file.
        start: Where in the file the content begins.
    """

    def __init__(self, file: HeldFile, nbytes: int, start: int) -> None:
        super().__init__(file.open, nbytes, start)
        self.file = file
        self.start = start

    def blocks(self) -> Iterator[memoryview]:
        """Yield the content, also to several threads at once.

        Raises:
            OSError: If the file has become shorter.
        """
        place, end = self.start, self.start + self.nbytes
        while place < end:
            size = min(end - place, _BLOCK_SIZE)
            block = os.pread(self.file.descriptor, size, place)
            if not block:
                raise OSError("A file of large buffers has become shorter.")
            place += len(block)
            yield memoryview(block)

    def mapped(self) -> memoryview:
        """Return the content as memory that can be written to; the file stays as it is.

        Raises:
            ValueError: If the file is shorter.
        """
        import mmap

        before = self.start % mmap.ALLOCATIONGRANULARITY
        mapping = mmap.mmap(
            self.file.descriptor,
            before + self.nbytes,
            flags=mmap.MAP_PRIVATE,
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
            offset=self.start - before,
        )
        return memoryview(mapping)[before:]


class ClosedContent(FileContent):
    """The content of a buffer of a value that its recipient cannot read.

    Args:
        buffer: The buffer.
    """

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer
        self.nbytes = buffer.nbytes

    def blocks(self) -> Iterator[memoryview]:
        """Yield the content."""
        return blocks_of(self._buffer)

    def mapped(self) -> memoryview:
        """Return the content as memory."""
        return contiguous(self._buffer)


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


def contiguous(buffer: memoryview | HeldContent | ClosedContent) -> memoryview:
    """Return the content of a buffer as one run of bytes.

    Args:
        buffer: The buffer. A contiguous one is not copied, nor is one in a file.
    """
    if not isinstance(buffer, memoryview):
        return buffer.mapped()
    if buffer.c_contiguous:
        return buffer.cast("B") if buffer.nbytes else memoryview(b"")
    content = bytearray(buffer.nbytes)
    end = 0
    for block in blocks_of(buffer):
        start, end = end, end + len(block)
        content[start:end] = block
    return memoryview(content)
