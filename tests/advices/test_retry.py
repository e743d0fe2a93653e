"""Further attempts after a failure: the rest of the chain, with a new branch."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Configuration
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.retry import RetryAdvice
from bandsaw.exceptions import (
    AdviceError,
    ConfigurationError,
    InterpreterDiedError,
    InterpreterError,
    TaskMemoryError,
    TaskTimeoutError,
)
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Session
from tests.configurations import loadable_configuration
from tests.transports.test_pool import config
from tests.workflows import HEAD, MOVING, SECONDS, Workflow

Make = Callable[..., Any]


class Flaky:
    """Fails a number of times before it succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, value: int) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return value


@pytest.fixture(name="configuration")
def _configuration() -> Iterator[Configuration]:
    with loadable_configuration() as configuration:
        yield configuration


@pytest.fixture(name="make")
def _make(configuration: Configuration) -> Make:
    """Make a task that is tried again, of an object that is called."""

    def make(flaky: Any, *advices: Any, **parameters: Any) -> Any:
        def work(value: int) -> int:
            return flaky(value)  # type: ignore[no-any-return]

        configuration.add_advice_chain(*(advices or [RetryAdvice(wait=0)]))
        return bandsaw.task(work, config=configuration.module_name, **parameters)

    return make


def session_of(task: Any, *args: Any) -> Session:
    return Session(
        task.bandsaw_task,
        Execution.of_call(task.bandsaw_task, args, {}),
        task.bandsaw_configuration,
    )


def test_a_failed_call_is_made_again(make: Make) -> None:
    flaky = Flaky(InterpreterDiedError("a"), InterpreterError("b"))

    assert make(flaky)(5) == 5
    assert flaky.calls == 3


def test_the_last_failure_is_raised(make: Make) -> None:
    flaky = Flaky(*(InterpreterError(str(number)) for number in range(9)))

    with pytest.raises(InterpreterError, match=r"^2(\n|$)"):
        make(flaky)(5)
    assert flaky.calls == 3


@pytest.mark.parametrize(
    "error", [ValueError("a"), TaskTimeoutError("a"), TaskMemoryError("a")]
)
def test_what_is_no_failure_of_a_machine_is_not_tried_again(
    make: Make, error: Exception
) -> None:
    flaky = Flaky(error)

    with pytest.raises(type(error)):
        make(flaky)(5)
    assert flaky.calls == 1


@pytest.mark.parametrize(
    ("on", "error"),
    [
        (ValueError, UnicodeError("a")),
        ((KeyError, ValueError), ValueError("a")),
        (TimeoutError, TaskTimeoutError("a")),
        ((InterpreterError, TaskMemoryError), TaskMemoryError("a")),
    ],
)
def test_other_errors_are_tried_again_when_they_are_named(
    make: Make, on: Any, error: Exception
) -> None:
    assert make(Flaky(error), RetryAdvice(wait=0, on=on))(5) == 5


def test_the_wait_may_depend_on_the_number(make: Make) -> None:
    numbers: list[int] = []

    def wait(number: int) -> float:
        numbers.append(number)
        return 0.001

    flaky = Flaky(*(InterpreterError() for _ in range(3)))

    assert make(flaky, RetryAdvice(4, wait=wait))(5) == 5
    assert numbers == [1, 2, 3]


def test_it_waits_after_a_failure(make: Make) -> None:
    start = time.monotonic()

    make(Flaky(InterpreterError()), RetryAdvice(wait=0.2))(5)

    assert time.monotonic() - start >= 0.2


def test_no_attempt_begins_after_the_time_for_all(make: Make) -> None:
    flaky = Flaky(InterpreterError("a"))

    with pytest.raises(InterpreterError, match=r"^a(\n|$)"):
        make(flaky, RetryAdvice(wait=60, timeout=30))(5)
    assert flaky.calls == 1


# Parameters of a task


def test_a_task_chooses_how_often(make: Make) -> None:
    flaky = Flaky(*(ValueError() for _ in range(4)))

    assert make(flaky, retry={"attempts": 5, "on": ValueError, "wait": 0})(5) == 5


