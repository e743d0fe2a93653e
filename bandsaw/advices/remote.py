"""The one recipe for moving a session: save, ship, wait, restore, clean up."""

from __future__ import annotations

import contextlib
import sys
from functools import partial

from ..advice import Advice
from ..exceptions import InterpreterError, NotMovableError, SerializationError
from ..interpreter import Interpreter
from ..modules import (
    importable_modules,
    script_arguments,
    script_module_name,
    working_directory,
)
from ..reporting import report
from ..result import Result
from ..runtime.fork import call_at_reset
from ..runtime.log_forwarding import handle_record
from ..serialization.readers import Reader
from ..session.cancellation import cancelled_error, waiting_until
from ..session.exchange import modules_of_reader, receive_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import (
        Any,
        Callable,
        ContextManager,
    )

    from ..session import Session
    from ..transports.base import Job, Transport


# What a caller may want to answer with another try, or another argument; an `OSError`
# is a full disk.
_FAILURES = (InterpreterError, NotMovableError, OSError, SerializationError)


class RemoteAdvice(Advice):
    """Continues sessions in another interpreter.

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

    directory: Path | None

    def __init__(self, directory: str | Path | None = None) -> None:
        if directory is not None:
            from pathlib import Path

            directory = Path(directory)
        self.directory = directory

    def interpreter_for(self, session: Session) -> Interpreter:
        """Choose the interpreter that continues a session.

        Args:
            session: The session.
        """
        raise NotImplementedError

    def transport_for(self, session: Session) -> Transport:
        """Choose the transport that leads to the interpreter.

        Args:
            session: The session.
        """
        raise NotImplementedError

    def settings_for(self, session: Session) -> dict[str, Any]:
        """Say what the other process has to know besides the session.

        Args:
            session: The session.
        """
        return {"script": script_module_name(), "arguments": script_arguments()}

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
        return contextlib.nullcontext()

    def environment_for(self, session: Session) -> str | None:
        """Say what is known of the environment in which the session is continued.

        A cache asks this: what is installed here does not count for a task that runs
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
            session.conclude(Result(exception=failure))

    def after(self, session: Session) -> None:
        """End the walk in the other interpreter; `before` goes on with it."""

    def _move(self, session: Session) -> Exception | None:
        if session.notice_interrupt():
            raise cancelled_error()
        with self.output_for(session) as output:
            failure, lacks_modules = self._attempt(session, output)
            if lacks_modules:
                # The task has not begun. What is lacking there is closed this time.
                failure, _ = self._attempt(session, output)
        if session.is_cancelled:
            raise cancelled_error()
        return failure

    def _attempt(
        self, session: Session, output: Callable[[str, str], None] | None
    ) -> tuple[Exception | None, bool]:
        """Move the session once.

        Returns:
            Why it cannot be carried on, and whether the other interpreter lacks modules
            that the session was not written without.
        """
        try:
            with waiting_until(session.notice_interrupt):
                interpreter = self.interpreter_for(session)
            reader = _readers.get(interpreter) if _readers else None
            job = self._job(session, interpreter, reader, output)
        except InterpreterError as error:  # Its environment could not be made.
            return error, False
        with job:
            try:
                answer = self.transport_for(session).run(job)
            except _FAILURES as error:
                return error, False
            modules = modules_of_reader(answer)
            failure = receive_answer(session, answer)
        if modules is None or reader is not None:
            return failure, False
        # Another thread may know already what this job was not written for.
        _readers[interpreter] = Reader(modules)
        return failure, True

    def _job(
        self,
        session: Session,
        interpreter: Interpreter,
        reader: Reader | None,
        output: Callable[[str, str], None] | None,
    ) -> Job:
        # A process that only continues sessions does without what this needs.
        from ..transports.base import Job, JobSettings

        process = self.settings_for(session)
        if not imports_of(interpreter).are_those_of_this_process:
            process = {**process, "modules": importable_modules()}
        settings = JobSettings(
            process,
            self.directory,
            self.timeout_for(session),
            self.memory_limit_for(session),
            output,
            partial(_observe, session),
            reader,
        )
        return Job(session, interpreter, settings)


# What other interpreters have that lacked a module.
_readers: dict[Interpreter, Reader] = {}
call_at_reset(_readers.clear)


class Imports:
    """What an interpreter can import, and what that depends on.

    Args:
        interpreter: The interpreter.

    Attributes:
        interpreter: The interpreter.
        depends_on: What that depends on.
        path: The directories that another process of it is to look in first.
        are_those_of_this_process: Whether it can import what this process can.
    """

    __slots__ = ("are_those_of_this_process", "depends_on", "interpreter", "path")

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self.depends_on = (
            dict(vars(interpreter)),
            list(sys.path),
            sys.executable,
            working_directory(),
        )
        self.path = interpreter.import_path()
        self.are_those_of_this_process = interpreter.has_the_same_modules


# Of the interpreters of most calls, which are few.
_imports: dict[int, Imports] = {}
_INTERPRETERS_KEPT = 16
call_at_reset(_imports.clear)


def imports_of(interpreter: Interpreter) -> Imports:
    """Return what an interpreter can import; it is found out when something changes.

    Args:
        interpreter: The interpreter.
    """
    known = _imports.get(id(interpreter))
    if (
        known is not None
        and known.interpreter is interpreter
        and known.depends_on
        == (vars(interpreter), sys.path, sys.executable, working_directory())
    ):
        return known
    known = Imports(interpreter)
    # One of a class of the user's own may depend on anything.
    if type(interpreter) is Interpreter:
        if len(_imports) >= _INTERPRETERS_KEPT:
            _imports.clear()
        _imports[id(interpreter)] = known
    return known


def _observe(session: Session, kind: str, facts: dict[str, Any]) -> None:
    """Take part in what a session tells from elsewhere."""
    if kind == "progress":
        report(session, facts)
    else:
        from ._logged import SessionIds

        handle_record(facts, SessionIds(session))
