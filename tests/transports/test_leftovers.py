"""Leftovers of tasks: threads, processes, a child that is told to exit."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until
from tests.workflows import HEAD, MOVING_WITHOUT_SPARE, Workflow


def test_a_thread_that_a_task_leaves_ends_with_its_process(workflow: Workflow) -> None:
    completed = workflow.run(
        HEAD
        + """
import threading
from bandsaw.transports import background

@bandsaw.task
def leave(forever):
    event = threading.Event()
    threading.Thread(target=event.wait, args=(), name="the lost one").start()
    if not forever:
        event.set()
    return os.getpid()

if __name__ == "__main__":
    for forever in False, True:
        pid = leave(forever)
        background.wait_for_background(60)
        print(text_of(os.kill, pid, 0).split(":")[0])
""",
        config=MOVING_WITHOUT_SPARE,
    )

    assert completed.stdout == "ProcessLookupError\nProcessLookupError\n"
    assert (
        completed.stderr.count("A task has left threads that go on: the lost one.") == 1
    )


DYING = '''
import signal
import subprocess

START = """
import subprocess
null = subprocess.DEVNULL
print(subprocess.Popen(["sleep", "600"], stdout=null, stderr=null).pid)
"""

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def leave():
    os._exit(3)

@bandsaw.task
def die(end):
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    # A daemon: the process that has begun its session has ended.
    daemon = subprocess.run(
        [sys.executable, "-c", START],
        start_new_session=True,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    with open("pids", "w") as file:
        print(process.pid, int(daemon), file=file)
    globals()[end]()

if __name__ == "__main__":
    print(text_of(die, sys.argv[1]).split(":")[0])
'''


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return False
    return status.rpartition(b")")[2].split()[0] != b"Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("end", ["kill", "leave"])
def test_what_a_dead_process_has_started_ends_but_for_daemons(
    workflow: Workflow, end: str
) -> None:
    completed = workflow.run(HEAD + DYING, end, config=MOVING_WITHOUT_SPARE)

    child, daemon = map(int, (workflow.directory / "pids").read_text().split())
    try:
        assert completed.stdout == "InterpreterDiedError\n"
        wait_until(lambda: not is_running(child))
        assert is_running(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)
