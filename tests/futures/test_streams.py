"""Short calls go to a resident process several at a time, each as if it were alone."""

from __future__ import annotations

import sys

import pytest

from tests.transports.test_pool import config
from tests.transports.test_routes import COUNTING
from tests.workflows import HEAD, Workflow

TASKS = (
    HEAD
    + COUNTING
    + """
import logging
import time

from bandsaw.advices import _routes
from bandsaw.transports import pipeline

# All calls of these scripts count as short, however busy the machine is.
pipeline._AHEAD = _routes._SECONDS_OF_A_LIST = 60.0

@bandsaw.task
def hold(number):
    open(f"held{number}", "w").close()
    open(f"gate{number}").close()

@bandsaw.task
def work(number, what="return"):
    with open("begun.txt", "a") as file:
        file.write(f"{number}\\n")
    if what == "wait":
        open("gate").close()
    elif what == "die":
        os._exit(3)
    elif what == "raise":
        raise ValueError(number)
    elif what == "log":
        logging.getLogger("work").warning("says %s", number)
    return number, os.getpid()

def begun():
    with open("begun.txt") as file:
        return sorted(map(int, file))

def let_go(name):
    with open(name, "w"):
        pass

def submit_behind(workers, whats):
    # All wait for a process while it is busy. So the first ones find the others there.
    for name in ["gate", *(f"gate{number}" for number in range(workers))]:
        os.mkfifo(name)
    for future in [work.submit(-1) for _ in range(100)]:
        future.result()
    open("begun.txt", "w").close()
    sent.clear()
    held = [hold.submit(number) for number in range(workers)]
    while not all(os.path.exists(f"held{number}") for number in range(workers)):
        time.sleep(0.001)
    futures = [work.submit(*what) for what in enumerate(whats)]
    for number in range(workers):
        let_go(f"gate{number}")
    for future in held:
        future.result()
    return futures
"""
)


def test_each_of_many_calls_ends_as_if_it_were_alone(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    layout = "{session.task_id} {message}"
    logging.basicConfig(stream=sys.stdout, style="{", format=layout)
    whats = 20 * ["return"] + ["raise", "log", "die"] + 60 * ["return"]
    futures = submit_behind(2, whats)
    errors = {n: f.exception() for n, f in enumerate(futures) if f.exception()}
    print(sorted(errors), repr(errors[20]), type(errors[22]).__name__)
    print(all(f.result()[0] == n for n, f in enumerate(futures) if n not in errors))
    print(begun() == list(range(len(whats))))
    print(sent[frames.AHEAD] > 0)
    print(work.bandsaw_task.task_id)
""",
        config=config(2),
    )
    *lines, task_id = output.splitlines()
    assert lines == [
        f"{task_id} says 21",
        "[20, 22] ValueError(20) InterpreterDiedError",
        "True",
        "True",
        "True",
    ]


def test_nothing_waits_behind_a_long_call(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    long, *others = submit_behind(2, ["wait"] + 100 * ["return"])
    print([future.result()[0] for future in others] == list(range(1, 101)))
    print(long.done(), long.running(), sent[frames.AHEAD] > 0)
    let_go("gate")
    print(long.result()[0], begun() == list(range(101)))
""",
        config=config(2),
    )
    assert output == "True\nFalse True True\n0 True\n"


def test_a_call_that_is_cancelled_on_its_way_is_not_made(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    bandsaw.get_configuration().set_concurrency(1)
    running, *others = submit_behind(1, ["wait"] + 40 * ["return"])
    while begun() != [0] or not sent[frames.AHEAD]:
        time.sleep(0.001)
    print(all(future.cancel() for future in others[::2]))
    let_go("gate")
    pid = running.result()[1]
    print({future.result()[1] for future in others[1::2]} == {pid})
    print(begun() == [0, *range(2, 41, 2)])
""",
        config=config(1),
    )
    assert output == "True\nTrue\nTrue\n"


def test_cancelling_the_call_that_is_made_ends_no_other(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    bandsaw.get_configuration().set_concurrency(1)
    running, *others = submit_behind(1, ["wait"] + 40 * ["return"])
    while begun() != [0] or not sent[frames.AHEAD]:
        time.sleep(0.001)
    print(running.cancel(), running.cancelled())
    print([future.result()[0] for future in others] == list(range(1, 41)))
    print(begun() == list(range(41)))
""",
        config=config(1),
    )
    assert output == "True True\nTrue\nTrue\n"


