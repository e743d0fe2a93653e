"""A submitted call walks when it is its turn, in a thread, and can be waited for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import os
import pickle
import threading
import weakref
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor
from functools import partial, wraps
from typing import Any

import pytest

import bandsaw
from bandsaw import Configuration
from bandsaw.advices.retry import RetryAdvice
from bandsaw.exceptions import ConfigurationError
from tests.waiting import SECONDS, wait_until

from .conftest import TaskMaker


def add(a: int, b: int = 1) -> int:
    return a + b


def fail() -> None:
    raise ValueError("no")


class Gate:
    """Lets calls wait, and knows how many do so at a time."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.lock = threading.Lock()
        self.begun: list[Any] = []

    def wait(self, value: Any = None) -> Any:
        with self.lock:
            self.begun.append(value)
        assert self.event.wait(SECONDS)
        return value

    def open(self) -> None:
        self.event.set()


@pytest.fixture(name="gate")
def _gate() -> Any:
    gate = Gate()
    yield gate
    gate.open()


def waiting(task_of: TaskMaker, gate: Gate) -> Any:
    def wait(value: Any = None) -> Any:
        return gate.wait(value)

    return task_of(wait)


def test_a_future_has_the_value(task_of: TaskMaker) -> None:
    future = task_of(add).submit(1, b=2)

    assert isinstance(future, bandsaw.Future)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(SECONDS) == 3
    assert future.exception() is None
    assert future.done()


def test_a_future_raises_what_the_task_raises(task_of: TaskMaker) -> None:
    future = task_of(fail).submit()

    with pytest.raises(ValueError, match="no"):
        future.result(SECONDS)
    assert isinstance(future.exception(), ValueError)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_task_that_exits_ends_only_its_call(task_of: TaskMaker, kind: Any) -> None:
    def leave() -> None:
        raise kind

    with pytest.raises(kind):
        task_of(leave).submit().result(SECONDS)
    assert task_of(add).submit(1).result(SECONDS) == 2


def test_many_calls_keep_apart(task_of: TaskMaker) -> None:
    task = task_of(add)

    futures = [task.submit(number) for number in range(500)]

    assert [future.result(SECONDS) for future in futures] == list(range(1, 501))


def test_a_call_runs_in_a_thread_of_its_own(task_of: TaskMaker) -> None:
    names = task_of(lambda: threading.current_thread().name)

    assert names.submit().result(SECONDS) == "bandsaw-call"


def test_a_call_sees_the_context_variables_of_its_submitter(
    task_of: TaskMaker,
) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    def see() -> int:
        seen = variable.get()
        variable.set(-1)
        return seen

    task = task_of(see)
    futures = []
    for number in range(20):
        variable.set(number)
        futures.append(task.submit())

    assert [future.result(SECONDS) for future in futures] == list(range(20))
    assert variable.get() == 19


def test_arguments_that_do_not_fit_are_refused_at_once(task_of: TaskMaker) -> None:
    with pytest.raises(TypeError, match="too many positional arguments"):
        task_of(add).submit(1, 2, 3)
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        task_of(add).submit(b=2)


def test_a_decorator_below_may_take_other_arguments(task_of: TaskMaker) -> None:
    @wraps(add)
    def with_one(*args: int) -> int:
        return add(1, *args)

    assert task_of(with_one).submit(2).result(SECONDS) == 3
    assert task_of(with_one).submit().result(SECONDS) == 2


def test_a_coroutine_function_is_not_submitted(configuration: Configuration) -> None:
    @bandsaw.task(config=configuration.module_name)
    async def fetch() -> None: ...

    with pytest.raises(TypeError, match=r"fetch is a coroutine function.*await"):
        fetch.submit()


class Model:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def work(self, x: int) -> int:
        return self.factor * x

    def make(cls: Any, factor: int) -> Any:
        return cls(factor)

    def load(path: str) -> str:  # type: ignore[misc]
        return path


def test_methods_are_submitted_of_their_instance(task_of: TaskMaker) -> None:
    class Decorated(Model):
        work = task_of(Model.work)
        make = task_of(classmethod(Model.make))
        load = task_of(staticmethod(Model.load))

    assert Decorated(3).work.submit(2).result(SECONDS) == 6
    assert Decorated.work.submit(Decorated(3), 2).result(SECONDS) == 6
    assert Decorated.make.submit(4).result(SECONDS).factor == 4
    assert Decorated.load.submit("a").result(SECONDS) == "a"


