"""Large buffers on their way to another interpreter of this machine: one copy, no name.

They are written into a file on shared memory that has no name, so that a process that
is killed leaves nothing. The reader gets its descriptor and maps it copy-on-write, so
changing what is read changes nothing elsewhere. When no process holds it any more, it
is gone.

Where no descriptor can be handed over, behind a connection, the file gets a name in a
directory that both ends share when all is written, and the reader removes the name.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat

from .buffers import FileContent, HeldContent, HeldFile, blocks_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

    from .buffers import Buffer

# Where Linux keeps files in memory.
_SHARED_MEMORY = "/dev/shm"

# What numpy and all that computes with vectors like best.
_ALIGNMENT = 64

# No system writes more at once.
_MOST_AT_ONCE = 1 << 30

_PADDING = memoryview(bytes(_ALIGNMENT))

# How many random bytes the name of a file has, in hexadecimal digits.
_RANDOM_BYTES = 16

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
    descriptor = _make_file(directory)
    try:
        _write_to(descriptor, buffers)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_with_room(size: int) -> int:
    """Make a file for one buffer that is written later, where there is room for it now.

    Args:
        size: The size of the buffer in bytes.

    Returns:
        The descriptor of the file, which has no name.

    Raises:
        OSError: If there is no room.
    """
    if os.path.isdir(_SHARED_MEMORY):
        try:
            return _open_with_room(size, _SHARED_MEMORY)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
    return _open_with_room(size, None)


def _open_with_room(size: int, directory: str | None) -> int:
    descriptor = _make_file(directory)
    size = starts_of([size])[-1]
    try:
        os.ftruncate(descriptor, size)
        # macOS finds out while it is written.
        if hasattr(os, "posix_fallocate") and size:
            os.posix_fallocate(descriptor, 0, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _make_file(directory: str | None) -> int:
    """Make a file that has no name, at least no more."""
    if directory is None:
        import tempfile

        directory = tempfile.gettempdir()
    descriptor = _open_without_name(directory)
    if descriptor is None:
        path = os.path.join(directory, f"bandsaw-{os.urandom(_RANDOM_BYTES).hex()}")
        descriptor = _open_new(path)
        os.unlink(path)
    return descriptor


def _write_to(descriptor: int, buffers: Sequence[Buffer]) -> None:
    for buffer in buffers:
        for block in blocks_of(buffer):
            write_all(descriptor, block)
        write_all(descriptor, _PADDING[: -buffer.nbytes % _ALIGNMENT])


def _open_without_name(directory: str) -> int | None:
    """Open a new file that has no name, `None` where there are none."""
    if not _WITHOUT_NAME:
        return None
    try:
        return os.open(directory, os.O_RDWR | os.O_CLOEXEC | _WITHOUT_NAME, 0o600)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        return None


def _open_new(path: str) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL
    return os.open(path, flags, 0o600)


def write_named_buffers(buffers: Sequence[Buffer], directory: str) -> str:
    """Write buffers as `write_buffers` does, into a file that has a name.

    Args:
        buffers: The buffers.
        directory: The directory of the file, which only the user can enter.

    Returns:
        The name in the directory.

    Raises:
        OSError: If there is no room.
    """
    name = os.urandom(_RANDOM_BYTES).hex()
    path = os.path.join(directory, name)
    unnamed = _open_without_name(directory)
    descriptor = _open_new(path) if unnamed is None else unnamed
    try:
        _write_to(descriptor, buffers)
        if unnamed is not None:
            # Python passes on that a link is to be followed only with a descriptor.
            parent = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.link(f"/proc/self/fd/{unnamed}", name, dst_dir_fd=parent)
            finally:
                os.close(parent)
    except BaseException:
        if unnamed is None:
            os.unlink(path)
        raise
    finally:
        os.close(descriptor)
    return name


def open_named_buffers(name: str, directory: str) -> int:
    """Open what `write_named_buffers` has written, and remove its name.

    Args:
        name: The name, which the other end sends.
        directory: The directory, which the caller has chosen.

    Returns:
        The descriptor of the file.

    Raises:
        OSError: If there is no such file of this user.
        ValueError: If that is no such name.
    """
    if len(name) != 2 * _RANDOM_BYTES or not set(name) <= set("0123456789abcdef"):
        raise ValueError(f"{name!r} is no name of a file with large buffers")
    path = os.path.join(directory, name)
    # Neither a link is followed, nor the writer of a pipe awaited.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise ValueError(f"{path} is no file of this user")
        os.unlink(path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_all(descriptor: int, content: memoryview) -> None:
    """Write something at the end of a file.

    Args:
        descriptor: The descriptor of the file.
        content: What to write.
    """
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
    starts = starts_of(sizes)
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
        file = HeldFile(descriptor)
        buffers += [
            FileContent(file.open, size, start)
            for start, size in zip(starts[mapped:], sizes[mapped:])
        ]
    return buffers


def starts_of(sizes: Sequence[int]) -> list[int]:
    """Return where in a file `write_buffers` writes buffers, and where it ends.

    Args:
        sizes: The sizes of the buffers in bytes.

    Raises:
        ValueError: If a size is negative.
    """
    starts = [0]
    for size in sizes:
        if size < 0:
            raise ValueError("a large buffer has a negative size")
        starts.append(starts[-1] + size + -size % _ALIGNMENT)
    return starts


def held_buffer(
    files: Sequence[HeldFile], number: int, start: int, size: int
) -> HeldContent:
    """Return a buffer that stays in its file.

    Args:
        files: The files.
        number: Which of them it is.
        start: Where the buffer begins.
        size: Its size in bytes.

    Raises:
        ValueError: If the file is smaller than that.
    """
    if min(number, start, size - 1) < 0 or number >= len(files):
        raise ValueError("a large buffer is in no file")
    if os.fstat(files[number].descriptor).st_size < start + size:
        raise ValueError("the file with large buffers is too short")
    return HeldContent(files[number], size, start)
