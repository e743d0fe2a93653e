"""Large buffers on their way to another interpreter of this machine: one copy, no name.

They are written into a file on shared memory that has no name, so that a process that
is killed leaves nothing. The reader gets its descriptor and maps it copy-on-write, so
changing what is read changes nothing elsewhere. When no process holds it any more, it
is gone.
"""

from __future__ import annotations

import errno
import mmap
import os

from ..serialization.buffers import FileContent, blocks_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Sequence

    from ..serialization.buffers import Buffer

# Where Linux keeps files in memory.
_SHARED_MEMORY = "/dev/shm"

# What numpy and all that computes with vectors like best.
_ALIGNMENT = 64

# No system writes more at once.
_MOST_AT_ONCE = 1 << 30

_PADDING = memoryview(bytes(_ALIGNMENT))

# Some file systems have no files without a name, nor has macOS.
_WITHOUT_NAME: int = getattr(os, "O_TMPFILE", 0)
_NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT)

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS)


def write_buffers(buffers: Sequence[Buffer], directory: str | None = None) -> int:
    """Write buffers one behind the other, each at an aligned place.

    Args:
        buffers: The buffers.
        directory: Where to make the file. By default on shared memory, or where that
            has no room, in the directory for temporary files.

    Returns:
        The descriptor of the file, which has no name.

    Raises:
        OSError: If there is no room.
    """
    if directory is None and os.path.isdir(_SHARED_MEMORY):
        try:
            return _write(buffers, _SHARED_MEMORY)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
    return _write(buffers, directory)


def _write(buffers: Sequence[Buffer], directory: str | None) -> int:
    descriptor = _open_without_name(directory)
    try:
        for buffer in buffers:
            for block in blocks_of(buffer):
                _write_all(descriptor, block)
            _write_all(descriptor, _PADDING[: -buffer.nbytes % _ALIGNMENT])
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_without_name(directory: str | None) -> int:
    if directory is None:
        import tempfile

        directory = tempfile.gettempdir()
    flags = os.O_RDWR | os.O_CLOEXEC
    if _WITHOUT_NAME:
        try:
            return os.open(directory, flags | _WITHOUT_NAME, 0o600)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
    path = os.path.join(directory, f"bandsaw-{os.urandom(16).hex()}")
    descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.unlink(path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _write_all(descriptor: int, content: memoryview) -> None:
    while content.nbytes:
        content = content[os.write(descriptor, content[:_MOST_AT_ONCE]) :]


def map_buffers(descriptor: int, sizes: Sequence[int], mapped: int) -> list[Buffer]:
    """Map what `write_buffers` has written.

    Args:
        descriptor: The descriptor of the file.
        sizes: The sizes of the buffers in bytes.
        mapped: How many of them, from the first on, are to be in memory.

    Returns:
        The buffers; those in memory are writable. All that they take is free when none
        of them is used any more.

    Raises:
        ValueError: If the file is smaller than that.
    """
    starts = [0]
    for size in sizes:
        if size < 0:
            raise ValueError("a large buffer has a negative size")
        starts.append(starts[-1] + size + -size % _ALIGNMENT)
    if not 0 <= mapped <= len(sizes):
        raise ValueError("more large buffers are mapped than there are")
    if os.fstat(descriptor).st_size < starts[-1]:
        raise ValueError("the file with large buffers is too short")
    buffers: list[Buffer] = []
    if mapped:
        view = memoryview(
            mmap.mmap(
                descriptor,
                starts[mapped],
                flags=mmap.MAP_PRIVATE,
                prot=mmap.PROT_READ | mmap.PROT_WRITE,
            )
        )
        buffers += [
            view[start : start + size] for start, size in zip(starts, sizes[:mapped])
        ]
    if mapped < len(sizes):
        shared = _SharedFile(os.dup(descriptor))
        buffers += [
            FileContent(shared.open, size, start)
            for start, size in zip(starts[mapped:], sizes[mapped:])
        ]
    return buffers


class _SharedFile:
    """Keeps a file without a name open as long as it may be read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def open(self) -> IO[bytes]:
        # All that are opened share their position, so one is read after the other.
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self._descriptor), "rb")

    def __del__(self) -> None:
        os.close(self._descriptor)
