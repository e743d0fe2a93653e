"""A submitted call that waits for a cached result lets another one walk."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Iterator

import pytest

import bandsaw
from bandsaw import Configuration
from bandsaw.advices.cache import CachingAdvice
from bandsaw.futures import places
from tests.waiting import SECONDS, wait_until


class Gates:
    """Calls that begin, and wait until they may end."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.gate = threading.Event()

    def __fingerprint__(self) -> str:
        return "gates"

    def work(self, number: int) -> int:
        self.begun.append(number)
        assert number or self.gate.wait(SECONDS)
        return number


@pytest.fixture(name="gates")
def _gates() -> Iterator[Gates]:
    gates = Gates()
    yield gates
    gates.gate.set()


@pytest.fixture(name="task")
def _task(configuration: Configuration, gates: Gates, tmp_path: Path) -> Any:
    configuration.add_advice_chain(CachingAdvice(tmp_path, code="ignore"))
    configuration.set_concurrency(1)

    @bandsaw.task(config=configuration.module_name)
    def work(number: int) -> int:
        return gates.work(number)

    return work


def threads_of_calls() -> int:
    return [t.name for t in threading.enumerate()].count("bandsaw-call")


def test_a_call_that_waits_for_a_result_gives_its_place_away(
    task: Any, gates: Gates
) -> None:
    holder = threading.Thread(target=task, args=(0,))
    holder.start()
    wait_until(lambda: gates.begun)

    waiting = task.submit(0)
    others = [task.submit(number) for number in range(1, 20)]

    assert [future.result(SECONDS) for future in others] == list(range(1, 20))
    assert not waiting.done()
    gates.gate.set()
    assert waiting.result(SECONDS) == 0
    holder.join()
    assert gates.begun.count(0) == 1


def test_few_threads_wait_for_one_result(task: Any, gates: Gates) -> None:
    holder = threading.Thread(target=task, args=(0,))
    holder.start()
    wait_until(lambda: gates.begun)

    futures = [task.submit(0) for _ in range(50)]
    wait_until(lambda: sum(future.running() for future in futures) == 2)

    assert threads_of_calls() == 2
    gates.gate.set()
    assert {future.result(SECONDS) for future in futures} == {0}
    holder.join()


def test_all_places_are_there_again_afterwards(task: Any, gates: Gates) -> None:
    from bandsaw.futures import calls

    holder = threading.Thread(target=task, args=(0,))
    holder.start()
    wait_until(lambda: gates.begun)
    futures = [task.submit(number) for number in (0, 1, 0, 2, 0, 3)]
    wait_until(futures[1].done)
    gates.gate.set()
    assert [future.result(SECONDS) for future in futures] == [0, 1, 0, 2, 0, 3]
    holder.join()

    (level,) = calls._levels.values()
    wait_until(lambda: level.is_empty)
    places.end_idle_threads()
