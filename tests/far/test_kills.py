"""A process on either side of a connection is killed, or that is cut, at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandsaw.connections import Command, Ssh
from tests.attack.test_kills import CONFIG, attack
from tests.far.relay import Relay
from tests.sshd import Sshd
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
@pytest.mark.parametrize("place", ["here", "ssh"])
def test_the_workflow_the_command_the_server_its_workers_or_the_link(
    workflow: Workflow, request: pytest.FixtureRequest, tmp_path: Path, place: str
) -> None:
    via = cut = None
    if place == "ssh":
        sshd = request.getfixturevalue("sshd")
        relay = request.getfixturevalue("relay")
        assert isinstance(sshd, Sshd)
        assert isinstance(relay, Relay)
        user, key = sshd.user, sshd.key_file
        via = Ssh(
            "127.0.0.1", user=user, port=relay.port, key_file=key, options=relay.options
        )
        cut = relay.cut
    for name in "home", "temporary":
        (tmp_path / name).mkdir()
    words = [
        "env",
        f"BANDSAW_HOME={tmp_path / 'home'}",
        f"TMPDIR={tmp_path / 'temporary'}",
    ]
    there = Command(words, via=via)
    workflow.config = CONFIG.format(advice=CONNECTED.format(connection=there))
    callers = attack(workflow, 150, cut)
    assert not any((tmp_path / "temporary").iterdir())
    for lock in Path("/dev/shm").glob("bandsaw-shared-*/.lock"):
        assert int(lock.read_text().split()[0]) not in callers
