"""Sessions: their parts, the walk as advices and extensions see it, and their files."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any, Callable

import pytest

from bandsaw import Advice, Configuration, Extension
from bandsaw.exceptions import AdviceError
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Attachment, Attachments, Ids, Session, advise
from bandsaw.tasks import Task


def answer() -> int:
    return 42


def session_of(
    function: Callable[..., Any], *advices: Advice, extensions: Any = ()
) -> Session:
    configuration = Configuration().add_advice_chain(*advices)
    for extension in extensions:
        configuration.add_extension(extension)
    return Session(Task.create_task(function), Execution("e"), configuration)


class Observer(Extension):
    def __init__(self, fail_in: str = "") -> None:
        self.told: list[str] = []
        self.fail_in = fail_in

    def note(self, event: str) -> None:
        self.told.append(event)
        if event == self.fail_in:
            raise LookupError(event)

    def on_session_created(self, session: Session) -> None:
        self.note("created")

    def on_session_finished(self, session: Session) -> None:
        self.note("finished")

    def on_before_task_executed(self, session: Session) -> None:
        assert session.result is None
        self.note("before")

    def on_after_task_executed(self, session: Session) -> None:
        assert session.result is None
        self.note("after")


EVENTS = ["created", "before", "after", "finished"]


class Failing(Advice):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def before(self, session: Session) -> None:
        raise self.error


class Forgetting(Advice):
    def before(self, session: Session) -> None:
        pass


# Ids


def test_a_session_id_is_made_of_the_three_ids() -> None:
    ids = Ids("t", "e", "r")

    assert str(ids) == ids.session_id == "t_e_r"
    assert ids.as_path() == Path("t/e/r")
    assert repr(ids) == "Ids('t', 'e', 'r')"


def test_a_run_id_may_hold_the_separator() -> None:
    ids = Ids.from_string("t_e_my_own_run")

    assert (ids.task_id, ids.execution_id, ids.run_id) == ("t", "e", "my_own_run")


def test_ids_are_equal_by_their_session_id() -> None:
    assert Ids("t", "e", "r") == Ids("t", "e", "r")
    assert hash(Ids("t", "e", "r")) == hash(Ids("t", "e", "r"))
    assert Ids("t", "e", "r") != Ids("t", "e", "s")
    assert Ids("t", "e", "r") != "t_e_r"


def test_other_text_is_no_session_id() -> None:
    with pytest.raises(ValueError, match="not the id of a session"):
        Ids.from_string("t_e")


def append(values: list[int]) -> None:
    values.append(1)


class AskingAfterwards(Extension):
    def on_after_task_executed(self, session: Session) -> None:
        session.context["id"] = session.session_id


def test_an_extension_that_asks_after_the_task_gets_the_id_of_before() -> None:
    configuration = Configuration().add_advice_chain()
    configuration.add_extension(AskingAfterwards())
    task = Task.create_task(append)
    known, asked = (
        Session(task, Execution.of_call(task, ([],), {}), configuration)
        for _ in range(2)
    )
    before = known.session_id

    asked.initiate()

    assert asked.context["id"] == before


# Parts


@pytest.mark.parametrize("part", ["task", "execution"])
def test_an_incomplete_session_has_no_id(part: str) -> None:
    session = session_of(answer)
    setattr(session, part, None)

    with pytest.raises(ValueError, match=f"Incomplete session: it has no {part}"):
        _ = session.ids
    with pytest.raises(ValueError, match="Incomplete session"):
        _ = session.session_id


@pytest.mark.parametrize("part", ["task", "execution", "configuration"])
def test_an_incomplete_session_does_not_start(part: str) -> None:
    session = session_of(answer)
    setattr(session, part, None)

    with pytest.raises(ValueError, match=f"Incomplete session: it has no {part}"):
        session.initiate()


def test_a_session_knows_an_unknown_chain_at_once() -> None:
    session = session_of(answer)
    session.advice_chain = "gpu"

    with pytest.raises(ValueError, match=r"Unknown advice chain 'gpu'.*has 'default'"):
        session.initiate()


def test_attachments_can_be_imported_from_here() -> None:
    assert issubclass(type(Attachments()), Attachments)
    assert isinstance(Attachment, type)


def test_advices_may_keep_things_at_a_session() -> None:
    session = session_of(answer)
    session.mine = 1  # type: ignore[attr-defined]

    assert session.mine == 1  # type: ignore[attr-defined]


# Temporary directories


def test_the_temporary_directory_is_private_and_always_the_same() -> None:
    session = session_of(answer)

    assert session.temp_dir is session.temp_dir
    assert session.temp_dir.parent == session.configuration.temporary_directory
    assert session.temp_dir.stat().st_mode & 0o777 == 0o700
    session.remove_temp_dir()


def test_each_session_has_a_temporary_directory_of_its_own() -> None:
    first, second = session_of(answer), session_of(answer)

    assert first.temp_dir != second.temp_dir
    first.remove_temp_dir()
    assert second.temp_dir.exists()
    second.remove_temp_dir()


def test_the_temporary_directory_goes_when_the_call_returns() -> None:
    seen: list[Path] = []

    class Looking(Advice):
        def before(self, session: Session) -> None:
            (session.temp_dir / "file").write_text("content")
            seen.append(session.temp_dir)
            session.proceed()

    advise(session_of(answer, Looking()))

    assert not seen[0].exists()


def test_the_temporary_directory_goes_when_the_call_fails() -> None:
    seen: list[Path] = []

    class Looking(Advice):
        def before(self, session: Session) -> None:
            seen.append(session.temp_dir)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        advise(session_of(answer, Looking()))

    assert not seen[0].exists()


def test_the_temporary_directory_of_a_session_driven_by_hand_stays_with_it() -> None:
    session = session_of(answer)
    path = session.temp_dir
    session.initiate()

    assert path.exists()
    del session
    gc.collect()
    assert not path.exists()


def test_a_forked_child_that_ends_leaves_its_parents_files() -> None:
    session = session_of(answer)
    path = session.temp_dir

    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child
        session.remove_temp_dir()
        os._exit(0)
    os.waitpid(child, 0)

    assert path.exists()
    session.remove_temp_dir()


# The walk


def test_without_advices_the_task_is_executed() -> None:
    assert session_of(answer).initiate() == Result(42)


def test_what_the_task_raises_is_the_result() -> None:
    def fail() -> None:
        raise LookupError("nothing here")

    assert session_of(fail).initiate() == Result(exception=LookupError("nothing here"))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_goes_straight_up(kind: Any) -> None:
    def leave() -> None:
        raise kind

    with pytest.raises(kind):
        session_of(leave, Advice()).initiate()


def test_a_forgotten_step_names_the_advice_and_its_place() -> None:
    with pytest.raises(
        RuntimeError,
        match=r"Not all advice has been applied\. "
        rf"{__name__}\.Forgetting\.before\(\) \(2 of 3\) of chain 'default'",
    ):
        session_of(answer, Advice(), Forgetting(), Advice()).initiate()


def test_a_session_starts_once() -> None:
    session = session_of(answer)
    session.initiate()

    with pytest.raises(RuntimeError, match=r"Session already finished advising\."):
        session.initiate()


def test_no_step_is_taken_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="not initiated"):
        session_of(answer).proceed()
    with pytest.raises(RuntimeError, match="not initiated"):
        session_of(answer).conclude(Result(1))


def test_no_step_is_taken_after_the_end() -> None:
    session = session_of(answer, Advice())
    session.initiate()

    with pytest.raises(RuntimeError, match=r"Session already finished advising\."):
        session.proceed()
    with pytest.raises(RuntimeError, match=r"Session already finished advising\."):
        session.conclude(Result(1))
    assert session.result == Result(42)


@pytest.mark.parametrize("method", ["before", "after"])
@pytest.mark.parametrize("again", ["proceed", "conclude"])
def test_an_advice_that_goes_on_after_the_end_is_named(method: str, again: str) -> None:
    class Twice(Advice):
        pass

    def go_on_twice(self: Twice, session: Session) -> None:
        session.proceed()
        getattr(session, again)(*([session.result] if again == "conclude" else []))

    setattr(Twice, method, go_on_twice)

    with pytest.raises(
        RuntimeError,
        match=r"already finished advising\. "
        rf"{__name__}\..*Twice\.{method}\(\) \(2 of 3\) of chain 'default' has gone",
    ):
        session_of(answer, Advice(), Twice(), Advice()).initiate()


def test_a_walk_keeps_the_chain_that_it_has_begun() -> None:
    class Replacing(Advice):
        def before(self, session: Session) -> None:
            session.configuration.add_advice_chain()
            session.conclude(Result("concluded"))

    assert session_of(answer, Replacing(), Advice()).initiate() == Result("concluded")


def test_users_own_tasks_need_an_id_and_execute_only() -> None:
    class OwnTask:
        task_id = "own"

        def execute(self, execution: Execution) -> Any:
            return {"own": execution.args}

    configuration = Configuration().add_advice_chain(Advice())
    session = Session(OwnTask(), Execution("e", (1,)), configuration)  # type: ignore[arg-type]

    assert session.initiate() == {"own": (1,)}  # type: ignore[comparison-overlap]
    assert session.ids.task_id == "own"


# Extensions


def test_extensions_are_told_in_order() -> None:
    observer = Observer()

    session_of(answer, Advice(), extensions=[observer]).initiate()

    assert observer.told == EVENTS


def test_an_extension_that_is_added_later_counts() -> None:
    session, observer = session_of(answer), Observer()
    session.configuration.add_extension(observer)

    session.initiate()

    assert observer.told == EVENTS


def test_a_concluded_session_executes_no_task() -> None:
    class Concluding(Advice):
        def before(self, session: Session) -> None:
            session.conclude(Result("early"))

    observer = Observer()
    result = session_of(answer, Concluding(), extensions=[observer]).initiate()

    assert result == Result("early")
    assert observer.told == ["created", "finished"]


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        (Failing(LookupError("broken")), LookupError),
        (Failing(KeyboardInterrupt()), KeyboardInterrupt),
        (Forgetting(), AdviceError),
    ],
)
def test_the_end_is_told_also_when_the_walk_fails(
    advice: Advice, expected: Any
) -> None:
    observer = Observer()

    with pytest.raises(expected):
        session_of(answer, advice, extensions=[observer]).initiate()

    assert observer.told == ["created", "finished"]


def test_a_failing_extension_does_not_hide_the_first_error() -> None:
    with pytest.raises(ZeroDivisionError):
        session_of(
            answer,
            Failing(ZeroDivisionError()),
            extensions=[Observer(fail_in="finished")],
        ).initiate()


def test_a_failing_extension_is_told_of_and_the_others_hear_the_end() -> None:
    observer = Observer()

    with pytest.raises(LookupError, match="finished"):
        session_of(
            answer, extensions=[Observer(fail_in="finished"), observer]
        ).initiate()

    assert observer.told == EVENTS


@pytest.mark.parametrize("event", EVENTS)
def test_an_error_of_an_extension_goes_straight_up(event: str) -> None:
    with pytest.raises(LookupError, match=event):
        session_of(answer, extensions=[Observer(fail_in=event)]).initiate()


# Cancelling


def test_a_cancelled_session_calls_back_once() -> None:
    cancellation, calls = session_of(answer).cancellation, []  # type: ignore[var-annotated]
    cancellation.call(lambda: calls.append("first"))

    cancellation.request()
    cancellation.request()
    cancellation.call(lambda: calls.append("late"))

    assert calls == ["first", "late"]


def test_what_waits_for_a_cancellation_is_called_when_one_is_asked_for_later() -> None:
    session, calls = session_of(answer), []  # type: ignore[var-annotated]

    def forgotten() -> None:
        calls.append("forgotten")

    session.call_when_cancelled(lambda: calls.append("first"))
    session.call_when_cancelled(forgotten)
    session.forget_when_cancelled(forgotten)
    was_cancelled = session.is_cancelled
    session.cancellation.request()
    session.call_when_cancelled(lambda: calls.append("late"))

    assert (was_cancelled, session.is_cancelled) == (False, True)
    assert calls == ["first", "late"]


@pytest.mark.parametrize("is_asked", [False, True])
def test_what_is_forgotten_is_not_called(is_asked: bool) -> None:
    session, calls = session_of(answer), []  # type: ignore[var-annotated]

    def forgotten() -> None:
        calls.append("forgotten")

    if is_asked:
        assert not session.cancellation.is_requested
    session.call_when_cancelled(forgotten)
    session.forget_when_cancelled(forgotten)
    session.cancellation.request()

    assert calls == []


# Many at a time


def test_many_threads_walk_along_one_chain() -> None:
    class Doubling(Advice):
        def after(self, session: Session) -> None:
            session.conclude(Result(session.result.value * 2))

    configuration = Configuration().add_advice_chain(*[Doubling()] * 3)
    results: list[Any] = []
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait()
        for _ in range(50):
            session = Session(
                Task.create_task(lambda: number), Execution("same"), configuration
            )
            results.append((number, advise(session).value))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 400
    assert all(value == number * 8 for number, value in results)


def test_a_note_is_an_entry_of_the_context_that_came_first() -> None:
    session = session_of(answer)
    session.note("path", 1)
    session.note("path", 2)
    session.note("other", 3)
    assert session.context.attributes == {"path": 1, "other": 3}

    session.note("path", 4)
    session.note("later", 5)

    assert session.context.attributes == {"path": 1, "other": 3, "later": 5}