def test_a_process_gets_no_more_calls_than_it_may_have(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
from collections import Counter

if __name__ == "__main__":
    futures = submit_behind(1, 40 * ["return"])
    pids = Counter(future.result()[1] for future in futures)
    print(max(pids.values()) <= 7, len(pids) >= 6, sent[frames.AHEAD] > 0)
""",
        config=config(1, ", tasks_per_worker=7"),
    )
    assert output == "True True True\n"


MAPS = (
    TASKS
    + """
import itertools

@bandsaw.task
def append(number, numbers):
    numbers.append(number)
    return numbers

@bandsaw.task
def blob(size):
    return b"x" * size

def warm(task, *iterables):
    # Short calls go several at a time from the second map on.
    list(task.map(*iterables))
    sent.clear()
"""
)


def test_items_of_a_map_go_several_at_a_time_and_each_by_itself(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        MAPS
        + """
if __name__ == "__main__":
    layout = "{session.task_id} {message}"
    logging.basicConfig(stream=sys.stdout, style="{", format=layout)
    warm(append, range(40), itertools.repeat([]))
    shared = [-1]
    values = list(append.map(range(200), itertools.repeat(shared)))
    print(values == [[-1, n] for n in range(200)], sent[frames.MANY] > 0)
    warm(blob, range(40))
    sizes = list(range(0, 200_000, 1999))
    print([len(value) for value in blob.map(sizes)] == sizes)
    warm(work, range(40))
    whats = 200 * ["return"]
    whats[70], whats[90] = "log", "raise"
    results = work.map(range(200), whats)
    print([next(results)[0] for _ in range(90)] == list(range(90)))
    try:
        next(results)
    except ValueError as error:
        print(repr(error), next(results, "closed"))
    futures = [work.submit(n) for n in range(30)]
    pairs = list(append.map([*range(30), futures[3]], [[n] for n in range(31)]))
    print(len(pairs), pairs[30][1][0])
    print(work.bandsaw_task.task_id)
""",
        config=config(2),
    )
    *lines, task_id = output.splitlines()
    assert lines == [
        "True True",
        "True",
        f"{task_id} says 70",
        "True",
        "ValueError(90) closed",
        "31 3",
    ]


def test_no_item_of_a_map_waits_behind_a_long_one(workflow: Workflow) -> None:
    output = workflow.output(
        MAPS
        + """
if __name__ == "__main__":
    os.mkfifo("gate")
    warm(work, range(40))
    whats = 200 * ["return"]
    whats[50] = "wait"
    results = work.map_unordered(range(200), whats)
    first = [next(results)[0] for _ in range(199)]
    let_go("gate")
    print(50 in first, next(results)[0], sorted([*first, 50]) == list(range(200)))
    print(sent[frames.MANY] > 0, begun() == sorted([*range(40), *range(200)]))
""",
        config=config(2),
    )
    assert output == "False 50 True\nTrue True\n"


def test_a_process_that_dies_fails_no_item_but_the_one_that_it_executed(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        MAPS
        + """
from bandsaw.exceptions import InterpreterDiedError

if __name__ == "__main__":
    warm(work, range(40))
    whats = 200 * ["return"]
    whats[50] = "die"
    results = work.map(range(200), whats)
    print([next(results)[0] for _ in range(50)] == list(range(50)))
    try:
        next(results)
    except InterpreterDiedError:
        print("died", sent[frames.MANY] > 0)
    print([value[0] for value in work.map(range(200))] == list(range(200)))
""",
        config=config(2),
    )
    assert output == "True\ndied True\nTrue\n"


def test_a_map_of_short_calls_is_bounded_and_can_be_left(workflow: Workflow) -> None:
    output = workflow.output(
        MAPS
        + """
if __name__ == "__main__":
    warm(work, range(40))
    drawn = itertools.count()
    for value in work.map(drawn):
        if value[0] == 2000:
            break
    print(next(drawn) < 4000, sent[frames.MANY] > 0)
    drawn = itertools.count()
    results = work.map(drawn, buffersize=100)
    next(results)
    print(next(drawn) <= 101)
    results.close()
    warm(append, range(40), itertools.repeat([]))
    large = itertools.count()
    results = append.map(large, itertools.repeat([bytes(100_000)]))
    next(results)
    print(next(large) < 20)
    results.close()
    print(work.submit(7).result()[0], len(begun()) <= next(drawn) + 4100)
""",
        config=config(2),
    )
    assert output == "True True\nTrue\nTrue\n7 True\n"


GRAPH = (
    TASKS
    + """
import random

@bandsaw.task
def combine(*values, more=0):
    if sum(values) % 97 == 5:
        time.sleep(0.003)
    return (sum(values) + sum(more or [0]) + 1) % 1000

def check(seed):
    chosen = random.Random(seed)
    bandsaw.get_configuration().set_concurrency(1 + seed)
    values, futures = [], []
    for number in range(10_000):
        needed = [chosen.randrange(max(1, number)) for _ in range(chosen.randrange(4))]
        needed = needed if number else []
        if chosen.random() < 0.5:
            values.append(combine.__wrapped__(*(values[n] for n in needed)))
            futures.append(combine.submit(*(futures[n] for n in needed)))
        else:
            more = [values[n] for n in needed]
            values.append(combine.__wrapped__(number, more=more))
            more = [futures[n] for n in needed]
            futures.append(combine.submit(number, more=more))
    return [future.result() for future in futures] == values
"""
)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(4))
def test_large_graphs_have_the_values_of_calls_in_order(
    workflow: Workflow, seed: int
) -> None:
    output = workflow.output(
        GRAPH
        + f"""
if __name__ == "__main__":
    print(check({seed}), sent[frames.AHEAD] > 0)
""",
        config=config(2),
    )
    assert output == "True True\n"


@pytest.mark.stress
def test_a_map_over_very_many_items_needs_no_more_memory(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
import resource

@bandsaw.task
def same(number):
    return number

def total(count):
    value = sum(same.map(range(count)))
    return value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

if __name__ == "__main__":
    before = total(20_000)[1]
    value, after = total(1_000_000)
    print(value == sum(range(1_000_000)), after - before)
""",
        config=config(2),
        timeout=600,
    )
    is_right, growth = output.split()
    unit = 1 if sys.platform == "darwin" else 1024
    assert is_right == "True"
    assert int(growth) * unit < 8 * 1024 * 1024
