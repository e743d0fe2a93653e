"""Submitted calls in whole programs: other interpreters, the end, forks, and Ctrl-C."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.transports.test_pool import config
from tests.workflows import (
    FAR,
    HEAD,
    MOVING,
    SECONDS,
    Workflow,
    assert_interrupted,
    read_script,
)

HERE = """
import bandsaw

configuration = bandsaw.Configuration()
"""

GRAPHS = f"""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
{FAR}

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(workers=2), name="pool")
configuration.add_advice_chain(far(workers=2), name="far")
configuration"""

TASKS = (
    HEAD
    + """
import threading
import time
from concurrent.futures import as_completed, wait

@bandsaw.task
def add(a, b):
    return a + b

@bandsaw.task
def pid():
    return os.getpid()

@bandsaw.task
def hang():
    print("hanging", flush=True)
    threading.Event().wait()

@bandsaw.task
def hang_with(number):
    hang.__wrapped__()

@bandsaw.task
def nap(seconds):
    time.sleep(seconds)
    print("napped", flush=True)

def has_ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
"""
)


def test_submitted_calls_use_all_resident_processes(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    futures = [add.submit(n, 1) for n in range(50)]
    print([future.result() for future in futures] == list(range(1, 51)))
    pids = {future.result() for future in [pid.submit() for n in range(50)]}
    print(os.getpid() not in pids, len(pids) <= 2)
""",
        config=config(2),
    )
    assert output == "True\nTrue True\n"


@pytest.mark.parametrize("moving", [config(1), MOVING], ids=["resident", "fresh"])
def test_cancelling_a_moved_call_ends_its_process(
    workflow: Workflow, moving: str
) -> None:
    output = workflow.output(
        TASKS
        + """
from bandsaw.transports.worker import _workers

if __name__ == "__main__":
    future = hang.submit()
    other = add.submit(1, 2)
    while not future.running():
        time.sleep(0.001)
    if len(sys.argv) > 1:
        sys.stdin.readline()
    print(future.cancel(), future.cancelled())
    print(future in wait([future]).done, next(as_completed([future])) is future)
    print(other.result(), add.submit(3, 4).result())
""",
        config=moving,
    )
    words = output.replace("hanging\n", "")
    assert words == "True True\nTrue True\n3 7\n"


def test_a_process_that_has_begun_with_a_cancelled_call_is_gone(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        TASKS
        + """
@bandsaw.task
def tell_pid(path):
    with open(path + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path)
    threading.Event().wait()

if __name__ == "__main__":
    future = tell_pid.submit("pid")
    while not os.path.exists("pid"):
        time.sleep(0.001)
    with open("pid") as file:
        number = int(file.read())
    print(has_ended(number), future.cancel())
    while not has_ended(number):
        time.sleep(0.001)
    print("gone")
""",
        config=config(1),
    )
    assert output == "False True\ngone\n"


@pytest.mark.parametrize("moving", [HERE, config(1)], ids=["here", "moved"])
def test_the_end_of_the_program_waits_for_what_was_submitted(
    workflow: Workflow, moving: str
) -> None:
    output = workflow.output(
        TASKS
        + """
from concurrent.futures import ThreadPoolExecutor

@bandsaw.task
def in_a_pool(number):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(nap.__wrapped__, 0.01).result()

if __name__ == "__main__":
    bandsaw.get_configuration().set_concurrency(1)
    nap.submit(0.2)
    for number in range(3):
        nap.submit(0)
    print("end", flush=True)
    if sys.version_info < (3, 12):
        in_a_pool.submit(1)  # Later no thread can be started at the end.
    else:
        nap.submit(0)
""",
        config=moving,
    )
    assert output == "end\n" + 5 * "napped\n"


