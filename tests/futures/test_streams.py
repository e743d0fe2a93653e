"""Short calls go to a resident process several at a time, each as if it were alone."""

from __future__ import annotations

from tests.transports.test_pool import config
from tests.transports.test_routes import COUNTING
from tests.workflows import HEAD, Workflow

TASKS = (
    HEAD
    + COUNTING
    + """
import logging
import time

from bandsaw.transports import pipeline

# All calls of these scripts count as short, however busy the machine is.
pipeline._AHEAD = 60.0

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
