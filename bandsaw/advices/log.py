"""The advice that keeps the log records of a session in an attachment of it."""

from __future__ import annotations

from ..advice import Advice, always_proceeds
from ..exceptions import ConfigurationError, check_methods
from ..runtime.lazy import late_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any

    from ..identifier import SessionIds as SessionIds
    from ..session import Session
    from ._formatting import JsonFormatter as JsonFormatter
    from ._logged import LoggedSessions

__all__ = ["JsonFormatter", "LoggingAdvice"]


# What a process has no use for that only loads the configuration.
_LATE = ("ATTACHMENT_NAME", "JsonFormatter", "SessionIds", "logger")


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _logged

    where = _logged if hasattr(_logged, name) else _logged.formatting
    return getattr(where, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})


class LoggingAdvice(Advice):
    """Log before and after a task, and keep the session's log records.

    The records are in the attachment ``session.log`` of the session. They are those
    that are logged while the session lasts, by the task, by the advices that come later
    in the chain, and by threads that these start, and no others. The log of a session
    that calls other tasks also has the records of their sessions.

    Args:
        level: The lowest level of the records to keep, a number or a name. Records of
            a level that the loggers are not enabled for are kept too, but shown nowhere
            else. By default those records are kept that the loggers are enabled for.
        formatter: Makes the lines of the attachment, by default a `JsonFormatter`.

    Raises:
        ConfigurationError: If there is no level of that name, or the formatter is none.
    """

    parameters: tuple[str, ...] = ()

    def __init__(
        self,
        level: int | str | None = None,
        formatter: logging.Formatter | None = None,
    ) -> None:
        self.level = _level_number(level)
        if formatter is not None:
            needed = "a logging.Formatter as formatter"
            check_methods("LoggingAdvice", needed, formatter, "format", "formatTime")
            self.formatter = formatter

    @late_attribute
    def formatter(self) -> logging.Formatter:
        """The formatter of the attachment's lines."""
        from ._logged import formatting

        return formatting.JsonFormatter()

    @property
    def given_formatter(self) -> logging.Formatter | None:
        """The formatter that was chosen, `None` for that of each advice."""
        is_default = type(self).formatter is LoggingAdvice.formatter
        if is_default and "formatter" not in vars(self):
            return None
        return self.formatter

    # A process that only loads the configuration does without what this needs.
    @late_attribute
    def _logged(self) -> LoggedSessions:
        from ._logged import LoggedSessions

        return LoggedSessions(self)

    @always_proceeds
    def before(self, session: Session) -> None:
        """Log that the session begins, and keep its records from now on.

        Args:
            session: The session.
        """
        self._logged.begin(session)

    def after(self, session: Session) -> None:
        """Log that the session ends, and attach its records to it.

        Args:
            session: The session.
        """
        self._logged.end(session)


def _level_number(level: int | str | None) -> int | None:
    if level is None or isinstance(level, int):
        return level
    import logging

    number = logging.getLevelName(level)
    if not isinstance(number, int):
        raise ConfigurationError(
            f"Unknown level {level!r} for LoggingAdvice. Known are DEBUG, INFO, "
            "WARNING, ERROR, CRITICAL, and what logging.addLevelName has added."
        )
    return number
