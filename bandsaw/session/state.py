"""The state of a session, and how it is written to a stream and read back."""

from __future__ import annotations

from io import BytesIO

from .. import distribution
from ..chain import NOT_STARTED
from ..config import (
    accepts_notebooks,
    configuration_of_notebook,
    configuration_of_session,
)
from ..context import Context
from ..exceptions import (
    BandsawError,
    ConfigurationError,
    InvalidSessionError,
    NotMovableError,
    ProtocolError,
    SerializationError,
)
from ..execution import Execution
from ..identifier import Ids
from ..modules import (
    MAIN_NAMES,
    allow_imports,
    describer,
    importable_module_name,
    is_of_doctest,
    result_describers,
    script_module_name,
)
from ..run import Run
from ..runtime.contexts import nullcontext
from ..tasks import Task, full_task
from .saved_format import (
    CONTEXT,
    EXECUTION,
    MODERATOR,
    RESULT,
    RUN,
    SESSION,
    TASK,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any, Callable, Mapping, Sequence

    from ..chain import AdviceChain
    from ..config import Configuration
    from ..distribution.cells import Definitions, Functions, Gathering, Main
    from ..result import Result
    from ..serialization import Serializer
    from .attachments import Attachment
    from .saved_format import SavedFormat, SessionReader, SessionWriter
    from .session import Session


_NO_ATTACHMENTS: Mapping[str, Attachment] = {}


class SessionState:
    """The parts of a session.

    Attributes:
        configuration: The configuration that has the chain.
        advice_chain: The name of the chain.
        ids: The ids, `None` for an incomplete session, and where none is wanted.
        run: The run that the session belongs to, `None` for the one of the process.
        task: The task that was called.
        execution: The arguments of the call.
        context: The notes of advices and extensions, `None` if there are none.
        result: The result, `None` before there is one.
        step: The number of the current step in the walk.
        attachments: The attachments by name.
        main: The `__main__` of the cells of a notebook, `None` if it needs none.
    """

    __slots__ = (
        "advice_chain",
        "attachments",
        "configuration",
        "context",
        "execution",
        "ids",
        "main",
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
        self.main: Main | None = None

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


def session_state(session: Session, with_ids: bool = False) -> SessionState:
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
    return SessionState(
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
        name: The attribute of a `SessionState` that holds it.
        member: The member of the saved session.
        write: Writes it, as a part of a session.
        read: Reads it; the parts before it are in the session then.
        is_given: Whether it is what the caller has given, and no news for it. The other
            parts are always news.
    """

    __slots__ = ("is_given", "member", "name", "read", "write")

    def __init__(
        self,
        name: str,
        member: str,
        write: Callable[[SessionWriter, Any, SessionState], None],
        read: Callable[[SessionReader, SessionState], Any],
        is_given: bool = False,
    ) -> None:
        self.name = name
        self.member = member
        self.write = write
        self.read = read
        self.is_given = is_given


def _write_run(writer: SessionWriter, run: Any, session: SessionState) -> None:
    writer.write_json(RUN, run.to_json())


def _read_run(reader: SessionReader, session: SessionState) -> Run:
    return Run.from_json(reader.read_json(RUN))


def _write_task(writer: SessionWriter, task: Any, session: SessionState) -> None:
    try:
        writer.write_task(task)
    except SerializationError as error:
        if not getattr(task, "is_described", False):
            raise
        reason = _reason_from(full_task(task).callable, error, session.serializer)
        raise NotMovableError(
            f"Task {task} cannot be moved to another interpreter: what it holds cannot "
            f"{reason}."
        ) from error.__cause__


def _read_task(reader: SessionReader, session: SessionState) -> Any:
    return reader.read_task(session.serializer)


def _write_execution(
    writer: SessionWriter, execution: Any, session: SessionState
) -> None:
    try:
        writer.write_execution(execution)
    except SerializationError as error:
        raise name_argument(
            error, session.task, execution, session.serializer, _write_alone
        ) from error.__cause__


def _read_execution(reader: SessionReader, session: SessionState) -> Any:
    return reader.read_execution(session.task, session.serializer)


def _write_context(writer: SessionWriter, context: Any, session: SessionState) -> None:
    writer.write_value(CONTEXT, context or Context())


def _read_context(reader: SessionReader, session: SessionState) -> Any:
    return _checked(reader.read_value(CONTEXT, session.serializer), Context)


def _write_result(writer: SessionWriter, result: Any, session: SessionState) -> None:
    try:
        writer.write_value(RESULT, result)
    except SerializationError as error:
        reason = _reason_from(result.value, error, session.serializer)
        named = SerializationError(f"The result of {session.task} cannot {reason}")
        named.part, named.reason = error.part, reason
        raise named from error.__cause__


def _read_result(reader: SessionReader, session: SessionState) -> Any:
    return reader.read_value(RESULT, session.serializer)


def _write_step(writer: SessionWriter, step: Any, session: SessionState) -> None:
    writer.write_step(step)


def _read_step(reader: SessionReader, session: SessionState) -> int:
    step: int = _checked(reader.read_step(session.serializer), int)
    if not NOT_STARTED <= step <= session.chain.walk.end:
        raise ValueError(f"chain {session.advice_chain!r} has no step {step}")
    return step


#: The parts of a session in the order in which they are written and read.
PARTS: tuple[Part, ...] = (
    Part("run", RUN, _write_run, _read_run, is_given=True),
    Part("task", TASK, _write_task, _read_task, is_given=True),
    Part("execution", EXECUTION, _write_execution, _read_execution, is_given=True),
    Part("context", CONTEXT, _write_context, _read_context),
    Part("result", RESULT, _write_result, _read_result),
    Part("step", MODERATOR, _write_step, _read_step),
)
_GIVEN = tuple(part for part in PARTS if part.is_given)
_CHANGING = tuple(part for part in PARTS if not part.is_given)


def write(
    session: SessionState,
    form: SavedFormat,
    known: SessionState | None = None,
    extra: Callable[[], Mapping[str, bytes]] | None = None,
) -> None:
    """Write the parts of a session.

    Args:
        session: The session. It has a configuration and a run.
        form: Where to write them.
        known: The session as its reader has given it, which gets only what changes.
        extra: Gives more members by name, when all others are written.
    """
    assert session.configuration is not None
    if known is None:
        parts, required, attachments = PARTS, form.required, _NO_ATTACHMENTS
        if form.run_of_recipient is session.run:
            parts = PARTS[1:]
    else:
        parts, required = _CHANGING, form.required_changes
        attachments = known.attachments
    serializer = session.configuration.serializer
    header: dict[str, Any] = {
        "configuration": importable_module_name(session.configuration.module_name),
        "advice_chain": session.advice_chain,
        "ids": None if session.ids is None else str(session.ids),
    }
    if known is None and session.step != NOT_STARTED:
        chain = session.configuration.chains.get(session.advice_chain)
        if chain is not None:
            header["advices"] = _classes_of(chain)
    gathering = None
    if known is None and script_module_name() is None:
        gathering = _gathering_for(session.task, serializer)
    with form.write(serializer) as writer:
        writer.write_header(header)
        if gathering is not None:
            _write_with_definitions(writer, session, parts, required, gathering)
        elif serializer.runs_code and (known is None or result_describers):
            described = _Describer() if known is None else result_describers[0]
            token = describer.set(described)
            try:
                _write_parts(writer, session, parts, required)
            finally:
                describer.reset(token)
        else:
            _write_parts(writer, session, parts, required)
        if extra is not None:
            for member, content in extra().items():
                writer.write_bytes(member, content)
        if session.attachments:
            for name, attachment in session.attachments.items():
                if attachments.get(name) is not attachment:
                    writer.write_attachment(name, attachment)
        if serializer.signs:
            writer.sign()


class _Describer:
    """Describes what cannot be imported; most sessions have nothing of it."""

    _functions: Functions | None = None

    def reduce(self, value: FunctionType | type) -> Any:
        """Return how a function or class is pickled."""
        if self._functions is None:
            self._functions = distribution.cells.Functions()
        return self._functions.reduce(value)


def _write_parts(
    writer: SessionWriter,
    session: SessionState,
    parts: Sequence[Part],
    required: frozenset[str],
) -> None:
    for part in parts:
        value = getattr(session, part.name)
        if value is not None or part.member in required:
            part.write(writer, value, session)


def definitions_of(task: Task, serializer: Serializer) -> Definitions:
    """Return what a task needs of the cells of a notebook, apart from its arguments.

    Args:
        task: The task.
        serializer: What writes captured data.

    Raises:
        NotMovableError: If some of it cannot be had elsewhere.
    """
    return _gathering_for(task, serializer).definitions()


def _gathering_for(task: Any, serializer: Serializer) -> Gathering:
    gathering = distribution.cells.Gathering(task, serializer)
    configuration = configuration_of_notebook()
    if configuration is not None:
        gathering.add_configuration(configuration)
    function = full_task(task).callable
    is_of_cells = getattr(function, "__module__", None) in MAIN_NAMES
    if is_of_cells and not is_of_doctest(function):
        gathering.add_function(function)
    return gathering


def _write_with_definitions(
    writer: SessionWriter,
    session: SessionState,
    parts: Sequence[Part],
    required: frozenset[str],
    gathering: Gathering,
) -> None:
    """Write the parts, and what they need of the cells of a notebook."""
    with gathering.noting():
        _write_parts(writer, session, parts, required)
    definitions = gathering.definitions()
    if definitions.names:
        assert session.configuration is not None
        serializer = session.configuration.serializer
        if not serializer.runs_code:
            raise NotMovableError(
                f"Task {session.task} cannot be moved to another interpreter: the "
                f"cells of a notebook travel as code, and {type(serializer).__name__} "
                "carries data only. Move the task to a module, or use a "
                "PickleSerializer."
            )
        writer.write_definitions(definitions)


def _write_alone(value: Any, serializer: Serializer) -> BytesIO:
    stream = BytesIO()
    serializer.serialize(value, stream)
    stream.seek(0)
    return stream


def read_alone(value: Any, serializer: Serializer) -> None:
    """Write a value and read it again."""
    serializer.deserialize(_write_alone(value, serializer))


def _reason_from(value: Any, error: SerializationError, serializer: Serializer) -> str:
    """Return why what holds a value cannot be written, as the value alone tells it."""
    try:
        _write_alone(value, serializer)
    except SerializationError as alone:
        # The place in it begins at the value, not at what holds it.
        return f"{error.reason.partition(':')[0]}: {alone}"
    except Exception:
        pass
    return error.reason


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
            reason = error.reason
            if attempt is _write_alone:
                reason = _reason_from(value, error, serializer)
            return SerializationError(f"Argument {name!r} of {task} cannot {reason}")
    return error


def read(
    form: SavedFormat,
    known: SessionState,
    directory_for: Callable[[Configuration], str],
) -> SessionState:
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
    form: SavedFormat,
    known: SessionState,
    directory_for: Callable[[Configuration], str],
) -> SessionState:
    reader = form.read()
    module_name, advice_chain, ids = _read_header(reader)
    definitions = reader.read_definitions()
    configuration = known.configuration
    main = None
    if configuration is None:
        if (
            definitions is not None
            and module_name in MAIN_NAMES
            and accepts_notebooks()
        ):
            # The configuration is among them.
            main = distribution.cells.Main.of(*definitions)
        with nullcontext() if main is None else main.in_use():
            configuration = configuration_of_session(module_name)
    elif not _names(configuration, module_name):
        raise InvalidSessionError(
            f"The saved session names the configuration {module_name!r}, but is read "
            f"by a session of {configuration.module_name!r}."
        )
    form.check_signature(configuration.serializer)
    session = _begin(known, configuration, advice_chain, ids)
    _check_chain(reader, configuration, advice_chain)
    # Only of a session that was saved before may more be left out.
    required = form.required if known.task is None else form.required_changes
    if definitions is not None:
        if not configuration.serializer.runs_code:
            raise InvalidSessionError(
                "The saved session brings code of a notebook's cells, which is not run "
                f"where {type(configuration.serializer).__name__} reads sessions."
            )
        # The signature was checked before, unless they have what checks it.
        session.main = main or distribution.cells.Main.of(
            *definitions, configuration.serializer
        )
    with nullcontext() if session.main is None else session.main.in_use():
        _read_parts(reader, session, PARTS, required, directory_for)
    return session


def read_answer(
    form: SavedFormat,
    known: SessionState,
    stop: int,
    directory_for: Callable[[Configuration], str],
) -> SessionState:
    """Read what another interpreter has made of a session.

    Args:
        form: Its answer.
        known: The session that it was given.
        stop: The step in which it has to stop.
        directory_for: Gives the directory in which attachments are put.

    Returns:
        The session as it is now. Its attachments are those of the answer only.

    Raises:
        ProtocolError: If the answer brings anything that is not the other interpreter's
            to choose. Nothing of it has been deserialized then but its step.
        InvalidSessionError: If it is not whole.
        SerializationError: If a part of it cannot be read.
    """
    with allow_imports():
        return _read_answer(form, known, stop, directory_for)


def _read_answer(
    form: SavedFormat,
    known: SessionState,
    stop: int,
    directory_for: Callable[[Configuration], str],
) -> SessionState:
    reader = form.read()
    for part in _GIVEN:
        if part.member in reader.members:
            raise _not_its_choice(f"a {part.name} ({part.member})")
    configuration = known.configuration
    assert configuration is not None
    module_name, advice_chain, ids = _read_header(reader)
    form.check_signature(configuration.serializer)
    if not _names(configuration, module_name):
        raise _not_its_choice(f"the configuration {module_name!r}")
    if advice_chain != known.advice_chain:
        raise _not_its_choice(f"the advice chain {advice_chain!r}")
    if not _are_ids_of(known, ids):
        raise _not_its_choice(f"the ids {str(ids)!r}")
    session = _begin(known, configuration, advice_chain, ids)
    _read_parts(reader, session, _CHANGING[-1:], form.required_changes)
    if session.step != stop:
        raise _not_its_choice(f"step {session.step} instead of step {stop}")
    _read_parts(reader, session, _CHANGING[:-1], form.required_changes, directory_for)
    # A task object of the user's own may execute to anything.
    if isinstance(known.task, Task) and not hasattr(session.result, "exception"):
        raise _not_its_choice(f"a {type(session.result).__name__} instead of a result")
    return session


def _not_its_choice(what: str) -> ProtocolError:
    return ProtocolError(
        f"The interpreter that has continued the session answers with {what}. An "
        "answer brings a result, a context, attachments, and the step of the advice "
        "that has moved the session."
    )


def _are_ids_of(known: SessionState, ids: Ids | None) -> bool:
    """Tell if the ids of an answer can be those of the session that was given."""
    if ids is None or ids == known.ids:
        return True
    if known.ids is not None or known.task is None or known.run is None:
        return False
    # That of the execution was computed there. It must not look like anything else.
    return (
        ids.task_id == known.task.task_id
        and ids.run_id == known.run.run_id
        and _HEX_DIGITS.issuperset(ids.execution_id)
    )


def _read_header(reader: SessionReader) -> tuple[str, str, Ids | None]:
    """Return the names of the configuration and the chain, and the ids."""
    header = reader.read_header()
    try:
        ids = header["ids"]
        return (
            _checked(header["configuration"], str),
            _checked(header["advice_chain"], str),
            None if ids is None else Ids.from_string(_checked(ids, str)),
        )
    except _WRONG as error:
        raise _refusal(SESSION, error) from error


def _classes_of(chain: AdviceChain) -> list[str]:
    """Return the names of the classes of a chain's advices."""
    kinds = map(type, chain.walk.advices)
    return [f"{importable_module_name(k.__module__)}.{k.__qualname__}" for k in kinds]


def _check_chain(
    reader: SessionReader, configuration: Configuration, name: str
) -> None:
    """Refuse a session that has begun to walk along another chain than is here.

    Its step is a number, which would be another advice here.
    """
    there = reader.read_header().get("advices")
    here = _classes_of(configuration.chains[name])
    if there is None or there == here:
        return  # Those that were saved by an earlier release do not name them.
    raise ConfigurationError(
        f"Chain {name!r} is another one where the session comes from than here. There "
        f"it is {_listed(there)}; here {configuration.module_name} builds "
        f"{_listed(here)}. A configuration has to build the same chains on both ends."
    )


def _listed(classes: Any) -> str:
    return f"({', '.join(map(str, classes))})" if classes else "empty"


def _begin(
    known: SessionState,
    configuration: Configuration,
    advice_chain: str,
    ids: Ids | None,
) -> SessionState:
    """Return a session that has what its reader has until something is read."""
    configuration.chains[advice_chain]  # Refuses a name that it does not have.
    return SessionState(
        configuration,
        advice_chain,
        ids,
        known.run,
        known.task,
        known.execution,
        known.context,
        known.result,
    )


def _names(configuration: Configuration, module_name: str) -> bool:
    return importable_module_name(configuration.module_name) == module_name


def _read_parts(
    reader: SessionReader,
    session: SessionState,
    parts: Sequence[Part],
    required: frozenset[str],
    directory_for: Callable[[Configuration], str] | None = None,
) -> None:
    members = reader.members
    for part in parts:
        if part.member in members or part.member in required:
            try:
                setattr(session, part.name, part.read(reader, session))
            except BandsawError:
                raise
            except _WRONG as error:
                raise _refusal(part.member, error) from error
    if reader.attachments and directory_for is not None:
        assert session.configuration is not None
        session.attachments = reader.extract_attachments(
            directory_for(session.configuration)
        )


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


_HEX_DIGITS = frozenset("0123456789abcdef")

# What a member raises that is not what it should be.
_WRONG = (KeyError, TypeError, ValueError)


def _refusal(member: str, error: Exception) -> InvalidSessionError:
    return InvalidSessionError(
        f"{member} of the saved session is not what it should be: {error!r}"
    )
