"""The parts of `bandsaw.testing` that replace advices and check movability."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from io import BytesIO

from ..config import (
    LibraryConfiguration,
    add_arrangement,
    get_configuration,
    remove_arrangement,
)
from ..execution import Execution
from ..interpreter import Interpreter
from ..modules import importable_module_name
from ..session import Session, advise
from ..tasks import Task
from .cache import CachingAdvice
from .subprocess import SubprocessAdvice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Callable, Iterator, Sequence


def without_advices() -> Iterator[None]:
    """Let calls of tasks be plain calls until the generator is left."""
    yield from _arranged(lambda advices, extensions: ((), ()))


def standing_in(choose: Callable[[int, Any], Any]) -> Iterator[None]:
    """Let other advices stand in for advices until the generator is left.

    Args:
        choose: Returns the advice for a place in a chain, and the advice there.
    """

    def arranged(advices: Any, extensions: Any) -> Any:
        return tuple(choose(*pair) for pair in enumerate(advices)), extensions

    return _arranged(arranged)


def in_memory(_: int, advice: Any) -> Any:
    """Return what stands in for an advice where no session leaves this process."""
    return advice.stand_in("memory") if hasattr(advice, "stand_in") else advice


def with_caches_in(root: Path) -> Callable[[int, Any], Any]:
    """Return what lets caches keep their results elsewhere, for `standing_in`.

    Args:
        root: The directory below which they do.
    """

    def move(place: int, advice: Any) -> Any:
        if isinstance(advice, CachingAdvice):
            return advice.at(root / str(place))
        return advice

    return move


def _arranged(arrangement: Any) -> Iterator[None]:
    add_arrangement(arrangement)
    try:
        yield
    finally:
        remove_arrangement(arrangement)


def refusals(
    task: Any,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    pythons: Sequence[str | Path],
) -> list[str]:
    """Return why a call cannot be moved, for each Python for which that is so.

    Args:
        task: The decorated function.
        args: The positional arguments.
        kwargs: The keyword arguments.
        pythons: The executables of Pythons; that of this process when there are none.
    """
    execution = Execution.of_call(task.bandsaw_task, (*args,), kwargs)
    session = Session(task.bandsaw_task, execution, task.bandsaw_configuration)
    stream = BytesIO()
    try:
        session.save(stream)
    except Exception as error:
        return [f"{session.task} cannot be moved: {error}"]
    found = []
    for python in pythons or [sys.executable]:
        refusal = _refusal(session, stream.getvalue(), os.fspath(python))
        if refusal is not None:
            found.append(f"{session.task} cannot be moved to {python}: {refusal}")
    return found


def _refusal(session: Session, saved: bytes, python: str) -> BaseException | None:
    name = importable_module_name(session.configuration.module_name)
    task = Task.create_task(restore)
    call = Session(
        task, Execution.of_call(task, (name, saved), {}), get_configuration(__name__)
    )
    token = _interpreter.set(Interpreter(executable=python))
    try:
        return advise(call).exception
    finally:
        _interpreter.reset(token)


def restore(configuration: str, saved: bytes) -> None:
    """Restore a session, and leave it there.

    Args:
        configuration: The module of its configuration.
        saved: The session.
    """
    get_configuration(configuration)
    Session().restore(BytesIO(saved))


_interpreter: ContextVar[Interpreter] = ContextVar("interpreter")


class _Move(SubprocessAdvice):
    """Start the interpreter of the current context."""

    def interpreter_for(self, session: Session) -> Interpreter:
        return _interpreter.get()

    def expect_session(self, session: Session) -> None:
        """Start nothing ahead."""


def __getattr__(name: str) -> Any:
    # It has a temporary directory, which is removed with it.
    if name == "configuration":
        return LibraryConfiguration().add_advice_chain(_Move(start_ahead=False))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