def test_a_task_may_submit_while_the_program_ends(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
@bandsaw.task
def count(depth):
    if not depth:
        return 1
    time.sleep(0.05)
    return sum(f.result() for f in [count.submit(depth - 1) for _ in range(2)])

@bandsaw.task
def show(depth):
    print("shown", count.submit(depth).result())

if __name__ == "__main__":
    show.submit(3)
    print("end", flush=True)
""",
        config=HERE,
    )
    assert output == "end\nshown 8\n"


def test_a_forked_child_can_submit(workflow: Workflow) -> None:
    # Python warns of a fork beside threads.
    output = workflow.run(
        TASKS
        + """
if __name__ == "__main__":
    bandsaw.get_configuration().set_concurrency(1)
    gate = threading.Event()
    @bandsaw.task
    def hold():
        gate.wait()
    held = [hold.submit(), hold.submit()]
    while not held[0].running():
        time.sleep(0.001)
    child = os.fork()
    if not child:
        print("child", add.submit(1, 2).result(), flush=True)
        sys.exit(3)
    print("status", os.waitpid(child, 0)[1] >> 8, flush=True)
    gate.set()
    wait(held)
    print("parent", add.submit(3, 4).result())
""",
        config=HERE,
    ).stdout
    assert output == "child 3\nstatus 3\nparent 7\n"


def test_what_a_parent_has_submitted_is_cancelled_in_a_forked_child(
    workflow: Workflow,
) -> None:
    # Python warns of a fork beside threads.
    output = workflow.run(
        TASKS
        + """
from concurrent.futures import CancelledError
from bandsaw.exceptions import DependencyError

if __name__ == "__main__":
    gate = threading.Event()
    @bandsaw.task
    def hold():
        gate.wait()
        return 1
    held = hold.submit()
    depends = add.submit(held, 1)
    while not held.running():
        time.sleep(0.001)
    child = os.fork()
    if not child:
        for future in held, depends, add.submit(held, 1):
            try:
                future.result()
            except (CancelledError, DependencyError) as error:
                print(type(error).__name__, flush=True)
        sys.exit(3)
    print("status", os.waitpid(child, 0)[1] >> 8, flush=True)
    gate.set()
    print("parent", held.result(), depends.result())
""",
        config=HERE,
    ).stdout
    ends = "CancelledError\nCancelledError\nDependencyError\n"
    assert output == f"{ends}status 3\nparent 1 2\n"


def test_a_child_that_a_task_forks_makes_no_calls_of_its_parent(
    workflow: Workflow,
) -> None:
    # Python warns of a fork beside threads.
    output = workflow.run(
        TASKS
        + """
submitted = threading.Event()

@bandsaw.task
def fork():
    submitted.wait()
    child = os.fork()
    return child and os.waitpid(child, 0)[1]

@bandsaw.task
def note():
    with open("noted", "a") as file:
        file.write("x")

if __name__ == "__main__":
    bandsaw.get_configuration().set_concurrency(1)
    futures = [fork.submit()] + [note.submit() for _ in range(5)]
    submitted.set()
    print(futures[0].result())
    wait(futures)
    print(os.path.getsize("noted"))
""",
        config=HERE,
    ).stdout
    assert output == "0\n5\n"


def test_a_script_that_is_imported_submits_nothing(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
if os.environ.get("TOP_LEVEL") is None:
    os.environ["TOP_LEVEL"] = "1"
else:
    add.submit(1, 2)

if __name__ == "__main__":
    print(text_of(add, 1, 2).split(". Put")[0])
""",
        config=MOVING,
    )
    assert output == (
        "MainGuardError: The script workflow.py calls a task at its top level, which "
        "another interpreter must not do again\n"
    )


# Ctrl-C

WAITING = {
    "result": "hang.submit().result()",
    "exception": "hang.submit().exception()",
    "the end": "hang.submit()",
    "map": "list(hang_with.map([1, 2, 3]))",
    "map as they come": "list(hang_with.map_unordered([1, 2, 3]))",
    "await": "asyncio.run(wait_for(hang.submit()))",
    "a task that waits": "outer.submit().result()",
    "a task that calls": "calling.submit().result()",
}

