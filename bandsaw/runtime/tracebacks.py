"""Tracebacks as users read them: without the library's own frames between theirs."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Iterator

#: Set to `full`, it keeps all frames.
VARIABLE = "BANDSAW_TRACEBACK"

_PACKAGE = __name__.partition(".")[0]

# The module of the functions that are called in place of the tasks' own
_DECORATING = f"{_PACKAGE}.decorator"

# A class of many calls may keep the one exception that it always raises.
_MOST_NOTES = 8

# More exceptions that have led to one are left as they are.
_MOST = 100


def shorten(error: BaseException) -> None:
    """Take the library's own frames out of a traceback.

    Of those between two frames of users, that of the decorated function stays. What the
    library has raised itself without meaning to keeps the frames where that was.

    Args:
        error: The exception. Those that have led to it are shortened, too.
    """
    if os.environ.get(VARIABLE) == "full":
        return
    for one in _exceptions_of(error):
        is_meant = _is_meant(one)
        while is_meant and _is_all_ours(one.__context__):
            # What the library was about does not matter either.
            one.__context__ = one.__context__ and one.__context__.__context__
        if one.__traceback__ is not None:
            one.with_traceback(_shortened(one.__traceback__, is_meant))


def _exceptions_of(error: BaseException) -> Iterator[BaseException]:
    found = [error]
    for one in found:
        yield one
        grouped = getattr(one, "exceptions", None)
        more = grouped if isinstance(grouped, (list, tuple)) else ()
        for other in (one.__cause__, one.__context__, *more):
            if (
                isinstance(other, BaseException)
                and len(found) < _MOST
                and not any(other is known for known in found)
            ):
                found.append(other)


def _is_all_ours(error: BaseException | None) -> bool:
    """Tell if an exception was raised, and caught, by the library itself."""
    frame = None if error is None else error.__traceback__
    if frame is None:
        return False
    while frame is not None and _module_of(frame) is not None:
        frame = frame.tb_next
    return frame is None


def _is_meant(error: BaseException) -> bool:
    """Tell if the message of an exception says all, wherever it was raised."""
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return True
    return any(_is_ours(kind.__module__) for kind in type(error).__mro__)


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and f"{module}.".startswith(f"{_PACKAGE}.")


def _shortened(traceback: TracebackType, is_meant: bool) -> TracebackType | None:
    frames: list[Any] = []
    frame: TracebackType | None = traceback
    while frame is not None:
        frames.append(frame)
        frame = frame.tb_next
    kept: list[Any] = []
    decorated = None
    end = len(frames)
    while end and _module_of(frames[end - 1]) is not None:
        end -= 1
    for frame in frames[:end]:
        module = _module_of(frame)
        if module is None:
            if decorated is not None and kept:
                kept.append(decorated)
            kept.append(frame)
            decorated = None
        elif module.startswith(_DECORATING):
            decorated = decorated or frame
    if not is_meant:
        kept += frames[end:]
    for frame, following in zip(kept, [*kept[1:], None]):
        frame.tb_next = following
    return kept[0] if kept else None


def _module_of(traceback: TracebackType) -> str | None:
    """Return the module of the library whose frame it is, `None` for another one."""
    name = traceback.tb_frame.f_globals.get("__name__")
    return name if _is_ours(name) else None


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception, where Python has notes (PEP 678).

    Args:
        error: The exception. One that has such a note, or many, stays as it is.
        note: The note.
    """
    if sys.version_info >= (3, 11):
        notes = getattr(error, "__notes__", [])
        if note not in notes and len(notes) < _MOST_NOTES:
            error.add_note(note)
