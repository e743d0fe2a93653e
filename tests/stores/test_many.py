"""Many processes that write, read, prune and are killed, all at once."""

from __future__ import annotations

import random
import subprocess

import pytest

from bandsaw.stores import LocalStore
from bandsaw.stores.entries import Entry
from tests.interpreters import with_the_oldest_and_the_newest_python_only
from tests.workflows import SCRIPTS, Workflow

pytestmark = with_the_oldest_and_the_newest_python_only


def start(workflow: Workflow, *words: str) -> subprocess.Popen[str]:
    process = workflow.start(SCRIPTS / "using_a_store.py", workflow.directory, *words)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("workers", "rounds", "kills"),
    [(4, 60, 2), pytest.param(8, 4000, 100, marks=pytest.mark.stress)],
)
def test_many_processes_never_see_half_an_entry(
    workflow: Workflow, workers: int, rounds: int, kills: int
) -> None:
    chance = random.Random(1)
    seeds = map(str, range(10_000))
    running = [start(workflow, next(seeds), str(rounds)) for _ in range(workers)]
    for _ in range(kills):
        victim = running.pop(chance.randrange(len(running)))
        victim.kill()
        victim.communicate(timeout=120)
        running.append(start(workflow, next(seeds), str(rounds)))
    errors = [process.communicate(timeout=600)[1] for process in running]

    assert errors == [""] * workers
    store = LocalStore(workflow.directory)
    items = [item for item in store.items() if "/.code-" not in item.name]
    for item in items:
        content = store.read(item.name)
        assert content is not None
        Entry(content).verify()
    assert items
