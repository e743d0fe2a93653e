"""Coroutine functions as tasks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import gc
import inspect
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Awaitable, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Advice, Configuration, Extension
from bandsaw.advice import advise_task_with_chain
from bandsaw.advices.cache import CachingAdvice
from bandsaw.exceptions import AdviceError
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Session
from tests.advices import far_tasks
from tests.configurations import loadable_configuration
from tests.workflows import (
    MOVING,
    MOVING_WITHOUT_SPARE,
    Workflow,
    read_script,
    write_files,
)


class Recording(Advice, Extension):
    """Notes what happens, in which thread."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.threads: list[int] = []

    def note(self, event: str) -> None:
        self.events.append(event)
        self.threads.append(threading.get_ident())

    def before(self, session: Session) -> None:
        self.note("before")
        session.proceed()

    def after(self, session: Session) -> None:
        self.note("after")
        session.proceed()

    def on_session_finished(self, session: Session) -> None:
        self.note("finished")


class Tasks:
    """Makes tasks whose chain `advised` has a recording advice."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.recording: Any = Recording()
        self.advise(self.recording)

    def advise(self, *advices: Advice) -> None:
        self.configuration.add_advice_chain(*advices, name="advised")

    def of(self, function: Any, chain: str = "advised", **options: Any) -> Any:
        name = self.configuration.module_name
        return bandsaw.task(function, config=name, chain=chain, **options)


@pytest.fixture(name="tasks")
def _tasks(tmp_path: Path) -> Iterator[Tasks]:
    directory = tmp_path / "temporary"
    directory.mkdir()
    with loadable_configuration() as configuration:
        yield Tasks(configuration.set_temp_directory(directory))
    assert not list(directory.iterdir())


BOTH = pytest.mark.parametrize("chain", ["default", "advised"])


async def add(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


async def fail(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


class FalsyError(Exception):
    def __len__(self) -> int:
        return 0


def run(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())


# Calls


@BOTH
def test_a_call_is_awaited(tasks: Tasks, chain: str) -> None:
    task = tasks.of(add, chain)

    assert inspect.iscoroutinefunction(task)
    assert asyncio.iscoroutinefunction(task)
    assert run(task(1, b=2)) == 3


def test_advices_surround_the_whole_run(tasks: Tasks) -> None:
    async def work() -> None:
        tasks.recording.note("begin")
        await asyncio.sleep(0)
        tasks.recording.note("end")

    tasks.configuration.add_extension(tasks.recording)
    run(tasks.of(work)())

    assert tasks.recording.events == ["before", "begin", "end", "after", "finished"]


def test_the_coroutine_runs_on_the_loop_and_in_the_task_of_its_caller(
    tasks: Tasks,
) -> None:
    async def where() -> Any:
        tasks.recording.note("task")
        return asyncio.get_running_loop(), asyncio.current_task()

    async def main() -> None:
        assert await tasks.of(where)() == await where()

    run(main())
    before, task, after, _ = tasks.recording.threads
    assert before == after != task == threading.get_ident()


def test_nothing_happens_before_it_is_awaited(tasks: Tasks) -> None:
    called = tasks.of(add)(1, 2)

    assert tasks.recording.events == []
    called.close()


@BOTH
@pytest.mark.parametrize(
    "error",
    [
        LookupError("no"),
        FalsyError(),
        TimeoutError("late"),
        asyncio.TimeoutError("late"),
        concurrent.futures.TimeoutError("late"),
        StopAsyncIteration(),
        concurrent.futures.CancelledError(),
    ],
)
def test_an_exception_is_raised_as_itself(
    tasks: Tasks, chain: str, error: Exception
) -> None:
    with pytest.raises(type(error)) as caught:
        run(tasks.of(fail, chain)(error))

    assert caught.value is error
    assert tasks.recording.events == (["before", "after"] if chain == "advised" else [])


@BOTH
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_passes_through(
    tasks: Tasks, chain: str, kind: Any
) -> None:
    class Ending(Extension):
        ended = 0

        def on_session_finished(self, session: Session) -> None:
            type(self).ended += 1

    if chain == "advised":
        tasks.configuration.add_extension(Ending())
    with pytest.raises(kind):
        run(tasks.of(fail, chain)(kind()))

    assert Ending.ended == (1 if chain == "advised" else 0)


def test_an_error_of_an_advice_goes_straight_up(tasks: Tasks) -> None:
    class Failing(Advice):
        def after(self, session: Session) -> None:
            raise LookupError("after")

    class Forgetful(Advice):
        def after(self, session: Session) -> None:
            pass

    tasks.advise(Failing())
    with pytest.raises(LookupError, match="after"):
        run(tasks.of(add)(1, 2))
    tasks.advise(Forgetful())
    with pytest.raises(AdviceError, match="Forgetful"):
        run(tasks.of(add)(1, 2))


def test_a_concluded_call_runs_no_coroutine(tasks: Tasks) -> None:
    class Concluding(Advice):
        def before(self, session: Session) -> None:
            session.conclude(Result("concluded"))

    tasks.advise(Concluding())

    assert run(tasks.of(add)(1, 2)) == "concluded"


def test_the_cache_keeps_what_the_coroutine_returns(
    tasks: Tasks, tmp_path: Path
) -> None:
    tasks.advise(CachingAdvice(tmp_path / "cache"), tasks.recording)
    task = tasks.of(add)

    assert [run(task(1, 2)), run(task(1, 2))] == [3, 3]
    assert tasks.recording.events == ["before", "after"]


def test_methods_and_decorated_functions_are_awaited(tasks: Tasks) -> None:
    def doubling(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any) -> Any:
            return 2 * await function(*args)

        return wrapper

    class Class:
        @tasks.of
        async def method(self, a: int) -> Any:
            return self, a

        @classmethod
        @tasks.of
        async def of_class(cls, a: int) -> Any:
            return cls, a

    instance = Class()

    assert run(instance.method(1)) == (instance, 1)
    assert run(Class.of_class(1)) == (Class, 1)
    assert run(tasks.of(doubling(add))(1, 2)) == 6
    assert run(doubling(tasks.of(add))(1, 2)) == 6


def test_an_asynchronous_generator_runs_here(tasks: Tasks) -> None:
    async def count(n: int) -> Any:
        for number in range(n):
            yield number

    async def main() -> list[int]:
        return [number async for number in tasks.of(count)(3)]

    assert run(main()) == [0, 1, 2]


def test_a_coroutine_function_can_be_advised_without_a_loop(tasks: Tasks) -> None:
    task = tasks.of(add).bandsaw_task

    result = advise_task_with_chain(
        task, Execution("e", (1, 2)), tasks.configuration, "advised"
    )

    assert result == Result(3)


def test_an_advice_may_run_a_loop_of_its_own(tasks: Tasks) -> None:
    inner = tasks.of(add, version="inner")

    class Asking(Advice):
        def before(self, session: Session) -> None:
            session.context["asked"] = asyncio.run(inner(3, 4))
            session.proceed()

        def after(self, session: Session) -> None:
            session.conclude(Result((session.context["asked"], session.result.value)))

    tasks.configuration.add_advice_chain(Asking(), name="asking")

    assert run(tasks.of(add, "asking")(1, 2)) == (7, 3)


# Many at once


class NoThreads(ThreadPoolExecutor):
    """An executor that must not be used."""

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the default executor was used")


def test_nested_tasks_need_no_thread_of_the_loop(tasks: Tasks) -> None:
    @tasks.of
    async def leaf(n: int) -> int:
        await asyncio.sleep(0)
        return n

    @tasks.of
    async def branch(n: int) -> int:
        return sum(await asyncio.gather(*(leaf(n) for _ in range(2))))

    async def main() -> list[int]:
        asyncio.get_running_loop().set_default_executor(NoThreads(1))
        return await asyncio.gather(*map(branch, range(50)))

    assert run(main()) == [2 * n for n in range(50)]


def test_eight_threads_have_their_own_loops(tasks: Tasks) -> None:
    task = tasks.of(add)

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(lambda: run(task(1, 2))) for _ in range(16)]
        assert [future.result() for future in futures] == [3] * 16


# Context variables

variable: contextvars.ContextVar[str] = contextvars.ContextVar(
    "variable", default="nothing"
)


class Setting(Advice):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def before(self, session: Session) -> None:
        self.seen.append(variable.get())
        variable.set("before")
        session.proceed()

    def after(self, session: Session) -> None:
        self.seen.append(variable.get())
        variable.set("after")
        session.proceed()


@pytest.mark.parametrize("fails", [False, True])
def test_context_variables_pass_both_ways(tasks: Tasks, fails: bool) -> None:
    setting = Setting()
    tasks.advise(setting)

    @tasks.of
    async def work() -> None:
        setting.seen.append(variable.get())
        await asyncio.sleep(0)
        variable.set("task")
        if fails:
            raise LookupError

    async def main() -> None:
        variable.set("caller")
        try:
            await work()
        except LookupError:
            assert fails
        setting.seen.append(variable.get())

    run(main())
    assert setting.seen == ["caller", "before", "task", "after"]


def test_a_variable_that_a_direct_call_would_set_is_set(tasks: Tasks) -> None:
    async def work() -> None:
        variable.set("task")

    async def main(function: Any) -> str:
        await function()
        return variable.get()

    assert run(main(tasks.of(work))) == run(main(work)) == "task"


def test_calls_at_the_same_time_do_not_share_variables(tasks: Tasks) -> None:
    @tasks.of
    async def work(name: str) -> str:
        variable.set(name)
        await asyncio.sleep(0)
        return variable.get()

    async def main() -> list[str]:
        return await asyncio.gather(*map(work, "abcdefgh"))

    assert run(main()) == list("abcdefgh")


# Ends before the end


class Waiting:
    """A task that waits for ever."""

    def __init__(self, tasks: Tasks) -> None:
        self.ended = False
        self.started = asyncio.Event()
        self.task = tasks.of(self.coroutine())

    def coroutine(self) -> Callable[..., Any]:
        async def wait_in_vain() -> None:
            self.started.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True

        return wait_in_vain


def test_cancelling_reaches_the_coroutine_and_tells_the_extensions(
    tasks: Tasks,
) -> None:
    tasks.configuration.add_extension(tasks.recording)

    async def main() -> None:
        waiting = Waiting(tasks)
        running = asyncio.ensure_future(waiting.task())
        await waiting.started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert running.cancelled()
        assert waiting.ended

    run(main())
    assert tasks.recording.events == ["before", "finished"]


def test_a_coroutine_may_bear_with_being_cancelled(tasks: Tasks) -> None:
    async def main() -> None:
        started = asyncio.Event()

        @tasks.of
        async def stubborn() -> str:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
            return "done"

        running = asyncio.ensure_future(stubborn())
        await started.wait()
        running.cancel()
        assert await running == "done"

    run(main())
    assert tasks.recording.events == ["before", "after"]


def test_cancelling_waits_for_an_advice_and_runs_no_coroutine(tasks: Tasks) -> None:
    reached, released = threading.Event(), threading.Event()

    class Slow(Advice):
        def before(self, session: Session) -> None:
            reached.set()
            released.wait()
            tasks.recording.note("released")
            session.proceed()

    tasks.advise(Slow())

    @tasks.of
    async def work() -> None:
        tasks.recording.note("task")

    async def main() -> None:
        running = asyncio.ensure_future(work())
        while not reached.is_set():
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.sleep(0)
        assert not running.done()
        released.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    run(main())
    assert tasks.recording.events == ["released"]


def test_a_timeout_ends_the_coroutine(tasks: Tasks) -> None:
    async def main() -> None:
        waiting = Waiting(tasks)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(waiting.task(), 0.05)
        assert waiting.ended

    run(main())


def test_a_timeout_inside_of_the_coroutine_is_its_own(tasks: Tasks) -> None:
    @tasks.of
    async def work() -> str:
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        except asyncio.TimeoutError:
            return "late"
        return "in time"

    assert run(work()) == "late"


def test_an_error_of_one_task_cancels_its_group(tasks: Tasks) -> None:
    if not hasattr(asyncio, "TaskGroup"):
        pytest.skip("Needs asyncio.TaskGroup")

    async def main() -> None:
        waiting = Waiting(tasks)
        group: Any
        with pytest.raises(BaseException) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(waiting.task())
                await waiting.started.wait()
                group.create_task(tasks.of(fail)(LookupError("no")))
        assert [type(e) for e in caught.value.exceptions] == [LookupError]  # type: ignore[attr-defined]
        assert waiting.ended

    run(main())


def test_a_closed_coroutine_ends_its_session(tasks: Tasks) -> None:
    async def main() -> None:
        waiting = Waiting(tasks)
        called = waiting.task()
        called.send(None)
        called.close()

    run(main())


def test_a_loop_that_is_closed_early_ends_its_sessions(tasks: Tasks) -> None:
    loop = asyncio.new_event_loop()

    async def main() -> Any:
        waiting = Waiting(tasks)
        running: Any = asyncio.ensure_future(waiting.task())
        await waiting.started.wait()
        return running

    running = loop.run_until_complete(main())
    loop.close()
    running._log_destroy_pending = False
    # The thread ends, says the fixture of all tests.
    for thread in threading.enumerate():
        if thread.name == "bandsaw-session":
            thread.join()
    del running
    gc.collect()


ADVISED = """
import bandsaw
configuration = bandsaw.Configuration()
configuration.add_advice_chain(bandsaw.Advice(), name="advised")
"""


@pytest.mark.parametrize("words", [[], ["--interrupt"]])
def test_a_program_ends_that_leaves_its_loop_open(
    workflow: Workflow, words: list[str]
) -> None:
    output = workflow.run(read_script("open_loop.py"), *words, config=ADVISED).stdout

    assert output == ("interrupted\n" if words else "")


INTERRUPTED = """
import asyncio, bandsaw, os, signal

