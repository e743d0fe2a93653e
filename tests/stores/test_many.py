"""Many processes that write, read, prune and are killed, all at once."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bandsaw.stores import LocalStore
from bandsaw.stores.entries import Entry
from tests.interpreters import is_one_of
from tests.workflows import environment_of

# It takes long, and what is tested hardly depends on the Python.
pytestmark = pytest.mark.skipif(
    not is_one_of(min, max), reason="runs with the oldest and the newest Python only"
)

# Does what a cache does, until it is killed or has done it often enough. Whatever it
# reads is whole and says of which call it is the result.
WORKER = """
import random, sys
from bandsaw.stores import LocalStore
from bandsaw.stores.entries import Entry, pack
from bandsaw.stores.pruning import prune

directory, seed, rounds = sys.argv[1], *map(int, sys.argv[2:])
store = LocalStore(directory)
chance = random.Random(seed)
print("ready", flush=True)
for _ in range(rounds):
    number = chance.randrange(20)
    name = f"task{number % 3}/{number:016x}"
    choice = chance.random()
    if choice < 0.02:
        prune(store, max_size=chance.choice([100_000, 1_000_000]))
    elif choice < 0.05:
        store.remove(name)
    elif choice < 0.5:
        content = store.read(name)
        if content is not None:
            entry = Entry(content)
            entry.verify()
            assert entry.record["number"] == number
            assert bytes(entry.value) == bytes([number]) * len(entry.value)
            store.note_use(name)
    else:
        value = bytes([number]) * chance.choice([10, 1_000, 100_000])
        buffers = [memoryview(bytes(70_000))] if chance.random() < 0.2 else []
        with store.alone(name, 0.01):
            key, record = f"{number:064x}", {"number": number}
            store.write(name, pack(value, buffers, record, key, key, 1.0))
"""


def start(directory: Path, seed: int, rounds: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(directory), str(seed), str(rounds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_of(),
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("workers", "rounds", "kills"),
    [(4, 60, 2), pytest.param(8, 4000, 100, marks=pytest.mark.stress)],
)
def test_many_processes_never_see_half_an_entry(
    tmp_path: Path, workers: int, rounds: int, kills: int
) -> None:
    chance = random.Random(1)
    seeds = iter(range(10_000))
    running: list[Any] = [start(tmp_path, next(seeds), rounds) for _ in range(workers)]
    for _ in range(kills):
        victim = running.pop(chance.randrange(len(running)))
        victim.kill()
        victim.communicate(timeout=120)
        running.append(start(tmp_path, next(seeds), rounds))
    errors = [process.communicate(timeout=600)[1] for process in running]

    assert errors == [""] * workers
    store = LocalStore(tmp_path)
    items = [item for item in store.items() if "/.code-" not in item.name]
    for item in items:
        content = store.read(item.name)
        assert content is not None
        Entry(content).verify()
    assert items
