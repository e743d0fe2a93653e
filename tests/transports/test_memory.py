"""Sessions that stay in this process, after a full save and restore."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bandsaw import Advice, Interpreter
from bandsaw.advices.remote import RemoteAdvice
from bandsaw.exceptions import SerializationError
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Session
from bandsaw.tasks import Task
from bandsaw.transports.base import Transport
from bandsaw.transports.memory import MemoryTransport
from tests.configurations import loadable_configuration


class InMemory(RemoteAdvice):
    def interpreter_for(self, session: Session) -> Interpreter:
        return Interpreter()

    def transport_for(self, session: Session) -> Transport:
        return MemoryTransport()


class Note(Advice):
    def before(self, session: Session) -> None:
        session.context["notes"]["before"] = len(session.execution.args)
        path = session.temp_dir / "large.bin"
        path.write_bytes(bytes(200_000))
        session.attachments["large.bin"] = path
        session.proceed()


seen: list[Any] = []


class Keep(Advice):
    def before(self, session: Session) -> None:
        seen.append((session, session.temp_dir))
        session.proceed()


def change(values: list[int]) -> list[int]:
    seen.append(values)
    values.append(4)
    return values


def fail(value: Any) -> None:
    raise LookupError(value)


class Remark(Advice):
    def before(self, session: Session) -> None:
        session.note("remark", 7)
        session.proceed()


def call(task: Any, *args: Any, advice: Advice | None = None) -> Session:
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(InMemory(), advice or Note())
        session = Session(Task.create_task(task), Execution(None, args), configuration)
        session.initiate()
        return session


@pytest.mark.filterwarnings("ignore::bandsaw.exceptions.MutatedArgumentWarning")
def test_the_task_gets_and_returns_copies() -> None:
    values = [1, 2, 3]
    session = call(change, values)
    assert session.result == Result([1, 2, 3, 4])
    assert values == [1, 2, 3]
    assert seen.pop() is not session.result.value


@pytest.mark.filterwarnings("ignore::bandsaw.exceptions.MutatedArgumentWarning")
def test_notes_and_attachments_come_back() -> None:
    session = call(change, [])
    assert session.context.value_info() == {"notes": {"before": 1}}
    with session.attachments["large.bin"].open() as file:
        assert file.read() == bytes(200_000)
    session.remove_temp_dir()


def test_the_files_over_there_go_with_the_answer_whatever_keeps_the_session() -> None:
    call(double_in_place, 1, advice=Keep())
    there, directory = seen.pop()
    assert there.result == Result(2)
    assert not directory.exists()


class Unreadable(Exception):
    def __reduce__(self) -> Any:
        return fail, (1,)


def fail_unreadably() -> None:
    raise Unreadable("It is broken.")


def test_a_note_comes_back_that_was_set_without_a_look_at_the_context() -> None:
    assert call(double_in_place, 1, advice=Remark()).context["remark"] == 7


def test_an_exception_that_cannot_be_read_is_described() -> None:
    exception = call(fail_unreadably).result.exception
    assert isinstance(exception, SerializationError)
    assert "cannot be given to its caller (LookupError: 1)" in str(exception)
    assert "Unreadable: It is broken." in str(exception)


def test_an_exception_comes_back_with_its_traceback() -> None:
    exception = call(fail, "why").result.exception
    assert type(exception) is LookupError
    assert "in fail" in str(exception.__cause__)


def test_what_can_not_travel_does_not() -> None:
    exception = call(fail, threading.Lock()).result.exception
    assert isinstance(exception, SerializationError)
    assert "Argument 'value'" in str(exception)


def test_arguments_that_do_not_fit_the_task_are_named_all_together() -> None:
    exception = call(fail, threading.Lock(), 2).result.exception
    assert isinstance(exception, SerializationError)
    assert exception.part == "execution"


def test_arrays_are_copies_that_can_be_changed() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.zeros(100_000)
    result = call(double_in_place, array).result.value
    assert result.sum() == 100_000
    assert array.sum() == 0
    result += 1


def double_in_place(array: Any) -> Any:
    array += 1
    return array