def test_a_class_method_above_the_task_has_to_be_given_its_class(
    task_of: TaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(vars(Given)["make"].__func__)
    monkeypatch.setattr(Given, "make", classmethod(task))

    assert Given.make(4) == (Given, 4)
    with pytest.raises(TypeError, match=r"put @task above @classmethod"):
        Given.make.submit(5)
    assert Given.make.submit(Given, 5).result(SECONDS) == (Given, 5)


class Given:
    @classmethod
    def make(cls, size: int = 1) -> Any:
        return cls, size


def test_an_exhausted_iterator_in_a_task_is_an_error_and_no_end_of_a_map(
    task_of: TaskMaker,
) -> None:
    first = task_of(lambda values: next(iter(values)))

    async def awaited() -> Any:
        return await first.submit([])

    with pytest.raises(RuntimeError, match="has raised StopIteration") as caught:
        list(first.map([[1], [], [3]]))
    assert isinstance(caught.value.__cause__, StopIteration)
    with pytest.raises(RuntimeError, match="has raised StopIteration"):
        asyncio.run(asyncio.wait_for(awaited(), SECONDS))


def test_a_future_that_would_be_pickled_says_what_to_do(task_of: TaskMaker) -> None:
    with pytest.raises(TypeError, match=r"cannot be pickled: .* pass its result\(\)"):
        pickle.dumps(task_of(add).submit(1))


def test_a_call_that_waits_for_another_attempt_can_be_cancelled(
    configuration: Configuration,
) -> None:
    configuration.add_advice_chain(RetryAdvice(wait=600, on=ValueError))
    begun: list[int] = []

    def work() -> None:
        begun.append(1)
        fail()

    future = bandsaw.task(work, config=configuration.module_name).submit()

    wait_until(future.cancel)
    assert future.cancelled()
    assert begun == [1]


# How many at a time


def test_no_more_calls_than_wanted_walk_at_a_time(
    task_of: TaskMaker, gate: Gate
) -> None:
    wait = waiting(task_of, gate)
    futures = [wait.submit(number) for number in range(50)]
    wait_until(lambda: len(gate.begun) == 2)

    assert sum(future.running() for future in futures) == 2
    assert threading.active_count() <= 4
    gate.open()
    assert [future.result(SECONDS) for future in futures] == list(range(50))


def test_calls_begin_in_the_order_in_which_they_were_submitted(
    configuration: Configuration,
) -> None:
    configuration.set_concurrency(1)
    seen: list[int] = []
    note = bandsaw.task(lambda x: seen.append(x), config=configuration.module_name)

    concurrent.futures.wait([note.submit(number) for number in range(100)])

    assert seen == list(range(100))


@pytest.mark.parametrize("wanted", [1, 3])
def test_the_number_can_be_changed_at_any_time(
    configuration: Configuration, gate: Gate, wanted: int
) -> None:
    wait = waiting(partial(bandsaw.task, config=configuration.module_name), gate)
    first = [wait.submit() for _ in range(2)]
    wait_until(lambda: len(gate.begun) == 2)

    configuration.set_concurrency(wanted)
    more = [wait.submit() for _ in range(4)]
    wait_until(lambda: len(gate.begun) == max(2, wanted))

    assert sum(future.running() for future in first + more) == max(2, wanted)


def test_each_chain_has_places_of_its_own(
    configuration: Configuration, gate: Gate
) -> None:
    configuration.set_concurrency(1)
    make = partial(bandsaw.task, config=configuration.module_name)
    wait = waiting(make, gate)
    other = make(add, chain="advised")
    for _ in range(3):
        wait.submit()

    assert other.submit(1).result(SECONDS) == 2


def test_one_chain_can_have_another_number(configuration: Configuration) -> None:
    configuration.set_concurrency(5).set_concurrency(7, "advised")
    configuration.add_advice_chain(name="later")

    numbers = {name: chain.concurrency for name, chain in configuration.chains.items()}
    assert numbers == {"default": 5, "advised": 7, "later": 5}


@pytest.mark.parametrize("number", [0, -1, 1.5, True, None, "2"])
def test_only_a_positive_number_is_a_concurrency(
    configuration: Configuration, number: Any
) -> None:
    with pytest.raises(ConfigurationError, match="needs a positive number"):
        configuration.set_concurrency(number)


def test_the_concurrency_is_of_a_chain_that_is_there(
    configuration: Configuration,
) -> None:
    with pytest.raises(ConfigurationError, match="Unknown advice chain 'other'"):
        configuration.set_concurrency(2, "other")


def test_there_are_two_calls_for_each_process_unless_it_is_chosen() -> None:
    from bandsaw.advices.subprocess import SubprocessAdvice
    from bandsaw.futures.calls import concurrency_of

    configuration = Configuration()
    chain = configuration.chains["default"]
    processors = len(os.sched_getaffinity(0))

    assert concurrency_of(chain) == processors
    configuration.add_advice_chain(bandsaw.Advice(), SubprocessAdvice(workers=5))
    assert concurrency_of(chain) == 10
    configuration.add_advice_chain(SubprocessAdvice())
    assert concurrency_of(chain) == processors
    configuration.set_concurrency(3)
    assert concurrency_of(chain) == 3


@pytest.mark.parametrize("concurrency", [1, 2])
def test_tasks_that_wait_for_what_they_submit_never_wait_for_ever(
    configuration: Configuration, task_of: TaskMaker, concurrency: int
) -> None:
    configuration.set_concurrency(concurrency)

    def count(depth: int) -> int:
        if not depth:
            return 1
        below = [counting.submit(depth - 1) for _ in range(3)]
        return sum(future.result(SECONDS) for future in below)

    counting = task_of(count)

    futures = [counting.submit(5) for _ in range(2)]
    assert [future.result(SECONDS) for future in futures] == [3**5, 3**5]


def test_a_task_that_submits_the_next_one_leaves_nothing(task_of: TaskMaker) -> None:
    from bandsaw.futures import calls

    done = threading.Event()

    def go_on(left: int) -> None:
        if left:
            going_on.submit(left - 1)
        else:
            done.set()

    going_on = task_of(go_on)
    going_on.submit(500)

    assert done.wait(SECONDS)
    assert len(calls._levels) < 10


# Cancelling


def test_a_call_that_waits_for_its_turn_is_cancelled(
    task_of: TaskMaker, gate: Gate
) -> None:
    wait = waiting(task_of, gate)
    futures = [wait.submit(number) for number in range(4)]
    wait_until(lambda: len(gate.begun) == 2)

    assert futures[3].cancel()

    assert futures[3].cancelled()
    assert futures[3].cancel()
    # They need not wait until a thread comes across it.
    done, _ = concurrent.futures.wait(futures, SECONDS, FIRST_COMPLETED)
    assert done == {futures[3]}
    assert next(concurrent.futures.as_completed(futures, SECONDS)) is futures[3]
    with pytest.raises(concurrent.futures.CancelledError):
        futures[3].result()
    gate.open()
    concurrent.futures.wait(futures, SECONDS)
    assert sorted(gate.begun) == [0, 1, 2]


def test_what_this_process_executes_is_not_cancelled(
    task_of: TaskMaker, gate: Gate
) -> None:
    future = waiting(task_of, gate).submit(1)
    wait_until(lambda: gate.begun)

    assert future.running()
    assert not future.cancel()

    gate.open()
    assert future.result(SECONDS) == 1
    assert not future.cancel()
    assert not future.running()


def test_all_agree_on_what_a_call_that_ends_at_that_moment_has_come_to(
    task_of: TaskMaker,
) -> None:
    task = task_of(add)

    for number in range(1000):
        future = task.submit(number)
        for _ in range(number % 5):
            future.done()
        is_cancelled = future.cancel()
        assert concurrent.futures.wait([future], SECONDS).done == {future}
        assert future.cancelled() == is_cancelled
        assert is_cancelled or future.result() == number + 1


def test_what_was_set_by_hand_stays(task_of: TaskMaker, gate: Gate) -> None:
    future = waiting(task_of, gate).submit(1)
    wait_until(lambda: gate.begun)

    future.set_result("set")
    gate.open()

    assert task_of(add).submit(1).result(SECONDS) == 2
    assert future.result() == "set"


def test_a_cancelled_call_lets_go_of_its_arguments(
    task_of: TaskMaker, gate: Gate
) -> None:
    wait = waiting(task_of, gate)
    for _ in range(2):
        wait.submit()
    argument = Model(1)
    future = wait.submit(argument)
    known = weakref.ref(argument)
    del argument

    future.cancel()

    assert known() is None


def test_an_advice_before_the_task_is_the_last_that_a_cancelled_call_comes_to(
    configuration: Configuration, gate: Gate
) -> None:
    class Waiting(bandsaw.Advice):
        def before(self, session: Any) -> None:
            gate.wait()
            session.proceed()

    configuration.add_advice_chain(Waiting())
    called: list[int] = []
    future = bandsaw.task(
        lambda: called.append(1), config=configuration.module_name
    ).submit()
    wait_until(lambda: gate.begun)

    assert future.cancel()
    gate.open()
    wait_until(lambda: "bandsaw-call" not in map(str, threading.enumerate()))
    assert future.cancelled()
    assert called == []


# Waiting for it in other ways


def test_a_future_is_awaited(task_of: TaskMaker) -> None:
    async def main() -> Any:
        first = task_of(add).submit(1)
        values = [await first, await first]
        values += await asyncio.gather(*(task_of(add).submit(n) for n in range(3)))
        try:
            await task_of(fail).submit()
        except ValueError as error:
            values.append(str(error))
        return values

    assert asyncio.run(main()) == [2, 2, 1, 2, 3, "no"]


def test_cancelling_what_awaits_a_call_cancels_the_call(
    task_of: TaskMaker, gate: Gate
) -> None:
    wait = waiting(task_of, gate)
    futures = [wait.submit(number) for number in range(3)]
    wait_until(lambda: len(gate.begun) == 2)

    async def main() -> None:
        await asyncio.wait_for(futures[2], 0.01)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())
    assert futures[2].cancelled()


