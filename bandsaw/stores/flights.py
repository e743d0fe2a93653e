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
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterator, List, Optional

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


class Flights:
    """The names with which somebody deals alone.

    Args:
        open_file: Opens the lock file and returns its descriptor, `None` for a store
            that only this process knows.
    """

    def __init__(self, open_file: Optional[Callable[[], int]] = None) -> None:
        self._open_file = open_file
        self._guard = threading.Lock()
        self._names: Dict[str, int] = {}
        self._descriptor = -1
        self._process = os.getpid()

    @contextlib.contextmanager
    def alone(self, name: str, wait: float) -> Iterator[bool]:
        """Be the only one on this machine who deals with a name; see `Store.alone`."""
        held: List[str] = _held.__dict__.setdefault("names", [])
        # Whoever holds a name waits only for those that sort after it, so that two who
        # want the other's name cannot wait for each other.
        if held and name <= max(held):
            wait = 0.0
        if not self._acquire(name, wait):
            yield False
            return
        held.append(name)
        try:
            yield True
        finally:
            held.remove(name)
            self._release(name)

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
        if self._open_file is None or fcntl is None:
            return True
        try:
            if self._descriptor < 0:
                self._descriptor = self._open_file()
            flags = fcntl.LOCK_EX | fcntl.LOCK_NB
            fcntl.lockf(self._descriptor, flags, 1, position)
        except OSError as error:
            # Where there are no locks, or no file, the threads have theirs.
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
        _held.__dict__.clear()


def _position(name: str) -> int:
    return int.from_bytes(sha256(name.encode("utf-8")).digest()[:7], "big")
