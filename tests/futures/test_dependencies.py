"""A future among the arguments of a submitted call stands for its result."""

from __future__ import annotations

import concurrent.futures
import threading
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any, Iterator

import pytest
from hypothesis import given, settings, strategies as st

import bandsaw
from bandsaw import Configuration
from bandsaw.exceptions import DependencyError
from tests.configurations import loadable_configuration
from tests.waiting import SECONDS, wait_until

from .conftest import TaskMaker

Point = namedtuple("Point", "x y")


def identity(value: Any) -> Any:
    return value


def add(*values: int, more: int = 0) -> int:
    return sum(values) + more


def fail(message: str = "no") -> None:
    raise ValueError(message)


class Own(list):  # type: ignore[type-arg]
    pass


@pytest.fixture(name="gate")
def _gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def test_a_future_as_an_argument_is_its_result(task_of: TaskMaker) -> None:
    adding = task_of(add)
    first = adding.submit(1, 2)

    second = adding.submit(first, first, more=adding.submit(first, 1))

    assert second.result(SECONDS) == 10


@pytest.mark.parametrize(
    "make",
    [
        lambda x: [x, 1],
        lambda x: (x, 1),
        lambda x: {"a": x, "b": 1},
        lambda x: Point(x, 1),
        lambda x: [[1], {"a": ({"b": x}, [x])}, "b"],
        lambda x: OrderedDict([("b", x), ("a", 1)]),
        lambda x: defaultdict(list, {"b": x}),
        lambda x: Own([1, x]),
    ],
)
def test_a_future_in_a_container_is_its_result(task_of: TaskMaker, make: Any) -> None:
    task = task_of(identity)
    given_value = make(task.submit(5))

    value = task.submit(given_value).result(SECONDS)

    assert value == make(5)
    assert type(value) is type(make(5))
    # The containers of the caller are not changed.
    assert repr(given_value) != repr(value)


def test_a_container_without_a_future_stays_the_same(task_of: TaskMaker) -> None:
    inner: list[Any] = [1, {"a": 2}]
    task = task_of(identity)

    assert task.submit(inner).result(SECONDS) is inner
    value = task.submit([inner, task.submit(1)]).result(SECONDS)
    assert value[0] is inner


def test_a_container_that_occurs_twice_is_replaced_once(task_of: TaskMaker) -> None:
    task = task_of(identity)
    inner = [task.submit(1)]

    value = task.submit([inner, inner]).result(SECONDS)

    assert value == [[1], [1]]
    assert value[0] is value[1]


def test_a_container_may_contain_itself(task_of: TaskMaker) -> None:
    task = task_of(identity)
    circle: list[Any] = [1]
    circle.append(circle)

    assert task.submit(circle).result(SECONDS) is circle
    assert task.submit([circle, task.submit(2)]).result(SECONDS)[1] == 2


def test_a_method_may_need_its_instance(task_of: TaskMaker) -> None:
    class Model:
        def get(self) -> int:
            return 3

    model = task_of(lambda: Model()).submit()

    assert task_of(Model.get).submit(model).result(SECONDS) == 3


def test_no_thread_waits_for_what_a_call_needs(
    configuration: Configuration, task_of: TaskMaker, gate: threading.Event
) -> None:
    configuration.set_concurrency(1)
    wait = task_of(lambda: gate.wait(SECONDS))
    first = wait.submit()
    wait_until(first.running)
    chain = [task_of(identity).submit(first)]
    for _ in range(50):
        chain.append(task_of(identity).submit(chain[-1]))

    names = [t.name for t in threading.enumerate()].count("bandsaw-call")
    assert names == 1
    gate.set()
    assert chain[-1].result(SECONDS) is True


def test_a_call_that_needs_nothing_overtakes_one_that_does(
    task_of: TaskMaker, gate: threading.Event
) -> None:
    first = task_of(lambda: gate.wait(SECONDS)).submit()
    second = task_of(identity).submit(first)

    assert task_of(add).submit(1).result(SECONDS) == 1
    assert not second.done()


# Failures


def test_a_call_is_not_made_without_what_it_needs(task_of: TaskMaker) -> None:
    made: list[Any] = []
    failing, note = task_of(fail), task_of(made_by(made))
    failed = failing.submit()
    second = note.submit([failed])
    third = note.submit(second)

    error = second.exception(SECONDS)
    assert isinstance(error, DependencyError)
    assert error.__cause__ is failed.exception()
    assert str(error) == (
        f"A call of {note.bandsaw_task} was not made, because the call of "
        f"{failing.bandsaw_task} failed: ValueError: no"
    )
    # All have the cause of the first one.
    assert third.exception(SECONDS).__cause__ is failed.exception()
    assert third.exception().reason == error.reason
    assert made == []


def made_by(made: list[Any]) -> Any:
    def note(value: Any) -> None:
        made.append(value)

    return note


