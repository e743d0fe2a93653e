"""A process on either side of a connection is killed at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandsaw.connections import Command, Connection
from tests.attack.test_kills import CONFIG, attack
from tests.workflows import Workflow

CONNECTED = """
import sys
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.connections import Command, Ssh

there = bandsaw.Interpreter(path=(), executable=sys.executable)
moving = ConnectionAdvice({connection}, interpreter=there)
"""


@pytest.mark.stress
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("connection", ["here", "ssh"], indirect=True)
def test_the_workflow_the_command_the_server_or_its_workers(
    workflow: Workflow, connection: Connection, tmp_path: Path
) -> None:
    for name in "home", "temporary":
        (tmp_path / name).mkdir()
    words = [
        "env",
        f"BANDSAW_HOME={tmp_path / 'home'}",
        f"TMPDIR={tmp_path / 'temporary'}",
    ]
    there = Command(words, via=connection)
    workflow.config = CONFIG.format(advice=CONNECTED.format(connection=there))
    attack(workflow, 150)
    assert not any((tmp_path / "temporary").iterdir())
