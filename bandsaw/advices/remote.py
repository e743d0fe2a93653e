"""The base of the advices that move sessions: where to, and on which conditions."""

from __future__ import annotations

import os

from ..advice import Advice, check_choices
from ..exceptions import ConfigurationError, check_type
from ..runtime.lazy import LateModule, late_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import (
        Any,
        Callable,
        ContextManager,
        Mapping,
        Union,
    )

    from .. import interpreter as _interpreters
    from ..environments import Environment
    from ..interpreter import Interpreter
    from ..session import Session
    from ..tasks import OwnTask, Task
    from ..transports.base import Transport
    from . import _moving

    interpreters = _interpreters
    moving = _moving
    AnyInterpreter = Union[Interpreter, Environment]
else:
    # A process that only continues sessions, or loads its configuration, does without.
    interpreters = LateModule("bandsaw.interpreter")
    moving = LateModule("bandsaw.advices._moving")


class RemoteAdvice(Advice):
    """Continue sessions in another interpreter.

    A subclass says which interpreter that is and which transport leads there. The other
    interpreter walks along the rest of the chain, executes the task, and walks back to
    this advice; from there the session is carried on here.

    When the other interpreter fails, the session is concluded with an exception that
    says why, so that the earlier advices see it. What an advice raises there is raised
    here.

    Args:
        directory: Where to keep the files of the exchange while it takes place. By
            default the directory for temporary files of the configuration.

    Attributes:
        directory: The directory, `None` for that of the configuration.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        if directory is not None:
            owner = type(self).__name__
            check_type(owner, "a path as directory", directory, str, os.PathLike)
            if os.path.isfile(directory):
                path = os.fspath(directory)
                raise ConfigurationError(
                    f"{owner} needs a directory for temporary files as directory, and "
                    f"not the file {path!r}. A Python is given as interpreter={path!r}."
                )
        self._given_directory = directory
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Have nothing yet of what belongs to this process."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what was given, so that a copy has processes of its own."""
        empty = object.__new__(type(self))
        empty._begin_anew()
        own = vars(empty)
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin_anew()
        vars(self).update(state)

    @late_attribute
    def directory(self) -> Path | None:
        """The directory, `None` for that of the configuration."""
        if self._given_directory is None:
            return None
        from pathlib import Path

        return Path(self._given_directory)

    def stand_in(self, moves: str) -> RemoteAdvice | None:
        """Return what takes the place of this advice in tests and debuggers.

        Args:
            moves: ``"memory"`` for a full save and restore in this process, ``"none"``
                for nothing.
        """
        _tell_once(moves)
        return InMemory(self) if moves == "memory" else None

    def interpreter_for(self, session: Session) -> Interpreter:
        """Choose the interpreter that continues a session.

        Args:
            session: The session.
        """
        raise NotImplementedError

    def transport_for(self, session: Session) -> Transport:
        """Choose the transport to the interpreter.

        Args:
            session: The session.
        """
        raise NotImplementedError

    def settings_for(self, session: Session) -> dict[str, Any]:
        """Say what the other process has to know besides the session.

        Args:
            session: The session.
        """
        return moving.settings_of_this_process()

    def place_of(self, session: Session) -> str:
        """Say in words where a session is continued, for the error of a call.

        Args:
            session: The session.
        """
        executable = self.interpreter_for(session).executable
        behind = getattr(self.transport_for(session), "name", None)
        return executable if behind is None else f"{executable} behind {behind}"

    def timeout_for(self, session: Session) -> float | None:
        """Say how long a session may take there, in seconds; `None` for any time.

        Args:
            session: The session.
        """
        return None

    def memory_limit_for(self, session: Session) -> int | None:
        """Say how many bytes a session may take there beyond those of its arguments.

        Args:
            session: The session.
        """
        return None

    def output_for(
        self, session: Session
    ) -> ContextManager[Callable[[str, str], None] | None]:
        """Choose what takes what the session writes to its standard streams.

        Args:
            session: The session.

        Returns:
            A context manager around the move of the session. It gives a function of the
            name of the stream, `stdout` or `stderr`, and the text; `None` if it is
            written where this process writes.
        """
        return moving.nullcontext()

    @property
    def slots(self) -> int | None:
        """The number of sessions that run there at a time, `None` if unlimited."""
        return None

    @property
    def default_concurrency(self) -> int | None:
        """The number of submitted calls that run at a time without a configured one.

        While a slot works, its next call is prepared.
        """
        slots = self.slots
        return None if slots is None else 2 * slots

    def environment_for(self, session: Session) -> str | None:
        """Say what is known of the environment in which the session is continued.

        A cache asks this: what is installed here is ignored for a task that runs
        elsewhere.

        Args:
            session: The session.

        Returns:
            What tells the environment from others, `None` for that of this interpreter.
        """
        interpreter = self.interpreter_for(session)
        return None if interpreter.is_this_python else interpreter.executable

    def before(self, session: Session) -> None:
        """Continue the session elsewhere, then carry on with it here."""
        failure = self._move(session)
        if failure is None:
            session.proceed()
        else:
            moving.conclude(session, failure)

    def after(self, session: Session) -> None:
        """End the walk in the other interpreter; `before` goes on with it."""

    def _move(self, session: Session) -> Exception | None:
        return moving.move(self, session)