INTERRUPTED = (
    TASKS
    + """
import asyncio

async def wait_for(future):
    await future

@bandsaw.task(chain="here")
def outer():
    return hang.submit().result()

@bandsaw.task(chain="here")
def calling():
    return hang()
"""
)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("what", WAITING)
@pytest.mark.parametrize("moving", [config(1), MOVING], ids=["resident", "fresh"])
def test_ctrl_c_ends_what_a_script_waits_for(
    workflow: Workflow, moving: str, what: str
) -> None:
    workflow.write_script(
        INTERRUPTED
        + f"""
if __name__ == "__main__":
    {WAITING[what]}
""",
        moving + '\nconfiguration.add_advice_chain(name="here")\n',
    )
    process = workflow.start("workflow.py")
    assert read_line(process) == "hanging\n"

    process.send_signal(signal.SIGINT)

    output, errors = process.communicate(timeout=SECONDS)
    assert set(output.split()) <= {"hanging"}
    assert "KeyboardInterrupt" in errors
    assert process.returncode == -signal.SIGINT


def test_ctrl_c_that_is_caught_ends_what_was_waited_for_only(
    workflow: Workflow,
) -> None:
    workflow.write_script(
        INTERRUPTED
        + """
if __name__ == "__main__":
    other = nap.submit(0)
    future = outer.submit()
    try:
        future.result()
    except KeyboardInterrupt:
        print("interrupted")
    print(type(future.exception()).__name__)
    print(other.result(), add.submit(1, 2).result())
""",
        config(2) + '\nconfiguration.add_advice_chain(name="here")\n',
    )
    process = workflow.start("workflow.py")
    assert {read_line(process), read_line(process)} == {"hanging\n", "napped\n"}

    process.send_signal(signal.SIGINT)

    output, errors = process.communicate(timeout=SECONDS)
    assert output == "interrupted\nCancelledError\nNone 3\n"
    assert errors == ""


@pytest.mark.parametrize("moving", [config(1), MOVING], ids=["resident", "fresh"])
def test_a_script_that_ctrl_c_ends_cancels_the_rest(
    workflow: Workflow, moving: str
) -> None:
    workflow.write_script(
        INTERRUPTED
        + """
if __name__ == "__main__":
    futures = [outer.submit() for _ in range(3)] + [hang.submit() for _ in range(3)]
    print("submitted", flush=True)
    sys.stdin.read()
""",
        moving + '\nconfiguration.add_advice_chain(name="here")\n',
    )
    process = workflow.start("workflow.py")
    lines = {read_line(process), read_line(process)}
    assert lines == {"hanging\n", "submitted\n"}

    process.send_signal(signal.SIGINT)

    _, errors = process.communicate(timeout=SECONDS)
    assert_interrupted(errors)
    assert process.returncode == -signal.SIGINT


def test_a_thread_that_outlives_the_script_makes_and_submits_its_first_calls(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        TASKS
        + """
def later():
    threading.main_thread().join()
    print(add(1, 2), add.submit(3, 4).result())

if __name__ == "__main__":
    threading.Thread(target=later).start()
""",
        config=MOVING,
    )
    assert output == "3 7\n"


@pytest.mark.parametrize(
    "chain", ["pool", pytest.param("far", marks=pytest.mark.stress)]
)
def test_any_graph_has_the_values_of_calls_in_order_in_other_interpreters(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(read_script("random_graphs.py"), chain, config=GRAPHS)

    assert output == "all the same\n"


def test_tasks_that_wait_for_their_own_calls_never_wait_for_each_other(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task(chain="pool")
def total(depth):
    if depth == 0:
        return 1
    # Each interpreter has one process for those that it submits.
    return sum(call.result() for call in [total.submit(depth - 1) for _ in "ab"])

if __name__ == "__main__":
    print(total.submit(2).result())
""",
        config=GRAPHS.replace("workers=2", "workers=1") + ".set_concurrency(1)\n",
    )
    assert output == "4\n"
