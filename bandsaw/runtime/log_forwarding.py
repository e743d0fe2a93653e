"""Leads log records to the interpreter on whose behalf this one continues sessions.

What that one wants to have is handled there, by its handlers, as if it had been logged
there. Anything else is handled here. The module `logging` is not imported: a program
that does not log does not pay for it.
"""

from __future__ import annotations

import sys

from .registries import lowest_level

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Callable

    Levels = dict[str, int]

# What of a record is not plain data, or means nothing elsewhere.
_LEFT_OUT = ("args", "exc_info", "msg", "message", "relativeCreated", "session")

_PLAIN = (str, int, float, bool, type(None))

# Stands for the level below which nobody wants anything.
_DISABLED = "disable"


class _Relay:
    """What leads there.

    Attributes:
        levels: From which level on records are wanted, by the name of the logger. The
            root logger's name is empty.
        send: Takes the facts of a record, `None` while no session is continued.
    """

    def __init__(self) -> None:
        self.levels: Levels = {}
        self.send: Callable[[dict[str, Any]], None] | None = None

    def wants(self, name: str, level: int) -> bool:
        """Tell if a record is wanted there."""
        levels = self.levels
        if self.send is None or level <= levels.get(_DISABLED, 0):
            return False
        while name:
            if name in levels:
                return level >= levels[name]
            name = name.rpartition(".")[0]
        return level >= levels.get("", 1000)


_relay = _Relay()


def relay_records(
    send: Callable[[dict[str, Any]], None] | None, levels: Levels | None = None
) -> None:
    """Send the records of this process elsewhere from now on, or no longer.

    Args:
        send: Takes the facts of a record; `None` to handle all of them here.
        levels: What is wanted there, as `wanted_levels` has told.
    """
    _relay.send = send
    if levels is not None:
        _relay.levels = levels
        _watch_logging()


def wanted_levels() -> Levels | None:
    """Return which records this process takes from others.

    Returns:
        The levels by the names of the loggers, `None` if nothing is logged here.
    """
    if _relay.send is not None:
        # What is logged further on is wanted where it is wanted from here.
        return _relay.levels
    logging: Any = sys.modules.get("logging")
    if logging is None or not hasattr(logging, "root"):
        return None
    root = logging.root
    levels = {"": root.level, _DISABLED: root.manager.disable}
    for name, logger in list(root.manager.loggerDict.items()):
        level = getattr(logger, "level", 0)
        if level:
            levels[name] = level
    lowest = lowest_level.get()
    if lowest is not None:
        levels = {
            name: level if name == _DISABLED else min(level, lowest)
            for name, level in levels.items()
        }
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


def _watch_logging() -> None:
    """Be there when the module `logging` is used, now or once it is imported."""
    logging = sys.modules.get("logging")
    if logging is not None:
        _lead_records(logging)
    elif not any(isinstance(finder, _LoggingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LoggingFinder())


class _LoggingFinder:
    """Finds the module `logging` once, as Python does, and is told of its import."""

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> ModuleSpec | None:
        if name != "logging":
            return None
        from importlib.machinery import PathFinder

        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _lead_records(module)

            loader.exec_module = exec_module
        return spec


def _lead_records(logging: Any) -> None:
    logger_class = logging.Logger
    if getattr(logger_class, "_bandsaw_relays", False):
        return
    logger_class._bandsaw_relays = True
    is_enabled_here = logger_class.isEnabledFor
    call_handlers_here = logger_class.callHandlers

    def is_enabled_for(logger: Any, level: int) -> bool:
        return is_enabled_here(logger, level) or (
            not logger.disabled and _relay.wants(_name_of(logger), level)
        )

    def call_handlers(logger: Any, record: Any) -> None:
        send = _relay.send
        if send is None:
            call_handlers_here(logger, record)
        elif _relay.wants(_name_of(logger), record.levelno):
            try:
                send(_facts_of(record))
            except (EOFError, OSError):
                call_handlers_here(logger, record)  # Nobody is there any more.
        elif logger.hasHandlers():
            # Without any, Python would print what nobody there wants to see.
            call_handlers_here(logger, record)

    logger_class.isEnabledFor = is_enabled_for
    logger_class.callHandlers = call_handlers


def _name_of(logger: Any) -> str:
    return "" if logger.parent is None else str(logger.name)


def _plain(value: Any) -> Any:
    """Return the plain data that is nearest to a value, e.g. to a member of an enum."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return repr(value)


def _facts_of(record: Any) -> dict[str, Any]:
    """Return what a record says, as plain data."""
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
