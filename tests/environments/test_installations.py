"""Environments that other processes make, or remove while they are listed."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pytest

from bandsaw.environments import Environment, installations, status
from bandsaw.environments.installations import builder_of, building
from bandsaw.environments.status import WaitStatus
from tests.workflows import Workflow

DIGEST = "d" * 32
BUILDING = f"""
import sys
from bandsaw.environments.installations import building
with building({DIGEST!r}, "mine", None):
    print("building", flush=True)
    sys.stdin.read()
"""


def test_what_another_process_has_removed_can_still_be_told_of(
    project: Path,
) -> None:
    Environment(name="empty").at(str(project)).interpreter()
    (one,) = installations.kept()
    used = one.last_use

    (other,) = installations.kept()
    assert other.remove()

    assert (one.last_use, one.size, one.works) == (used, 0, False)
    assert not one.remove()
    assert installations.look(one.digest) is None
    assert installations.kept() == []


def test_a_process_tells_which_other_one_it_waits_for(
    workflow: Workflow,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(status, "_PATIENCE", 0.0)
    monkeypatch.setattr(status, "_WAITING_INTERVAL", 0.0)
    other = workflow.start("-c", BUILDING)
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == "building\n"

    class Ending(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not other.stdin.closed:
                other.stdin.close()

    handler = Ending()
    status.logger.addHandler(handler)
    try:
        waiting = WaitStatus("mine", partial(builder_of, DIGEST))
        with building(DIGEST, "mine", waiting):
            pass
    finally:
        status.logger.removeHandler(handler)

    told = f"Environment 'mine': waiting for process {other.pid}, which makes it ("
    assert caplog.messages[0].startswith(told)
    assert caplog.messages[-1].startswith("Environment 'mine' is no longer waited for")


def test_a_thread_shows_nothing_while_it_waits_for_another_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(status, "_PATIENCE", 0.0)
    monkeypatch.setattr(status, "_WAITING_INTERVAL", 0.0)
    with building(DIGEST, "mine", None), WaitStatus(
        "mine", partial(builder_of, DIGEST)
    ) as tell:
        tell()
    assert caplog.messages == []
