"""Calls that wait for the same call of another thread or process, and are cancelled."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.workflows import HEAD, SECONDS, Workflow, assert_interrupted

CONFIG = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice

configuration = bandsaw.Configuration().add_advice_chain(CachingAdvice("cache"))
"""

SCRIPT = (
    HEAD
    + """
import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from bandsaw.stores import locks

begun = threading.Event()

@bandsaw.task
def compute(x):
    print("computing", flush=True)
    begun.set()
    if sys.argv[2:]:
        threading.Event().wait()
    sys.stdin.read()

@bandsaw.task
async def compute_async(x):
    print("computing", flush=True)
    sys.stdin.read()

def in_the_main_thread():
    compute(1)

def in_a_thread_of_an_executor():
    with ThreadPoolExecutor(1) as executor:
        # A thread that is still being started when Ctrl-C comes is not waited for.
        executor.submit(int).result()
        executor.submit(compute, 1).result()

def in_a_coroutine():
    asyncio.run(compute_async(1))

def tell_when_one_waits():
    while not any(one._wanted for one in locks._all_locks.values()):
        threading.Event().wait(0.001)
    print("waiting", flush=True)

if __name__ == "__main__":
    threading.Thread(target=tell_when_one_waits, daemon=True).start()
    for name in sys.argv[2:]:
        threading.Thread(target=compute, args=(1,), daemon=True).start()
        begun.wait()
    globals()[sys.argv[1]]()
"""
)

PLACES = ["in_the_main_thread", "in_a_thread_of_an_executor", "in_a_coroutine"]


@pytest.fixture(name="scripts")
def _scripts(workflow: Workflow) -> Workflow:
    workflow.write_script(SCRIPT, CONFIG)
    return workflow


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def assert_an_interrupt_ends(process: subprocess.Popen[str]) -> None:
    assert read_line(process) == "waiting\n"

    process.send_signal(signal.SIGINT)

    output, errors = process.communicate(timeout=SECONDS)
    assert output == ""
    assert_interrupted(errors)


@pytest.mark.parametrize("place", PLACES)
def test_an_interrupt_ends_the_wait_for_another_process(
    scripts: Workflow, place: str
) -> None:
    first = scripts.start("workflow.py", place)
    assert read_line(first) == "computing\n"

    assert_an_interrupt_ends(scripts.start("workflow.py", place))

    first.communicate("", timeout=SECONDS)
    assert first.returncode == 0


@pytest.mark.parametrize("place", PLACES[:2])
def test_an_interrupt_ends_the_wait_for_another_thread(
    scripts: Workflow, place: str
) -> None:
    process = scripts.start("workflow.py", place, "thread")
    assert read_line(process) == "computing\n"

    assert_an_interrupt_ends(process)
