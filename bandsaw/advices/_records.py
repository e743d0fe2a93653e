"""Finds the log records of a session, and leads them to the file of its log.

No handler is added anywhere: one at the root logger would silence what Python prints
when no handler is configured, and turn the user's later `logging.basicConfig` into a
no-op. Instead, while at least one session is logged, some methods of the standard
library are replaced: a logger is enabled also for levels that only a session's log
wants, what it passes to its handlers is offered to the logs first, and threads know
which sessions they were started in. When the last session ends they are put back.

The state of the process is in `_open_logs`, guarded by `_lock`. A forked child starts
without open logs: the files are its parent's.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import functools
import logging
import os
import sys
import tempfile
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor

from ..runtime.fork import Lock, call_in_child
from ..runtime.registries import lowest_level

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

    from ..session import Session

    Method = Callable[..., Any]

_lock = Lock()
_open_logs: list[SessionLog] = []
_restorers: list[Callable[[], None]] = []

# The logs that take the records of this context, the outermost session's first. Not
# set: those of the context that started the current thread.
_logs_of_context: contextvars.ContextVar[tuple[SessionLog, ...]] = (
    contextvars.ContextVar("bandsaw_logs_of_context")
)

# Attribute of a thread: weak references to the logs of the context that started it.
_INHERITED = "_bandsaw_session_logs"


class SessionLog:
    """The file that keeps the log records of one session, as one advice wants them.

    Every record is written at once, and without a buffer: nothing is lost when the
    process dies, and nothing is written twice when it is forked.

    Args:
        session: The session whose records are kept.
        owner: The advice that keeps them.
        level: The lowest level to keep; by default what the loggers are enabled for.
        formatter: Makes the line of a record.
        fallback: Makes the line of a record that the formatter fails for.
    """

    def __init__(
        self,
        session: Session,
        owner: object,
        level: int | None,
        formatter: logging.Formatter,
        fallback: logging.Formatter,
    ) -> None:
        self.session: Session | None = session
        self.owner = owner
        self.level = level
        self._formatter = formatter
        self._fallback = fallback
        self._error_was_reported = False
        self._lock = Lock()
        descriptor, self.path = tempfile.mkstemp(
            prefix="session-", suffix=".log", dir=os.fspath(session.temp_dir)
        )
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    @property
    def is_open(self) -> bool:
        """Whether the log still takes records."""
        return self.session is not None

    def write(self, record: logging.LogRecord, session: Session | None) -> None:
        """Write one record. Whatever fails, the task that logged it goes on.

        Args:
            record: The record; it is left as it is.
            session: The session that a record belongs to which names none itself.
        """
        try:
            # A copy, as the user's handlers may pickle the record, which a session need
            # not survive, and as a formatter leaves texts in it that others would use.
            copied = copy.copy(record)
            copied.__dict__.setdefault("session", session)
            line = self._format(copied).encode("utf-8", "backslashreplace") + b"\n"
            with self._lock:
                while line and self.is_open:
                    line = line[self._file.write(line) or 0 :]
        except Exception:
            self._report_error()

    def _format(self, record: logging.LogRecord) -> str:
        try:
            return self._formatter.format(record)
        except Exception:
            self._report_error()
            return self._fallback.format(record)

    def _report_error(self) -> None:
        # What a handler of the standard library does, but once for each log.
        if self._error_was_reported or not logging.raiseExceptions:
            return
        self._error_was_reported = True
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write("--- Logging error ---\n")
                traceback.print_exc(file=sys.stderr)

    def close(self) -> None:
        """Take no more records. The second time it does nothing."""
        with self._lock:
            self.session = None
            self._file.close()

    def forget(self) -> None:
        """Give up the log in a forked child: it is the parent's."""
        self.close()


@contextlib.contextmanager
def collect_records(log: SessionLog) -> Iterator[None]:
    """Lead the records of this context, and of threads started in it, to a log.

    Args:
        log: The log, open. It is closed at the end.
    """
    try:
        _register(log)
        token = _logs_of_context.set((*_current_logs(), log))
        try:
            yield
        finally:
            _logs_of_context.reset(token)
    finally:
        _unregister(log)
        log.close()


@contextlib.contextmanager
def hide_from(session: Session) -> Iterator[None]:
    """Keep records of this context out of the logs of one session.

    Args:
        session: The session. The logs of others still take the records.
    """
    others = tuple(log for log in _current_logs() if log.session is not session)
    token = _logs_of_context.set(others)
    try:
        yield
    finally:
        _logs_of_context.reset(token)


