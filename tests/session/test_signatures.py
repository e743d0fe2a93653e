"""Sessions of a configuration that signs: nothing of them can be changed."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Advice, JsonSerializer, PickleSerializer
from bandsaw.exceptions import (
    BandsawError,
    InterpreterStartError,
    ProtocolError,
    SignatureError,
)
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.serialization import SignedSerializer
from bandsaw.serialization.buffers import blocks_of
from bandsaw.session import Session
from bandsaw.session.exchange import continue_session, receive_answer
from bandsaw.session.frame_format import SessionFrames
from bandsaw.session.zip_format import SessionFile
from bandsaw.tasks import Task
from tests.configurations import loadable_configuration


def triple(value: Any) -> Any:
    return value * 3


def fail(value: Any) -> Any:
    raise LookupError(value)


class Moves(Advice):
    """Continues sessions in this process, and changes what is sent or answered."""

    def __init__(
        self,
        form: type[Any],
        sent: Callable[[Any], Any] = lambda form: form,
        answered: Callable[[Any], Any] = lambda form: form,
    ) -> None:
        self.form = form
        self.sent = sent
        self.answered = answered

    def new(self) -> Any:
        return SessionFrames() if self.form is SessionFrames else new_file()

    def before(self, session: Session) -> None:
        sent, answer, answers = self.new(), self.new(), []
        session.save_to(sent)
        continue_session(
            self.sent(sent), answer, deliver=lambda: answers.append(delivered(answer))
        )
        failure = receive_answer(session, self.answered(answers[0]))
        if failure is None:
            session.proceed()
        else:
            session.conclude(Result(exception=failure))

    def after(self, session: Session) -> None:
        """End the walk there."""


class Attaching(Advice):
    def before(self, session: Session) -> None:
        for name in ("small", "large"):
            path = session.temp_dir / f"{name}.bin"
            path.write_bytes(b"x" * (10 if name == "small" else 100_000))
            session.attachments[f"{name}.bin"] = path
        session.context["note"] = "there"
        session.proceed()


def delivered(form: Any) -> Any:
    """Return what arrives of a form: the files of the other end are gone then."""
    if isinstance(form, SessionFile):
        return form
    head, pieces, buffers = form.pack()
    copies = [memoryview(b"".join(blocks_of(buffer))) for buffer in buffers]
    return SessionFrames.unpack(head, b"".join(pieces), copies)


def new_file() -> SessionFile:
    return SessionFile(io.BytesIO())


def members_of(form: Any) -> dict[str, bytes]:
    with zipfile.ZipFile(form._stream) as file:
        return {name: file.read(name) for name in file.namelist()}


def file_of(members: dict[str, bytes]) -> SessionFile:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return SessionFile(stream)


@pytest.fixture(name="configuration", params=["json", "pickle"])
def _configuration(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[bandsaw.Configuration]:
    inner = JsonSerializer() if request.param == "json" else PickleSerializer()
    with loadable_configuration() as configuration:
        configuration.set_temp_directory(tmp_path)
        yield configuration.set_serializer(SignedSerializer(inner, bytes(range(32))))


def walk(
    configuration: bandsaw.Configuration, mover: Moves, function: Any = triple
) -> Any:
    configuration.add_advice_chain(mover, Attaching())
    task = Task.create_task(function)
    session = Session(task, Execution.of_call(task, (14,), {}), configuration)
    try:
        return session.initiate()
    finally:
        session.remove_temp_dir()


@pytest.mark.parametrize("form", [SessionFile, SessionFrames])
def test_a_signed_session_travels(configuration: Any, form: Any) -> None:
    assert walk(configuration, Moves(form)) == Result(42)


def names_in(configuration: Any, which: str) -> list[str]:
    names: list[str] = []

    def note(form: Any) -> Any:
        names.extend(members_of(form))
        return form

    walk(configuration, Moves(SessionFile, **{which: note}))
    return names


@pytest.mark.parametrize("which", ["sent", "answered"])
def test_no_member_can_be_changed_left_out_or_moved(
    configuration: Any, which: str
) -> None:
    names = names_in(configuration, which)
    assert "signature.dat" in names
    assert "session.json" in names
    assert which == "sent" or "attachments/large.bin" in names

    def changed(name: str) -> Callable[[Any], Any]:
        def change(form: Any) -> Any:
            members = members_of(form)
            if name == "session.json":
                header = json.loads(members[name].decode())
                members[name] = json.dumps(header, indent=1).encode()
            elif name == "run.json":
                members[name] = members[name].replace(b'"meta": {', b'"meta": { ')
            else:
                content = bytearray(members[name])
                content[-1] ^= 1
                members[name] = bytes(content)
            return file_of(members)

        return change

    def without(name: str) -> Callable[[Any], Any]:
        def leave_out(form: Any) -> Any:
            members = members_of(form)
            del members[name]
            return file_of(members)

        return leave_out

    def moved(name: str) -> Callable[[Any], Any]:
        def move(form: Any) -> Any:
            members = members_of(form)
            members[name] = members.pop(name)
            return file_of(dict(reversed(list(members.items()))))

        return move

    for name in names:
        for change in (changed(name), without(name), moved(name)):
            if change.__name__ == "leave_out" and name == "session.json":
                continue  # What has none is no session at all.
            error = walk(configuration, Moves(SessionFile, **{which: change})).exception
            assert isinstance(error, SignatureError), (name, change, error)


@pytest.mark.parametrize("which", ["sent", "answered"])
@pytest.mark.parametrize("name", ["attachments/more.txt", "traceback.txt"])
def test_no_member_can_be_added(configuration: Any, which: str, name: str) -> None:
    def add(form: Any) -> Any:
        return file_of({name: b"more", **members_of(form)})

    error = walk(configuration, Moves(SessionFile, **{which: add})).exception

    assert isinstance(error, SignatureError)


@pytest.mark.parametrize("which", ["sent", "answered"])
@pytest.mark.parametrize("name", ["result.dat", "attachments/large.bin", "step", "ids"])
def test_no_frame_can_be_changed(configuration: Any, which: str, name: str) -> None:
    def change(form: Any) -> Any:
        if name == "step":
            form.head["step"] += 1
        elif name == "ids":
            form.head["ids"] = "a_b_c"
        else:
            form.members[name] = (b"other", ())
        return form

    error = walk(configuration, Moves(SessionFrames, **{which: change})).exception

    assert isinstance(error, SignatureError)


def test_neither_a_member_nor_an_answer_serves_for_another_call(
    configuration: Any,
) -> None:
    kept: list[dict[str, bytes]] = []

    def keep(form: Any) -> Any:
        kept.append(members_of(form))
        return form

    def replace_result(form: Any) -> Any:
        return file_of({**members_of(form), "result.dat": kept[0]["result.dat"]})

    def replace_all(form: Any) -> Any:
        return file_of(kept[0])

    assert walk(configuration, Moves(SessionFile, answered=keep)) == Result(42)
    mixed = walk(configuration, Moves(SessionFile, answered=replace_result), fail)
    other = walk(configuration, Moves(SessionFile, answered=replace_all), fail)

    assert isinstance(mixed.exception, SignatureError)
    assert isinstance(other.exception, ProtocolError)
    assert "ids" in str(other.exception)


class Raises(Moves):
    def after(self, session: Session) -> None:
        raise ValueError("there")


def test_the_failure_of_an_advice_is_signed(configuration: Any) -> None:
    with pytest.raises(ValueError, match="there"):
        walk(configuration, Raises(SessionFile))


def test_a_report_of_a_failure_can_not_be_made_up(configuration: Any) -> None:
    def make_up(form: Any) -> Any:
        members = members_of(form)
        report = json.loads(members["failure.json"].decode())
        return file_of(
            {"failure.json": json.dumps({**report, "message": "x"}).encode()}
        )

    error = walk(configuration, Raises(SessionFile, answered=make_up)).exception

    assert isinstance(error, SignatureError)


def test_what_could_not_be_restored_is_reported_without_a_key(
    configuration: Any,
) -> None:
    def change(form: Any) -> Any:
        return file_of({"main.py": b""})

    error = walk(configuration, Moves(SessionFile, sent=change)).exception

    assert isinstance(error, BandsawError)
    assert "main.py" in str(error)
    assert not isinstance(error, (SignatureError, InterpreterStartError))


def test_a_session_that_was_saved_without_a_signature_is_refused(
    configuration: Any,
) -> None:
    task = Task.create_task(triple)
    session = Session(task, Execution.of_call(task, (14,), {}), configuration)
    signing = configuration.serializer
    stream = io.BytesIO()
    configuration.set_serializer(PickleSerializer())
    session.save(stream)
    configuration.set_serializer(signing)

    with pytest.raises(SignatureError, match=r"is not signed\. What was saved"):
        Session().restore(stream)
