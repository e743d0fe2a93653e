"""Locks by name, across the threads and processes of one machine.

A lock of a name is a byte of a lock file, chosen by a hash of the name and locked by
the operating system, which releases it when its holder dies. Such locks belong to a
process, and all of them are lost when it closes any descriptor of that file. So a
process has one descriptor, which stays open, and its threads have locks of their own.

A waiting thread shares the lock of a second byte, which marks the name as wanted. So
threads that wait in a circle find out: names have an order, in which waiting is safe.
Against it, a thread waits only as long as no other one wants a name that it holds.
"""

from __future__ import annotations

import errno
import os
import time
from contextvars import ContextVar
from zlib import crc32

from ..runtime.contexts import contextmanager, nullcontext, suppress
from ..runtime.fork import Lock, call_at_reset, call_in_child
from ..runtime.inheritance import Inherited
from ..runtime.registries import held_locks
from ..session.cancellation import is_cancelled, place_lent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from typing import (
        Callable,
        ContextManager,
        Iterable,
        Iterator,
        Sequence,
    )

    Waiting = ContextManager[Callable[[], object]]


try:
    import fcntl

    _EXCLUSIVE = fcntl.LOCK_EX | fcntl.LOCK_NB
    _SHARED = fcntl.LOCK_SH | fcntl.LOCK_NB
    _UNLOCK = fcntl.LOCK_UN
except ImportError:  # Not a POSIX system
    fcntl = None  # type: ignore[assignment]
    _EXCLUSIVE = _SHARED = _UNLOCK = 0

# How long to sleep between two tries, in seconds.
_SHORTEST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.05

# Another process holds the lock.
_HELD_ELSEWHERE = (errno.EACCES, errno.EAGAIN)

# From the byte of a name to the one that marks it as wanted.
_WANTED = 1 << 32

# The locks of those on whose behalf something runs: its thread, the one that awaits it,
# and the process that has sent it here. Not set: those of what has started the thread.
_held: ContextVar[tuple[_Lock, ...]] = ContextVar("held")

# By the real path of the lock file: two stores of one directory are one. They stay,
# because a descriptor of a lock file must never be closed.
_all_locks: dict[str, Locks] = {}
_all_locks_guard = Lock()


def locks_of(path: str) -> Locks:
    """Return the locks of a directory.

    Args:
        path: The path of the lock file in the directory.
    """
    path = os.path.realpath(path)
    with _all_locks_guard:
        if path not in _all_locks:
            _all_locks[path] = Locks(path)
        return _all_locks[path]


class Locks:
    """The locks of one store, by name.

    Args:
        path: The path of the lock file, `None` for a store that only this process
            knows.
    """

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._guard = Lock()
        self._descriptor = -1
        self._begin_anew()
        call_in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        """Hold nothing: a forked process does not have its parent's locks."""
        self._names: dict[str, int] = {}
        # How many threads of this process wait for a name.
        self._wanted: dict[str, int] = {}

    def alone(
        self, name: str, wait: float, waiting: Waiting | None = None
    ) -> ContextManager[bool]:
        """Lock a name on this machine; see `Store.alone`.

        Args:
            name: The name.
            wait: How long to wait for the lock, in seconds.
            waiting: A context manager around the wait. It gives a function that is
                called now and then while that lasts.
        """
        return _Lock(self, name, wait, waiting)

    def _acquire(self, lock: _Lock, held: Sequence[_Lock]) -> bool:
        if self._try(lock.name):
            return True
        if lock.wait <= 0:
            return False
        with place_lent(), lock.waiting or nullcontext(_tell_nothing) as tell:
            return self._acquire_later(lock.name, lock.wait, held, tell)

    def _acquire_later(
        self,
        name: str,
        wait: float,
        held: Sequence[_Lock],
        tell: Callable[[], object],
    ) -> bool:
        is_in_order = all(name > other.name for other in held)
        is_over = is_cancelled.get()
        deadline = time.monotonic() + wait
        pause = _SHORTEST_PAUSE
        self._want(name, 1)
        try:
            while not self._try(name):
                if time.monotonic() >= deadline or is_over():
                    return False
                if not is_in_order and any(
                    other.locks._is_wanted(other.name) for other in held
                ):
                    return False
                tell()
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                self._want(name)
        finally:
            self._want(name, -1)
        return True

    def _want(self, name: str, more: int = 0) -> None:
        """Note that so many more threads wait for a name, and let all processes know.

        Done again and again, because a process that looks for the mark is in its way.
        """
        with self._guard:
            count = self._wanted.pop(name, 0) + more
            if count:
                self._wanted[name] = count
            self._renew_mark(name)

    def _renew_mark(self, name: str) -> None:
        position = _position(name)
        is_wanted = position in map(_position, self._wanted)
        self._lock(position + _WANTED, _SHARED if is_wanted else _UNLOCK)

    def _is_wanted(self, name: str) -> bool:
        """Tell if another thread or process waits for a name."""
        with self._guard:
            if name in self._wanted:
                return True
            is_free = self._lock(_position(name) + _WANTED, _EXCLUSIVE)
            self._renew_mark(name)
            return not is_free

    def _try(self, name: str) -> bool:
        with self._guard:
            if name in self._names:
                return False
            self._names[name] = position = _position(name)
            # Two names may share a byte. Its lock is given up by the last of them.
            is_shared = list(self._names.values()).count(position) > 1
            if is_shared or self._lock(position, _EXCLUSIVE):
                return True
            del self._names[name]
            return False

    def _lock(self, position: int, kind: int) -> bool:
        """Change the lock of a byte, and tell if no other process was in the way."""
        if self._path is None or fcntl is None:
            return True
        # Where there is no file, or there are no locks, the threads have theirs.
        if self._descriptor < 0:
            try:
                self._descriptor = _open(self._path)
            except OSError:
                return True
        try:
            fcntl.lockf(self._descriptor, kind, 1, position)
        except OSError as error:
            return error.errno not in _HELD_ELSEWHERE
        return True

    def _release(self, name: str) -> None:
        with self._guard:
            # A process that was forked in here does not hold it.
            position = self._names.pop(name, None)
            if position is not None and position not in self._names.values():
                self._lock(position, _UNLOCK)


