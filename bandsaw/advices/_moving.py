"""The one recipe for moving a session: save, ship, wait, restore, clean up."""

from __future__ import annotations

import sys

from ..exceptions import InterpreterError, NotMovableError, SerializationError
from ..identifier import SessionIds
from ..interpreter import Interpreter as Interpreter
from ..modules import (
    importable_modules,
    script_arguments,
    script_module_name,
    working_directory,
)
from ..reporting import report
from ..result import Result
from ..runtime.contexts import nullcontext as nullcontext
from ..runtime.fork import call_at_reset
from ..runtime.functions import partial
from ..runtime.log_forwarding import handle_record
from ..serialization.recipients import Recipient
from ..session.cancellation import cancelled_error, waiting_until
from ..session.exchange import modules_of_recipient, receive_answer
from ..transports.base import Job, JobSettings
from ..transports.memory import MemoryTransport as MemoryTransport
from ..transports.output import attaching_output as attaching_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from ..session import Session
    from .remote import RemoteAdvice

#: What a caller may want to answer with another try, or another argument; an `OSError`
#: is a full disk.
FAILURES = (InterpreterError, NotMovableError, OSError, SerializationError)


def settings_of_this_process() -> dict[str, Any]:
    """Return what another process has to know of this one besides the session."""
    return {"script": script_module_name(), "arguments": script_arguments()}


def conclude(session: Session, failure: Exception) -> None:
    """Conclude a session that cannot be carried on.

    Args:
        session: The session.
        failure: Why it cannot.
    """
    session.conclude(Result(exception=failure))


def move(advice: RemoteAdvice, session: Session) -> Exception | None:
    """Move a session, wait for its answer and restore it.

    Args:
        advice: The advice that chooses the destination.
        session: The session.

    Returns:
        Why it cannot be carried on, `None` if it can.
    """
    if session.notice_interrupt():
        raise cancelled_error()
    with advice.output_for(session) as output:
        failure, lacks_modules = _attempt(advice, session, output)
        if lacks_modules:
            # The task has not begun. What is lacking there is closed this time.
            failure, _ = _attempt(advice, session, output)
    if session.is_cancelled:
        raise cancelled_error()
    return failure


def _attempt(
    advice: RemoteAdvice,
    session: Session,
    output: Callable[[str, str], None] | None,
) -> tuple[Exception | None, bool]:
    """Move the session once.

    Returns:
        Why it cannot be carried on, and whether the other interpreter lacks modules
        that the session was not written without.
    """
    try:
        with waiting_until(session.notice_interrupt):
            interpreter = advice.interpreter_for(session)
        recipient = recipients.get(interpreter) if recipients else None
        job = job_for(advice, session, interpreter, recipient, output)
    except InterpreterError as error:  # Its environment could not be made.
        return error, False
    with job:
        try:
            answer = advice.transport_for(session).run(job)
        except FAILURES as error:
            return error, False
        modules = modules_of_recipient(answer)
        failure = receive_answer(session, answer)
    if modules is None or recipient is not None:
        return failure, False
    # Another thread may know already what this job was not written for.
    recipients[interpreter] = Recipient(modules)
    return failure, True


def job_for(
    advice: RemoteAdvice,
    session: Session,
    interpreter: Interpreter,
    recipient: Recipient | None = None,
    output: Callable[[str, str], None] | None = None,
) -> Job:
    """Return the job of a session.

    Args:
        advice: The advice that moves it.
        session: The session.
        interpreter: The interpreter that it is moved to.
        recipient: What that interpreter can import, if that is known.
        output: What takes the output of the session.
    """
    process = advice.settings_for(session)
    if not interpreter.has_the_same_modules:
        process = {**process, "modules": importable_modules()}
    settings = JobSettings(
        process,
        directory=advice.directory,
        timeout=advice.timeout_for(session),
        memory_limit=advice.memory_limit_for(session),
        output=output,
        observe=partial(observe, session),
        recipient=recipient,
    )
    return Job(session, interpreter, settings)


#: What other interpreters have that lacked a module.
recipients: dict[Interpreter, Recipient] = {}
call_at_reset(recipients.clear)


class Imports:
    """The modules that an interpreter can import, and what that depends on.

    Args:
        interpreter: The interpreter.

    Attributes:
        interpreter: The interpreter.
        depends_on: What that depends on.
        path: The directories that another process of it is to look in first.
    """

    __slots__ = ("depends_on", "interpreter", "path")

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self.depends_on = (
            dict(vars(interpreter)),
            list(sys.path),
            sys.executable,
            working_directory(),
        )
        self.path = interpreter.import_path()


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


def observe(session: Session, kind: str, facts: dict[str, Any]) -> None:
    """Take part in what a session tells from elsewhere.

    Args:
        session: The session here.
        kind: `progress` or `record`.
        facts: What it tells.
    """
    if kind == "progress":
        report(session, facts)
    else:
        handle_record(facts, SessionIds(session.ids))
