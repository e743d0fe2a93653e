"""A failed call as its caller reads it: where, with which arguments, on whose lines."""

from __future__ import annotations

import sys

from ..exceptions import EnvironmentBuildError, InterpreterError, RemoteTraceback
from ..identifier import Ids
from ..runtime.contexts import suppress
from ..runtime.tracebacks import add_note, shorten
from .hiding import HIDDEN
from .records import SessionRecords, TaskFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from ..session import Session

# How many arguments a note names, and how long it is at most.
_MOST_ARGUMENTS = 10
_LONGEST = 1_000

_NO_IDS = Ids("", "", "")


def told(error: BaseException, session: Session) -> BaseException:
    """Let an exception say which call has failed, in few lines.

    Args:
        error: The exception.
        session: The session of the call, at its end.

    Returns:
        The exception.
    """
    # The user's values may do anything when they are looked at.
    with suppress(Exception):
        _add_note(error, session)
    with suppress(Exception):
        shorten(error)
    return error


def _add_note(error: BaseException, session: Session) -> None:
    note = _note_of(error, session)
    if sys.version_info >= (3, 11):
        # A doctest compares notes with what it expects. While one runs, lines of its
        # text are found by a function of its own.
        lines_of = getattr(sys.modules.get("linecache"), "getlines", None)
        if getattr(lines_of, "__name__", "") != "__patched_linecache_getlines":
            add_note(error, note)
    elif isinstance(error.__cause__, RemoteTraceback):
        error.__cause__.add_head(note)


def _note_of(error: BaseException, session: Session) -> str:
    call = f"{session.task}({', '.join(_arguments_of(session))})"
    text = f"Failed call: {_shortened(call)}"
    place = _place_of(error, session)
    if place is not None:
        text += f"\n  in {place}"
    ids = session.known_ids
    if ids is not None:
        text += f"\n  session {ids}"
    return text


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}...)"


def _arguments_of(session: Session) -> Iterator[str]:
    records = SessionRecords(session, _NO_IDS, TaskFacts(session.task))
    arguments: Any = records.execution(session)["execution"]["arguments"]
    for argument in arguments[:_MOST_ARGUMENTS]:
        value = argument["value"]
        is_text = argument["type"] == "str" and value != HIDDEN
        yield f"{argument['name']}={repr(value) if is_text else value}"
    if len(arguments) > _MOST_ARGUMENTS:
        yield "..."


def _place_of(error: BaseException, session: Session) -> str | None:
    """Return where the task was executed, or was to be, if that was elsewhere."""
    if not isinstance(error, InterpreterError) and not isinstance(
        error.__cause__, RemoteTraceback
    ):
        return None
    if isinstance(error, EnvironmentBuildError):
        return None  # There is no interpreter yet, and asking for it makes it anew.
    if not session.walk.advices:
        session.choose_chain()  # It was moved without a walk.
    for advice in reversed(session.walk.advices):
        if hasattr(advice, "place_of"):
            with suppress(Exception):
                place: str = advice.place_of(session)
                return place
    return None
