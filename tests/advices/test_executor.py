"""Sessions on executors of the standard library."""

from __future__ import annotations

import pickle
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

import bandsaw
from bandsaw import Configuration
from bandsaw.advices.executor import ExecutorAdvice
from bandsaw.exceptions import ConfigurationError, InterpreterDiedError
from tests.transports.test_routes import OUTCOMES
from tests.waiting import SECONDS, wait_until
from tests.workflows import HEAD, Workflow, read_script

CONFIG = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import bandsaw
from bandsaw.advices.executor import ExecutorAdvice
from bandsaw.reporting import ProgressExtension

def pool(method="spawn"):
    context = multiprocessing.get_context(method)
    return ProcessPoolExecutor(2, mp_context=context)

def loky():
    from loky import get_reusable_executor
    return get_reusable_executor(2)

configuration = bandsaw.Configuration()
configuration.add_extension(
    ProgressExtension(lambda told: print("progress", told.done, told.message))
)
configuration.add_advice_chain(name="here")
configuration.add_advice_chain(ExecutorAdvice(pool), name="process-pool")
configuration.add_advice_chain(ExecutorAdvice(lambda: pool("fork")), name="forked")
configuration.add_advice_chain(ExecutorAdvice(loky), name="loky")
"""

EXPECTED = """\
elsewhere True same run True
class True 2
ValueError: oh; RemoteTraceback KeyError('deep')
work told 1
progress 1 told
told
submitted 4
mapped [0, 2, 4, 6, 8] 2450
SerializationError: The result of workflow.give cannot be written by P
SerializationError: The result of the session cannot be read by Pickle
SerializationError: Argument 'arguments' of workflow.attach_nothing ca
submitted SerializationError: The result of workflow.give cannot be written by P
nested 2
large b'\\xff\\xfe\\xfd'
array True True True
cancelled True True
after 42
"""


@pytest.mark.parametrize("chain", ["process-pool", "forked"])
def test_tasks_do_there_what_they_do_elsewhere(workflow: Workflow, chain: str) -> None:
    output = workflow.output(read_script("on_an_engine.py"), chain, config=CONFIG)
    assert output == EXPECTED


def test_forked_processes_execute_the_code_that_is_loaded_in_the_caller(
    workflow: Workflow,
) -> None:
    workflow.write({"edited.py": "def version():\n    return 1\n"})
    output = workflow.output(
        HEAD
        + """
import importlib
from pathlib import Path

import edited

@bandsaw.task(chain="forked")
def version():
    return edited.version(), os.getpid()

if __name__ == "__main__":
    first, forked = version()
    Path(edited.__file__).write_text("def version():\\n    return 'two'\\n")
    importlib.reload(edited)
    second, other = version()
    print(first, second, forked != other, version()[0])
""",
        config=CONFIG,
    )
    assert output == "1 two True two\n"


def test_a_submitted_call_ends_the_same_with_its_arguments_alone(
    workflow: Workflow,
) -> None:
    script = (
        HEAD
        + """
import logging
from bandsaw.advices import _engine_calls