def test_a_task_is_not_tried_again_when_it_does_not_want_to(make: Make) -> None:
    flaky = Flaky(InterpreterError())

    with pytest.raises(InterpreterError):
        make(flaky, retry=False)(5)
    assert flaky.calls == 1
    assert make(Flaky(), retry=False)(5) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": 1.5},
        {"attempts": True},
        {"wait": -1},
        {"wait": "1"},
        {"on": ValueError()},
        {"on": [ValueError]},
        {"timeout": 0},
        {"timeout": True},
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Make, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="RetryAdvice needs"):
        RetryAdvice(**wrong)
    with pytest.raises(ConfigurationError, match="The parameter retry of task"):
        make(Flaky(), retry=wrong)(5)


@pytest.mark.parametrize("wrong", [{"number": 1}, 3, None])
def test_a_parameter_that_is_none_is_refused(make: Make, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"has to be a dict|unknown key 'num"):
        make(Flaky(), retry=wrong)(5)


# What a session knows afterwards


class Noting(bandsaw.Advice):
    """Leaves a note and a file in each attempt."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seen: list[Any] = []

    def before(self, session: Session) -> None:
        number = len(self.seen)
        self.seen.append(session)
        session.context["number"] = number
        session.context["nested"]["inner"] = number
        path = self.directory / f"{number}.txt"
        path.write_text(str(number))
        session.attachments["said.txt"] = path
        session.proceed()


class Outer(bandsaw.Advice):
    def before(self, session: Session) -> None:
        self.nested = session.context["nested"]
        self.nested["outer"] = True
        session.proceed()


def walked(make: Make, flaky: Flaky, *advices: Any) -> Session:
    session = session_of(make(flaky, *advices), 5)
    session.initiate()
    return session


def test_each_attempt_has_notes_and_files_of_its_own(
    make: Make, tmp_path: Path
) -> None:
    noting, outer = Noting(tmp_path), Outer()
    flaky = Flaky(InterpreterError("a"), InterpreterDiedError("b"))

    session = walked(make, flaky, outer, RetryAdvice(wait=0), noting)

    assert session.result == Result(5)
    assert session.context["number"] == 2
    assert session.context["nested"].value_info() == {"outer": True, "inner": 2}
    assert session.context["nested"] is outer.nested
    attempts = session.context["attempts"]
    assert [(a["number"], a["error"]) for a in attempts] == [
        (1, "InterpreterError: a"),
        (2, "InterpreterDiedError: b"),
    ]
    assert all(0 <= attempt["seconds"] < SECONDS for attempt in attempts)
    texts = {}
    for name, attachment in session.attachments.items():
        with attachment.open() as stream:
            texts[name] = stream.read()
    assert texts == {
        "said.txt": b"2",
        "said-attempt-1.txt": b"0",
        "said-attempt-2.txt": b"1",
    }
    assert len({id(branch) for branch in noting.seen}) == 3
    assert {branch.session_id for branch in noting.seen} == {session.session_id}


def test_a_first_attempt_that_succeeds_leaves_no_trace(make: Make) -> None:
    session = walked(make, Flaky(), RetryAdvice())

    assert "attempts" not in session.context
    assert session.is_finished


def test_extensions_are_told_of_one_session_and_of_each_execution(
    configuration: Configuration, make: Make
) -> None:
    told: list[tuple[str, Session]] = []

    class Telling(bandsaw.Extension):
        def on_session_created(self, session: Session) -> None:
            told.append(("created", session))

        def on_before_task_executed(self, session: Session) -> None:
            told.append(("before", session))

        def on_after_task_executed(self, session: Session) -> None:
            told.append(("after", session))

        def on_session_finished(self, session: Session) -> None:
            told.append(("finished", session))

    configuration.add_extension(Telling())

    session = walked(make, Flaky(InterpreterError()), RetryAdvice(wait=0))

    names = [name for name, _ in told]
    assert names == ["created", "before", "after", "before", "after", "finished"]
    assert told[0][1] is told[-1][1] is session
    assert {told_of.root for _, told_of in told} == {session}


def test_retries_within_retries(make: Make) -> None:
    flaky = Flaky(*(InterpreterError(str(number)) for number in range(5)))
    advices = RetryAdvice(wait=0), bandsaw.Advice(), RetryAdvice(2, wait=0)

    session = walked(make, flaky, *advices)

    assert session.result == Result(5)
    assert flaky.calls == 6
    assert [attempt["number"] for attempt in session.context["attempts"]] == [1, 1, 2]


def test_a_cache_before_keeps_the_result(make: Make, tmp_path: Path) -> None:
    flaky = Flaky(InterpreterError())
    task = make(
        flaky, CachingAdvice(tmp_path / "cache", code="ignore"), RetryAdvice(wait=0)
    )

    assert [task(5), task(5)] == [5, 5]
    assert flaky.calls == 2


def test_a_cache_behind_keeps_the_result(make: Make, tmp_path: Path) -> None:
    flaky = Flaky(InterpreterError())
    task = make(
        flaky, RetryAdvice(wait=0), CachingAdvice(tmp_path / "cache", code="ignore")
    )

    assert [task(5), task(5)] == [5, 5]
    assert flaky.calls == 2


def test_an_advice_behind_that_forgets_its_step_is_named(make: Make) -> None:
    class Forgetful(bandsaw.Advice):
        def before(self, session: Session) -> None: ...

    with pytest.raises(AdviceError, match="Forgetful"):
        make(Flaky(), RetryAdvice(), Forgetful())(5)


def test_only_a_session_that_is_on_its_way_to_the_task_has_a_branch(
    make: Make,
) -> None:
    class After(bandsaw.Advice):
        def after(self, session: Session) -> None:
            session.branch()

    with pytest.raises(AdviceError, match="before"):
        make(Flaky(), After())(5)


# In other interpreters

DYING = (
    HEAD
    + """
