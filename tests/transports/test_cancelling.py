"""A call that is cancelled ends its own process, and never that of another call."""

from __future__ import annotations

import signal

import pytest

from tests.transports.test_pool import config
from tests.workflows import HEAD, MOVING, SECONDS, Workflow, assert_interrupted

SESSIONS = """
import threading

from bandsaw.execution import Execution
from bandsaw.session import Session
from bandsaw.transports import local, worker

@bandsaw.task
def pid(path=None):
    if path is not None:
        open("begun", "w").close()
        while not os.path.exists(path):
            threading.Event().wait(0.001)
    return os.getpid()

def session_of(*args):
    return Session(pid.bandsaw_task, Execution(None, args), pid.bandsaw_configuration)
"""


def test_a_call_that_is_cancelled_before_it_begins_ends_no_process(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + SESSIONS
        + """
if __name__ == "__main__":
    first = pid()
    session = session_of()
    session.cancellation.request()
    print(text_of(session.initiate))
    print(pid() == first)
""",
        config=config(),
    )
    assert output == "CancelledError: \nTrue\n"


def test_a_fresh_process_is_not_left_by_a_call_that_is_cancelled_before_it_begins(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + SESSIONS
        + """
if __name__ == "__main__":
    session = session_of()
    session.cancellation.request()
    print(text_of(session.initiate))
    print(len(worker._workers), pid() != os.getpid())
""",
        config=MOVING,
    )
    assert output == "CancelledError: \n0 True\n"


@pytest.mark.parametrize("configuration", [MOVING, config()], ids=["fresh", "pooled"])
def test_a_call_that_is_cancelled_while_it_is_saved_leaves_no_process_behind(
    workflow: Workflow, configuration: str
) -> None:
    output = workflow.output(
        HEAD
        + SESSIONS
        + """
class Cancelling:
    def __reduce__(self):
        session.cancellation.request()
        return int, ()

@bandsaw.task
def pid_beside(value):
    return os.getpid()

if __name__ == "__main__":
    processes = [pid_beside(0), pid_beside(1)]
    before = len(worker._workers)
    task = pid_beside.bandsaw_task
    session = Session(
        task, Execution(None, (Cancelling(),)), pid_beside.bandsaw_configuration
    )
    print(text_of(session.initiate))
    print(len(worker._workers) <= before)
    print(pid_beside(2) == processes[0], len(set(processes)))
""",
        config=configuration,
    )
    is_pooled = configuration != MOVING
    assert output == f"CancelledError: \nTrue\n{is_pooled} {2 - is_pooled}\n"


def test_a_process_that_is_being_ended_does_not_get_another_call(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + SESSIONS
        + """
end_group = local.end_group
has_returned = threading.Event()
seen = []

def end_late(process):
    # Just now the task returns.
    open("go", "w").close()
    seen.append(has_returned.wait(1))
    end_group(process)

def call(session):
    text_of(session.initiate)
    has_returned.set()

if __name__ == "__main__":
    first = pid()
    local.end_group = end_late
    session = session_of("go")
    thread = threading.Thread(target=call, args=(session,))
    thread.start()
    while not os.path.exists("begun"):
        threading.Event().wait(0.001)
    session.cancellation.request()
    thread.join()
    print(seen, pid() != first)
""",
        config=config(),
    )
    assert output == "[False] True\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_no_call_fails_because_another_one_is_cancelled(
    workflow: Workflow, workers: int
) -> None:
    output = workflow.output(
        HEAD
        + """
import asyncio

@bandsaw.task
async def identity(number):
    return number

async def main():
    lost = []
    for round in range(12):
        calls = [asyncio.ensure_future(identity(n)) for n in range(8)]
        await calls[round % 3]
        for call in calls[1::2]:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        lost += [r for n, r in enumerate(results) if n % 2 == 0 and r != n]
    print(lost)

if __name__ == "__main__":
    asyncio.run(main())
""",
        config=config(workers),
    )
    assert output == "[]\n"


IN_THREADS = """
import signal
import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor

@bandsaw.task
def hang(writes):
    print("hanging", flush=True)
    while True:
        threading.Event().wait(0.01 if writes else None)
        print("still hanging")

@bandsaw.task
def add(a, b):
    return a + b

def main_thread_leaves_an_executor():
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None and frame.f_code is not Executor.__exit__.__code__:
        frame = frame.f_back
    return frame is not None

def add_late(a, b):
    while not main_thread_leaves_an_executor():
        threading.Event().wait(0.001)
    return add(a, b)
"""


@pytest.mark.parametrize("writes", [False, True], ids=["silent", "writing"])
@pytest.mark.parametrize("moving", [config(1), config(2), MOVING])
def test_an_interrupt_ends_the_calls_of_an_executor_that_is_left(
    workflow: Workflow, moving: str, writes: bool
) -> None:
    workflow.write_script(
        HEAD
        + IN_THREADS
        + f"""
if __name__ == "__main__":
    with ThreadPoolExecutor(2) as executor:
        calls = [executor.submit(hang, {writes}) for number in range(6)]
        calls[0].result()
""",
        moving,
    )
    process = workflow.start("workflow.py")
    assert process.stdout is not None
    assert process.stdout.readline() == "hanging\n"

    process.send_signal(signal.SIGINT)

    _, errors = process.communicate(timeout=SECONDS)
    assert_interrupted(errors)


@pytest.mark.parametrize("moving", [config(1), MOVING])
def test_an_interrupt_that_is_caught_lets_an_executor_finish(
    workflow: Workflow, moving: str
) -> None:
    output = workflow.output(
        HEAD
        + IN_THREADS
        + """
if __name__ == "__main__":
    with ThreadPoolExecutor(1) as executor:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            within = executor.submit(add_late, 1, 2)
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        with ThreadPoolExecutor(1) as executor:
            behind = executor.submit(add_late, 3, 4)
    print(within.result(), behind.result())
""",
        config=moving,
    )
    assert output == "3 7\n"
