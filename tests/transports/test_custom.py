"""Transports of the user's own, written by the page of the documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bandsaw import Interpreter
from bandsaw.advices.remote import RemoteAdvice
from bandsaw.execution import Execution
from bandsaw.session import Session
from bandsaw.session.saved_format import SavedFormat
from bandsaw.session.zip_format import SessionFile
from bandsaw.tasks import Task
from bandsaw.transports.base import Job, Transport
from bandsaw.transports.memory import MemoryTransport
from tests.configurations import loadable_configuration

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "how-to" / "write_a_moving_advice.md"

# Reads what a file holds that is not there yet.
_NOT_BEFORE_THE_ANSWER = "read_output"

PROMISED = sorted(
    set(re.findall(r"\bjob\.([a-z_]+)", PAGE.read_text(encoding="utf-8")))
    - {_NOT_BEFORE_THE_ANSWER}
)


class Recording(Transport):
    """Notes what it is given, and continues the session in this process."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.saved = b""

    def run(self, job: Job) -> SavedFormat:
        self.given = {name: getattr(job, name) for name in PROMISED}
        self.saved = job.input.read_bytes()
        with open(job.output, "w+b") as stream:
            job.save_to(SessionFile(stream))
        job.read_output().read()
        return MemoryTransport().run(job)


class Moving(RemoteAdvice):
    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self.transport = transport

    def interpreter_for(self, session: Session) -> Interpreter:
        return Interpreter()

    def transport_for(self, session: Session) -> Transport:
        return self.transport

    def timeout_for(self, session: Session) -> float:
        return 7.5

    def memory_limit_for(self, session: Session) -> int:
        return 1 << 40


def double(number: int) -> int:
    return 2 * number


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    transport = Recording()
    with loadable_configuration() as configuration:
        configuration.set_temp_directory(str(tmp_path))
        configuration.add_advice_chain(Moving(transport))
        session = Session(
            Task.create_task(double), Execution(None, (21,)), configuration
        )
        assert session.initiate().value == 42
        transport.given["session"] = session
    return transport


def test_a_job_has_all_that_the_page_promises(recording: Recording) -> None:
    given = recording.given

    assert {"archive", "cancellation", "input", "run_id", "timeout"} < set(PROMISED)
    assert given["run_id"] == given["session"].run_id
    assert given["cancellation"] is given["session"].cancellation
    assert given["archive"] is given["session"].distribution_archive
    assert (given["timeout"], given["memory_limit"]) == (7.5, 1 << 40)
    assert given["output_to"] is None


def test_the_files_of_a_job_are_private_and_removed(recording: Recording) -> None:
    assert recording.saved.startswith(b"PK")
    assert recording.given["input"].parent == recording.given["directory"]
    assert not recording.given["directory"].exists()
