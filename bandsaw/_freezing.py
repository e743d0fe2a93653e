"""What a session is while nobody walks it: its parts, written to a stream and read."""

from __future__ import annotations

import contextlib

from ._session_members import (
    CONTEXT,
    EXECUTION,
    MODERATOR,
    RESULT,
    RUN,
    SESSION,
    TASK,
)
from ._walk import NOT_STARTED
from .config import get_configuration
from .exceptions import InvalidSessionError
from .identifier import Ids
from .modules import allow_imports, importable_module_name
from .run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Mapping, Optional

    from ._session_members import SavedForm, SessionReader
    from .attachments import Attachment
    from .config import Configuration
    from .context import Context
    from .execution import Execution
    from .result import Result
    from .tasks import Task


class FrozenSession:
    """The parts of a session.

    Attributes:
        configuration: The configuration that has the chain.
        advice_chain: The name of the chain.
        ids: The ids, `None` for an incomplete session.
        run: The run that the session belongs to, `None` for the one of the process.
        task: The task that was called.
        execution: The arguments of the call.
        context: The notes of advices and extensions.
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
        configuration: Optional[Configuration],
        advice_chain: str,
        ids: Optional[Ids],
        run: Optional[Run],
        task: Optional[Task],
        execution: Optional[Execution],
        context: Optional[Context],
        result: Optional[Result],
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
    known: Optional[FrozenSession] = None,
    extra: Optional[Mapping[str, bytes]] = None,
) -> None:
    """Write the parts of a session.

    Args:
        session: The session. It has a configuration and a run.
        form: Where to write them.
        known: What the reader has already and does not get again.
        extra: More members by name.
    """
    assert session.configuration is not None
    assert session.run is not None
    header = {
        "configuration": importable_module_name(session.configuration.module_name),
        "advice_chain": session.advice_chain,
        "ids": None if session.ids is None else str(session.ids),
    }
    with form.write(session.configuration.serializer) as writer:
        writer.write_json(SESSION, header)
        if known is None or known.run is not session.run:
            writer.write_json(RUN, session.run.to_json())
        if known is None or known.task is not session.task:
            writer.write_value(TASK, session.task)
        if known is None or known.execution is not session.execution:
            writer.write_value(EXECUTION, session.execution)
        writer.write_value(CONTEXT, session.context)
        writer.write_value(RESULT, session.result)
        writer.write_value(MODERATOR, {"step": session.step})
        for member, content in (extra or {}).items():
            writer.write_bytes(member, content)
        for name, attachment in session.attachments.items():
            if known is None or known.attachments.get(name) is not attachment:
                writer.write_attachment(name, attachment)


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
        return _read(form.read(), known, directory_for)


def _read(
    reader: SessionReader,
    known: FrozenSession,
    directory_for: Callable[[Configuration], str],
) -> FrozenSession:
    header = reader.read_json(SESSION)
    with _refusing(SESSION):
        module_name, advice_chain = header["configuration"], header["advice_chain"]
        ids = None if header["ids"] is None else Ids.from_string(header["ids"])
    configuration = _configuration(module_name, known.configuration)
    chain = configuration.chains[advice_chain]
    serializer = configuration.serializer

    # Only for a session that was saved before may something be left out.
    is_carried_on = known.task is not None

    def part(member: str, kept: Any) -> Any:
        if is_carried_on and kept is not None and member not in reader.members:
            return kept
        return reader.read_value(member, serializer)

    run = known.run
    if RUN in reader.members or not is_carried_on:
        values = reader.read_json(RUN)
        with _refusing(RUN):
            run = Run.from_json(values)
    task = part(TASK, known.task)
    execution = part(EXECUTION, known.execution)
    context = part(CONTEXT, known.context)
    result = part(RESULT, known.result)
    moderator = reader.read_value(MODERATOR, serializer)
    with _refusing(MODERATOR):
        step = moderator["step"]
        if not NOT_STARTED <= step <= chain.walk.end:
            raise ValueError(f"chain {advice_chain!r} has no step {step}")
    attachments: Mapping[str, Attachment] = {}
    if reader.attachments:
        attachments = reader.extract_attachments(directory_for(configuration))
    return FrozenSession(
        configuration=configuration,
        advice_chain=advice_chain,
        ids=ids,
        run=run,
        task=task,
        execution=execution,
        context=context,
        result=result,
        step=step,
        attachments=attachments,
    )


def _configuration(module_name: str, known: Optional[Configuration]) -> Configuration:
    if known is not None and importable_module_name(known.module_name) == module_name:
        return known
    return get_configuration(module_name)


@contextlib.contextmanager
def _refusing(member: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidSessionError(
            f"{member} of the saved session is not what it should be: {error!r}"
        ) from error
