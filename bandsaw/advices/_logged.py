"""The work of a logging advice: its own records, and the lines of all.

As long as the program has not imported the module `logging`, which takes 5 ms, nothing
handles the advice's records but the logs of its sessions. So it does without, too.
"""

from __future__ import annotations

import sys

from ..identifier import SessionIds
from ..runtime.contexts import closing
from ..runtime.lazy import LateModule
from ._lines import OwnRecord, line_of
from ._session_logs import SessionLog, collect_records, find_log, hide_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import LogRecord
    from types import FrameType

    from ..session import Session
    from . import _formatting
    from .log import LoggingAdvice

    formatting = _formatting
else:
    formatting = LateModule("bandsaw.advices._formatting")

ATTACHMENT_NAME = "session.log"

_LOGGER = "bandsaw.advices.log"
_INFO = 20

# With the other one a record names the process as that does.
_LOGGING = frozenset(("logging", "multiprocessing"))


class LoggedSessions:
    """Keep the log records of sessions.

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
        with closing(self._make_log(session)) as log:
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
        with closing(log):
            self._log("AFTER", session, log)
        session.attachments.add(ATTACHMENT_NAME, log.path)
        session.proceed()

    def _make_log(self, session: Session) -> SessionLog:
        advice = self._advice
        given = advice.given_formatter
        format_record = line_of if given is None else given.format
        return SessionLog(session, advice, advice.level, format_record, line_of)

    def _log(self, moment: str, session: Session, log: SessionLog) -> None:
        frame = sys._getframe(2)
        is_imported = not _LOGGING.isdisjoint(sys.modules)
        if not is_imported and self._advice.given_formatter is None:
            message = _MESSAGE % _facts(moment, session)
            log.append(OwnRecord(_LOGGER, frame, message, session))
            return
        record = _make_record(moment, session, frame)
        # The session's own log has the line whatever the loggers are enabled for.
        log.write(record, session)
        record.__dict__["session"] = SessionIds(session.ids)
        logger = formatting.logger
        with hide_from(session):
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)


_MESSAGE = "%s %s:%s with context %s"


def _facts(moment: str, session: Session) -> tuple[str, str, str, str]:
    ids = session.ids
    return moment, ids.task_id, ids.execution_id, _context_text(session)


def _make_record(moment: str, session: Session, frame: FrameType) -> LogRecord:
    return formatting.logger.makeRecord(
        _LOGGER,
        _INFO,
        frame.f_code.co_filename,
        frame.f_lineno,
        _MESSAGE,
        _facts(moment, session),
        None,
        frame.f_code.co_name,
    )


def _context_text(session: Session) -> str:
    try:
        return str(session.context.value_info())
    except Exception as error:
        return f"<context whose text fails with {type(error).__name__}>"
