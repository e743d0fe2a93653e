"""Forward log records to the interpreter on whose behalf this one continues sessions.

What that one wants to have is handled there, by its handlers, as if it had been logged
there. Anything else is handled here. The module `logging` is not imported: a program
that does not log does not pay for it.
"""

from __future__ import annotations

import sys

from .log_capture import capture, current_observers, forward_records, lowest_level

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger, LogRecord
    from typing import Any, Callable

    Levels = dict[str, int]

# What of a record is not plain data, or means nothing elsewhere.
_LEFT_OUT = ("args", "exc_info", "msg", "message", "relativeCreated", "session")

_PLAIN = (str, int, float, bool, type(None))

# Stands for the level below which no record is wanted.
_DISABLED = "disable"

# The levels of the module `logging` when it is imported: warnings
_INITIAL: Levels = {"": 30, _DISABLED: 0}


class _Forwarding:
    """Forward records to the interpreter that wants them.

    Attributes:
        levels: From which level on records are wanted, by the name of the logger. The
            root logger's name is empty. They stay until a session comes with others.
        send: Takes the facts of a record, `None` while no session is continued.
    """

    def __init__(self) -> None:
        self.levels: Levels | None = None
        self.send: Callable[[dict[str, Any]], None] | None = None

    @property
    def is_going_on(self) -> bool:
        """Whether there is an interpreter that handles records, of some level."""
        return self.send is not None and self.levels is not None

    def wants(self, logger: Logger, level: int) -> bool:
        """Tell if a record is wanted there."""
        levels = self.levels
        if self.send is None or levels is None or level <= levels.get(_DISABLED, 0):
            return False
        name = "" if logger.parent is None else logger.name
        while name:
            if name in levels:
                return level >= levels[name]
            name = name.rpartition(".")[0]
        return level >= levels.get("", 1000)

    def forward(self, logger: Logger, record: LogRecord) -> bool:
        """Send a record that is wanted there."""
        send = self.send
        if send is None:
            return False
        if not self.wants(logger, record.levelno):
            # Without handlers, Python would print what is not wanted there.
            return not logger.hasHandlers()
        try:
            facts = _facts_of(record)
        except Exception:
            _report_error(record)
            return True
        try:
            send(facts)
        except (EOFError, OSError):
            return False  # The other end is gone.
        return True


def _report_error(record: LogRecord) -> None:
    """Do what a handler does with a record whose message cannot be put together."""
    import logging

    handler: Any = None  # It is not asked.
    logging.Handler.handleError(handler, record)


_forwarding = _Forwarding()


def relay_records(
    send: Callable[[dict[str, Any]], None] | None, levels: Levels | None = None
) -> None:
    """Send the records of this process elsewhere from now on, or no longer.

    Args:
        send: Takes the facts of a record; `None` to handle all of them here.
        levels: What is wanted there, as `wanted_levels` has told; `None` if that is as
            it was told before, or nothing is logged there.
    """
    _forwarding.send = send
    if levels is not None:
        _forwarding.levels = levels
        # It stays there between the sessions: to come and go would take as long as a
        # tenth of a short one.
        if capture.forwarding is not _forwarding:
            forward_records(_forwarding)


def wanted_levels() -> Levels | None:
    """Return which records this process takes from others.

    Returns:
        The levels by the names of the loggers, `None` if nothing is logged here.
    """
    if _forwarding.is_going_on:
        # What is logged further on is wanted where it is wanted from here.
        return _forwarding.levels
    logging: Any = sys.modules.get("logging")
    if logging is not None and hasattr(logging, "root"):
        levels = _levels_of(logging.root)
    elif capture.observers and current_observers():
        levels = _INITIAL
    else:
        return None
    lowest = lowest_level()
    if lowest is not None:
        levels = {
            name: level if name == _DISABLED else min(level, lowest)
            for name, level in levels.items()
        }
    return levels


# The levels that were found last, and what they were made of.
_known: list[tuple[Levels, tuple[object, ...]]] = [({}, ())]


def _levels_of(root: Any) -> Levels:
    """Return the levels of all loggers, the same dict as long as they are the same."""
    loggers = dict(root.manager.loggerDict)
    disabled = root.manager.disable
    found = [getattr(logger, "level", 0) for logger in loggers.values()]
    sources = root.level, disabled, found, list(loggers)
    known, known_sources = _known[0]
    if known_sources == sources:
        return known
    levels = {"": root.level, _DISABLED: disabled}
    levels.update((name, level) for name, level in zip(loggers, found) if level)
    _known[0] = levels, sources
    return levels


def handle_record(facts: dict[str, Any], session: object) -> None:
    """Let the handlers of this process have a record from elsewhere.

    Args:
        facts: The facts of the record.
        session: The session in which it was logged.
    """
    import logging

    record = logging.makeLogRecord({**facts, "args": None, "session": session})
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def _plain(value: Any) -> Any:
    """Return the plain data that is nearest to a value, e.g. to a member of an enum."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose text fails with {type(error).__name__}>"


def _facts_of(record: Any) -> dict[str, Any]:
    """Return the content of a record, as plain data."""
    facts: dict[str, Any] = {}
    for name, value in record.__dict__.items():
        if name in _LEFT_OUT:
            continue
        facts[name] = value if type(value) in _PLAIN else _plain(value)
    facts["msg"] = str(record.getMessage())
    if record.exc_info and not record.exc_text:
        import traceback

        facts["exc_text"] = "".join(
            traceback.format_exception(*record.exc_info)
        ).rstrip("\n")
    return facts
