"""What a session is while nobody walks it: its parts, written to a stream and read."""

from __future__ import annotations

from io import BytesIO

from ..chain import NOT_STARTED
from ..config import get_configuration
from ..context import Context
from ..exceptions import BandsawError, InvalidSessionError, SerializationError
from ..execution import Execution
from ..identifier import Ids
from ..modules import allow_imports, importable_module_name
from ..run import Run
from ..tasks import full_task
from .saved_form import CONTEXT, EXECUTION, MODERATOR, RESULT, RUN, SESSION, TASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

    from ..chain import AdviceChain
    from ..config import Configuration
    from ..result import Result
    from ..serialization import Serializer
    from ..tasks import Task
    from .attachments import Attachment
    from .saved_form import SavedForm, SessionReader, SessionWriter
    from .session import Session


_NO_ATTACHMENTS: Mapping[str, Attachment] = {}


class FrozenSession:
    """The parts of a session.

    Attributes:
        configuration: The configuration that has the chain.
        advice_chain: The name of the chain.
        ids: The ids, `None` for an incomplete session, and where nobody wants to know.
        run: The run that the session belongs to, `None` for the one of the process.
        task: The task that was called.
        execution: The arguments of the call.
        context: The notes of advices and extensions, `None` if there are none.
        result: The result, `None` before there is one.
        step: The number of the current step in the walk.
        attachments: The attachments by name.
    """

    __slots__ = (
        "advice_chain",
        "attachments",
        "configuration",
        "context",
        "execution",
        "ids",
        "result",
        "run",
        "step",
        "task",
    )

    def __init__(
        self,
        configuration: Configuration | None = None,
        advice_chain: str = "default",
        ids: Ids | None = None,
        run: Run | None = None,
        task: Task | None = None,
        execution: Execution | None = None,
        context: Context | None = None,
        result: Result | None = None,
        step: int = NOT_STARTED,
        attachments: Mapping[str, Attachment] = _NO_ATTACHMENTS,
    ) -> None:
        self.configuration = configuration
        self.advice_chain = advice_chain
        self.ids = ids
        self.run = run
        self.task = task
        self.execution = execution
        self.context = context
        self.result = result
        self.step = step
        self.attachments = attachments

    @property
    def serializer(self) -> Serializer:
        """The serializer of the configuration."""
        assert self.configuration is not None
        return self.configuration.serializer

    @property
    def chain(self) -> AdviceChain:
        """The chain of the task's calls."""
        assert self.configuration is not None
        return self.configuration.chains[self.advice_chain].for_task(
            full_task(self.task)
        )


def freeze(session: Session, with_ids: bool = False) -> FrozenSession:
    """Return the parts of a session as they are now.

    Args:
        session: The session.
        with_ids: Whether the ids are computed if they are not known yet.
    """
    context = session._context if session._notes is None else session.context
    attachments, ids = session._attachments, session._ids
    execution: Any = session.execution
    is_complete = execution is not None and session.task is not None
    # What is known already is the same everywhere, also where an argument has no
    # identity of its own.
    if is_complete and (with_ids or getattr(execution, "has_id", True)):
        ids = session.ids
    return FrozenSession(
        session.configuration,
        session.advice_chain,
        ids,
        session.run,
        session.task,
        execution,
        context if context else None,
        session.result,
        session.step,
        dict(attachments) if attachments else _NO_ATTACHMENTS,
    )


class Part:
    """A part of a session: its member, and how that is written and read.

    Args:
        name: The attribute of a `FrozenSession` that holds it.
        member: The member of the saved session.
        write: Writes it, as a part of a session.
        read: Reads it; the parts before it are in the session then.
        stays: Whether a walk leaves it as it is, so that it is no news for a reader
            that has the same object. Otherwise it is always news.
    """

    __slots__ = ("member", "name", "read", "stays", "write")

    def __init__(
        self,
        name: str,
        member: str,
        write: Callable[[SessionWriter, Any, FrozenSession], None],
        read: Callable[[SessionReader, FrozenSession], Any],
        stays: bool = False,
    ) -> None:
        self.name = name
        self.member = member
        self.write = write
        self.read = read
        self.stays = stays


def _write_run(writer: SessionWriter, run: Any, session: FrozenSession) -> None:
    writer.write_json(RUN, run.to_json())


def _read_run(reader: SessionReader, session: FrozenSession) -> Run:
    return Run.from_json(reader.read_json(RUN))


def _write_task(writer: SessionWriter, task: Any, session: FrozenSession) -> None:
    writer.write_task(task)


def _read_task(reader: SessionReader, session: FrozenSession) -> Any:
    return reader.read_task(session.serializer)


def _write_execution(
    writer: SessionWriter, execution: Any, session: FrozenSession
) -> None:
    try:
        writer.write_execution(execution)
    except SerializationError as error:
        raise name_argument(
            error, session.task, execution, session.serializer, _write_alone
        ) from error.__cause__


def _read_execution(reader: SessionReader, session: FrozenSession) -> Any:
    return reader.read_execution(session.task, session.serializer)


def _write_context(writer: SessionWriter, context: Any, session: FrozenSession) -> None:
    writer.write_value(CONTEXT, context or Context())


def _read_context(reader: SessionReader, session: FrozenSession) -> Any:
    return _checked(reader.read_value(CONTEXT, session.serializer), Context)


def _write_result(writer: SessionWriter, result: Any, session: FrozenSession) -> None:
    writer.write_value(RESULT, result)


def _read_result(reader: SessionReader, session: FrozenSession) -> Any:
    return reader.read_value(RESULT, session.serializer)


