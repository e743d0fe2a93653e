"""The default store: files in a private directory."""

from __future__ import annotations

import atexit
import errno
import mmap
import os
import stat
import time
import weakref

from ..exceptions import UntrustedDirectoryError, keyword_only
from ..runtime.caller_warnings import warn_caller
from ..runtime.contexts import suppress
from ..runtime.fork import Lock, call_in_child
from ..runtime.lazy import late_attribute
from ..runtime.path_trust import check_path, how_to_mend
from .base import Item, Store, check_name
from .locks import locks_of, open_beside, share_with_writers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, ContextManager, Iterator, Sequence

    from .base import Content
    from .locks import Locks

#: How the names of documents begin, which are no entries.
DOCUMENT = ".code-"

_WRITING, _LOCKS = ".writing-", ".locks"
_USES = ".uses-"

# Uses are written this often at most, in seconds.
_INTERVAL = 60.0

# So many names are remembered until then.
_MOST_NAMES = 10_000

# A longer file is mapped.
_LONGEST_READ = 1 << 16

# Misses compare the open directory with its path this often at most, in seconds.
_COMPARING_INTERVAL = 0.1

# The attributes of a store that tell what was given
_GIVEN = {"_are_rights_significant", "_given_directory", "_root"}

# So many files are remembered whose bytes were compared.
_MOST_COMPARED = 10_000

# A file that was changed just now may be changed again without a change of its time.
_YOUNG_NS = 2 * 10**9

# Whether or not a directory can be listed, files below it can be opened.
_DIRECTORY_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# As opening a file does
_BY_EFFECTIVE_IDS = os.access in os.supports_effective_ids

# There is no file, no directory, or no open one.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EBADF)

# What to do when others may change what is kept
_OTHERWISE = (
    "keep the cache elsewhere, or sign what is kept, with "
    "configuration.set_serializer(SignedSerializer(PickleSerializer(), key))"
)

# A write that takes longer has ended: its writer was killed. In seconds.
_LONGEST_WRITING = 3600.0

# So has one that writes nothing for so long, as far as only the time tells.
_LONGEST_PAUSE = 60.0


def _text_of_path(path: str | Path) -> str:
    """Return the text of a `Path`, if that can be without 6 ms for `pathlib`."""
    if isinstance(path, str) and ".." not in path:
        return os.path.normpath(path)
    from pathlib import Path

    return str(Path(path))


