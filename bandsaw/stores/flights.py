"""One at a time: locks by name, across the threads and processes of one machine.

A lock of a name is a byte of a lock file, chosen by a hash of the name and locked by
the operating system, which gives it up when its holder dies. Such locks belong to a
process, and all of them are lost when it closes any descriptor of that file. So a
process has one descriptor, which stays open, and its threads have locks of their own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from zlib import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ContextManager, Dict, List, Optional

try:
    import fcntl
except ImportError:  # Not a POSIX system
    fcntl = None  # type: ignore[assignment]

# How long to sleep between two tries, in seconds.
_SHORTEST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.05

# Somebody else holds the lock.
_HELD_ELSEWHERE = (errno.EACCES, errno.EAGAIN)

_held = threading.local()


# By the real path of the lock file: two stores of one directory are one. They stay, as
# nobody may ever close a descriptor of a lock file.
_flights: Dict[str, Flights] = {}
_flights_lock = threading.Lock()


def flights_of(path: str) -> Flights:
    """Return the names of a directory with which somebody deals alone.

    Args:
        path: The path of the lock file in the directory.
    """
    path = os.path.realpath(path)
    with _flights_lock:
        if path not in _flights:
            _flights[path] = Flights(path)
        return _flights[path]


class Flights:
    """The names with which somebody deals alone.

    Args:
        path: The path of the lock file, `None` for a store that only this process
            knows.
    """

    def __init__(self, path: Optional[str] = None) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._names: Dict[str, int] = {}
        self._descriptor = -1
        self._process = os.getpid()

    def alone(self, name: str, wait: float) -> ContextManager[bool]:
        """Be the only one on this machine who deals with a name; see `Store.alone`."""
        return _Flight(self, name, wait)

    def _acquire(self, name: str, wait: float) -> bool:
        if self._process != os.getpid():
            self._begin_anew()
        deadline = time.monotonic() + wait
        pause = _SHORTEST_PAUSE
        while not self._try(name):
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    def _try(self, name: str) -> bool:
        with self._guard:
            if name in self._names:
                return False
            self._names[name] = position = _position(name)
            # Two names may share a byte. Its lock is given up by the last of them.
            if list(self._names.values()).count(position) > 1 or self._lock(position):
                return True
            del self._names[name]
            return False

    def _lock(self, position: int) -> bool:
        if self._path is None or fcntl is None:
            return True
        # Where there is no file, or there are no locks, the threads have theirs.
        if self._descriptor < 0:
            try:
                self._descriptor = _open(self._path)
            except OSError:
                return True
        try:
            flags = fcntl.LOCK_EX | fcntl.LOCK_NB
            fcntl.lockf(self._descriptor, flags, 1, position)
        except OSError as error:
            return error.errno not in _HELD_ELSEWHERE
        return True

    def _release(self, name: str) -> None:
        with self._guard:
            position = self._names.pop(name, None)
            if position is None or position in self._names.values():
                return
            if self._descriptor >= 0:
                with contextlib.suppress(OSError):
                    fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, position)

    def _begin_anew(self) -> None:
        """Hold nothing: a forked process does not have its parent's locks."""
        self._guard = threading.Lock()
        self._names = {}
        self._process = os.getpid()
        _held.names = []


class _Flight:
    """A name with which somebody may deal alone."""

    __slots__ = ("_flights", "_is_held", "_name", "_wait")

    def __init__(self, flights: Flights, name: str, wait: float) -> None:
        self._flights = flights
        self._name = name
        self._wait = wait
        self._is_held = False

    def __enter__(self) -> bool:
        held: List[str] = _held.__dict__.setdefault("names", [])
        # Whoever holds a name waits only for those that sort after it, so that two who
        # want the other's name cannot wait for each other.
        wait = 0.0 if held and self._name <= max(held) else self._wait
        self._is_held = self._flights._acquire(self._name, wait)
        if self._is_held:
            _held.names.append(self._name)
        return self._is_held

    def __exit__(self, *error: object) -> None:
        if self._is_held:
            # A forked process holds nothing, even if it was forked in here.
            if self._name in _held.__dict__.get("names", ()):
                _held.names.remove(self._name)
            self._flights._release(self._name)


def _open(path: str) -> int:
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def _position(name: str) -> int:
    return crc32(name.encode("utf-8"))


def _renew_lock_in_forked_child() -> None:
    global _flights_lock
    _flights_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock_in_forked_child)


def reset() -> None:
    """Forget all lock files and close them; for tests."""
    for flights in _flights.values():
        if flights._descriptor >= 0:
            os.close(flights._descriptor)
    _flights.clear()
