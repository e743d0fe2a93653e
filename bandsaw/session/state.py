"""What a session is while nobody walks it: its parts, written to a stream and read."""

from __future__ import annotations

from io import BytesIO

from ..chain import NOT_STARTED
from ..config import get_configuration
from ..context import Context
from ..exceptions import InvalidSessionError, SerializationError
from ..execution import Execution
from ..identifier import Ids
from ..modules import allow_imports, importable_module_name
from ..run import Run, get_run
from .saved_form import CONTEXT, EXECUTION, MODERATOR, RESULT, RUN, SESSION, TASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

    from ..config import Configuration
    from ..result import Result
    from ..serialization import Serializer
    from ..tasks import Task
    from .attachments import Attachment
    from .saved_form import SavedForm, SessionWriter


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
        configuration: Configuration | None,
        advice_chain: str,
        ids: Ids | None,
        run: Run | None,
        task: Task | None,
        execution: Execution | None,
        context: Context | None,
        result: Result | None,
        step: int,
        attachments: Mapping[str, Attachment],
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
    assert session.run is not None
    header = {
        "configuration": importable_module_name(session.configuration.module_name),
        "advice_chain": session.advice_chain,
        "ids": None if session.ids is None else str(session.ids),
    }
    with form.write(session.configuration.serializer) as writer:
        if form.is_compact:
            form.head = {**header, "step": session.step}
            _write_compactly(session, writer, known)
        else:
            writer.write_json(SESSION, header)
            _write_whole(session, writer, known)
        if extra is not None:
            for member, content in extra().items():
                writer.write_bytes(member, content)
        if session.attachments:
            for name, attachment in session.attachments.items():
                if known is None or known.attachments.get(name) is not attachment:
                    writer.write_attachment(name, attachment)


def _write_whole(
    session: FrozenSession, writer: SessionWriter, known: FrozenSession | None
) -> None:
    assert session.run is not None
    if known is None or known.run is not session.run:
        writer.write_json(RUN, session.run.to_json())
    if known is None or known.task is not session.task:
        writer.write_task(session.task)
    if known is None or known.execution is not session.execution:
        _write_execution(session, writer, session.execution)
    writer.write_value(CONTEXT, session.context or Context())
    writer.write_value(RESULT, session.result)
    writer.write_value(MODERATOR, {"step": session.step})


def _write_compactly(
    session: FrozenSession, writer: SessionWriter, known: FrozenSession | None
) -> None:
    assert session.run is not None
    if (get_run() if known is None else known.run) is not session.run:
        writer.write_json(RUN, session.run.to_json())
    if known is None or known.task is not session.task:
        writer.write_task(session.task)
    execution = session.execution
    if execution is not None and (known is None or known.execution is not execution):
        _write_execution(session, writer, execution.to_move())
    if session.context:
        writer.write_value(CONTEXT, session.context)
    if session.result is not None:
        writer.write_value(RESULT, session.result)


def _write_execution(session: FrozenSession, writer: SessionWriter, value: Any) -> None:
    try:
        writer.write_value(EXECUTION, value)
    except SerializationError as error:
        assert session.configuration is not None
        raise name_argument(
            error,
            session.task,
            session.execution,
            session.configuration.serializer,
            _write_alone,
        ) from error.__cause__


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
    bind = getattr(task, "bind", None)
    about, _, reason = str(error).partition(" of the session cannot")
    if execution is None or bind is None or about != "The execution":
        return error
    for name, value in (bind(execution.args, execution.kwargs) or {}).items():
        try:
            attempt(value, serializer)
        except Exception:
            return SerializationError(f"Argument {name!r} of {task} cannot{reason}")
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
    is_compact = form.is_compact
    header = form.head if is_compact else reader.read_json(SESSION)
    try:
        module_name = _checked(header["configuration"], str)
        advice_chain = _checked(header["advice_chain"], str)
        ids = None
        if header["ids"] is not None:
            ids = Ids.from_string(_checked(header["ids"], str))
    except _WRONG as error:
        raise _refusal(SESSION, error) from error
    configuration = _configuration(module_name, known.configuration)
    chain = configuration.chains[advice_chain]
    serializer = configuration.serializer
    members = reader.members

    # Only for a session that was saved before may something be left out.
    is_carried_on = known.task is not None

    run, task, execution = known.run, known.task, known.execution
    context, result = known.context, known.result
    if RUN in members or not (is_carried_on or is_compact):
        values = reader.read_json(RUN)
        try:
            run = Run.from_json(values)
        except _WRONG as error:
            raise _refusal(RUN, error) from error
    if TASK in members or task is None:
        task = reader.read_task(serializer)
    if EXECUTION in members or execution is None:
        execution = reader.read_value(EXECUTION, serializer)
        if is_compact:
            try:
                execution = Execution.of_moved(task, execution)
            except _WRONG as error:
                raise _refusal(EXECUTION, error) from error
    if CONTEXT in members or not (is_compact or (is_carried_on and context)):
        context = reader.read_value(CONTEXT, serializer)
        try:
            _checked(context, Context)
        except _WRONG as error:
            raise _refusal(CONTEXT, error) from error
    if RESULT in members or not (is_compact or (is_carried_on and result)):
        result = reader.read_value(RESULT, serializer)
    moderator = header if is_compact else reader.read_value(MODERATOR, serializer)
    try:
        step = _checked(moderator["step"], int)
        if not NOT_STARTED <= step <= chain.for_task(task).walk.end:
            raise ValueError(f"chain {advice_chain!r} has no step {step}")
    except _WRONG as error:
        raise _refusal(MODERATOR, error) from error
    attachments: Mapping[str, Attachment] = {}
    if reader.attachments:
        attachments = reader.extract_attachments(directory_for(configuration))
    return FrozenSession(
        configuration,
        advice_chain,
        ids,
        run,
        task,
        execution,
        context,
        result,
        step,
        attachments,
    )


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