class LocalStore(Store):
    """Keep bytes in files, which only the user can read.

    Args:
        directory: Where the files are. It is made when it is needed.

    Attributes:
        directory: Where the files are.
    """

    def __init__(self, directory: str | Path) -> None:
        self._keep_below(directory, os.path.abspath(directory))

    @classmethod
    @keyword_only("path")
    def at(cls, directory: str | Path, *, path: str) -> LocalStore:
        """Return the store of a directory that was chosen earlier.

        Args:
            directory: The directory as it was given.
            path: Its absolute path, which the working directory led to then.
        """
        store = cls.__new__(cls)
        store._keep_below(directory, path)
        return store

    def _keep_below(self, directory: str | Path, path: str) -> None:
        self._given_directory = directory
        self._location = _text_of_path(directory)
        self._root = path
        self._opened: _Directory | None
        self._has_missed: bool
        self._compared_at: float
        self._checked_parents: set[str]
        self._close()
        self._locks: Locks | None = None
        self._usage = _Usage(self._root)
        # What identifies files whose bytes were compared, and that have another time.
        self._compared: set[tuple[int, ...]] = set()
        call_in_child(self._close)
        self._are_rights_significant = True
        self._signed: LocalStore | None = None
        # What belongs to this process, and not to a copy
        self._made = {*vars(self), "_made", "directory"} - _GIVEN

    def __getstate__(self) -> dict[str, Any]:
        """Return what was given, so that a copy opens the directory itself."""
        return {n: value for n, value in vars(self).items() if n not in self._made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._keep_below(state["_given_directory"], state["_root"])
        vars(self).update(state)

    @late_attribute
    def directory(self) -> Path:
        """The directory of the files."""
        from pathlib import Path

        return Path(self._given_directory)

    def signed(self) -> LocalStore:
        """Return the store of the same files that does not look who may write them.

        What it writes may be read and written by those who may write to its directory,
        whatever the umask.
        """
        if not self._are_rights_significant:
            return self
        if self._signed is None:
            # Beside this one, which still looks who may write what has no signature.
            signed = type(self).__new__(type(self))
            vars(signed).update(vars(self))
            self._signed = signed
            self._signed._are_rights_significant = False
            self._signed._close()
            call_in_child(self._signed._close)
        return self._signed

    def read(self, name: str) -> Content | None:
        """Return what is kept under a name; a large file is mapped."""
        if name[: name.rfind("/")] not in self._checked_parents:
            self._check(name)
        # What follows a miss mostly is one. To be told so takes half as long as to fail
        # to open a file.
        if self._has_missed and not self.may_have(name):
            return None
        directory = self._opened
        try:
            if directory is None:
                directory = self._open()
            descriptor = os.open(name, _READ_FLAGS, dir_fd=directory.descriptor)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            if directory is None or self._is_current(directory, error):
                self._has_missed = True
                return None
            self._close()
            return self.read(name)
        try:
            self._has_missed = False
            content = os.read(descriptor, _LONGEST_READ)
            if len(content) < _LONGEST_READ:
                return content
            # Copy-on-write: changes are not seen elsewhere.
            mapping = _Mapping(descriptor, 0, access=mmap.ACCESS_COPY)
            mapping.status = os.fstat(descriptor)
            return memoryview(mapping)
        finally:
            os.close(descriptor)

    def may_have(self, name: str) -> bool:
        """Tell, without opening a file, if there is none of a name."""
        directory = self._opened
        if directory is None or not self._is_compared():
            return True
        below = directory.descriptor
        return os.access(name, os.F_OK, dir_fd=below, effective_ids=_BY_EFFECTIVE_IDS)

    def write(self, name: str, pieces: Sequence[Content]) -> None:
        """Write the bytes into a file beside and rename it."""
        self._write(name, pieces, None)

    def write_dated(self, name: str, pieces: Sequence[Content], written: float) -> None:
        """Write the bytes, and give the file the time."""
        self._write(name, pieces, _nanoseconds(written))

    def is_unchanged(self, content: Content, written: float) -> bool:
        """Tell if a mapped file has the time that it was given, or was compared."""
        mapping = getattr(content, "obj", None)
        if not isinstance(mapping, _Mapping):
            return False
        status = mapping.status
        if status.st_mtime_ns == _nanoseconds(written):
            return True
        return _identity(status) in self._compared

    def note_compared(self, name: str, content: Content, written: float) -> None:
        """Give a mapped file its time again, or remember it in this process."""
        mapping = getattr(content, "obj", None)
        if not isinstance(mapping, _Mapping):
            return
        status = mapping.status
        with suppress(OSError):
            directory = self._open()
            descriptor = os.open(name, _READ_FLAGS, dir_fd=directory.descriptor)
            try:
                # It may be another file by now, or have been changed.
                if _identity(os.fstat(descriptor)) != _identity(status):
                    return
                _set_time(descriptor, _nanoseconds(written))
                status = os.fstat(descriptor)
            finally:
                os.close(descriptor)
        is_young = abs(time.time_ns() - status.st_mtime_ns) < _YOUNG_NS
        if status.st_mtime_ns != _nanoseconds(written) and not is_young:
            if len(self._compared) >= _MOST_COMPARED:
                self._compared.clear()
            self._compared.add(_identity(status))

    def _write(self, name: str, pieces: Sequence[Content], when: int | None) -> None:
        check_name(name)
        parent = name[: name.rfind("/") + 1]
        directory = self._opened
        if directory is None or not self._is_compared():
            directory = self._open(make=True)
        if parent[:-1] not in self._checked_parents:
            self._check(name)
        below = directory.descriptor
        temporary = f"{parent}{_WRITING}{os.urandom(8).hex()}"
        try:
            descriptor = os.open(temporary, _WRITE_FLAGS, 0o600, dir_fd=below)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            directory = self._open(make=True)
            self._check(name)
            below = directory.descriptor
            self._make_below(directory, parent)
            descriptor = os.open(temporary, _WRITE_FLAGS, 0o600, dir_fd=below)
        try:
            try:
                if not self._are_rights_significant:
                    share_with_writers(descriptor, directory.mode)
                _write_all(descriptor, pieces)
                if when is not None:
                    _set_time(descriptor, when)
                    # What is not compared has to be on the disk before its name is.
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, name, src_dir_fd=below, dst_dir_fd=below)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=below)
            raise

    def _make_below(self, directory: _Directory, parent: str) -> None:
        # The mode of `os.makedirs` is that of the last directory only.
        made = ""
        for part in parent.rstrip("/").split("/"):
            made = f"{made}{part}/"
            try:
                os.mkdir(made, 0o700, dir_fd=directory.descriptor)
            except FileExistsError:
                continue
            if not self._are_rights_significant and directory.mode & 0o022:
                with suppress(OSError):
                    os.chmod(made, directory.mode, dir_fd=directory.descriptor)

    def remove(self, name: str) -> bool:
        """Remove a file, and its task's directory when it was the last one there."""
        self._check(name)
        path = f"{self._root}/{name}"
        self._usage.forget(name)
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        with suppress(OSError):
            os.rmdir(os.path.dirname(path))
        return True

    def items(self, prefix: str = "") -> Iterator[Item]:
        """Return the files whose names begin so."""
        directory = prefix.rpartition("/")[0]
        for path in _files(os.path.join(self._root, directory).rstrip("/")):
            name = path[len(self._root) + 1 :]
            base = os.path.basename(name)
            is_hidden = base.startswith(".") and not base.startswith(DOCUMENT)
            if is_hidden or not name.startswith(prefix):
                continue
            try:
                status = os.lstat(path)
            except OSError:
                continue  # It was removed meanwhile.
            if stat.S_ISREG(status.st_mode):
                written = status.st_mtime
                used, hits = self._usage.of(name)
                yield Item(
                    name,
                    size=status.st_size,
                    written=written,
                    used=max(used, written),
                    hits=hits,
                )

    def note_use(self, name: str) -> None:
        """Remember that a file was used; written down once a minute at most."""
        self._usage.note(name)

    def clean(self) -> None:
        """Remove what killed writers have left, and uses of files that are gone."""
        for path in list(_files(self._root)):
            base = os.path.basename(path)
            with suppress(OSError):
                if base.startswith(_WRITING):
                    if time.time() - os.lstat(path).st_mtime > _LONGEST_WRITING:
                        os.unlink(path)
                elif _is_orphan(path):
                    os.unlink(path)
                with suppress(OSError):
                    if os.path.dirname(path) != self._root:
                        os.rmdir(os.path.dirname(path))

    def remove_unfinished(self) -> None:
        """Remove what killed writers have left, however short a time ago.

        A writer that goes on elsewhere, and is not seen from here, cannot keep its
        result: that is a warning there.
        """
        paths = list(_files(self._root))
        left = [path for path in paths if os.path.basename(path).startswith(_WRITING)]
        opened = _open_files() if left else None
        for path in left:
            with suppress(OSError):
                status = os.lstat(path)
                if opened is None:
                    is_held = time.time() - status.st_mtime < _LONGEST_PAUSE
                else:
                    is_held = (status.st_dev, status.st_ino) in opened
                if not is_held:
                    os.unlink(path)
                    if os.path.dirname(path) != self._root:
                        os.rmdir(os.path.dirname(path))

    def alone(self, name: str, wait: float) -> ContextManager[bool]:
        """Lock a name across the threads and processes of this machine."""
        if self._locks is None:
            self._locks = locks_of(f"{self._root}/{_LOCKS}")
        return self._locks.alone(name, wait)

    def location(self, name: str) -> str:
        """Return the path of the file of a name."""
        return f"{self._location}/{name}"

    def _check(self, name: str) -> None:
        """Check, once for each task, that no other user can write there."""
        check_name(name)
        parent = os.path.dirname(name)
        try:
            directory = self._opened or self._open()
            status = os.stat(
                parent or ".", dir_fd=directory.descriptor, follow_symlinks=False
            )
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            return  # It is not there yet.
        if parent:
            path = f"{self._root}/{parent}"
            if stat.S_ISLNK(status.st_mode):
                raise UntrustedDirectoryError(
                    f"{path} in a cache is a symbolic link, which is not followed. "
                    "Remove it."
                )
            self._check_rights(path, status)
        self._checked_parents.add(parent)

    def _open(self, make: bool = False) -> _Directory:
        """Return the directory, opened once no other user can change it.

        Args:
            make: Whether to make it, for the user alone, when it is absent.

        Raises:
            UntrustedDirectoryError: If another user could have written there.
            OSError: If it cannot be opened.
        """
        directory = self._opened
        if directory is not None and directory.is_at(self._root):
            return directory
        self._close()
        if make:
            os.makedirs(self._root, 0o700, exist_ok=True)
        status = os.stat(self._root)
        self._check_path()
        self._check_rights(self._root, status)
        self._opened = directory = _Directory(self._root)
        return directory

    def _is_current(self, directory: _Directory, error: OSError) -> bool:
        """Tell, after a file was not found, if the path still refers to a directory."""
        if error.errno == errno.ENOENT and self._is_compared():
            return True
        now = time.monotonic()
        if not directory.is_at(self._root):
            return False
        self._compared_at = now
        return True

    def _is_compared(self) -> bool:
        """Tell if the open directory was compared with its path just now."""
        return time.monotonic() - self._compared_at < _COMPARING_INTERVAL

    def _close(self) -> None:
        """Open and check the directory anew before it is used again."""
        self._opened = None
        self._has_missed = False
        self._compared_at = 0.0
        self._checked_parents = set()

    def _check_path(self) -> None:
        if not self._are_rights_significant:
            return
        what = f"the cache {self._root}"
        check_path(self._root, what, _OTHERWISE, UntrustedDirectoryError)

    def _check_rights(self, path: str, status: os.stat_result) -> None:
        if not self._are_rights_significant:
            return
        # Root is trusted on every machine.
        if status.st_uid not in (os.getuid(), 0):
            raise UntrustedDirectoryError(
                f"The directory {path} of a cache belongs to another user (with the id "
                f"{status.st_uid}). {how_to_mend('-R go-w', path, _OTHERWISE)}"
            )
        if status.st_mode & stat.S_IWOTH:
            raise UntrustedDirectoryError(
                f"Everybody may write to the directory {path} of a cache. "
                f"{how_to_mend('go-w', path, _OTHERWISE)}"
            )
        if status.st_mode & stat.S_IWGRP:
            warn_caller(
                f"A group may write to the directory {path} of a cache. "
                f"{how_to_mend('g-w', path, _OTHERWISE)}"
            )

    def __repr__(self) -> str:
        return f"LocalStore({str(self.directory)!r})"


