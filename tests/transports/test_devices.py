"""Each resident process has environment variables of its own, as for a device."""

from __future__ import annotations

from typing import Any

import pytest

from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.exceptions import ConfigurationError
from tests.workflows import HEAD, Workflow

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

DEVICES = [{"DEVICE": str(number), "KIND": "test"} for number in range(3)]
configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(workers=DEVICES))
"""

TASKS = (
    HEAD
    + """
import signal
import threading

barrier_size = 3

@bandsaw.task
def meet(path):
    # Each process waits for all others.
    open(os.path.join(path, os.environ["DEVICE"]), "w").close()
    while len(os.listdir(path)) < barrier_size:
        threading.Event().wait(0.001)
    return os.environ["DEVICE"], os.environ["KIND"]

@bandsaw.task
def device(ends=False):
    if ends:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.environ["DEVICE"]
"""
)


def test_each_process_has_variables_of_its_own(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    os.mkdir("met")
    futures = [meet.submit("met") for _ in range(3)]
    print(sorted(future.result() for future in futures))
    print(set(device.map_unordered([False] * 100)) <= {"0", "1", "2"})
    print("DEVICE" in os.environ)
""",
        config=CONFIG,
    )
    assert output == "[('0', 'test'), ('1', 'test'), ('2', 'test')]\nTrue\nFalse\n"


def test_a_process_in_the_place_of_a_dead_one_has_its_variables(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    for number in range(4):
        print(text_of(device, True).split(":")[0])
    os.environ["OTHER"] = "1"  # Other processes are needed then.
    os.mkdir("met")
    futures = [meet.submit("met") for _ in range(3)]
    print(sorted(future.result()[0] for future in futures))
    os.environ["OTHER"] = "2"
    os.mkdir("again")
    futures = [meet.submit("again") for _ in range(3)]
    print(sorted(future.result()[0] for future in futures))
""",
        config=CONFIG,
    )
    assert output == 4 * "InterpreterDiedError\n" + 2 * "['0', '1', '2']\n"


def test_processes_that_end_after_a_number_of_tasks_keep_their_devices_apart(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    for number in range(3):
        os.mkdir(str(number))
        futures = [meet.submit(str(number)) for _ in range(3)]
        print(sorted(future.result()[0] for future in futures))
""",
        config=CONFIG.replace("workers=DEVICES", "workers=DEVICES, tasks_per_worker=1"),
    )
    assert output == 3 * "['0', '1', '2']\n"


def test_there_are_as_many_slots_as_sets_of_variables() -> None:
    assert SubprocessAdvice(workers=[{"A": "0"}, {"A": "1"}]).slots == 2
    assert SubprocessAdvice(workers=3).slots == 3
    assert SubprocessAdvice().slots is None


@pytest.mark.parametrize("workers", [[], [{"A": 1}], [{1: "a"}], ["A"], [None], (1,)])
def test_what_is_no_list_of_variables_is_refused(workers: Any) -> None:
    with pytest.raises(ConfigurationError, match="workers"):
        SubprocessAdvice(workers=workers)
