"""A child never outlives its parent, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from tests.waiting import wait_until
from tests.workflows import SECONDS, Workflow, assert_interrupted, environment_of

HANGING = """
import os
import signal
import sys
import threading
import bandsaw

@bandsaw.task
def hang(depth=0, stubborn=False):
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if depth:
        hang(depth - 1, stubborn)
    os.write(1, b"hanging %d\\n" % os.getpid())
    while True:
        signal.pause()
"""

HANGS = (
    HANGING
    + """
if __name__ == "__main__":
    hang(*eval(sys.argv[1]))
"""
)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(name="start")
def _start(workflow: Workflow) -> Start:
    """Start scripts that run while the test does something to them."""
    # What a killed process leaves is not looked for there.
    workflow.write({"temporary/.keep": ""})
    temporary = str(workflow.directory / "temporary")

    def start(
        script: str, *arguments: str, config: str | None = None
    ) -> subprocess.Popen[str]:
        workflow.write_script(script, config)
        return workflow.start(
            "workflow.py",
            *arguments,
            environment={"TMPDIR": temporary},
            stderr=subprocess.STDOUT,
            # As at a terminal, where a Ctrl-C is for all of it.
            start_new_session=True,
        )

    return start


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def hanging(process: subprocess.Popen[str]) -> int:
    """Wait until a task hangs, and return the id of its process."""
    word, number = read_line(process).split()
    assert word == "hanging"
    return int(number)


def write_line(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def read_to_the_end(process: subprocess.Popen[str]) -> str:
    """Read until every process has ended that has this standard output."""
    return process.communicate(timeout=SECONDS)[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    "arguments", ["()", "(0, True)", "(2, True)"], ids=["plain", "stubborn", "nested"]
)
def test_a_child_ends_when_a_signal_ends_its_parent(
    start: Start, number: signal.Signals, arguments: str
) -> None:
    process = start(HANGS, arguments)
    hanging(process)

    process.send_signal(number)

    output = read_to_the_end(process)
    assert process.returncode == -number
    if number == signal.SIGINT:
        assert_interrupted(output)
    else:
        assert output == ""


def test_ctrl_c_at_a_terminal_ends_everything_with_one_traceback(start: Start) -> None:
    process = start(HANGS, "(1,)")
    hanging(process)

    os.killpg(process.pid, signal.SIGINT)

    assert read_to_the_end(process).count("KeyboardInterrupt") == 1


def test_an_interrupted_call_leaves_nothing_and_the_next_one_works(
    start: Start,
) -> None:
    process = start(
        HANGING
        + """
from pathlib import Path
from bandsaw.transports import worker

@bandsaw.task
def add(a, b):
    return a + b

if __name__ == "__main__":
    add(0, 0)
    directory = bandsaw.get_configuration().temporary_directory

    def state():
        worker.end_all()
        return sorted(directory.rglob("*")), os.listdir("/dev/fd")

    before = state()
    try:
        hang()
    except KeyboardInterrupt:
        print("interrupted")
    print(state() == before)
    print(add(1, 2))
"""
    )
    hanging(process)

    process.send_signal(signal.SIGINT)

    assert read_to_the_end(process) == "interrupted\nTrue\n3\n"
    assert process.returncode == 0


SIBLING = (
    HANGING
    + """
import ctypes
import warnings

# Python minds a fork beside threads.
warnings.simplefilter("ignore")

def fork_without_telling_python():
    return ctypes.PyDLL(None).fork()

if __name__ == "__main__":
    threading.Thread(target=hang, daemon=True).start()
    sys.stdin.readline()
    if FORK() == 0:
        os.closerange(1, 3)
        os.read(0, 1)
        os._exit(0)
    print("forked", flush=True)
    signal.pause()
