"""A child never outlives its parent, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.workflows import MOVING, SECONDS, environment_of, write_files

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
    os.write(1, b"hanging\\n")
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


class Workflow:
    """A script that runs while the test does something to it."""

    def __init__(self, directory: Path, script: str, *arguments: str, **files: str):
        temporary = directory / "temporary"
        temporary.mkdir()
        write_files(
            directory, {"bandsaw_config.py": MOVING, "workflow.py": script, **files}
        )
        self.process = subprocess.Popen(
            [sys.executable, str(directory / "workflow.py"), *arguments],
            cwd=str(directory),
            # What a killed process leaves is not looked for there.
            env=environment_of(TMPDIR=str(temporary)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # As at a terminal, where a Ctrl-C is for all of it.
            start_new_session=True,
        )

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def write_line(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def read_to_the_end(self) -> str:
        """Read until every process has ended that has this standard output."""
        return self.process.communicate(timeout=SECONDS)[0].decode()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    started = []

    def start(*arguments: str, **files: str) -> Workflow:
        started.append(Workflow(tmp_path, *arguments, **files))
        return started[-1]

    yield start
    for workflow in started:
        workflow.process.kill()
        workflow.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    "arguments", ["()", "(0, True)", "(2, True)"], ids=["plain", "stubborn", "nested"]
)
def test_a_child_ends_when_a_signal_ends_its_parent(
    start: Any, number: signal.Signals, arguments: str
) -> None:
    workflow = start(HANGS, arguments)
    assert workflow.read_line() == "hanging\n"

    workflow.process.send_signal(number)

    output = workflow.read_to_the_end()
    assert workflow.process.returncode == -number
    if number == signal.SIGINT:
        assert output.rstrip().endswith("KeyboardInterrupt")
    else:
        assert output == ""


def test_ctrl_c_at_a_terminal_ends_everything_with_one_traceback(start: Any) -> None:
    workflow = start(HANGS, "(1,)")
    assert workflow.read_line() == "hanging\n"

    os.killpg(workflow.process.pid, signal.SIGINT)

    assert workflow.read_to_the_end().count("KeyboardInterrupt") == 1


def test_an_interrupted_call_leaves_nothing_and_the_next_one_works(start: Any) -> None:
    workflow = start(
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
    assert workflow.read_line() == "hanging\n"

    workflow.process.send_signal(signal.SIGINT)

    assert workflow.read_to_the_end() == "interrupted\nTrue\n3\n"
    assert workflow.process.returncode == 0


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
    start: Any, fork: str
) -> None:
    workflow = start(SIBLING.replace("FORK", fork))
    assert workflow.read_line() == "hanging\n"
    workflow.write_line("")
    assert workflow.read_line() == "forked\n"

    workflow.process.kill()

    # The sibling has closed it; only the child can keep it open.
    assert workflow.process.stdout.read() == b""
    assert workflow.process.wait() == -signal.SIGKILL
    workflow.process.stdin.close()  # Lets the sibling end.
    workflow.process.stdin = None


def test_what_a_child_has_started_ends_with_it(start: Any) -> None:
    workflow = start(
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
    assert workflow.read_line() == "working\n"
    workflow.process.kill()
    assert workflow.read_to_the_end() == ""


def test_a_child_behind_a_wrapper_ends_with_the_parent_too(
    start: Any, tmp_path: Path
) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\n')
    wrapper.chmod(0o700)
    workflow = start(
        HANGS.replace("os.write(1", "os.write(2"),
        "()",
        **{
            "bandsaw_config.py": f"""
            import bandsaw
            from bandsaw.advices.subprocess import SubprocessAdvice

            interpreter = bandsaw.Interpreter(executable={str(wrapper)!r})
            configuration = bandsaw.Configuration().add_advice_chain(
                SubprocessAdvice(interpreter=interpreter)
            )
            """
        },
    )
    assert workflow.read_line() == "hanging\n"
    workflow.process.kill()
    assert workflow.read_to_the_end() == ""


def test_a_cancelled_coroutine_ends_its_child(start: Any) -> None:
    workflow = start(
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
    assert workflow.read_line() == "hanging\n"
    workflow.write_line("")
    assert workflow.read_to_the_end() == "cancelled\n"
    assert workflow.process.returncode == 0