class InMemory(RemoteAdvice):
    """Continue sessions in this process, as another interpreter would.

    Args:
        advice: The advice that it stands in for.
    """

    def __init__(self, advice: RemoteAdvice) -> None:
        super().__init__()
        self._advice = advice

    def interpreter_for(self, session: Session) -> Interpreter:
        """Return the interpreter of this process."""
        return moving.Interpreter()

    def transport_for(self, session: Session) -> Transport:
        """Return what saves and restores sessions."""
        return moving.MemoryTransport()

    def place_of(self, session: Session) -> str:
        """Say that it is this process."""
        return f"this process, in place of {type(self._advice).__qualname__}"


class _Told:
    """Whether it was told that nothing is moved."""

    moves: str | None = None


_told = _Told()


def _tell_once(moves: str) -> None:
    if _told.moves == moves:
        return
    _told.moves = moves
    import logging

    logging.getLogger("bandsaw").warning(
        "Nothing is moved to other interpreters (set_moves or BANDSAW_MOVES: %s). "
        "Tasks run in this process, without limits, interpreters and environments.",
        moves,
    )


class ProcessAdvice(RemoteAdvice):
    """Continue sessions in processes with limits and an output.

    Args:
        directory: Where to keep the files of the exchange while it takes place.
        timeout: How long a session may take, in seconds.
        memory_limit: How many bytes it may take beyond those of its arguments.
        output: Where its standard output and error lead: `inherit`, `capture`, or a
            function.

    Attributes:
        timeout: The timeout.
        memory_limit: The limit.

    Raises:
        ConfigurationError: If something of that cannot be.
    """

    # The parameter of tasks, and the key of it by which they choose by name
    _parameter: str
    _key_of_name: str

    def __init__(
        self,
        directory: str | Path | None = None,
        *,
        timeout: float | None = None,
        memory_limit: int | None = None,
        output: str | Callable[[str, str], None] = "inherit",
    ) -> None:
        super().__init__(directory)
        self._check_limits({"timeout": timeout, "memory_limit": memory_limit})
        if output not in ("inherit", "capture") and not callable(output):
            raise ConfigurationError(
                f"{type(self).__name__} needs output='inherit', 'capture' or a "
                f"function, and not {output!r}."
            )
        self._output = output
        self.timeout = timeout
        self.memory_limit = memory_limit

    @property
    def inherits_output(self) -> bool:
        """Whether a session writes where this process writes."""
        return self._output == "inherit"

    def timeout_for(self, session: Session) -> float | None:
        """Return the timeout of the task, else the one that was given."""
        parameters = self._parameters_of(session.full_task)
        timeout: float | None = parameters.get("timeout", self.timeout)
        return timeout

    def memory_limit_for(self, session: Session) -> int | None:
        """Return the limit of the task, else the one that was given."""
        parameters = self._parameters_of(session.full_task)
        limit: int | None = parameters.get("memory_limit", self.memory_limit)
        return limit

    def output_for(
        self, session: Session
    ) -> ContextManager[Callable[[str, str], None] | None]:
        """Return what was chosen for the output."""
        if callable(self._output):
            return moving.nullcontext(self._output)
        if self._output == "capture":
            return moving.attaching_output(session)
        return moving.nullcontext()

    def check_task(self, task: Task) -> None:
        """Refuse a task whose parameter makes no sense, whichever names it knows."""
        self._parameters_of(task)

    def _parameters_of(self, task: Task | OwnTask) -> Mapping[str, Any]:
        """Return what a task has chosen."""
        parameters = task.advice_parameters.get(self._parameter)
        if parameters is None:
            return _NONE
        chosen = check_choices(task, self._parameter, parameters)
        name = chosen.get(self._key_of_name, "")
        if not isinstance(name, str):
            raise ConfigurationError(
                f"The parameter {self._parameter} of task {task} needs a text as "
                f"{self._key_of_name}, and not {name!r}."
            )
        self._check_limits(chosen)
        return chosen

    def _check_limits(self, limits: Mapping[str, Any]) -> None:
        self._check_positive("timeout", limits.get("timeout"), float)
        self._check_positive("memory_limit", limits.get("memory_limit"), int)

    def _check_positive(self, name: str, value: Any, kind: type) -> None:
        is_number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        if value is not None and not (is_number and value > 0):
            raise ConfigurationError(
                f"{type(self).__name__} needs a positive number as {name}, and not "
                f"{value!r}."
            )


_NONE: dict[str, Any] = {}


def interpreter_of(owner: str, given: Any) -> AnyInterpreter:
    """Return the interpreter, or environment, that was given as such or as a path.

    Args:
        owner: What needs it.
        given: What was given.

    Raises:
        ConfigurationError: If it is something else. A text is a path if it has a
            separator.
    """
    if isinstance(given, os.PathLike) or (isinstance(given, str) and os.sep in given):
        return interpreters.Interpreter(executable=os.fspath(given))
    # Their classes would have to be imported for `isinstance`.
    is_one = hasattr(given, "executable") or hasattr(given, "at")
    if isinstance(given, type) or not is_one:
        raise ConfigurationError(
            f"{owner} needs an Interpreter or an Environment as interpreter, or the "
            f"path of a Python like '/usr/bin/python3', and not {given!r}."
        )
    chosen: AnyInterpreter = given
    return chosen
