"""Functions of bandsaw that are called behind a connection, as sessions of their own.

They need nothing of the user's configuration, so any Python there will do.
"""

from __future__ import annotations

from contextvars import ContextVar

from ..config import LibraryConfiguration, get_configuration
from ..execution import Execution
from ..extensions import Extension
from ..interpreter import Interpreter
from ..session import Session, advise
from ..tasks import Task
from ..transports.far_start import DEFAULT_PYTHON
from .remote import RemoteAdvice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from ..reporting import Progress
    from ..transports.base import Transport


def default_interpreter() -> Interpreter:
    """Return the Python that is found where a connection leads."""
    return Interpreter(path=(), executable=DEFAULT_PYTHON)


class FarCaller:
    """Call functions behind a connection.

    Args:
        transport: The transport to the processes there.
        interpreter: The Python there.
        tell: Is called with the progress of a function.
    """

    def __init__(
        self,
        transport: Transport,
        interpreter: Interpreter,
        tell: Callable[[Progress], object],
    ) -> None:
        self.transport = transport
        self.interpreter = interpreter
        self.tell = tell

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        caller: Session | None = None,
    ) -> Any:
        """Call a function there.

        Args:
            function: The function, which a module of bandsaw has.
            *arguments: Its arguments.
            caller: The session on whose behalf it is called; when that is cancelled,
                the call ends.

        Returns:
            What it returns.

        Raises:
            InterpreterError: If there is no answer.
        """
        task = Task.create_task(function)
        execution = Execution.of_call(task, arguments, {})
        session = Session(task, execution, get_configuration(__name__))
        token = _caller.set(self)
        cancel = session.cancellation.request
        if caller is not None:
            caller.call_when_cancelled(cancel)
        try:
            result = advise(session)
        finally:
            _caller.reset(token)
            if caller is not None:
                caller.forget_when_cancelled(cancel)
        if result.exception is not None:
            raise result.exception
        return result.value


_caller: ContextVar[FarCaller] = ContextVar("caller")


class _Move(RemoteAdvice):
    """Continue each session behind the connection of the current context's caller."""

    def interpreter_for(self, session: Session) -> Interpreter:
        return _caller.get().interpreter

    def transport_for(self, session: Session) -> Transport:
        return _caller.get().transport

    def settings_for(self, session: Session) -> dict[str, Any]:
        interpreter = self.interpreter_for(session)
        return {
            "path": list(interpreter.serialized()["path"] or ()),
            "environment": interpreter.environment,
        }


class _Tell(Extension):
    def on_progress(self, progress: Progress) -> None:
        _caller.get().tell(progress)


def __getattr__(name: str) -> Any:
    # It has a temporary directory, which is removed with it.
    if name == "configuration":
        return LibraryConfiguration().add_advice_chain(_Move()).add_extension(_Tell())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
