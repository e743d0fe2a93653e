"""Capture log records by replacing methods of `logging` for the time being.

No handler is added anywhere: one at the root logger would silence what Python prints
when no handler is configured, and turn the user's later `logging.basicConfig` into a
no-op. Instead, while records are forwarded or observed, some methods of the standard
library are replaced. A logger is enabled also for what only an observer wants. What it
passes to its handlers is shown to the observers first, and then handled here, or in
another interpreter. When the last of those who take records goes, the methods are put
back.

The module `logging` is not imported: a program that does not log does not pay for it.
"""

from __future__ import annotations

import contextvars
import sys
from _thread import _local
from _weakref import ref

from .contexts import contextmanager
from .fork import Lock, call_at_reset, call_in_child
from .inheritance import Inherited, ReplacedMethods

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from logging import Logger, LogRecord
    from types import ModuleType
    from typing import Any, Callable, ContextManager, Iterator, Protocol

    Method = Callable[..., Any]

    class Observer(Protocol):
        """An observer of the records of a context, and of the threads started in it.

        Attributes:
            level: The level from which on it wants records, also of loggers that are
                not enabled for it; `None` for what they are enabled for.
        """

        level: int | None

        @property
        def is_open(self) -> bool:
            """Whether it still takes records."""

        def take(self, record: LogRecord, innermost: Any) -> None:
            """Take a record, which the given observer is the nearest to."""

    class Forwarding(Protocol):
        """Handle records in the place of the handlers of this process."""

        def wants(self, logger: Logger, level: int) -> bool:
            """Tell if records of a level are handled there."""

        def forward(self, logger: Logger, record: LogRecord) -> bool:
            """Handle a record, or tell that it is to be handled here."""


# The observers of this context, the outermost first. Not set: those of the context that
# started the current thread.
_of_context: contextvars.ContextVar[tuple[Observer, ...]] = contextvars.ContextVar(
    "bandsaw_log_observers"
)


class _Forced(_local):
    """The logger and level that were last enabled only for the sake of observers."""

    logger: Logger | None = None
    level = 0


class _Capture:
    """The takers of records, and what is replaced meanwhile."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.observers: list[Observer] = []
        self.forwarding: Forwarding | None = None
        self.forced = _Forced()
        self._methods = ReplacedMethods()
        self._finder = _Finder()

    def change(self) -> None:
        """Replace what has to be replaced by now, or put it back. The lock is held."""
        if not self.observers and self.forwarding is None:
            self.put_back()
            return
        if "logging" in sys.modules:
            self._replace_methods()
        _inherited.switch(bool(self.observers))
        if sys.modules.keys() >= _AWAITED:
            self._stop_waiting()
        elif self._finder not in sys.meta_path:
            sys.meta_path.insert(0, self._finder)

    def _replace_methods(self) -> None:
        from logging import Logger

        self._methods.replace(Logger, "isEnabledFor", _enabled_for_observers_too)
        self._methods.replace(Logger, "callHandlers", _shown_to_observers)

    def put_back(self) -> None:
        """Leave nothing behind."""
        self._stop_waiting()
        self._methods.put_back()
        _inherited.switch(False)

    def _stop_waiting(self) -> None:
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)

    def forget_observers(self) -> None:
        """Show nothing to the observers of the parent, in a forked child."""
        self.observers = []
        self.change()

    def reset(self) -> None:
        """Take no records."""
        self.forwarding = None
        self.forget_observers()


# Modules with methods that are to be replaced
_AWAITED = frozenset(("logging", "concurrent.futures.thread"))


class _Finder:
    """Find modules as Python does, to be there once they are imported."""

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> ModuleSpec | None:
        if name not in _AWAITED:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                with capture.lock:
                    capture.change()

            loader.exec_module = exec_module
        return spec


def _references() -> tuple[ref[Observer], ...]:
    return tuple(map(ref, current_observers()))


def _within(references: tuple[ref[Observer], ...]) -> ContextManager[None]:
    observers = (reference() for reference in references)
    return only_observed_by(tuple(o for o in observers if o is not None))


# Weak references, so that a thread which goes on does not keep observers alive.
_inherited = Inherited(_references, _within)
capture = _Capture()
call_in_child(capture.forget_observers)
call_at_reset(capture.reset)


def forward_records(forwarding: Forwarding | None) -> None:
    """Have records handled elsewhere from now on.

    Args:
        forwarding: Handles them there; `None` to handle all of them here.
    """
    with capture.lock:
        capture.forwarding = forwarding
        capture.change()


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Show records of this context, and of threads started in it, to an observer.

    Args:
        observer: Sees the records.
    """
    for name in _AWAITED & sys.modules.keys():
        __import__(name)  # Another thread may be about to.
    with capture.lock:
        capture.observers.append(observer)
        capture.change()
    try:
        token = _of_context.set((*current_observers(), observer))
        try:
            yield
        finally:
            _of_context.reset(token)
    finally:
        with capture.lock:
            # A forked child has forgotten it.
            if observer in capture.observers:
                capture.observers.remove(observer)
            capture.change()


@contextmanager
def only_observed_by(observers: tuple[Observer, ...]) -> Iterator[None]:
    """Show records of this context to some of its observers only.

    Args:
        observers: Those, the outermost first.
    """
    token = _of_context.set(observers)
    try:
        yield
    finally:
        _of_context.reset(token)


def current_observers() -> tuple[Observer, ...]:
    """Return the observers of this context that are open, the outermost first."""
    try:
        observers: tuple[Observer | None, ...] = _of_context.get()
    except LookupError:
        references = _inherited.of_thread() or ()
        observers = tuple(reference() for reference in references)
    return tuple(o for o in observers if o is not None and o.is_open)


def lowest_level() -> int | None:
    """Return the level from which on an observer of this context wants all records."""
    if not capture.observers:
        return None
    levels = [o.level for o in current_observers() if o.level is not None]
    return min(levels, default=None)


def _enabled_for_observers_too(original: Method) -> Method:
    def is_enabled_for(logger: Logger, level: int) -> bool:
        forwarding = capture.forwarding
        enabled: bool = original(logger, level) or (
            forwarding is not None
            and not logger.disabled
            and forwarding.wants(logger, level)
        )
        # What was switched off altogether stays off.
        forced = (
            not enabled
            and not logger.disabled
            and level > logger.manager.disable
            and any(
                observer.level is not None and level >= observer.level
                for observer in current_observers()
            )
        )
        capture.forced.logger = logger if forced else None
        capture.forced.level = level
        return enabled or forced

    return is_enabled_for


def _shown_to_observers(original: Method) -> Method:
    # Replaces `callHandlers` and not `handle`, so that the logger's own filters were
    # asked, once.
    def call_handlers(logger: Logger, record: LogRecord) -> None:
        last = capture.forced
        forced = last.logger is logger and last.level == record.levelno
        last.logger = None
        observers = current_observers()
        for observer in observers:
            level = observer.level
            if not forced if level is None else record.levelno >= level:
                observer.take(record, observers[-1])
        if forced:
            return
        forwarding = capture.forwarding
        if forwarding is None or not forwarding.forward(logger, record):
            original(logger, record)

    return call_handlers
