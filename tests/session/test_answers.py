"""Answers of interpreters that are not trusted bring what they may, or are refused."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Advice, JsonSerializer
from bandsaw.context import Context
from bandsaw.exceptions import (
    BandsawError,
    InvalidSessionError,
    ProtocolError,
    SerializationError,
)
from bandsaw.execution import Execution
from bandsaw.identifier import Ids
from bandsaw.result import Result
from bandsaw.session import Session
from bandsaw.session.exchange import (
    continue_session,
    receive_answer,
    restore_chain,
    write_chain,
)
from bandsaw.session.frame_format import SessionFrames
from bandsaw.session.saved_format import SavedFormat
from bandsaw.session.zip_format import SessionFile
from bandsaw.tasks import Task
from tests.configurations import loadable_configuration

ran: list[Any] = []


def double(value: Any) -> Any:
    return value * 2


def betray(*values: Any) -> Any:
    ran.append(values)


class Answer:
    """The answer of another interpreter, to be changed.

    Attributes:
        header: What the session says of itself.
        step: Where it stands.
        members: The other members.
    """

    def __init__(self, serializer: bandsaw.Serializer) -> None:
        self.serializer = serializer
        self.header: dict[str, Any] = {}
        self.step: Any = None
        self.members: dict[str, bytes] = {}

    def set(self, member: str, value: Any) -> None:
        stream = io.BytesIO()
        self.serializer.serialize(value, stream)
        self.members[member] = stream.getvalue()


class FrameAnswer(Answer):
    @staticmethod
    def new() -> SavedFormat:
        return SessionFrames()

    def take(self, form: Any) -> None:
        self.header = {k: v for k, v in form.head.items() if k != "step"}
        self.step = form.head.get("step")
        self.members = {name: bytes(c) for name, (c, _) in form.members.items()}

    def form(self) -> SavedFormat:
        form = SessionFrames()
        form.head = {**self.header, "step": self.step}
        form.members = {name: (c, ()) for name, c in self.members.items()}
        head, pieces, _ = form.pack()
        return SessionFrames.unpack(head, b"".join(pieces), [])


class ZipAnswer(Answer):
    @staticmethod
    def new() -> SavedFormat:
        return SessionFile(io.BytesIO())

    def take(self, form: Any) -> None:
        with zipfile.ZipFile(form._stream) as file:
            self.members = {name: file.read(name) for name in file.namelist()}
        if "session.json" in self.members:
            self.header = json.loads(self.members.pop("session.json").decode())
            moderator = io.BytesIO(self.members.pop("moderator.dat"))
            self.step = self.serializer.deserialize(moderator)["step"]

    def form(self) -> SavedFormat:
        if self.header:
            self.set("moderator.dat", {"step": self.step})
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as file:
            if self.header:
                file.writestr("session.json", json.dumps(self.header))
            for name, content in self.members.items():
                file.writestr(name, content)
        return SessionFile(stream)


class Moves(Advice):
    """Continues sessions in this process, and changes what is answered."""

    def __init__(self, kind: Any, change: Callable[[Any], None]) -> None:
        self.kind = kind
        self.change = change

    def before(self, session: Session) -> None:
        answer = self.kind(session.serializer)
        sent, received = answer.new(), answer.new()
        session.save_to(sent)
        continue_session(sent, received)
        answer.take(received)
        self.change(answer)
        failure = receive_answer(session, answer.form())
        if failure is None:
            session.proceed()
        else:
            session.conclude(Result(exception=failure))

    def after(self, session: Session) -> None:
        """End the walk there."""


@pytest.fixture(name="configuration", params=["json", "pickle"])
def _configuration(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[bandsaw.Configuration]:
    ran.clear()
    with loadable_configuration() as configuration:
        if request.param == "json":
            configuration.set_serializer(JsonSerializer())
        yield configuration.set_temp_directory(tmp_path)


Run = Callable[[Callable[[Any], None]], Session]


@pytest.fixture(name="answered", params=[FrameAnswer, ZipAnswer])
def _answered(
    request: pytest.FixtureRequest, configuration: bandsaw.Configuration
) -> Run:
    def run(change: Callable[[Any], None]) -> Session:
        configuration.add_advice_chain(Advice(), Moves(request.param, change))
        task = Task.create_task(double, {"version": "1"})
        session = Session(task, Execution.of_call(task, (21,), {}), configuration)
        session.initiate()
        session.remove_temp_dir()
        assert session.task is task
        assert session.execution.args == (21,)
        assert session.configuration is configuration
        return session

    return run


def other_task() -> Task:
    return Task.create_task(betray, {"version": "1"})


def other_arguments() -> Execution:
    return Execution("e", ("other",))


def name_ids(answer: Any, before_task: str = "", before_run: str = "") -> None:
    """Let an answer name the ids of its call, with something before two of them."""
    task_id = Task.create_task(double, {"version": "1"}).task_id
    run_id = bandsaw.get_run_id()
    answer.header["ids"] = f"{before_task}{task_id}_{'0' * 16}_{before_run}{run_id}"


CHANGES: dict[str, Callable[[Any], None]] = {
    "another task": lambda answer: answer.set("task.dat", other_task()),
    "other arguments": lambda answer: answer.set("execution.dat", other_arguments()),
    "another run": lambda answer: answer.members.update({"run.json": b"{}"}),
    "another configuration": lambda answer: answer.header.update(configuration="os"),
    "another chain": lambda answer: answer.header.update(advice_chain="other"),
    "ids of another call": lambda answer: answer.header.update(ids="a_b_c"),
    **{
        f"ids of a task that is sorted by {first!r}": lambda answer, first=first: (
            name_ids(answer, before_task=first)
        )
        for first in "!~"
    },
    **{
        f"ids of a run that is sorted by {first!r}": lambda answer, first=first: (
            name_ids(answer, before_run=first)
        )
        for first in "!~"
    },
    "ids that lead elsewhere": lambda answer: answer.header.update(
        ids=f"{answer.header['ids'].split('_')[0]}_../.._{bandsaw.get_run_id()}"
        if answer.header["ids"]
        else "a_../.._c"
    ),
    "the start": lambda answer: setattr(answer, "step", -1),
    "the first step": lambda answer: setattr(answer, "step", 0),
    "the task again": lambda answer: setattr(answer, "step", 2),
    "the last step": lambda answer: setattr(answer, "step", 5),
    "the step before its own": lambda answer: setattr(answer, "step", 4),
    "no result": lambda answer: answer.set("result.dat", None),
    "something else than a result": lambda answer: answer.set("result.dat", 42),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_answer_that_brings_more_than_it_may_is_refused(
    answered: Run, change: str
) -> None:
    session = answered(CHANGES[change])

    error = session.result.exception
    assert isinstance(error, ProtocolError), error
    assert "answers with" in str(error)
    assert ran == []


DAMAGES: dict[str, Callable[[Any], None]] = {
    "no step": lambda answer: setattr(answer, "step", None),
    "a step that is text": lambda answer: setattr(answer, "step", "x"),
    "a context that is none": lambda answer: answer.set("context.dat", 5),
    "a member nobody knows": lambda answer: answer.members.update({"main.py": b""}),
    "a name that leaves its place": lambda answer: answer.members.update(
        {"attachments/../x": b""}
    ),
    "ids that are none": lambda answer: answer.header.update(ids=5),
    "no name of a chain": lambda answer: answer.header.pop("advice_chain"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_answer_that_makes_no_sense_is_refused(answered: Run, damage: str) -> None:
    session = answered(DAMAGES[damage])

    assert isinstance(session.result.exception, InvalidSessionError)


@pytest.mark.parametrize("member", ["context.dat", "result.dat"])
def test_a_part_that_can_not_be_read_is_named(answered: Run, member: str) -> None:
    session = answered(lambda answer: answer.members.update({member: b"{"}))

    error = session.result.exception
    assert isinstance(error, SerializationError)
    assert error.part == member.partition(".")[0]


def test_an_answer_brings_result_context_and_attachments(answered: Run) -> None:
    def change(answer: Any) -> None:
        answer.set("result.dat", Result("other"))
        answer.set("context.dat", Context({"note": "there"}))
        answer.members["attachments/note.txt"] = b"content"

    session = answered(change)

    assert session.result == Result("other")
    assert session.context["note"] == "there"
    assert list(session.attachments) == ["note.txt"]


def test_an_answer_may_leave_out_the_ids(configuration: bandsaw.Configuration) -> None:
    moves = Moves(FrameAnswer, lambda answer: answer.header.update(ids=None))
    configuration.add_advice_chain(Advice(), moves)
    session = Session(Task.create_task(double), Execution("e", (21,)), configuration)
    ids = session.ids

    assert session.initiate() == Result(42)
    assert session.ids == ids


def test_an_answer_without_ids_leaves_those_that_came_with_the_session(
    configuration: bandsaw.Configuration,
) -> None:
    moves = Moves(FrameAnswer, lambda answer: answer.header.update(ids=None))
    configuration.add_advice_chain(Advice(), moves)
    task = Task.create_task(double)
    given = Ids(task.task_id, "0123456789abcdef", "run")
    session = Session(task, Execution.of_call(task, (21,), {}), configuration)
    # As of a call with a value that has no identity of its own here.
    session._ids = given

    assert session.initiate() == Result(42)
    assert session.ids == given


class Raises(Advice):
    def before(self, session: Session) -> None:
        raise LookupError("there")


class Loses(Advice):
    """Attaches a file that is gone when it is to be sent."""

    def before(self, session: Session) -> None:
        path = session.temp_dir / "lost"
        path.write_bytes(b"content")
        session.attachments["lost"] = path
        session.proceed()
        path.unlink()


@pytest.mark.parametrize("kind", [FrameAnswer, ZipAnswer])
@pytest.mark.parametrize("advice", [Raises, Loses])
def test_a_failed_answer_brings_a_report_and_nothing_else(
    configuration: bandsaw.Configuration, kind: Any, advice: Any
) -> None:
    members: list[str] = []
    moves = Moves(kind, lambda answer: members.extend(answer.members))
    configuration.add_advice_chain(moves, advice())
    session = Session(Task.create_task(double), Execution("e", (21,)), configuration)

    with contextlib.suppress(LookupError):
        session.initiate()

    assert members == ["failure.json", "exception.dat"]


def failing(**values: Any) -> Callable[[Any], None]:
    report = {
        "phase": "restoring",
        "error": "InterpreterStartError",
        "message": "It is broken.",
        "traceback": "there",
        **values,
    }

    def change(answer: Any) -> None:
        answer.header = {}
        answer.members = {"failure.json": json.dumps(report).encode()}

    return change


@pytest.mark.parametrize(
    "values",
    [
        {"phase": None},
        {"phase": "sleeping"},
        {"error": 5},
        {"message": None},
        {"traceback": ["x"]},
        {"versions": [1]},
        {"versions": {"os": 1}},
        {"modules": 5},
        {"modules": [1]},
        {"error": "SerializationError", "part": 1},
    ],
    ids=str,
)
def test_a_report_that_makes_no_sense_is_refused(
    answered: Run, values: dict[str, Any]
) -> None:
    session = answered(failing(**values))

    assert isinstance(session.result.exception, ProtocolError)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"\xff", b"[" * 100_000])
def test_a_report_that_is_none_is_refused(answered: Run, content: bytes) -> None:
    def change(answer: Any) -> None:
        answer.header = {}
        answer.members = {"failure.json": content}

    assert isinstance(answered(change).result.exception, ProtocolError)


@pytest.mark.parametrize("name", ["SystemExit", "RemoteTraceback", "os", "__class__"])
def test_a_report_names_no_class_of_its_own_choice(answered: Run, name: str) -> None:
    error = answered(failing(error=name)).result.exception

    assert isinstance(error, BandsawError)
    assert "It is broken." in str(error)


@pytest.mark.parametrize("phase", ["restoring", "saving"])
def test_a_report_says_where_it_was_raised(answered: Run, phase: str) -> None:
    error = answered(failing(phase=phase)).result.exception

    assert "there" in str(error.__cause__)


@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_an_exception_of_an_advice_that_cannot_be_read_is_described(
    answered: Run, content: bytes | None
) -> None:
    def change(answer: Any) -> None:
        failing(phase="walking")(answer)
        if content is not None:
            answer.members["exception.dat"] = content

    with pytest.raises(BandsawError, match="It is broken") as caught:
        answered(change)
    assert "there" in str(caught.value.__cause__)


@pytest.mark.parametrize("member", ["traceback.txt", "chain.dat", "versions.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"5", b"{"])
def test_what_explains_an_exception_may_make_no_sense(
    answered: Run, member: str, content: bytes
) -> None:
    def change(answer: Any) -> None:
        answer.set("result.dat", Result(exception=ValueError("there")))
        answer.members.update({"traceback.txt": b"there", member: content})

    error = answered(change).result.exception

    assert repr(error) == "ValueError('there')"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1]", b"5", b"{"])
def test_names_of_changed_arguments_that_make_no_sense_are_refused(
    answered: Run, content: bytes
) -> None:
    def change(answer: Any) -> None:
        answer.members["changed.json"] = content

    error = answered(change).result.exception

    assert isinstance(error, ProtocolError)
    assert "changed arguments" in str(error)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"5", b'{"os": 1}'])
def test_versions_that_make_no_sense_explain_nothing(
    answered: Run, content: bytes
) -> None:
    def change(answer: Any) -> None:
        answer.members.update({"result.dat": b"{", "versions.json": content})

    error = answered(change).result.exception

    assert isinstance(error, SerializationError)
    assert "Versions" not in str(error)


class Unreadable:
    """Fails when a pickle of it is read."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_an_argument_that_cannot_be_read_there_is_named() -> None:
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(Moves(FrameAnswer, lambda answer: None))
        task = Task.create_task(double)
        execution = Execution.of_call(task, (Unreadable(),), {})
        result = Session(task, execution, configuration).initiate()

    assert isinstance(result.exception, SerializationError)
    assert "Argument 'value' of " in str(result.exception)


def test_exceptions_that_have_led_to_each_other_arrive_in_their_circle() -> None:
    serializer = bandsaw.PickleSerializer()
    error, cause = ValueError(), KeyError("why")
    error.__cause__, cause.__context__ = cause, error
    written = write_chain(error, serializer)
    assert written is not None
    arrived = ValueError()

    restore_chain(arrived, written, serializer)

    assert repr(arrived.__cause__) == "KeyError('why')"
    assert arrived.__cause__ is not None
    assert arrived.__cause__.__context__ is arrived
