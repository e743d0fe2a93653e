"""Continuation of a session in another interpreter, and its answer.

Both ends of the exchange are on this page: `continue_session` runs in the other
interpreter and writes an answer, `receive_answer` reads it where the session came from.
An answer is either a saved session or a report of why there is none.
"""

from __future__ import annotations

import io
import os
import sys
from contextvars import ContextVar
from time import perf_counter

from .. import exceptions
from ..exceptions import (
    AdviceError,
    BandsawError,
    InterpreterError,
    InterpreterStartError,
    InvalidSessionError,
    ProtocolError,
    RemoteTraceback,
    SerializationError,
)
from ..interpreter import is_own_source
from ..modules import (
    allow_imports,
    attribute_of,
    explain_missing_module,
    importable_modules,
)
from ..result import Result
from ..run import join_run
from ..runtime.contexts import nullcontext, suppress
from ..runtime.functions import lru_cache, partial
from ..runtime.own_files import copy_of, noted_lines
from ..runtime.tracebacks import shorten
from ..serialization.recipients import Recipient, current_recipient, writing_for
from .saved_format import CHAIN, CHANGED, TRACEBACK, VERSIONS
from .session import Session
from .state import name_argument, read_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Callable,
        ContextManager,
        Iterable,
        NoReturn,
        Sequence,
    )

    from ..execution import Execution
    from ..serialization import Serializer
    from .route import Calls
    from .saved_format import SavedFormat

    # The name and version of a distribution, by the outermost module.
    Versions = dict[str, tuple[str, str]]

_REPORT = "failure.json"
_EXCEPTION = "exception.dat"

#: What the far end was about when it failed.
RESTORING, WALKING, SAVING = "restoring", "walking", "saving"


def continue_session(
    source: SavedFormat,
    target: SavedFormat,
    surround: Callable[[Session], ContextManager[object]] = nullcontext,
    deliver: Callable[[], None] | None = None,
) -> None:
    """Restore a session, walk on with it, and write an answer.

    Args:
        source: The saved session.
        target: Where the answer is written.
        surround: Gives the context in which the session walks.
        deliver: Is called when the answer is written, and what it refers to, the files
            of the session, is still there.

    Raises:
        BaseException: In a process that the task has forked: with what the task has
            raised there, or a `SystemExit` when it has returned.
    """
    session = Session()
    phase = RESTORING
    process = os.getpid()
    try:
        session.restore_from(source)
        join_run(session.run)
        session.is_answered = True
        confirm_first_look(session.execution, session.full_task)
        mover = session.step
        main = session.main
        with nullcontext() if main is None else main.in_use():
            if main is not None:
                main.begin()
            phase = WALKING
            with surround(session):
                session.proceed()
            if os.getpid() != process:
                end_forked(session.result)
            _check_stop(session, mover)
            phase = SAVING
            _save_answer(session, target)
            if deliver is not None:
                deliver()
    except BaseException as error:
        if os.getpid() != process:
            raise  # The task has forked this process, which must not answer, but end.
        target.clear()
        write_report(target, phase, error, session)
        if deliver is not None:
            deliver()
    finally:
        session.remove_temp_dir()


def end_forked(outcome: object) -> NoReturn:
    """End a process that the task has forked, which must not answer.

    Args:
        outcome: What the task has come to there.

    Raises:
        BaseException: What the task has raised, or a `SystemExit`.
    """
    exception = getattr(outcome, "exception", outcome)
    raise exception if isinstance(exception, BaseException) else SystemExit


def answer_executed(
    session: Session,
    outcome: Result | BaseException,
    target: SavedFormat,
    deliver: Callable[[], None],
) -> None:
    """Write the answer of a session whose task was executed.

    Args:
        session: The session, which stands where it has to stop.
        outcome: Its result, or what has kept the task from having one.
        target: Where the answer is written.
        deliver: Is called when the answer is written.
    """
    phase = WALKING
    try:
        if isinstance(outcome, BaseException):
            raise outcome
        session.result = outcome
        phase = SAVING
        _save_answer(session, target)
        deliver()
    except BaseException as error:
        target.clear()
        write_report(target, phase, error, session)
        deliver()