"""
)


@pytest.mark.parametrize("fork", ["os.fork", "fork_without_telling_python"])
def test_a_child_ends_also_when_a_forked_sibling_lives_on(
    start: Start, fork: str
) -> None:
    process = start(SIBLING.replace("FORK", fork))
    hanging(process)
    write_line(process)
    assert read_line(process) == "forked\n"

    process.kill()

    # The sibling has closed it; only the child can keep it open.
    assert process.stdout.read() == ""
    assert process.wait() == -signal.SIGKILL
    process.stdin.close()  # Lets the sibling end.


@pytest.mark.skipif(sys.platform == "darwin", reason="Only SIGCONT wakes it there")
@pytest.mark.parametrize("depth", [0, 1])
def test_a_stopped_child_ends_with_its_parent(start: Start, depth: int) -> None:
    process = start(HANGS, f"({depth},)")

    stop(hanging(process))
    process.kill()

    assert read_to_the_end(process) == ""


@pytest.mark.skipif(sys.platform == "darwin", reason="Only SIGCONT wakes it there")
def test_a_child_that_is_stopped_before_it_watches_ends_with_its_parent(
    start: Start, tmp_path: Path
) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\nkill -STOP $$\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o700)
    process = start(
        HANGING
        + """
from bandsaw.transports import worker

if __name__ == "__main__":
    threading.Thread(target=hang, daemon=True).start()
    while not worker._workers:
        threading.Event().wait(0.001)
    for started in worker._workers:
        print("hanging", started.process.pid, flush=True)
    signal.pause()
""",
        config=config_with(wrapper),
    )

    wait_until_stopped(hanging(process))
    process.kill()

    assert read_to_the_end(process) == ""


def stop(process: int) -> None:
    """Stop a process that is not a child of this one."""
    os.kill(process, signal.SIGSTOP)
    wait_until_stopped(process)


def wait_until_stopped(process: int) -> None:
    status = Path(f"/proc/{process}/stat")
    wait_until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T")


WATCHING = """
import sys
import time
from bandsaw.runtime.parent_watch import end_with_parent

end_with_parent(int(sys.argv[1]), int(sys.argv[2]))
time.sleep(600)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_process_ends_when_no_one_has_waited_for_its_dead_parent() -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(["true"]) as dead:
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        with subprocess.Popen(
            [sys.executable, "-c", WATCHING, str(reading), str(dead.pid)],
            env=environment_of(),
            pass_fds=[reading],
            start_new_session=True,
        ) as watching:
            # Its end of the pipe is open all the time.
            assert watching.wait(SECONDS) == -signal.SIGKILL
    os.close(reading)
    os.close(writing)


def test_what_a_child_has_started_ends_with_it(start: Start) -> None:
    process = start(
        HANGING
        + """
import multiprocessing

def work():
    os.write(1, b"working\\n")
    signal.pause()

@bandsaw.task
def start():
    multiprocessing.get_context("fork").Process(target=work).start()
    signal.pause()

if __name__ == "__main__":
    start()
"""
    )
    assert read_line(process) == "working\n"
    process.kill()
    assert read_to_the_end(process) == ""


def config_with(executable: Path) -> str:
    return f"""
        import bandsaw
        from bandsaw.advices.subprocess import SubprocessAdvice

        interpreter = bandsaw.Interpreter(executable={str(executable)!r})
        configuration = bandsaw.Configuration().add_advice_chain(
            SubprocessAdvice(interpreter=interpreter)
        )
        """


def test_a_child_behind_a_wrapper_ends_with_the_parent_too(
    start: Start, tmp_path: Path
) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\n')
    wrapper.chmod(0o700)
    process = start(
        HANGS.replace("os.write(1", "os.write(2"),
        "()",
        config=config_with(wrapper),
    )
    hanging(process)
    process.kill()
    assert read_to_the_end(process) == ""


def test_a_cancelled_coroutine_ends_its_child(start: Start) -> None:
    process = start(
        HANGING
        + """
import asyncio

@bandsaw.task
async def hang_on():
    os.write(1, b"hanging\\n")
    await asyncio.sleep(600)

async def main():
    task = asyncio.ensure_future(hang_on())
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")

if __name__ == "__main__":
    asyncio.run(main())
"""
    )
    assert read_line(process) == "hanging\n"
    write_line(process)
    assert read_to_the_end(process) == "cancelled\n"
    assert process.returncode == 0
