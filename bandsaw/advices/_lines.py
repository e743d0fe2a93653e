"""The line of JSON for a log record."""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident

from ..datetime import timestamp_of
from ..runtime.json_text import make_dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from types import FrameType
    from typing import Any, Iterator, Union

    from ..session import Session

    AnyRecord = Union[logging.LogRecord, "OwnRecord"]


class OwnRecord:
    """A log record of a program that has not imported the module `logging`.

    Args:
        name: The name of the logger.
        frame: The frame that logs.
        message: The message.
        session: The session that it belongs to.
    """

    levelname = "INFO"
    processName = "MainProcess"
    exc_info = exc_text = None

    def __init__(
        self, name: str, frame: FrameType, message: str, session: Session
    ) -> None:
        self.name = name
        self.session = session
        self.created = time.time()
        self.msg = message
        self.args = ()
        self.thread = get_ident()
        threading: Any = sys.modules.get("threading")
        self.threadName = (
            "MainThread" if threading is None else threading.current_thread().name
        )
        self.process = os.getpid()
        self.pathname = frame.f_code.co_filename
        self.module = os.path.splitext(os.path.basename(self.pathname))[0]
        self.funcName = frame.f_code.co_name
        self.lineno = frame.f_lineno

    def getMessage(self) -> str:
        """Return the message."""
        return self.msg


def line_of(record: AnyRecord) -> str:
    """Return the line for a record.

    Args:
        record: Any record. A message that cannot be put together is shown as the parts
            that it consists of.
    """
    fields: dict[str, Any] = {
        "timestamp": timestamp_of(record.created),
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
    return _dumps(fields)


def _message_of(record: AnyRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return f"{_text_of(record.msg)} {_text_of(record.args)}"


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__} whose text fails with {type(error).__name__}>"


_dumps = make_dumps(_text_of)


def _exception_fields(record: AnyRecord) -> Iterator[tuple[str, str]]:
    information: Any = record.exc_info
    if isinstance(information, BaseException):
        information = (type(information), information, information.__traceback__)
    if isinstance(information, tuple) and any(part is not None for part in information):
        import traceback

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