def execute_call(
    calls: Calls,
    execution: Execution,
    target: SavedFormat,
    deliver: Callable[[], None],
) -> bytes | None:
    """Execute the task of a call that has taken a short route.

    Args:
        calls: The calls of its route.
        execution: Its arguments.
        target: Where an answer is written that is more than a value.
        deliver: Is called when that is written.

    Returns:
        The value as it is written; `None` if there is another answer.
    """
    confirm_first_look(execution, calls.session.full_task)
    process = os.getpid()
    task = calls.session.task
    start = perf_counter()
    try:
        outcome: Result | BaseException = task.execute(execution)
    except BaseException as error:
        outcome = error
    if os.getpid() != process:
        end_forked(outcome)
    changed: list[str] = []
    if isinstance(outcome, Result):
        if outcome.exception is None:
            changed = execution.changed_arguments(task, perf_counter() - start)
        value = None if changed else write_value(partial(calls.write, outcome))
        if value is not None:
            return value
    session = calls.executed(execution)
    session.changed_arguments = (*changed,)
    answer_executed(session, outcome, target, deliver)
    return None


def _check_stop(session: Session, mover: int) -> None:
    walk = session.walk
    if session.step != walk.stop(mover):
        raise AdviceError(
            f"Not all advice has been applied. {walk.describe(session.step)} of chain "
            f"{session.advice_chain!r} returned without proceed() or conclude(), in "
            f"the interpreter that {walk.describe(mover)} has moved the session to."
        )


# What reads the answers of the current context
_recipient: ContextVar[Recipient | None] = ContextVar("bandsaw_answers", default=None)

# The last one that was made, and what it could import
_made: list[tuple[Sequence[str], Recipient]] = []


def answer_for(modules: Sequence[str] | None) -> None:
    """Write answers for an interpreter from now on, in the current context.

    Args:
        modules: The outermost modules that it could import, `None` for one that has all
            that this one has.
    """
    if modules is None:
        _recipient.set(None)
        return
    known = _made[:]
    if not known or known[0][0] is not modules:
        _made[:] = known = [(modules, Recipient(modules))]
    _recipient.set(known[0][1])


def confirm_first_look(execution: Execution, task: Any) -> None:
    """Forget of the first look of another interpreter what is different here.

    Values of other versions of a package may have other fingerprints.

    Args:
        execution: The execution that has arrived.
        task: The task that was called.
    """
    if _recipient.get() is not None:
        execution.confirm_first_look(task)


def write_value(write: Callable[[], bytes | None]) -> bytes | None:
    """Write a value for the interpreter that it is an answer for.

    Args:
        write: Writes it.

    Returns:
        The value as it was written; `None` if the answer has to say more, such as the
        versions of packages that it depends on.
    """
    recipient = _recipient.get()
    if recipient is None:
        return write()
    with writing_for(recipient):
        recipient.met.clear()
        value = write()
    return None if any(map(_has_version, list(recipient.met))) else value


@lru_cache(maxsize=None)
def _has_version(root: str) -> bool:
    """Tell if an outermost module belongs to a package that has a version."""
    return bool(versions_of((root,)))


def _save_answer(session: Session, target: SavedFormat) -> None:
    with writing_for(_recipient.get()):
        _write_answer(session, target)


def _write_answer(session: Session, target: SavedFormat) -> None:
    try:
        _check_exception(session)
        _save_changes(session, target)
    except SerializationError as error:
        # The value of the task cannot travel; that is what its caller has to know.
        target.clear()
        session.result = Result(exception=error)
        _save_changes(session, target)


def _save_changes(session: Session, target: SavedFormat) -> None:
    def extra() -> dict[str, bytes]:
        members: dict[str, bytes] = {}
        exception = _exception_of(session)
        if exception is not None:
            text = _format(exception)
            members[TRACEBACK] = text.encode("utf-8", "backslashreplace")
            chain = write_chain(exception, session.serializer)
            if chain is not None:
                members[CHAIN] = chain
        if recipient is not None and recipient.met:
            # Not for those that answer another process of the same Python
            import json

            members[VERSIONS] = json.dumps(versions_of(recipient.met)).encode("ascii")
        if session.changed_arguments:
            import json

            members[CHANGED] = json.dumps(session.changed_arguments).encode("ascii")
        return members

    recipient = current_recipient()
    session.save_changes_to(target, extra)


def _exception_of(session: Session) -> BaseException | None:
    # A user's own task object may execute to anything.
    exception = getattr(session.result, "exception", None)
    return exception if isinstance(exception, BaseException) else None


def _format(error: BaseException) -> str:
    import traceback

    with suppress(Exception):  # A class of the user's may refuse it.
        shorten(error)
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _describe(error: BaseException) -> str:
    # Unlike `str()`, this bears with exceptions that cannot be described.
    import traceback

    return "".join(traceback.format_exception_only(type(error), error)).strip()