class _Mapping(mmap.mmap):
    """A mapped file, with its status when it was opened."""

    status: os.stat_result


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _nanoseconds(seconds: float) -> int:
    """Return a time that is as exact as milliseconds."""
    return round(seconds * 1000) * 10**6


def _set_time(descriptor: int, nanoseconds: int) -> None:
    # Where that is not allowed, the bytes are compared when they are read.
    with suppress(OSError):
        os.utime(descriptor, ns=(nanoseconds, nanoseconds))


class _Directory:
    """An open directory, below which files are opened whatever becomes of its path.

    Args:
        path: Its path.

    Attributes:
        descriptor: Its descriptor.
        mode: Who may do what in it.
    """

    __slots__ = ("_identity", "descriptor", "mode")

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, _DIRECTORY_FLAGS)
        status = os.fstat(self.descriptor)
        self.mode = stat.S_IMODE(status.st_mode)
        self._identity = status.st_dev, status.st_ino

    def is_at(self, path: str) -> bool:
        """Tell if a path still refers to this directory, and the descriptor, too.

        Args:
            path: The path.
        """
        try:
            status = os.stat(path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity and self._is_open()

    def _is_open(self) -> bool:
        # A program may close all descriptors, as a daemon does, and open others.
        try:
            status = os.fstat(self.descriptor)
            is_open = (status.st_dev, status.st_ino) == self._identity
        except OSError:
            is_open = False
        if not is_open:
            self.descriptor = -1  # The number may soon be that of its successor.
        return is_open

    def __del__(self) -> None:
        if hasattr(self, "_identity") and self._is_open():
            os.close(self.descriptor)


def _write_all(descriptor: int, pieces: Sequence[Content]) -> None:
    if sum(map(len, pieces)) <= _LONGEST_READ:
        whole = b"".join(pieces)
        written = os.write(descriptor, whole)
        pieces = () if written == len(whole) else (whole[written:],)
    for piece in pieces:
        rest = memoryview(piece).cast("B")
        while len(rest):
            rest = rest[os.write(descriptor, rest) :]


def _files(directory: str) -> Iterator[str]:
    try:
        with os.scandir(directory) as found:
            entries = list(found)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        else:
            yield entry.path


class _Usage:
    """The time of the last use and the number of uses of files below a directory.

    What is known of a file is in one beside it, which is as long as the file has
    answered calls, and as old as its last use. It is written late, many uses at a time:
    a hit must not cost a write.

    Args:
        root: The directory.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = Lock()
        self._begin_anew()
        _all_usage.add(self)
        call_in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        # What its parent remembers, the parent writes.
        self._hits: dict[str, int] = {}
        self._written = time.monotonic()

    def note(self, name: str) -> None:
        """Remember that a file was used.

        Args:
            name: Its path below the root.
        """
        hits = self._hits
        hits[name] = hits.get(name, 0) + 1
        if time.monotonic() - self._written > _INTERVAL or len(hits) > _MOST_NAMES:
            self.write()

    def forget(self, name: str) -> None:
        """Forget the uses of a file that is removed.

        Args:
            name: Its path below the root.
        """
        self._hits.pop(name, None)
        try:
            os.unlink(_beside(f"{self._root}/{name}"))
        except OSError:
            pass  # There were none.

    def write(self) -> None:
        """Write down what is remembered, as far as that is possible."""
        with self._lock:
            hits, self._hits = self._hits, {}
            self._written = time.monotonic()
        for name, count in hits.items():
            path = f"{self._root}/{name}"
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
            try:
                if not os.path.exists(path):
                    continue
                descriptor = open_beside(_beside(path), flags | os.O_CLOEXEC)
                try:
                    os.write(descriptor, b"." * count)
                finally:
                    os.close(descriptor)
            except OSError:
                pass  # It matters only for the choice of what is removed first.

    def of(self, name: str) -> tuple[float, int]:
        """Return when a file was used the last time, and how often.

        Args:
            name: Its path below the root.

        Returns:
            Seconds since the epoch, 0 for never, and a number.
        """
        pending = self._hits.get(name, 0)
        try:
            status = os.lstat(_beside(f"{self._root}/{name}"))
        except OSError:
            return (time.time() if pending else 0.0), pending
        used = time.time() if pending else status.st_mtime
        return used, status.st_size + pending


def _open_files() -> set[tuple[int, int]] | None:
    """Return the devices and inodes of the files that writers have open.

    Returns:
        Those of the processes that may be looked into; `None` if the system, like
        macOS, does not tell.
    """
    opened = set()
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return None
    if not processes:
        return None
    for process in processes:
        with suppress(OSError), os.scandir(f"/proc/{process}/fd") as descriptors:
            for descriptor in descriptors:
                with suppress(OSError):
                    # What is something else may take long to be looked at.
                    if _WRITING in os.readlink(descriptor.path):
                        status = os.stat(descriptor.path)
                        opened.add((status.st_dev, status.st_ino))
    return opened


def _is_orphan(path: str) -> bool:
    """Tell if a file holds the uses of one that is gone."""
    directory, _, name = path.rpartition("/")
    if not name.startswith(_USES):
        return False
    return not os.path.lexists(f"{directory}/{name[len(_USES) :]}")


def _beside(path: str) -> str:
    """Return the path of the file that holds the uses of another one."""
    directory, _, name = path.rpartition("/")
    return f"{directory}/{_USES}{name}"


_all_usage: weakref.WeakSet[_Usage] = weakref.WeakSet()


@atexit.register
def _write_all_usage() -> None:
    for usage in list(_all_usage):
        usage.write()