def test_waiting_has_a_limit(task_of: TaskMaker, gate: Gate) -> None:
    future = waiting(task_of, gate).submit()

    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(0.01)
    with pytest.raises(concurrent.futures.TimeoutError):
        future.exception(0.01)
    assert not future.done()


def test_a_future_says_what_it_is_of(task_of: TaskMaker, gate: Gate) -> None:
    wait = waiting(task_of, gate)
    futures = [wait.submit() for _ in range(3)]
    wait_until(lambda: len(gate.begun) == 2)

    name = wait.bandsaw_task
    assert repr(futures[0]) == f"<Future of {name}: running>"
    assert repr(futures[2]) == f"<Future of {name}: waiting>"
    futures[2].cancel()
    assert repr(futures[2]) == f"<Future of {name}: cancelled>"
    gate.open()
    futures[0].result(SECONDS)
    assert repr(futures[0]) == f"<Future of {name}: done>"
    failed = task_of(fail).submit()
    concurrent.futures.wait([failed])
    assert repr(failed).endswith("fail: failed>")


def test_a_future_has_a_type_as_parameter() -> None:
    assert bandsaw.Future[int] is not None


def test_a_future_does_not_travel(task_of: TaskMaker) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(task_of(add).submit(1))


def test_a_future_does_not_keep_what_the_task_has_raised(
    configuration: Configuration,
) -> None:
    class Error(Exception):
        pass

    @bandsaw.task(config=configuration.module_name)
    def raise_error() -> None:
        raise Error

    gc.disable()
    try:
        future = raise_error.submit()
        known = weakref.ref(future.exception(SECONDS))
        del future
        wait_until(lambda: known() is None)
    finally:
        gc.enable()


