"""A process of a workflow is killed at any time: nothing is lost, wrong or left."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable

import pytest

from bandsaw.stores import LocalStore
from bandsaw.stores.entries import Entry
from tests.conftest import MARK, is_marked
from tests.interpreters import with_the_newest_python_only
from tests.sshd import start_sshd
from tests.waiting import wait_until
from tests.workflows import SECONDS, Workflow, read_script

pytestmark = [
    with_the_newest_python_only,
    pytest.mark.skipif(
        not os.path.exists("/proc/self/environ"), reason="looks for processes in /proc"
    ),
]

CONFIG = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice
{advice}
configuration = bandsaw.Configuration().add_advice_chain(CachingAdvice("cache"), moving)
"""

SUBPROCESS = """
from bandsaw.advices.subprocess import SubprocessAdvice
moving = SubprocessAdvice({})
"""

SSH = """
import warnings
from bandsaw.advices.ssh import Remote, SshAdvice, SshCommandLineBackend
# The command that removes a directory may be killed, too.
warnings.filterwarnings("ignore", ".* was not removed: ", UserWarning)
moving = SshAdvice({backend})
there = Remote(
    "127.0.0.1",
    port={port!r},
    user={user!r},
    key_file={key!r},
    interpreter=bandsaw.Interpreter(),
    directory={directory!r},
)
moving.add_remote(there)
"""

CALLS = 5


def marked() -> set[int]:
    """The processes that were started by this test."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return {p for p in pids if p != os.getpid() and is_marked(p, os.environ[MARK])}


def attack(
    workflow: Workflow, rounds: int, cut: Callable[[], None] | None = None
) -> set[int]:
    """Kill a process in each round, at any time, and look at what is kept and left.

    Args:
        workflow: What is run in each round.
        rounds: How many there are.
        cut: Cuts its connection, which takes the place of a kill in some rounds.

    Returns:
        The ids of the processes that have run the workflow.
    """
    workflow.write_script(read_script("killed_at_random.py"))
    chance = random.Random(rounds)
    others = marked()
    began = time.monotonic()
    assert finish(start(workflow, 250), 250) == 0
    duration = 1.5 * (time.monotonic() - began)
    endings = set()
    callers = set()
    for number in range(rounds):
        # A third of the results are those of an earlier round.
        first = number * 2 // 3 % 50 * CALLS
        process = start(workflow, first)
        callers.add(process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, duration))
        victims = sorted(marked() - others)
        if process.pid in victims and chance.random() < 0.4:
            victims = [process.pid]
        if cut is not None and chance.random() < 0.3:
            cut()
        elif victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(victims), signal.SIGKILL)
        endings.add(finish(process, first))
        wait_until(lambda: marked() <= others)
    # When a few were killed, chance may have spared all workflows.
    assert rounds < 50 or endings == {0, -signal.SIGKILL}
    # What the last one has left is removed by the next one.
    assert finish(start(workflow, 0), 0) == 0
    check_cache(workflow.directory / "cache")
    return callers


def start(workflow: Workflow, first: int) -> subprocess.Popen[str]:
    return workflow.start("workflow.py", str(first), str(CALLS))


def finish(process: subprocess.Popen[str], first: int) -> int:
    """Wait for the end of a workflow, and return its status; its output is right."""
    output, errors = process.communicate(timeout=SECONDS)
    expected = "".join(f"{n} {2 * n}\n" for n in range(first, first + CALLS))
    if process.returncode == 0:
        assert (output, errors) == (expected, "")
    else:
        assert process.returncode == -signal.SIGKILL, errors
        assert expected.startswith(output)
    return process.returncode


def check_cache(directory: Path) -> None:
    store = LocalStore(directory)
    for item in store.items():
        content = store.read(item.name)
        assert content is not None
        if "/.code-" not in item.name:
            Entry(content).verify()


ROUNDS = pytest.mark.parametrize(
    "rounds", [8, pytest.param(200, marks=pytest.mark.stress)]
)


@pytest.mark.parametrize("options", ["", "workers=2"], ids=["fresh", "pooled"])
@ROUNDS
def test_processes_of_this_machine(
    workflow: Workflow, options: str, rounds: int
) -> None:
    workflow.config = CONFIG.format(advice=SUBPROCESS.format(options))
    attack(workflow, rounds)


@pytest.mark.stress
@pytest.mark.parametrize(
    "backend", ["", "backend=SshCommandLineBackend()"], ids=["connection", "commands"]
)
def test_processes_of_two_machines(
    workflow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    for name in "sshd", "far":
        (tmp_path / name).mkdir()
    with contextlib.contextmanager(start_sshd)(tmp_path / "sshd") as sshd:
        monkeypatch.setenv(
            "PATH", os.pathsep.join((str(sshd.commands), os.environ["PATH"]))
        )
        options = {
            "port": sshd.port,
            "user": sshd.user,
            "key": str(sshd.key_file),
            "directory": str(tmp_path / "far"),
            "backend": backend,
        }
        workflow.config = CONFIG.format(advice=SSH.format(**options))
        attack(workflow, 100)
        # What killed workflows have left there is removed by a call on a later day.
        for path in (tmp_path / "far").rglob("*"):
            os.utime(path, (0, 0))
        assert finish(start(workflow, 251), 251) == 0
        assert not any((tmp_path / "far").iterdir())
