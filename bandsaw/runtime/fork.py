"""The state of the process: what a forked child renews, and what tests reset.

A module that keeps state registers here how to renew it, so that there is one hook and
one `reset`. A forked child has one thread. Locks that other threads of its parent hold
would stay held for ever, so every lock that a call takes is a `Lock`.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock, allocate_lock, get_ident
from _weakref import ref
from _weakrefset import WeakSet
from itertools import count
from time import monotonic, sleep
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, TypeVar

    C = TypeVar("C", bound=Callable[[], object])

# How long a fork waits until the imports of other threads have ended, in seconds. Each
# import is waited for once, as that of a script may last as long as its program.
_PATIENCE = 5.0

_locks: WeakSet[Lock] = WeakSet()


if sys.version_info >= (3, 9):

    class Lock(RLock):  # type: ignore[misc]
        """A reentrant lock that is free in a forked child if another thread held it."""

        __slots__ = ()

        def __init__(self) -> None:
            _locks.add(self)

        def renew(self) -> None:
            """Release the lock in a forked child, unless its one thread holds it."""
            lock: Any = self
            if not lock._is_owned():
                lock._at_fork_reinit()

else:

    class Lock:
        """A reentrant lock that is free in a forked child if another thread held it."""

        __slots__ = ("__weakref__", "_lock")

        def __init__(self) -> None:
            self._lock = RLock()
            _locks.add(self)

        def __enter__(self) -> bool:
            return self._lock.acquire()

        def __exit__(self, *error: object) -> None:
            self._lock.release()

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            """Acquire the lock, as that of `threading`."""
            return self._lock.acquire(blocking, timeout)

        def release(self) -> None:
            """Release the lock."""
            self._lock.release()

        def renew(self) -> None:
            """Release the lock in a forked child, unless its one thread holds it."""
            if not self._lock._is_owned():
                self._lock = RLock()


def closed_gate() -> Any:
    """Return a lock by which one thread waits until another one releases it.

    A forked child has nothing to renew there: a thread that waits does not fork.
    """
    gate = allocate_lock()
    gate.acquire()
    return gate


class _Callbacks:
    """Functions in the order of registration; a method does not keep its object."""

    def __init__(self) -> None:
        self._numbers = count()
        self._callbacks: dict[int, Callable[[], object]] = {}

    def add(self, callback: Callable[[], object]) -> None:
        number = next(self._numbers)
        method: Any = callback
        function = getattr(method, "__func__", None)
        if function is not None:
            callbacks = self._callbacks
            owner = ref(method.__self__, lambda _: callbacks.pop(number, None))

            def callback() -> None:
                alive = owner()
                if alive is not None:
                    function(alive)

        self._callbacks[number] = callback

    def __iter__(self) -> Iterator[Callable[[], object]]:
        return iter(list(self._callbacks.values()))

    def __reversed__(self) -> Iterator[Callable[[], object]]:
        return iter(list(self._callbacks.values())[::-1])


_in_child = _Callbacks()
_at_reset = _Callbacks()


def call_in_child(callback: C) -> C:
    """Register a function that each forked child calls.

    Those of modules that others import come first.

    Args:
        callback: The function. Of a method, the object is not kept alive.

    Returns:
        The same function, so that this can decorate it.
    """
    _in_child.add(callback)
    return callback


def call_at_reset(callback: C) -> C:
    """Register a function that brings state back to that of a new process; for tests.

    Args:
        callback: The function. Of a method, the object is not kept alive.

    Returns:
        The same function, so that this can decorate it.
    """
    _at_reset.add(callback)
    return callback


_at_exit: set[Callable[[], object]] = set()
call_in_child(_at_exit.clear)


def call_at_exit(callback: Callable[[], object], priority: int) -> None:
    """Register a function that is called at the end of this process, not of a child.

    What was registered last is called first.

    Args:
        callback: The function. Registering it again has no effect.
        priority: Those of a higher number come first at the end of a process that
            `multiprocessing` has started.
    """
    if callback in _at_exit:
        return
    import atexit

    _at_exit.add(callback)
    atexit.register(callback)
    if "multiprocessing.process" in sys.modules:
        # Its children end with `os._exit`, which runs no handler but these.
        from multiprocessing import util

        util.Finalize(None, callback, exitpriority=priority)


def reset() -> None:
    """Bring the library back to its state in a new process; for tests.

    Modules that import others are reset before them.
    """
    for callback in reversed(_at_reset):
        callback()


def _renew_in_child() -> None:
    _abandon_imports()
    for lock in _locks:
        lock.renew()
    failure: Exception | None = None
    for callback in _in_child:
        try:
            callback()
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure  # Python prints it, and goes on.


# Python has no public view of the imports that are going on.
_import_system: Any = sys.modules["_frozen_importlib"]
_waited_for: set[tuple[str, int]] = set()


def _imports_elsewhere() -> set[tuple[str, int]]:
    """Return the modules that other threads are importing, and these threads."""
    found = set()
    own = get_ident()
    for name, reference in list(_import_system._module_locks.items()):
        owner = getattr(reference(), "owner", None)
        if owner == own:
            return set()  # What they need may be what this thread is importing.
        if owner is not None:
            found.add((name, owner))
    return found


def _wait_for_imports() -> None:
    """Wait until no other thread is in the middle of an import, as far as possible.

    Nothing is held meanwhile that another thread could want. So nothing keeps one from
    beginning an import just afterwards, which the child then abandons.
    """
    deadline = monotonic() + _PATIENCE
    while True:
        going_on = _imports_elsewhere()
        if not going_on:
            _waited_for.clear()
        if going_on <= _waited_for:
            return
        if monotonic() > deadline:
            _waited_for.update(going_on)
            return
        sleep(0.001)


def _abandon_imports() -> None:
    """Let the child import anew what other threads of its parent were importing.

    These threads do not exist here, and nothing else would release their locks. It is
    as if they had not begun, but for compiled modules, which may refuse to be loaded a
    second time.
    """
    _import_system._blocking_on.clear()
    locks = _import_system._module_locks
    own = get_ident()
    for name, reference in list(locks.items()):
        owner = getattr(reference(), "owner", None)
        if owner == own:
            continue
        locks.pop(name, None)
        if owner is not None and _is_unfinished(name):
            for other in list(sys.modules):
                if other == name or (
                    other.startswith(f"{name}.") and not _is_compiled(other)
                ):
                    sys.modules.pop(other, None)


def _is_unfinished(name: str) -> bool:
    return getattr(_facts_of(name).get("__spec__"), "_initializing", False)


def _is_compiled(name: str) -> bool:
    return type(_facts_of(name).get("__loader__")).__name__ == "ExtensionFileLoader"


def _facts_of(name: str) -> dict[str, Any]:
    # Not by `vars`: a module may load itself when it is asked for anything.
    module = sys.modules.get(name)
    if not issubclass(type(module), ModuleType):
        return {}
    facts: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return facts


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_imports, after_in_child=_renew_in_child)