def _check_exception(session: Session) -> None:
    """Refuse an exception that the serializer writes but does not give back."""
    exception = _exception_of(session)
    if exception is None:
        return
    try:
        stream = io.BytesIO()
        session.serializer.serialize(exception, stream)
        stream.seek(0)
        session.serializer.deserialize(stream)
    except Exception as error:
        raise SerializationError(
            "The task raised an exception that cannot be given to its caller "
            f"({_describe(error)}). It was {_describe(exception)}"
        ) from exception


def write_report(
    target: SavedFormat,
    phase: str,
    error: BaseException,
    session: Session | None = None,
) -> None:
    """Write the answer that there is none, and why.

    Args:
        target: Where to write it; nothing was written there before.
        phase: What failed: `RESTORING`, `WALKING` or `SAVING`.
        error: Why.
        session: The session, as far as it was restored.
    """
    report = _Report(phase, error)
    serializer: Serializer | None = None
    if session is not None and session.configuration is not None:
        serializer = session.serializer
    with target.write(serializer) as answer:
        answer.write_json(_REPORT, vars(report))
        if serializer is not None:
            stream = io.BytesIO()
            # One that cannot be written arrives as text.
            with suppress(Exception):
                serializer.serialize(error, stream)
                answer.write_bytes(_EXCEPTION, stream.getvalue())
            if serializer.signs:
                answer.sign()


class _Report:
    """The reason why there is no session to answer with.

    Args:
        phase: What failed: `RESTORING`, `WALKING` or `SAVING`.
        error: Why.

    Attributes:
        phase: What failed.
        error: The name of the exception's class.
        message: Its message.
        traceback: Where it was raised.
        part: The part of the session that could not be written or read.
        reason: Why it could not.
        modules: What the other interpreter could import, if it lacked a module.
        versions: The versions of what was imported for what was read.
        missing: Which line has imported a module that is not there, if that is why.
    """

    modules: Sequence[str] | None = None

    def __init__(self, phase: str, error: BaseException) -> None:
        self.part: str | None
        message = str(error) if isinstance(error, BandsawError) else _describe(error)
        self.phase = phase
        self.error = type(error).__name__
        self.message = message + explain_missing_module(error)
        self.traceback = _format(error)
        self.part, self.reason = None, ""
        if isinstance(error, SerializationError):
            self.part, self.reason = error.part, error.reason
        self.versions: Versions = {}
        self.missing = ""
        if phase == RESTORING:
            if self.message == message:
                self.missing = _missing_import(error)
            if _is_of_missing_module(error):
                self.modules = importable_modules()
            self.versions = versions_of(sys.modules)

    @classmethod
    def read(cls, content: bytes) -> _Report:
        """Read what another interpreter has reported.

        Raises:
            ProtocolError: If that is no report.
        """
        report = cls.__new__(cls)
        try:
            values = _read_json(content)
            report.phase = _one_of((RESTORING, WALKING, SAVING), values["phase"])
            report.error = _text_of(values["error"])
            report.message = _text_of(values["message"])
            report.traceback = _text_of(values["traceback"])
            part, modules = values.get("part"), values.get("modules")
            report.part = None if part is None else _text_of(part)
            report.reason = _text_of(values.get("reason", ""))
            report.modules = None if modules is None else [*map(_text_of, modules)]
            report.versions = _read_versions(values.get("versions", {}))
            report.missing = _text_of(values.get("missing", ""))
        except _WRONG as error:
            raise ProtocolError(
                "The other interpreter has failed, and what it reports of that makes "
                f"no sense: {error!r}"
            ) from error
        return report


# What reading plain data raises that is not what it should be.
_WRONG = (AttributeError, KeyError, RecursionError, TypeError, ValueError)


def _text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _one_of(known: Sequence[str], value: Any) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is none of {known}")
    return _text_of(value)


def _read_versions(values: Any) -> Versions:
    versions = {}
    for root, (name, version) in values.items():
        versions[root] = _text_of(name), _text_of(version)
    return versions