@bandsaw.task(chain="advised")
async def work():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
    finally:
        print("ended")

try:
    asyncio.run(work())
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_ends_the_coroutine_and_the_program(workflow: Workflow) -> None:
    output = workflow.run(INTERRUPTED, config=ADVISED).stdout

    assert output == "ended\ninterrupted\n"


# In a child


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def pid_in(path: Path) -> int:
    while not path.exists():
        await asyncio.sleep(0.01)
    return int(path.read_text())


@pytest.fixture(name="moved")
def _moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make tasks that run in a child, which finds the configuration in a file."""
    write_files(tmp_path, {"moving_config.py": MOVING})
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda function: bandsaw.task(function, config="moving_config")
    # With the configuration goes its directory.
    del sys.modules["moving_config"]


def test_a_coroutine_runs_in_a_child(moved: Any) -> None:
    assert run(moved(add)(1, 2)) == 3
    with pytest.raises(LookupError, match="no"):
        run(moved(fail)(LookupError("no")))


@pytest.mark.parametrize("how", ["cancel", "timeout", "close"])
def test_a_child_is_gone_when_its_call_was_cancelled(
    moved: Any, tmp_path: Path, how: str
) -> None:
    started = tmp_path / "started"

    async def main() -> None:
        called = moved(far_tasks.wait_in_vain)(str(started))
        if how == "close":
            called.send(None)
            pid = await pid_in(started)
            called.close()
        else:
            timeout = None if how == "cancel" else 60
            running = asyncio.ensure_future(asyncio.wait_for(called, timeout))
            pid = await pid_in(started)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        assert not is_running(pid)

    run(main())


def test_a_child_is_gone_when_its_call_has_timed_out(
    moved: Any, tmp_path: Path
) -> None:
    async def main() -> None:
        called = moved(far_tasks.wait_in_vain)(str(tmp_path / "started"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(called, 0.05)

    # No process is left, says the fixture of all tests.
    run(main())


KINDS = """
import inspect

import bandsaw

@bandsaw.task(chain="here")
async def add(a, b):
    return a + b

@bandsaw.task
async def ask(a, b):
    return inspect.iscoroutinefunction(add), await add(a, b)

if __name__ == "__main__":
    import asyncio
    print(asyncio.run(ask(1, 2)))
"""


def test_a_coroutine_function_of_the_script_is_one_in_a_child_too(
    workflow: Workflow,
) -> None:
    assert workflow.run(KINDS).stdout == "(True, 3)\n"


UNGUARDED = """
import asyncio

import bandsaw

@bandsaw.task
async def work():
    return 1

print("before")
print(asyncio.run(work()))
"""


def test_a_script_that_awaits_tasks_at_its_top_level_is_told_so(
    workflow: Workflow,
) -> None:
    completed = workflow.run(UNGUARDED, status=1, config=MOVING_WITHOUT_SPARE)

    # Once here, and once more when the child imports the script
    assert completed.stdout == "before\n" * 2
    error = "\nbandsaw.exceptions.MainGuardError: The script workflow.py"
    assert completed.stderr.count(error) == 2