def test_a_call_fails_with_one_that_it_needs_when_that_is_cancelled(
    configuration: Configuration, task_of: TaskMaker, gate: threading.Event
) -> None:
    configuration.set_concurrency(1)
    first = task_of(lambda: gate.wait(SECONDS)).submit()
    cancelled = task_of(identity).submit(1)
    last = task_of(add).submit(first, cancelled)
    wait_until(first.running)

    assert cancelled.cancel()

    error = last.exception(SECONDS)
    assert isinstance(error, DependencyError)
    assert isinstance(error.__cause__, concurrent.futures.CancelledError)
    assert str(error).endswith("identity was cancelled")


def test_a_call_that_waits_for_another_one_is_cancelled(
    task_of: TaskMaker, gate: threading.Event
) -> None:
    first = task_of(lambda: gate.wait(SECONDS)).submit()
    second = task_of(identity).submit(first)

    assert second.cancel()
    assert second.cancelled()
    gate.set()
    assert first.result(SECONDS) is True
    assert second.cancelled()


@pytest.mark.parametrize("ends", ["failed", "cancelled"])
def test_thousands_in_a_row_fail_with_the_first_one(
    configuration: Configuration, gate: threading.Event, ends: str
) -> None:
    def wait() -> None:
        gate.wait(SECONDS)
        raise ValueError("no")

    configuration.set_concurrency(1)
    first = bandsaw.task(wait, config=configuration.module_name).submit()
    task = bandsaw.task(identity, config=configuration.module_name)
    row: list[Any] = [first, task.submit(1)]
    row.append(task.submit(row[0] if ends == "failed" else row[1]))
    wait_until(first.running)
    for _ in range(5000):
        row.append(task.submit(row[-1]))

    if ends == "cancelled":
        row[1].cancel()
    gate.set()

    assert isinstance(row[-1].exception(SECONDS), DependencyError)


def test_thousands_in_a_row_are_made(configuration: Configuration) -> None:
    task = bandsaw.task(
        lambda x: x + 1, config=configuration.module_name, chain="advised"
    )
    last = task.submit(0)
    for _ in range(5000):
        last = task.submit(last)

    assert last.result(SECONDS) == 5001


# Random graphs

_references = st.lists(st.integers(min_value=0), max_size=3)
_graphs = st.lists(
    st.tuples(
        _references, st.sampled_from(["args", "list", "dict", "keyword", "fail"])
    ),
    max_size=30,
)


def work(*values: Any, more: Any = 0) -> int:
    total = 1
    for value in (*values, more):
        if isinstance(value, dict):
            value = list(value.values())
        total += sum(value) if isinstance(value, list) else value
    return total % 1000


class Failed(Exception):
    pass


def refuse(*values: Any) -> None:
    raise Failed


def arguments(kind: str, needed: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call, some of which are futures."""
    if kind == "list":
        return [[*needed, 1]], {}
    if kind == "dict":
        return [dict(enumerate(needed))], {}
    if kind == "keyword" and needed:
        return needed[1:], {"more": needed[0]}
    return list(needed), {}


def in_order(graph: Any) -> list[Any]:
    """Return the results of the calls in order, `None` where one fails."""
    values: list[Any] = []
    for references, kind in graph:
        needed = [values[r % len(values)] for r in references if values]
        if None in needed or kind == "fail":
            values.append(None)
            continue
        args, kwargs = arguments(kind, needed)
        values.append(work(*args, **kwargs))
    return values


def submitted(graph: Any, working: Any, refusing: Any) -> list[Any]:
    futures: list[Any] = []
    for references, kind in graph:
        needed = [futures[r % len(futures)] for r in references if futures]
        if kind == "fail":
            futures.append(refusing.submit(*needed))
            continue
        args, kwargs = arguments(kind, needed)
        futures.append(working.submit(*args, **kwargs))
    values = []
    for future in futures:
        error = future.exception(SECONDS)
        assert error is None or isinstance(error, (Failed, DependencyError))
        values.append(None if error is not None else future.result())
    return values


@settings(deadline=None, max_examples=60)
@given(_graphs, st.integers(1, 4), st.sampled_from(["default", "advised"]))
def test_any_graph_has_the_values_of_calls_in_order(
    graph: Any, concurrency: int, chain: str
) -> None:
    check(graph, concurrency, chain)


def check(graph: Any, concurrency: int, chain: str) -> None:
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(bandsaw.Advice(), name="advised")
        configuration.set_concurrency(concurrency)
        working, refusing = (
            bandsaw.task(f, config=configuration.module_name, chain=chain)
            for f in (work, refuse)
        )
        assert submitted(graph, working, refusing) == in_order(graph)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(5))
def test_large_graphs_have_the_values_of_calls_in_order(seed: int) -> None:
    import random

    chosen = random.Random(seed)
    kinds = ["args", "list", "dict", "keyword"]
    graph = [
        (
            [chosen.randrange(max(1, n)) for _ in range(chosen.randrange(4))],
            "fail" if chosen.random() < 0.0003 else chosen.choice(kinds),
        )
        for n in range(10_000)
    ]
    check(graph, 1 + seed, "advised" if seed % 2 else "default")
