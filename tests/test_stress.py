"""What takes long: every chain of three, very many calls, children that are killed."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from tests.advices.scripts import run
from tests.test_chain import KINDS, Model, walk

pytestmark = pytest.mark.stress


def test_every_chain_of_three_advices_goes_as_the_rules_say() -> None:
    for kinds in itertools.product(KINDS, repeat=6):
        chain = tuple(zip(kinds[::2], kinds[1::2]))
        model = Model(chain)
        trace, value, error = walk(chain)
        assert (trace, error) == (model.trace, model.error), chain
        if error is None:
            assert value == model.value, chain


def test_children_that_are_killed_lose_no_call_and_leave_nothing(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        """
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from bandsaw.exceptions import InterpreterDiedError

@bandsaw.task
def survive(number, seed):
    chance = random.Random(seed)
    if chance.random() < 0.3:
        os.kill(os.getpid(), chance.choice([signal.SIGKILL, signal.SIGSEGV]))
    return number * 2

def work(number):
    for attempt in range(50):
        try:
            return survive(number, seed=number * 100 + attempt)
        except InterpreterDiedError:
            pass

if __name__ == "__main__":
    def left():
        directory = bandsaw.get_configuration().temporary_directory
        return list(directory.glob("session-*")), len(os.listdir("/dev/fd"))

    work(0)
    before = left()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(400)))
    # Processes end beside the calls that they have answered.
    deadline = time.monotonic() + 60
    while left() != before and time.monotonic() < deadline:
        time.sleep(0.01)
    print(results == [2 * number for number in range(400)], left() == before)
""",
    )
    assert output == "True True\n"


def test_very_many_tracked_calls_need_no_more_memory(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
import gc
import resource

@bandsaw.task
def add(a, b):
    return a + b

def call(numbers):
    for number in numbers:
        add(number, b=1)
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

if __name__ == "__main__":
    # What is remembered of the most recent calls is full then.
    before = call(range(20_000))
    print(call(range(20_000, 120_000)) - before)
""",
        config="""
import bandsaw
from bandsaw.timestamps import TimestampsExtension
from bandsaw.tracking.backend import Backend
from bandsaw.tracking.tracker import TrackerExtension

configuration = bandsaw.Configuration().add_advice_chain(bandsaw.Advice())
configuration.add_extension(TimestampsExtension())
configuration.add_extension(TrackerExtension(Backend()))
""",
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(output) * unit < 2 * 1024 * 1024