task = bandsaw.task(chain="forked")
"""
        + OUTCOMES.replace("@bandsaw.task", "@task")
        .replace("print(work(what))", "print(work.submit(what).result())")
        .replace("kinds()[1]", "len(values)")
        .replace(
            "    for what in (",
            """\
    values = []
    receive = _engine_calls._receive_value

    def note(session, content):
        values.append(content)
        return receive(session, content)

    _engine_calls._receive_value = note
    work.submit("first").result()
    for what in (""",
        )
    )
    # What extensions may be told needs the whole session.
    outputs = [
        workflow.output(script, config=text)
        for text in (CONFIG.replace("configuration.add_extension", "type"), CONFIG)
    ]
    short, whole = (
        [line for line in output.splitlines() if not line.startswith("progress")]
        for output in outputs
    )

    assert (short.pop(), whole.pop()) == ("True", "False")
    assert short == whole
    assert "LookupError for raising" in short
    assert "logged by logging" in short


class Held(ThreadPoolExecutor):
    """Continues a session when it is told to."""

    def __init__(self) -> None:
        super().__init__(1)
        self.sent: list[tuple[Future[Any], Any]] = []
        self.requests: list[tuple[bytes, Any]] = []

    def submit(self, function: Any, *args: Any) -> Any:  # type: ignore[override]
        future: Future[Any] = Future()
        self.requests.append(args[-2:])
        self.sent.append((future, lambda: function(*args)))
        return future

    def answer(self) -> None:
        future, call = self.sent.pop(0)
        future.set_result(call())


@pytest.fixture(name="configuration")
def _configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """A configuration that has a file, as others have to find it."""
    text = "import bandsaw\nconfiguration = bandsaw.Configuration()\n"
    (tmp_path / "executor_config.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    configuration = bandsaw.get_configuration("executor_config")
    configuration.set_temp_directory(str(tmp_path))
    return configuration


def task_on(configuration: Configuration, executor: Any, function: Any) -> Any:
    configuration.add_advice_chain(ExecutorAdvice(executor))
    return bandsaw.task(function, config=configuration.module_name)


def increase(number: int) -> int:
    return number + 1


def test_no_thread_waits_for_a_submitted_call(configuration: Configuration) -> None:
    held = Held()
    task = task_on(configuration, held, increase)

    futures = [task.submit(number) for number in range(100)]
    wait_until(lambda: len(held.sent) == 100)
    # They end when there is nothing to do for a while.
    wait_until(lambda: "bandsaw-call" not in [t.name for t in threading.enumerate()])
    assert not any(future.done() for future in futures)
    assert all(future.running() for future in futures)

    while held.sent:
        held.answer()
    assert [future.result(SECONDS) for future in futures] == list(range(1, 101))


def total(array: Any) -> int:
    return int(array.sum())


def test_the_large_arrays_of_a_submitted_call_travel_beside_its_arguments(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    numpy = pytest.importorskip("numpy")
    # Whatever runs the tests: what is no script is sent with its definitions.
    spec = ModuleSpec("tests", None)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    held = Held()
    task = task_on(configuration, held, total)

    totals = []
    for number in 1, 2:
        future = task.submit(numpy.full(200_000, number))
        wait_until(lambda: bool(held.sent))
        held.answer()
        totals.append(future.result(SECONDS))

    assert totals == [200_000, 400_000]
    kinds = [
        (len(buffers), pickle.loads(request)[-1]) for request, buffers in held.requests
    ]
    assert kinds == [(1, True), (1, True)]


def test_a_submitted_closure_is_sent_with_what_it_holds_now(
    configuration: Configuration,
) -> None:
    step = 1

    def add_step(number: int) -> int:
        return number + step

    with ThreadPoolExecutor(1) as executor:
        task = task_on(configuration, executor, add_step)
        # What is remembered of the first ones is used from the third one on.
        results = [task.submit(number).result(SECONDS) for number in (1, 2, 3)]
        step = 10
        results += [task.submit(1).result(SECONDS)]

    assert results == [2, 3, 4, 11]


def test_a_concurrency_bounds_the_calls_that_an_executor_has(
    configuration: Configuration,
) -> None:
    held = Held()
    task = task_on(configuration, held, increase)
    configuration.set_concurrency(2)

    futures = [task.submit(number) for number in range(6)]
    for done in range(6):
        wait_until(lambda done=done: len(held.sent) == min(2, 6 - done))
        held.answer()
    assert [future.result(SECONDS) for future in futures] == list(range(1, 7))


@pytest.mark.parametrize("concurrency", [None, 1])
def test_a_cancelled_call_cancels_the_future_of_the_executor(
    configuration: Configuration, concurrency: int | None
) -> None:
    held = Held()
    task = task_on(configuration, held, increase)
    if concurrency:
        configuration.set_concurrency(concurrency)

    first = task.submit(1)
    wait_until(lambda: held.sent)
    assert first.cancel()

    [(sent, _)] = held.sent
    assert sent.cancelled()
    held.sent.clear()
    second = task.submit(2)
    wait_until(lambda: held.sent)
    held.answer()
    assert second.result(SECONDS) == 3


def test_extensions_are_told_of_a_submitted_call_once(
    configuration: Configuration,
) -> None:
    told = []

    class Telling(bandsaw.Extension):
        def on_session_created(self, session: Any) -> None:
            told.append("created")

        def on_session_finished(self, session: Any) -> None:
            told.append(f"finished with {session.result.value}")

    configuration.add_extension(Telling())
    with ThreadPoolExecutor(1) as executor:
        task = task_on(configuration, executor, increase)
        assert task.submit(1).result(SECONDS) == 2
    assert told == ["created", "finished with 2"]


def test_a_broken_pool_is_a_result_that_says_so(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task(chain="process-pool")
def end():
    os._exit(3)

if __name__ == "__main__":
    print(text_of(end))
    print(text_of(lambda: end.submit().result()))
""",
        config=CONFIG,
    )
    expected = (
        "InterpreterDiedError: The ProcessPoolExecutor has not continued the session: "
        "BrokenProcessPool: A "
    )
    assert [line[: len(expected)] for line in output.splitlines()] == [expected] * 2


def test_an_executor_that_was_shut_down_is_a_result(
    configuration: Configuration,
) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    task = task_on(configuration, executor, increase)

    with pytest.raises(InterpreterDiedError, match="cannot schedule new futures"):
        task(1)
    error = task.submit(1).exception(SECONDS)
    assert isinstance(error, InterpreterDiedError)


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs a concurrent"):
        ExecutorAdvice(4)  # type: ignore[arg-type]
