"""Many who need the same environment for the first time at once."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bandsaw.environments import installations
from tests.environments.conftest import left_over
from tests.interpreters import with_the_newest_python_only
from tests.workflows import Workflow

pytestmark = with_the_newest_python_only

USE = """
import logging, sys
from bandsaw.environments import Environment
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
sys.stdin.readline()
environment = Environment(None, [sys.argv[3]], index_url=sys.argv[1], name=sys.argv[4])
print("executable", environment.at(sys.argv[2]).interpreter().executable)
"""


def use_in_processes(
    workflow: Workflow, names: list[str], requirement: str = "alpha"
) -> list[str]:
    """Let one process for each name use that environment, and returns what they say"""
    words = os.environ["INDEX_OF_THE_TEST"], workflow.directory, requirement
    processes = [workflow.start("-c", USE, *words, name) for name in names]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(names)
    return outputs


def test_eight_processes_choose_and_make_once(
    maker: str, workflow: Workflow, project: Path
) -> None:
    outputs = use_in_processes(workflow, ["mine"] * 8)

    lines = [line for output in outputs for line in output.splitlines()]
    assert len({line for line in lines if line.startswith("executable")}) == 1
    assert lines.count("Environment 'mine' has its packages chosen") == 1
    assert lines.count("Environment 'mine' is there") == 1
    locked = json.loads((project / "bandsaw.lock").read_text())
    assert len(locked["environments"]["mine"]) == 1
    assert left_over(Path(os.environ["BANDSAW_HOME"])) == []
    assert len(installations.kept()) == 1


def test_processes_that_lock_different_environments_lose_no_section(
    workflow: Workflow, project: Path
) -> None:
    names = [f"number {number}" for number in range(4)]
    use_in_processes(workflow, names)

    locked = json.loads((project / "bandsaw.lock").read_text())
    assert sorted(locked["environments"]) == names
    assert [path.name for path in project.glob("bandsaw.lock*")] == ["bandsaw.lock"]
    # They hold the same, so that they are one.
    assert len(installations.kept()) == 1


def test_eight_threads_choose_and_make_once(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bandsaw.environments")
    barrier = threading.Barrier(8)

    def use(_: int) -> str:
        barrier.wait()
        executable: str = make(["alpha"], name="mine").interpreter().executable
        return executable

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(use, range(8)))) == 1
    for done in "is there", "has its packages chosen":
        text = f"Environment 'mine' {done}"
        assert sum(message.startswith(text) for message in caplog.messages) == 1
