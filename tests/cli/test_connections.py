"""Commands that look at connections, through commands that lead to this machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import bandsaw
from tests.workflows import write_files

CONFIG = """
import sys
import bandsaw
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.advices.ssh import Remote, SshAdvice, SshCommandLineBackend
from bandsaw.connections import Command
from bandsaw.environments import Environment

there = bandsaw.Interpreter(path=(), executable=sys.executable)
far = ConnectionAdvice(Command(["env", "A=b c"]), interpreter=there)
far.add_connection(Command(["/no/command"]), "no command")
far.add_connection(Command(["sh", "-c", "exit 3"]), "no python")
far.add_connection(Command(["env", "BANDSAW_HOME=/proc/nothing"]), "no home")
far.add_connection(Command(["env", "TMPDIR=/proc/nothing"]), "other")
impossible = ConnectionAdvice(Command(["env"]), interpreter=Environment("3.99"))
gpu = Remote("gpu", port=22, user="ada", interpreter=there)

configuration = bandsaw.Configuration()
configuration.add_advice_chain(far)
configuration.add_advice_chain(far, name="again")
configuration.add_advice_chain(impossible, name="impossible")
configuration.add_advice_chain(SshAdvice().add_remote(gpu, "gpu"), name="ssh")
configuration.add_advice_chain(
    SshAdvice(backend=SshCommandLineBackend()).add_remote(gpu, "by commands"),
    name="commands",
)
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"bandsaw_config.py": CONFIG})
    monkeypatch.chdir(tmp_path)


def test_each_connection_is_listed_once() -> None:
    found = json.loads(bandsaw("connections", "list", "--json"))

    assert [(one["name"], one["chain"]) for one in found] == [
        *((name, "default") for name in ("default", "no command", "no python")),
        *((name, "default") for name in ("no home", "other")),
        ("default", "impossible"),
        ("gpu", "ssh"),
    ]
    assert found[0]["python"] == sys.executable
    assert found[5]["python"] == "python 3.99"
    assert found[6]["connection"] == "Ssh(host='gpu', user='ada', port=22)"


def test_a_check_says_step_by_step_what_works() -> None:
    words = ("connections", "check", "--chain", "default")
    lines = bandsaw(*words).splitlines()
    answer: Any = json.loads(bandsaw(*words, "--json"))

    names = ("command", "python", "write access", "process", "versions", "clock")
    names += ("round trip", "throughput", "memory", "GPUs")
    assert [line[:14].strip() for line in lines] == list(names)
    assert {line[14:22].strip() for line in lines} == {"ok"}
    assert lines[0].endswith(f"env 'A=b c' {sys.executable}")
    assert f"Python {platform.python_version()}, {sys.executable} on " in lines[1]
    assert answer["passed"]
    steps = {step["name"]: step for step in answer["steps"]}
    assert list(steps) == list(names)
    assert steps["write access"]["home"] == os.environ["BANDSAW_HOME"]
    assert steps["process"]["pid"] != os.getpid()
    assert steps["versions"]["here"] == steps["versions"]["there"]
    assert abs(steps["clock"]["seconds_ahead"]) < 1
    assert 0 < steps["round trip"]["seconds"] < 10
    assert steps["throughput"]["back"] > 1000


@pytest.mark.parametrize(
    ("name", "step", "said"),
    [
        ("no command", "command", "/no/command"),
        ("no python", "python", "ended with status 3"),
        ("no home", "write access", "/proc/nothing"),
    ],
)
def test_a_check_ends_with_the_first_step_that_fails(
    name: str, step: str, said: str
) -> None:
    *passed, failed = bandsaw("connections", "check", name, status=1).splitlines()

    before = ["command", "python", "write access"]
    assert [line.split("ok")[0].strip() for line in passed] == before[
        : before.index(step)
    ]
    assert failed.startswith(f"{step:14}failed  The connection {name!r} failed while")
    assert said in failed


def test_an_environment_is_made_first() -> None:
    words = ("connections", "check", "--chain", "impossible")

    assert bandsaw(*words, status=1).startswith(
        "environment   failed  Behind the connection 'default': There is no Python 3.99"
    )


def test_a_name_that_leads_to_none_or_to_several_is_an_error_that_lists_them() -> None:
    assert "No connection is called 'nowhere':\n  default in chain default\n" in (
        bandsaw("connections", "check", "nowhere", status=1)
    )
    assert "More than one connection is called 'default':" in bandsaw(
        "connections", "check", status=1
    )
