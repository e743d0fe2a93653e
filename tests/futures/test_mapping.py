"""A task is mapped over items, a bounded number of calls ahead of their results."""

from __future__ import annotations

import gc
import itertools
import threading
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Configuration
from tests.waiting import SECONDS, wait_until

from .conftest import TaskMaker

KINDS = ["map", "map_unordered"]


def add(a: int, b: int = 1) -> int:
    return a + b


class Drawn:
    """Endless items, and how many of them were asked for."""

    def __init__(self) -> None:
        self.count = 0

    def __iter__(self) -> Drawn:
        return self

    def __next__(self) -> int:
        self.count += 1
        return self.count - 1


@pytest.fixture(name="gate")
def _gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def passing(gate: threading.Event, seen: list[int]) -> Callable[[int], int]:
    """Wait from the second item on."""

    def wait(number: int) -> int:
        seen.append(number)
        assert number == 0 or gate.wait(SECONDS)
        return number

    return wait


def test_results_are_in_the_order_of_the_items(task_of: TaskMaker) -> None:
    assert list(task_of(add).map(range(200))) == list(range(1, 201))


def test_results_come_as_they_are_there(
    task_of: TaskMaker, gate: threading.Event
) -> None:
    task = task_of(lambda n: n or gate.wait(SECONDS))

    results = task.map_unordered([0, 1, 2, 3])

    assert [next(results) for _ in range(3)] == [1, 2, 3]
    gate.set()
    assert list(results) == [True]


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_has_an_item_of_each_iterable(task_of: TaskMaker, kind: str) -> None:
    results = getattr(task_of(add), kind)([1, 2, 3], iter([10, 20]))

    assert sorted(results) == [11, 22]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_called_without_items(task_of: TaskMaker, kind: str) -> None:
    assert list(getattr(task_of(add), kind)()) == []
    assert list(getattr(task_of(add), kind)([])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_is_called_with_its_instance(task_of: TaskMaker, kind: str) -> None:
    class Model:
        factor = 3

        def work(self, x: int) -> int:
            return self.factor * x

    class Decorated(Model):
        work = task_of(Model.work)

    assert sorted(getattr(Decorated().work, kind)([1, 2])) == [3, 6]
    assert list(getattr(Decorated().work, kind)()) == []
    assert list(getattr(Decorated().work, kind)([1], buffersize=1)) == [3]
    assert list(getattr(Decorated.work, kind)([Decorated()], [2])) == [6]


# Ahead


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("given", "ahead"), [(None, 4), (1, 1), (7, 7)])
def test_no_more_calls_than_wanted_are_ahead(
    task_of: TaskMaker, kind: str, given: int | None, ahead: int
) -> None:
    drawn = Drawn()
    results = getattr(task_of(add), kind)(drawn, buffersize=given)

    assert drawn.count == ahead
    values = list(itertools.islice(results, 20))
    assert drawn.count == ahead + 20
    results.close()
    assert len(set(values)) == 20
    assert max(values) <= ahead + 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("size", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)]
)
def test_a_size_is_a_positive_integer(
    task_of: TaskMaker, kind: str, size: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="buffersize must be"):
        getattr(task_of(add), kind)([1], buffersize=size)


def close(results: list[Any]) -> None:
    results.pop().close()


def end_with(results: list[Any]) -> None:
    with results[0] as entered:
        assert entered is results[0]


def leave(results: list[Any]) -> None:
    results.clear()
    gc.collect()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [close, end_with, leave])
def test_what_is_ahead_is_cancelled_when_no_result_is_wanted(
    configuration: Configuration,
    task_of: TaskMaker,
    gate: threading.Event,
    kind: str,
    end: Callable[[list[Any]], None],
) -> None:
    seen: list[int] = []
    configuration.set_concurrency(1)
    task = task_of(passing(gate, seen))
    results = [getattr(task, kind)(itertools.count(), buffersize=5)]
    assert next(results[0]) == 0
    wait_until(lambda: seen == [0, 1])

    end(results)

    gate.set()
    assert task.submit(0).result(SECONDS) == 0
    assert seen == [0, 1, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_iterator_has_no_more_results(task_of: TaskMaker, kind: str) -> None:
    results = getattr(task_of(add), kind)(itertools.count())
    next(results)
    results.close()
    results.close()

    assert list(results) == []


# Failures


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def test_a_failure_comes_in_its_place_and_cancels_the_rest(
    configuration: Configuration,
) -> None:
    configuration.set_concurrency(1)
    seen = []

    @bandsaw.task(config=configuration.module_name)
    def note(number: int) -> int:
        seen.append(number)
        return fail_at_three(number)

    results = note.map(itertools.count(), buffersize=50)

    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert list(results) == []


def test_a_failure_ends_results_that_have_no_order(task_of: TaskMaker) -> None:
    results = task_of(fail_at_three).map_unordered(range(3, 1000))

    with pytest.raises(ValueError, match="three"):
        list(results)
    assert list(results) == []


def broken() -> Iterator[int]:
    yield 1
    yield 2
    raise OSError("broken")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_an_iterable_comes_after_the_results_before(
    task_of: TaskMaker, kind: str
) -> None:
    results = getattr(task_of(add), kind)(broken(), buffersize=9)

    assert sorted([next(results), next(results)]) == [2, 3]
    with pytest.raises(OSError, match="broken"):
        next(results)
    assert list(results) == []


@pytest.mark.filterwarnings("error")
def test_what_is_no_iterable_is_an_error(task_of: TaskMaker) -> None:
    with pytest.raises(TypeError, match=r"not iterable|must support iteration"):
        task_of(add).map(1)
    gc.collect()


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_that_do_not_fit_are_an_error(task_of: TaskMaker, kind: str) -> None:
    with pytest.raises(TypeError, match="too many positional arguments"):
        next(getattr(task_of(add), kind)([1], [2], [3]))


@pytest.mark.parametrize("kind", KINDS)
def test_items_may_be_futures(task_of: TaskMaker, kind: str) -> None:
    task = task_of(add)

    assert sorted(getattr(task, kind)(task.submit(n) for n in range(3))) == [2, 3, 4]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_maps_another_one(
    configuration: Configuration, task_of: TaskMaker, kind: str
) -> None:
    configuration.set_concurrency(1)
    inner = task_of(add)
    outer = task_of(lambda n: sum(getattr(inner, kind)(range(n))))

    assert sorted(getattr(outer, kind)(range(4))) == [0, 1, 3, 6]