def _write_step(writer: SessionWriter, step: Any, session: FrozenSession) -> None:
    writer.write_step(step)


def _read_step(reader: SessionReader, session: FrozenSession) -> int:
    step: int = _checked(reader.read_step(session.serializer), int)
    if not NOT_STARTED <= step <= session.chain.walk.end:
        raise ValueError(f"chain {session.advice_chain!r} has no step {step}")
    return step


#: The parts of a session in the order in which they are written and read.
PARTS = (
    Part("run", RUN, _write_run, _read_run, stays=True),
    Part("task", TASK, _write_task, _read_task, stays=True),
    Part("execution", EXECUTION, _write_execution, _read_execution, stays=True),
    Part("context", CONTEXT, _write_context, _read_context),
    Part("result", RESULT, _write_result, _read_result),
    Part("step", MODERATOR, _write_step, _read_step),
)


def _required(form: SavedForm, known: FrozenSession) -> frozenset[str]:
    # Only of a session that was saved before may more be left out.
    return form.required if known.task is None else form.required_changes


def write(
    session: FrozenSession,
    form: SavedForm,
    known: FrozenSession | None = None,
    extra: Callable[[], Mapping[str, bytes]] | None = None,
) -> None:
    """Write the parts of a session.

    Args:
        session: The session. It has a configuration and a run.
        form: Where to write them.
        known: What the reader has already and does not get again.
        extra: Gives more members by name, when all others are written.
    """
    assert session.configuration is not None
    if known is None:
        known = FrozenSession(run=form.run_of_reader)
    required = _required(form, known)
    with form.write(session.serializer) as writer:
        writer.write_header(
            {
                "configuration": importable_module_name(
                    session.configuration.module_name
                ),
                "advice_chain": session.advice_chain,
                "ids": None if session.ids is None else str(session.ids),
            }
        )
        for part in PARTS:
            value = getattr(session, part.name)
            if value is None:
                is_news = part.member in required
            else:
                is_news = not part.stays or getattr(known, part.name) is not value
            if is_news:
                part.write(writer, value, session)
        if extra is not None:
            for member, content in extra().items():
                writer.write_bytes(member, content)
        if session.attachments:
            for name, attachment in session.attachments.items():
                if known.attachments.get(name) is not attachment:
                    writer.write_attachment(name, attachment)


def _write_alone(value: Any, serializer: Serializer) -> BytesIO:
    stream = BytesIO()
    serializer.serialize(value, stream)
    stream.seek(0)
    return stream


def read_alone(value: Any, serializer: Serializer) -> None:
    """Write a value and read it again."""
    serializer.deserialize(_write_alone(value, serializer))


def name_argument(
    error: SerializationError,
    task: Any,
    execution: Execution | None,
    serializer: Serializer,
    attempt: Callable[[Any, Serializer], object],
) -> SerializationError:
    """Say which argument it was that could not be written, or read elsewhere.

    Args:
        error: What was said of all arguments together.
        task: The task.
        execution: The arguments.
        serializer: What writes and reads them.
        attempt: Does that with a single one.

    Returns:
        What is to be said; the error itself if it is about something else, or if each
        argument alone can.
    """
    if execution is None or error.part != "execution":
        return error
    arguments = full_task(task).bind(execution.args, execution.kwargs) or {}
    for name, value in arguments.items():
        try:
            attempt(value, serializer)
        except Exception:
            return SerializationError(
                f"Argument {name!r} of {task} cannot {error.reason}"
            )
    return error


def read(
    form: SavedForm,
    known: FrozenSession,
    directory_for: Callable[[Configuration], str],
) -> FrozenSession:
    """Read the parts of a session.

    Args:
        form: Where they are.
        known: What the reader has already; the form may leave it out.
        directory_for: Gives the directory in which attachments are put.

    Returns:
        The session. Its attachments are those of the form only.

    Raises:
        InvalidSessionError: If the form does not hold a whole session.
        SerializationError: If a part of it cannot be read.
    """
    with allow_imports():
        return _read(form, known, directory_for)


def _read(
    form: SavedForm,
    known: FrozenSession,
    directory_for: Callable[[Configuration], str],
) -> FrozenSession:
    reader = form.read()
    header = reader.read_header()
    try:
        module_name = _checked(header["configuration"], str)
        advice_chain = _checked(header["advice_chain"], str)
        ids = None
        if header["ids"] is not None:
            ids = Ids.from_string(_checked(header["ids"], str))
    except _WRONG as error:
        raise _refusal(SESSION, error) from error
    configuration = _configuration(module_name, known.configuration)
    session = FrozenSession(
        configuration,
        advice_chain,
        ids,
        known.run,
        known.task,
        known.execution,
        known.context,
        known.result,
    )
    configuration.chains[advice_chain]  # Refuses a name that it does not have.
    members = reader.members
    required = _required(form, known)
    for part in PARTS:
        if part.member in members or part.member in required:
            try:
                setattr(session, part.name, part.read(reader, session))
            except BandsawError:
                raise
            except _WRONG as error:
                raise _refusal(part.member, error) from error
    if reader.attachments:
        session.attachments = reader.extract_attachments(directory_for(configuration))
    return session


def _configuration(module_name: str, known: Configuration | None) -> Configuration:
    if known is not None and importable_module_name(known.module_name) == module_name:
        return known
    return get_configuration(module_name)


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


# What a member raises that is not what it should be.
_WRONG = (KeyError, TypeError, ValueError)


def _refusal(member: str, error: Exception) -> InvalidSessionError:
    return InvalidSessionError(
        f"{member} of the saved session is not what it should be: {error!r}"
    )