# Threads


def test_threads_are_used_again_and_end_without_calls(task_of: TaskMaker) -> None:
    identity = task_of(lambda: threading.get_ident())
    seen = {identity.submit().result(SECONDS) for _ in range(50)}

    assert len(seen) <= 5
    wait_until(lambda: all(t.name != "bandsaw-call" for t in threading.enumerate()))
    assert identity.submit().result(SECONDS)


def test_calls_of_many_threads_are_all_made(task_of: TaskMaker) -> None:
    task = task_of(add)

    def submit_many(start: int) -> list[int]:
        futures = [task.submit(start, number) for number in range(100)]
        return [future.result(SECONDS) for future in futures]

    with ThreadPoolExecutor(8) as pool:
        for start, values in enumerate(pool.map(submit_many, range(8))):
            assert values == [start + number for number in range(100)]


def test_where_no_thread_can_be_started_the_caller_makes_the_call(
    task_of: TaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    from bandsaw.futures import places

    places.end_idle_threads()
    wait_until(lambda: all(t.name != "bandsaw-call" for t in threading.enumerate()))
    monkeypatch.setattr(threading.Thread, "start", refuse)

    def count(depth: int) -> int:
        if not depth:
            return 1
        return sum(f.result(SECONDS) for f in [counting.submit(depth - 1)] * 2)

    counting = task_of(count)

    assert counting.submit(3).result(0) == 8
