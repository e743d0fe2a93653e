"""What the page on trust says that others could do, and could not."""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Advice, Configuration, JsonSerializer
from bandsaw.advices.cache import CachingAdvice
from bandsaw.exceptions import SerializationError
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Session
from bandsaw.session.exchange import continue_session, receive_answer
from bandsaw.session.zip_form import SessionFile
from bandsaw.tasks import Task
from tests.configurations import loadable_configuration

ran: list[Any] = []


def note(*values: Any) -> Any:
    ran.append(values)
    return values


def double(value: Any) -> Any:
    return value * 2


class Trap:
    """Calls a function of this module when a pickle of it is read."""

    def __reduce__(self) -> Any:
        return note, ("pickle",)


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pytest.fixture
def configuration(tmp_path: Path) -> Iterator[Configuration]:
    with loadable_configuration() as made:
        yield made.set_temp_directory(tmp_path)


def with_member(form: SessionFile, name: str, content: bytes) -> SessionFile:
    with zipfile.ZipFile(form._stream) as file:
        members = {member: file.read(member) for member in file.namelist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for member, old in {**members, name: content}.items():
            file.writestr(member, content if member == name else old)
    return SessionFile(stream)


class AnotherMachine(Advice):
    """Continues sessions here, and lets the owner of the machine change the result."""

    def __init__(self, result: bytes) -> None:
        self.result = result

    def before(self, session: Session) -> None:
        sent, answer = SessionFile(io.BytesIO()), SessionFile(io.BytesIO())
        session.save_to(sent)
        continue_session(sent, answer)
        form = with_member(answer, "result.dat", self.result)
        failure = receive_answer(session, form)
        if failure is None:
            session.proceed()
        else:
            session.conclude(Result(exception=failure))

    def after(self, session: Session) -> None:
        """End the walk there."""


def answered_with(configuration: Configuration, result: bytes) -> Result:
    configuration.add_advice_chain(AnotherMachine(result))
    task = Task.create_task(double)
    return Session(task, Execution("e", (21,)), configuration).initiate()


def test_with_pickle_the_owner_of_another_machine_can_run_code(
    configuration: Configuration,
) -> None:
    answered_with(configuration, pickle.dumps(Result(Trap())))

    assert ran == [("pickle",)]


def json_result(value: Any) -> bytes:
    serialized = {"value": value, "exception": None}
    return json.dumps(
        {
            "_serializer": "SerializableValueSerializer",
            "value": {
                "module": "bandsaw.result",
                "type": "Result",
                "serialized": serialized,
            },
        }
    ).encode()


def exception_of(module: str, name: str) -> dict[str, Any]:
    value = {"module": module, "type": name, "args": ["run"]}
    return {"_serializer": "ExceptionSerializer", "value": value}


def test_with_json_the_owner_of_another_machine_calls_no_function(
    configuration: Configuration,
) -> None:
    configuration.set_serializer(JsonSerializer())

    result = answered_with(configuration, json_result(exception_of(__name__, "note")))

    assert isinstance(result.exception, SerializationError)
    assert "is not a subclass of" in str(result.exception)
    assert ran == []


def test_with_json_the_owner_of_another_machine_can_import_a_module(
    configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration.set_serializer(JsonSerializer())
    (tmp_path / "module_of_answer.py").write_text("class Error(Exception): pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    value = exception_of("module_of_answer", "Error")

    result = answered_with(configuration, json_result(value))

    assert type(result.value) is sys.modules["module_of_answer"].Error


def saved(configuration: Configuration, change: Callable[[Any], None]) -> SessionFile:
    """A session in JSON whose task its author has chosen."""
    configuration.set_serializer(JsonSerializer())
    form = SessionFile(io.BytesIO())
    Session(Task.create_task(double), Execution("e", (21,)), configuration).save_to(
        form
    )
    content = json.loads(form.peek(("task.dat",))["task.dat"].decode())
    change(content["value"]["serialized"])
    return with_member(form, "task.dat", json.dumps(content).encode())


def test_a_session_in_json_names_the_function_that_is_called(
    configuration: Configuration,
) -> None:
    form = saved(configuration, lambda task: task.update(name="note"))

    session = Session().restore_from(form)
    assert ran == []

    session.initiate()
    assert ran == [(21,)]


def test_with_pickle_the_author_of_a_session_can_run_code_at_once(
    configuration: Configuration,
) -> None:
    form = SessionFile(io.BytesIO())
    Session(Task.create_task(double), Execution("e", (21,)), configuration).save_to(
        form
    )

    Session().restore_from(with_member(form, "result.dat", pickle.dumps(Trap())))

    assert ran == [("pickle",)]


def test_with_json_who_writes_to_a_cache_runs_nothing(
    configuration: Configuration, tmp_path: Path
) -> None:
    configuration.set_serializer(JsonSerializer())
    cache = CachingAdvice(tmp_path / "cache")
    configuration.add_advice_chain(cache)
    task = bandsaw.task(config=configuration.module_name)(double)
    assert task(21) == 42
    (entry,) = (tmp_path / "cache").glob("*/[!.]*")

    entry.write_bytes(json_result("another result"))
    assert task(21) == "another result"

    entry.write_bytes(json_result(exception_of(__name__, "note")))
    with pytest.warns(RuntimeWarning, match="is not a subclass of"):
        assert task(21) == 42
    assert ran == []