import signal
import threading

@bandsaw.task(retry={"wait": 0})
def die_first(path, times):
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.path.getsize(path)

@bandsaw.task(retry={"wait": 0, "timeout": 1})
def hang():
    threading.Event().wait()

@bandsaw.task(retry={"wait": 60})
def die_always():
    print("dying", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
)


def retrying(text: str) -> str:
    return text.replace(
        "add_advice_chain(Sub", "add_advice_chain(RetryAdvice(), Sub"
    ).replace(
        "import bandsaw\n",
        "import bandsaw\nfrom bandsaw.advices.retry import RetryAdvice\n",
        1,
    )


@pytest.mark.parametrize("moving", [config(1), MOVING], ids=["resident", "fresh"])
def test_a_call_whose_process_dies_is_made_again(
    workflow: Workflow, moving: str
) -> None:
    output = workflow.output(
        DYING
        + """
if __name__ == "__main__":
    print(die_first("a", 2), die_first.submit("b", 1).result())
    print(text_of(die_first, "c", 3).split(":")[0], os.path.getsize("c"))
""",
        config=retrying(moving),
    )
    assert output == "3 2\nInterpreterDiedError 3\n"


def test_what_takes_longer_than_all_attempts_may_is_ended(workflow: Workflow) -> None:
    output = workflow.output(
        DYING
        + """
if __name__ == "__main__":
    print(text_of(hang))
""",
        config=retrying(config(1)),
    )
    assert output == (
        "TaskTimeoutError: All attempts to call workflow.hang took longer together "
        "than their timeout of 1 seconds.\n"
    )


@pytest.mark.parametrize("call", ["die_always()", "die_always.submit().result()"])
def test_ctrl_c_ends_the_pause(workflow: Workflow, call: str) -> None:
    workflow.write_script(
        DYING + f'\nif __name__ == "__main__":\n    {call}\n', retrying(MOVING)
    )
    process = workflow.start("workflow.py")
    assert process.stdout is not None
    assert process.stdout.readline() == "dying\n"

    process.send_signal(signal.SIGINT)

    _, errors = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors


def test_a_pause_can_be_cancelled(workflow: Workflow) -> None:
    output = workflow.output(
        DYING
        + """
if __name__ == "__main__":
    future = die_always.submit()
    while not future.running():
        pass
    sys.stdout.flush()
    print(future.cancel(), future.cancelled())
""",
        config=retrying(MOVING),
    )
    assert output.replace("dying\n", "") == "True True\n"


@pytest.mark.parametrize("pause", ["2", -1, float("inf"), None])
def test_a_function_that_returns_no_seconds_is_named_with_what_has_failed(
    make: Make, pause: Any
) -> None:
    failure = InterpreterError("the first failure")
    task = make(Flaky(failure), RetryAdvice(wait=lambda number: pause))

    with pytest.raises(ConfigurationError, match=r"has returned .* for attempt 1") as e:
        task(5)
    assert e.value.__cause__ is failure
