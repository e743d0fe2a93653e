"""The directory in which bandsaw keeps what outlives a process.

A copy of this module lies beside the bootstrap of an archive and runs before anything
of bandsaw can be imported, so it knows the standard library only.
"""

from __future__ import annotations

import os
import sys

#: The name of the file in an environment that makes it one of bandsaw's.
ENVIRONMENT_RECORD = "bandsaw-environment.json"


def home_directory() -> str:
    """Return the directory in which bandsaw keeps what outlives a process.

    It is named by the environment variable `BANDSAW_HOME`, else it is in the user's
    directory for caches.
    """
    home = os.environ.get("BANDSAW_HOME")
    if home:
        return os.path.abspath(home)
    if sys.platform == "darwin":
        caches = os.path.expanduser("~/Library/Caches")
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(caches, "bandsaw")


def make_directory(name: str) -> str:
    """Make a directory below the home directory, for the user alone.

    Args:
        name: Its name.

    Returns:
        Its path.
    """
    home = home_directory()
    directory = os.path.join(home, name)
    if not os.path.isdir(directory):
        # The mode of `os.makedirs` is that of the last directory only.
        for path in os.path.dirname(home), home, directory:
            if not os.path.exists(path):
                os.makedirs(path, mode=0o700, exist_ok=True)
    return directory


class Hold:
    """A shared lock on a directory that other processes remove when it is unused.

    It ends with the object, at the latest with the process. A forked child does not
    have it.

    Args:
        directory: The directory. On a file system without locks it stays unlocked.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        process, descriptor, count = _held.get(directory, (0, -1, 0))
        if process != os.getpid():
            descriptor, count = _lock(directory, exclusively=False), 0
            if descriptor >= 0:
                _files[descriptor] = os.fstat(descriptor)
        _held[directory] = (os.getpid(), descriptor, count + 1)

    def release(self) -> None:
        """End the hold; releasing it again has no effect."""
        directory, self.directory = self.directory, ""
        process, descriptor, count = _held.get(directory, (0, -1, 0))
        if process != os.getpid():
            return
        if count > 1:
            _held[directory] = (process, descriptor, count - 1)
            return
        del _held[directory]
        if descriptor >= 0:
            file = _files.pop(descriptor)
            try:
                # A task may have closed it, and opened another file under its number.
                if os.path.samestat(os.fstat(descriptor), file):
                    os.close(descriptor)
            except OSError:
                pass

    __del__ = release


def is_held(directory: str) -> bool:
    """Tell if a process of this machine holds a directory.

    Args:
        directory: The directory.
    """
    if _held.get(directory, (0,))[0] == os.getpid():
        return True
    descriptor = _lock(directory, exclusively=True)
    if descriptor >= 0:
        os.close(descriptor)
    return descriptor == _LOCKED


# By directory, the process, its one descriptor and how many holds share that: closing
# another descriptor of the same file would end the lock of the process.
_held: dict[str, tuple[int, int, int]] = {}

# The files that the descriptors are of
_files: dict[int, os.stat_result] = {}

# Of a descriptor that is none: the file cannot be locked, or others have locked it.
_NO_LOCK, _LOCKED = -1, -2


def _lock(directory: str, exclusively: bool) -> int:
    try:
        import fcntl

        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(os.path.join(directory, ".lock"), flags, 0o600)
    except (ImportError, OSError):
        return _NO_LOCK
    kind = fcntl.LOCK_EX if exclusively else fcntl.LOCK_SH
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return _LOCKED
    except OSError:
        os.close(descriptor)
        return _NO_LOCK
    return descriptor