class _Lock:
    """The lock of a name, held while it is entered.

    Attributes:
        locks: The locks of its store.
        name: The name.
        wait: How long to wait for it, in seconds.
        waiting: The context manager around the wait.
        is_held: Whether it is held.
    """

    __slots__ = ("_token", "is_held", "locks", "name", "wait", "waiting")

    def __init__(
        self, locks: Locks, name: str, wait: float, waiting: Waiting | None = None
    ) -> None:
        self.locks = locks
        self.name = name
        self.wait = wait
        self.waiting = waiting
        self.is_held = False
        self._token: Token[tuple[_Lock, ...]] | None = None

    def __enter__(self) -> bool:
        held = _current()
        self.is_held = self.locks._acquire(self, held)
        if self.is_held:
            self._token = _held.set((*held, self))
            # It stays so. To replace and restore methods of classes for each lock would
            # cost a miss of a cache a tenth of its time.
            _inherited.switch(True)
        return self.is_held

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            _held.reset(self._token)
            self.is_held = False
            self.locks._release(self.name)


def _current() -> tuple[_Lock, ...]:
    """Return the locks that are held on behalf of the current context."""
    held = _held.get(None)
    if held is None:
        held = _inherited.of_thread()
    if not held:
        return ()
    # A thread may go on after what has started it.
    return tuple(lock for lock in held if lock.is_held)


@contextmanager
def _on_behalf_of(held: tuple[_Lock, ...]) -> Iterator[None]:
    token = _held.set(held)
    try:
        yield
    finally:
        _held.reset(token)


_inherited = Inherited(_current, _on_behalf_of)


@call_at_reset
def _stop_inheriting() -> None:
    _inherited.switch(False)


def held() -> list[tuple[str, str]]:
    """Return what is held on behalf of the caller, for another process to know."""
    return [
        (lock.locks._path, lock.name)
        for lock in _current()
        if lock.locks._path is not None
    ]


held_locks.register(held)


@contextmanager
def holding(names: Iterable[tuple[str, str]]) -> Iterator[None]:
    """Wait for locks on behalf of another process that holds some.

    Args:
        names: What `held` has returned there.
    """
    locks = tuple(_Lock(locks_of(path), name, 0) for path, name in names)
    for lock in locks:
        lock.is_held = True
    try:
        with _on_behalf_of(locks):
            yield
    finally:
        for lock in locks:
            lock.is_held = False


def _tell_nothing() -> None:
    pass


def _open(path: str) -> int:
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    return open_beside(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC)


def open_beside(path: str, flags: int) -> int:
    """Open a file that all who may write to its directory write, and no other user.

    Args:
        path: The path of the file.
        flags: What `os.open` is told.
    """
    descriptor = os.open(path, flags, 0o600)
    share_with_writers(descriptor, os.stat(os.path.dirname(path)).st_mode)
    return descriptor


def share_with_writers(descriptor: int, mode: int) -> None:
    """Let all who may write to its directory read and write a file, and no other user.

    Args:
        descriptor: The file.
        mode: The mode of the directory.
    """
    writers = mode & 0o022
    if writers:
        # Only its owner may do so.
        with suppress(OSError):
            os.fchmod(descriptor, 0o600 | writers | writers << 1)


def _position(name: str) -> int:
    return crc32(name.encode("utf-8"))


@call_at_reset
def _close_all() -> None:
    for locks in _all_locks.values():
        if locks._descriptor >= 0:
            os.close(locks._descriptor)
    _all_locks.clear()
