"""Write the log records of a session to the file of its log.

A forked child starts without open logs: the files are its parent's.
"""

from __future__ import annotations

import os
import sys

from ..runtime.contexts import closing, contextmanager, suppress
from ..runtime.fork import Lock, call_in_child
from ..runtime.log_capture import current_observers, observed_by, only_observed_by
from ..runtime.temporary import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import LogRecord
    from typing import Any, Callable, ContextManager, Iterator

    from ..session import Session
    from ._lines import AnyRecord

_open_logs: list[SessionLog] = []


class SessionLog:
    """The file that keeps the log records of one session, as one advice wants them.

    Every record is written at once, and without a buffer: nothing is lost when the
    process dies, and nothing is written twice when it is forked.

    Args:
        session: The session whose records are kept.
        owner: The advice that keeps them.
        level: The lowest level to keep; by default what the loggers are enabled for.
        format_record: Makes the line of a record.
        fallback: Makes the line of a record that the other one fails for.
    """

    def __init__(
        self,
        session: Session,
        owner: object,
        level: int | None,
        format_record: Callable[[Any], str],
        fallback: Callable[[Any], str],
    ) -> None:
        self.session: Session | None = session
        self.owner = owner
        self.level = level
        self._format_record = format_record
        self._fallback = fallback
        self._error_was_reported = False
        self._lock = Lock()
        # The directory is private, and that of the session.
        name = f"session-{os.urandom(5).hex()}.log"
        self.path = os.path.join(session.temp_path, name)
        descriptor = open_private(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def take(self, record: LogRecord, innermost: Any) -> None:
        """Write a record that was logged in this session, or in one inside of it."""
        self.write(record, getattr(innermost, "session", None))

    @property
    def is_open(self) -> bool:
        """Whether the log still takes records."""
        return self.session is not None

    def write(self, record: LogRecord, session: Session | None) -> None:
        """Write one record. Whatever fails, the task that logged it goes on.

        Args:
            record: The record; it is left as it is.
            session: The session that a record belongs to which names none itself.
        """
        # A copy, as the user's handlers may pickle the record, which a session need not
        # survive, and as a formatter leaves texts in it that others would use.
        try:
            from copy import copy

            copied = copy(record)
            copied.__dict__.setdefault("session", session)
        except Exception:
            self._report_error()
        else:
            self.append(copied)

    def append(self, record: AnyRecord) -> None:
        """Write one record that belongs to this log. Whatever fails, the task goes on.

        Args:
            record: The record.
        """
        try:
            line = self._format(record).encode("utf-8", "backslashreplace") + b"\n"
            with self._lock:
                while line and self.is_open:
                    line = line[self._file.write(line) or 0 :]
        except Exception:
            self._report_error()

    def _format(self, record: AnyRecord) -> str:
        try:
            return self._format_record(record)
        except Exception:
            self._report_error()
            return self._fallback(record)

    def _report_error(self) -> None:
        # What a handler of the standard library does, but once for each log.
        logging = sys.modules.get("logging")
        if self._error_was_reported or not getattr(logging, "raiseExceptions", True):
            return
        self._error_was_reported = True
        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                import traceback

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


@contextmanager
def collect_records(log: SessionLog) -> Iterator[None]:
    """Lead the records of this context, and of threads started in it, to a log.

    Args:
        log: The log, open. It is closed at the end.
    """
    with closing(log):
        _open_logs.append(log)
        try:
            with observed_by(log):
                yield
        finally:
            # A forked child has given up the log already.
            if log in _open_logs:
                _open_logs.remove(log)


def hide_from(session: Session) -> ContextManager[None]:
    """Keep records of this context out of the logs of one session.

    Args:
        session: The session. The logs of others still take the records.
    """
    return only_observed_by(
        tuple(
            observer
            for observer in current_observers()
            if getattr(observer, "session", None) is not session
        )
    )


def find_log(session: Session, owner: object) -> SessionLog | None:
    """Return the open log that an advice keeps of a session.

    Args:
        session: The session.
        owner: The advice.

    Returns:
        The innermost one, if the advice is in the chain more than once; `None`, if it
        keeps none in this process.
    """
    for log in _open_logs[::-1]:
        if log.session is session and log.owner is owner:
            return log
    return None


@call_in_child
def _forget_logs_of_parent() -> None:
    for log in _open_logs:
        log.forget()
    del _open_logs[:]