def _is_of_missing_module(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__
    return error is not None


def _missing_import(error: BaseException | None) -> str:
    """Say which line of the user's own imports a module that is not there, if one does.

    Args:
        error: What has failed, perhaps because of that.
    """
    while error is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__
    place = ""
    frame = None if error is None else error.__traceback__
    while frame is not None:
        path = frame.tb_frame.f_code.co_filename
        if copy_of(path) != path or noted_lines(path) is not None:
            place = f"{path}, line {frame.tb_lineno}"
        frame = frame.tb_next
    name = getattr(error, "name", None)
    if not place or not name:
        return ""
    version = ".".join(map(str, sys.version_info[:3]))
    return (
        f"No module named {name!r}: {place}, imports it, and Python {version} "
        f"({sys.executable}) does not have it. Add it there, or import it inside of "
        "the task."
    )


def modules_of_recipient(answer: SavedFormat) -> Sequence[str] | None:
    """Return what the other interpreter could import, if a module was missing there.

    Args:
        answer: Its answer.

    Returns:
        The names of its outermost modules; `None` if it missed nothing.
    """
    content = answer.peek((_REPORT,)).get(_REPORT)
    if content is None:
        return None
    try:
        return _Report.read(content).modules
    except ProtocolError:
        return None  # Receiving the answer says so.


def _read_json(content: bytes) -> Any:
    # Only what goes wrong is told in JSON.
    import json

    return json.loads(content)


def receive_answer(session: Session, answer: SavedFormat) -> Exception | None:
    """Carry on with a session that was continued in another interpreter.

    Args:
        session: The session that was saved, it takes over what has changed.
        answer: The answer.

    Returns:
        `None`, or why the session cannot be carried on.

    Raises:
        BaseException: Whatever an advice raised in the other interpreter.
    """
    try:
        members = answer.peek(
            (_REPORT, _EXCEPTION, TRACEBACK, CHAIN, VERSIONS, CHANGED)
        )
        if _REPORT in members:
            report = _Report.read(members[_REPORT])
            # An interpreter that could not restore the session has no key.
            if report.phase != RESTORING or _EXCEPTION in members:
                answer.check_signature(session.serializer)
            return _failure(session, report, members.get(_EXCEPTION))
        changed = _read_names(members.get(CHANGED))
        session.receive_from(answer)
    except SerializationError as error:
        try:
            theirs = _read_versions(_read_json(members.get(VERSIONS, b"{}")))
        except _WRONG:
            theirs = {}  # It is only there to explain the error.
        return _with_versions(error, theirs)
    except (InvalidSessionError, ProtocolError) as error:
        return error
    exception = _exception_of(session)
    if exception is not None and TRACEBACK in members:
        if CHAIN in members:
            restore_chain(exception, members[CHAIN], session.serializer)
        _give_cause(exception, members[TRACEBACK].decode("utf-8", "replace"))
    if changed:
        session.tell_changed_arguments(changed)
    return None


def _read_names(content: bytes | None) -> list[str]:
    if content is None:
        return []
    try:
        return [*map(_text_of, _read_json(content))]
    except _WRONG as error:
        raise ProtocolError(
            "What the other interpreter tells of changed arguments makes no sense: "
            f"{error!r}"
        ) from error


def _with_versions(error: SerializationError, theirs: Versions) -> SerializationError:
    """Add which versions differ, which may be why something could not be read."""
    if not theirs:
        return error
    text = _differing_versions(theirs)
    if not text:
        return error
    described = type(error)(f"{str(error).rstrip('.')}.{text}")
    described.__cause__ = error.__cause__
    return described


def _failure(session: Session, report: _Report, written: bytes | None) -> Exception:
    error = _exception_of_ours(report)
    if report.missing:
        return error  # A traceback would say no more.
    if report.phase == RESTORING and isinstance(error, SerializationError):
        # Only here each argument is at hand on its own.
        with allow_imports():
            error = name_argument(
                error, session.task, session.execution, session.serializer, read_alone
            )
        error = _with_versions(error, report.versions)
    _give_cause(error, report.traceback)
    if report.phase == WALKING:
        raised = _read_exception(session, written)
        if raised is None:
            raise error
        _give_cause(raised, report.traceback)
        raise raised
    return error


def _give_cause(error: BaseException, text: str) -> None:
    """Tell where an exception was raised, which does not travel with it.

    Its own cause is the cause of that.
    """
    traceback = RemoteTraceback(f'\n"""\n{text}"""')
    traceback.__cause__ = error.__cause__
    error.__cause__ = traceback


def _read_exception(session: Session, written: bytes | None) -> BaseException | None:
    if written is None:
        return None
    try:
        with allow_imports():
            error = session.serializer.deserialize(io.BytesIO(written))
    except Exception:
        return None
    return error if isinstance(error, BaseException) else None


def _exception_of_ours(report: _Report) -> Exception:
    kind = getattr(exceptions, report.error, None)
    if isinstance(kind, type) and issubclass(kind, BandsawError):
        error = kind(report.missing or report.message)
        if isinstance(error, SerializationError):
            error.part, error.reason = report.part, report.reason
        return error
    text = report.missing or (
        f"The other interpreter failed while {report.phase} the session: "
        f"{report.message}"
    )
    if report.phase == RESTORING:
        return InterpreterStartError(text)
    return InterpreterError(text)


# More of them are of no use to a recipient.
_MOST = 100


def write_chain(exception: BaseException, serializer: Serializer) -> bytes | None:
    """Write what led to an exception: causes and contexts, and what led to these.

    So also for those that it groups.

    Args:
        exception: The exception. It is not written itself.
        serializer: What writes the others. One that it cannot write becomes text.

    Returns:
        What was written, `None` if nothing led to it.
    """
    chain: list[BaseException] = [exception]
    links: list[list[Any]] = []
    for one in chain:
        links.append(
            [
                [
                    _index_in(chain, member.__cause__),
                    _index_in(chain, member.__context__),
                    member.__suppress_context__,
                ]
                for member in _members_of(one)
            ]
        )
    if len(chain) == 1:
        return None
    written = [_writable(one, serializer) for one in chain[1:]]
    stream = io.BytesIO()
    serializer.serialize({"links": links, "exceptions": written}, stream)
    return stream.getvalue()


def _members_of(exception: BaseException) -> list[BaseException]:
    """Return an exception and, if it is a group, those that it groups."""
    members = [exception]
    for one in members:
        # Also of the groups that a package brings to an old Python
        grouped = getattr(one, "exceptions", None)
        if isinstance(grouped, (list, tuple)):
            members += [m for m in grouped if isinstance(m, BaseException)]
            del members[_MOST:]
    return members


def _index_in(
    chain: list[BaseException], exception: BaseException | None
) -> int | None:
    if exception is None:
        return None
    for place, other in enumerate(chain):
        if other is exception:
            return place
    if len(chain) == _MOST:
        return None
    chain.append(exception)
    return len(chain) - 1


def _writable(exception: BaseException, serializer: Serializer) -> BaseException:
    stream = io.BytesIO()
    try:
        serializer.serialize(exception, stream)
        stream.seek(0)
        serializer.deserialize(stream)
    except Exception:
        import traceback

        lines = traceback.format_exception_only(type(exception), exception)
        return BandsawError("".join(lines).strip())
    return exception


def restore_chain(
    exception: BaseException, written: bytes, serializer: Serializer
) -> None:
    """Give an exception back what led to it.

    Args:
        exception: The exception.
        written: What `write_chain` has returned.
        serializer: What reads it. What it cannot read is left out.
    """
    try:
        with allow_imports():
            read: dict[str, Any] = serializer.deserialize(io.BytesIO(written))
        chain = [exception, *read["exceptions"]]
        for one, places in zip(chain, read["links"]):
            for member, (cause, context, suppresses) in zip(_members_of(one), places):
                member.__cause__ = None if cause is None else chain[cause]
                member.__context__ = None if context is None else chain[context]
                member.__suppress_context__ = suppresses
    except Exception:
        return  # They are in the text of the traceback.


def versions_of(modules: Iterable[str]) -> Versions:
    """Return the distributions that loaded modules belong to.

    Args:
        modules: The names of the modules. Those of Python itself and of the user's own
            belong to none.
    """
    from ..fingerprint.code.origins import distribution_of

    found: Versions = {}
    for root in sorted({name.partition(".")[0] for name in list(modules)}):
        module = sys.modules.get(root)
        places = [
            attribute_of(module, "__file__"),
            *(attribute_of(module, "__path__") or ()),
        ]
        path = next((place for place in places if isinstance(place, str)), None)
        if path is None or "-packages" not in path or is_own_source(path):
            continue
        distribution = distribution_of(root, os.path.abspath(path))
        if distribution is not None:
            found[root] = distribution
    return found


def _differing_versions(theirs: Versions) -> str:
    """Say which distributions have other versions elsewhere.

    Args:
        theirs: The versions of the other interpreter.

    Returns:
        A sentence with a space before it, or nothing if there is no difference.
    """
    ours = versions_of(theirs)
    texts = [
        f"{name} is {version} there and {ours[root][1]} here"
        for root, (name, version) in sorted(theirs.items())
        if root in ours and ours[root][1] != version
    ]
    return f" Versions differ: {', '.join(texts)}." if texts else ""
