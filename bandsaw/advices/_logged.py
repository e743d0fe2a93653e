"""The work of a logging advice: its own records, and the lines of all."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import sys
import traceback

from ._attach import attach
from ._records import SessionLog, collect_records, find_log, hide_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Iterator

    from ..session import Session
    from .log import LoggingAdvice

ATTACHMENT_NAME = "session.log"

logger = logging.getLogger("bandsaw.advices.log")


class JsonFormatter(logging.Formatter):
    """Makes one line of JSON out of a log record.

    The fields are ``timestamp`` (ISO 8601, UTC), ``logger``, ``level``, ``message``,
    ``threadId``, ``threadName``, ``processId``, ``processName``, ``module``,
    ``function``, ``path`` and ``line_no``. A record with exception information has
    ``traceback`` and ``exception`` too, and one with an attribute ``session`` has
    ``sessionId``, ``runId``, ``taskId`` and ``executionId``.

    It works for any handler of the standard library, with or without a session.
    """

    # Where users import it from, and pickles find it.
    __module__ = "bandsaw.advices.log"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record.

        Args:
            record: Any record. A message that cannot be put together is shown as the
                parts that it consists of.

        Returns:
            A JSON object without line breaks.
        """
        created = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        fields: dict[str, Any] = {
            "timestamp": created.isoformat(timespec="microseconds"),
            "logger": record.name,
            "level": record.levelname,
            "message": _message_of(record),
            "threadId": record.thread,
            "threadName": record.threadName,
            "processId": record.process,
            "processName": record.processName,
            "module": record.module,
            "function": record.funcName,
            "path": record.pathname,
            "line_no": record.lineno,
        }
        fields.update(_exception_fields(record))
        fields.update(_session_fields(getattr(record, "session", None)))
        return _encode(fields)


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return f"{_text_of(record.msg)} {_text_of(record.args)}"


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__} whose text fails with {type(error).__name__}>"


_encode = json.JSONEncoder(default=_text_of).encode


def _exception_fields(record: logging.LogRecord) -> Iterator[tuple[str, str]]:
    information: Any = record.exc_info
    if isinstance(information, BaseException):
        information = (type(information), information, information.__traceback__)
    if isinstance(information, tuple) and any(part is not None for part in information):
        kind, exception, frames = information
        only = traceback.format_exception_only(kind, exception)
        yield "traceback", "".join(traceback.format_tb(frames)).strip()
        yield "exception", "".join(only).strip()
    elif record.exc_text:
        # From another process: only the text came along.
        yield "traceback", record.exc_text
        yield "exception", record.exc_text.rstrip().rpartition("\n")[2]


def _session_fields(session: Any) -> Iterator[tuple[str, str]]:
    try:
        ids = session.ids
        fields = {
            "sessionId": ids.session_id,
            "runId": ids.run_id,
            "taskId": ids.task_id,
            "executionId": ids.execution_id,
        }
    except Exception:
        # A user's own kind of session, or one that has no ids yet.
        return
    yield from fields.items()


class LoggedSessions:
    """Keeps the log records of sessions.

    Args:
        advice: The advice in whose place it does so.
    """

    def __init__(self, advice: LoggingAdvice) -> None:
        self._advice = advice

    def begin(self, session: Session) -> None:
        """Log that the session begins, and keep its records from now on.

        Args:
            session: The session.
        """
        with contextlib.closing(self._make_log(session)) as log:
            self._log("BEFORE", session, log)
            with collect_records(log):
                session.proceed()

    def end(self, session: Session) -> None:
        """Log that the session ends, and attach its records to it.

        Args:
            session: The session.
        """
        # A session that began in another process has only its end here.
        log = find_log(session, self._advice) or self._make_log(session)
        # What is attached must not grow while it is saved or tracked.
        with contextlib.closing(log):
            self._log("AFTER", session, log)
        attach(session, ATTACHMENT_NAME, log.path)
        session.proceed()

    def _make_log(self, session: Session) -> SessionLog:
        advice = self._advice
        return SessionLog(
            session, advice, advice.level, advice.formatter, JsonFormatter()
        )

    def _log(self, moment: str, session: Session, log: SessionLog) -> None:
        record = _make_record(moment, session, sys._getframe(2))
        # The session's own log has the line whatever the loggers are enabled for.
        log.write(record, session)
        record.__dict__["session"] = SessionIds(session)
        with hide_from(session):
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)


class SessionIds:
    """Stands for a session in records that the user's handlers get.

    They may keep or pickle them, which must not concern the arguments of the call.
    """

    __module__ = "bandsaw.advices.log"

    def __init__(self, session: Session) -> None:
        ids = session.ids
        self.task_id = ids.task_id
        self.execution_id = ids.execution_id
        self.run_id = ids.run_id
        self.session_id = ids.session_id

    @property
    def ids(self) -> SessionIds:
        """The ids, where a session has them."""
        return self


def _make_record(moment: str, session: Session, frame: FrameType) -> logging.LogRecord:
    ids = session.ids
    return logger.makeRecord(
        logger.name,
        logging.INFO,
        frame.f_code.co_filename,
        frame.f_lineno,
        "%s %s:%s with context %s",
        (moment, ids.task_id, ids.execution_id, _context_text(session)),
        None,
        frame.f_code.co_name,
    )


def _context_text(session: Session) -> str:
    try:
        return str(session.context.value_info())
    except Exception as error:
        return f"<context whose text fails with {type(error).__name__}>"