def _lowest_level() -> int | None:
    """Return from which level on a log of this context wants all records."""
    levels = [log.level for log in _current_logs() if log.level is not None]
    return min(levels, default=None)


lowest_level.register(_lowest_level)


def find_log(session: Session, owner: object) -> SessionLog | None:
    """Return the open log that an advice keeps of a session.

    Args:
        session: The session.
        owner: The advice.

    Returns:
        The innermost one, if the advice is in the chain more than once; `None`, if it
        keeps none in this process.
    """
    with _lock:
        for log in reversed(_open_logs):
            if log.session is session and log.owner is owner:
                return log
    return None


def _current_logs() -> tuple[SessionLog, ...]:
    try:
        logs: tuple[SessionLog | None, ...] = _logs_of_context.get()
    except LookupError:
        references = getattr(threading.current_thread(), _INHERITED, ())
        logs = tuple(reference() for reference in references)
    return tuple(log for log in logs if log is not None and log.is_open)


def _register(log: SessionLog) -> None:
    with _lock:
        if not _open_logs:
            _restorers.extend(
                (
                    _replace(logging.Logger, "isEnabledFor", _enabled_for_logs_too),
                    _replace(logging.Logger, "callHandlers", _calling_logs_first),
                    _replace(threading.Thread, "start", _starting_with_logs),
                    _replace(ThreadPoolExecutor, "submit", _submitting_with_logs),
                )
            )
        _open_logs.append(log)


def _unregister(log: SessionLog) -> None:
    with _lock:
        if log in _open_logs:
            _open_logs.remove(log)
        if not _open_logs:
            _put_back()


def _put_back() -> None:
    while _restorers:
        _restorers.pop()()


def _replace(
    owner: type, name: str, wrap: Callable[[Method], Method]
) -> Callable[[], None]:
    original: Method = getattr(owner, name)
    wrapped = wrap(original)
    in_use = True

    @functools.wraps(original)
    def replacement(*args: Any, **kwargs: Any) -> Any:
        # Whoever replaced the method in the meantime may call this one for ever.
        return (wrapped if in_use else original)(*args, **kwargs)

    def restore() -> None:
        nonlocal in_use
        in_use = False
        if getattr(owner, name) is replacement:
            setattr(owner, name, original)

    setattr(owner, name, replacement)
    return restore


class _Forced(threading.local):
    """The logger and level that were last enabled only for the sake of a log."""

    logger: logging.Logger | None = None
    level = 0


_forced = _Forced()


def _enabled_for_logs_too(original: Method) -> Method:
    def is_enabled_for(logger: logging.Logger, level: int) -> bool:
        enabled: bool = original(logger, level)
        # What was switched off altogether stays off.
        forced = (
            not enabled
            and not logger.disabled
            and level > logger.manager.disable
            and any(
                log.level is not None and level >= log.level for log in _current_logs()
            )
        )
        _forced.logger = logger if forced else None
        _forced.level = level
        return enabled or forced

    return is_enabled_for


def _calling_logs_first(original: Method) -> Method:
    # Replaces `callHandlers` and not `handle`, so that the logger's own filters were
    # asked, once.
    def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        forced = _forced.logger is logger and _forced.level == record.levelno
        _forced.logger = None
        logs = _current_logs()
        for log in logs:
            wanted = not forced if log.level is None else record.levelno >= log.level
            if wanted:
                log.write(record, logs[-1].session)
        if not forced:
            original(logger, record)

    return call_handlers


def _starting_with_logs(original: Method) -> Method:
    def start(thread: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        setattr(thread, _INHERITED, tuple(map(weakref.ref, _current_logs())))
        return original(thread, *args, **kwargs)

    return start


def _submitting_with_logs(original: Method) -> Method:
    # The threads of a pool outlive the session that happened to start them, and work
    # for all. So what is submitted carries the logs of the one who submits.
    def submit(executor: ThreadPoolExecutor, *args: Any, **kwargs: Any) -> Any:
        if not args:
            return original(executor, **kwargs)
        references = tuple(map(weakref.ref, _current_logs()))
        return original(executor, _call_with_logs, references, args, kwargs)

    return submit


def _call_with_logs(
    references: tuple[weakref.ref[SessionLog], ...],
    call: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    function, *args = call
    logs = (reference() for reference in references)
    token = _logs_of_context.set(tuple(log for log in logs if log is not None))
    try:
        return function(*args, **kwargs)
    finally:
        _logs_of_context.reset(token)


@call_in_child
def _forget_logs_of_parent() -> None:
    for log in _open_logs:
        log.forget()
    del _open_logs[:]
    _put_back()
