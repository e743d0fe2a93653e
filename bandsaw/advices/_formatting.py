"""Formatters of log records, apart because `logging` takes 5 ms to import."""

from __future__ import annotations

import logging

from ._lines import line_of

logger = logging.getLogger("bandsaw.advices.log")


class JsonFormatter(logging.Formatter):
    """Format a log record as one line of JSON.

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
        return line_of(record)
