"""Runs: their ids, in all processes of a run, and what is kept of them."""

from __future__ import annotations

import io
import os
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import bandsaw
from bandsaw import Advice
from bandsaw.datetime import datetime_from_timestamp
from bandsaw.execution import Execution
from bandsaw.run import Run, get_run, get_run_id, set_run_id
from bandsaw.runtime.fork import reset
from bandsaw.session import Session
from bandsaw.session.exchange import continue_session
from bandsaw.session.zip_format import SessionFile
from bandsaw.tasks import Task
from bandsaw.user import get_current_username
from tests.configurations import loadable_configuration
from tests.workflows import Workflow, read_script

HERE = """
import bandsaw
configuration = bandsaw.Configuration()
"""


def test_a_run_id_is_a_uuid_made_on_first_use() -> None:
    run_id = get_run_id()

    made = uuid.UUID(run_id)
    assert str(made) == run_id
    assert (made.version, made.variant) == (4, uuid.RFC_4122)
    assert get_run_id() == run_id == get_run().run_id


def test_runs_have_different_ids() -> None:
    assert Run().run_id != Run().run_id


@pytest.mark.parametrize("text", ["a", "a_b/c d", "ü$(rm)\n", "0" * 1000])
def test_any_text_may_be_set_as_run_id(text: str) -> None:
    set_run_id(text)

    assert get_run_id() == text


def test_a_run_id_is_set_once() -> None:
    set_run_id("a")

    with pytest.raises(RuntimeError, match="Run ID was already set"):
        set_run_id("a")
    assert get_run_id() == "a"


def test_a_run_id_that_was_asked_for_can_not_be_set_any_more() -> None:
    run_id = get_run_id()

    with pytest.raises(RuntimeError, match="Run ID was already set"):
        set_run_id("a")
    assert get_run_id() == run_id


def test_a_run_id_can_be_set_when_there_are_tasks() -> None:
    with loadable_configuration() as configuration:
        bandsaw.task(_nothing, config=configuration.module_name)
        set_run_id("mine")

    assert get_run_id() == "mine"


def _nothing() -> None:
    pass


def test_eight_threads_have_one_run() -> None:
    start = threading.Barrier(8)

    def run() -> Run:
        start.wait()
        return get_run()

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(run) for _ in range(8)]
        assert len({id(future.result()) for future in futures}) == 1


# What is kept


def test_a_run_knows_who_started_what_and_when() -> None:
    run = Run()

    datetime_from_timestamp(run.start_date)
    assert run.user == get_current_username()
    assert run.command == list(getattr(sys, "orig_argv", [sys.executable, *sys.argv]))
    assert run.meta == {}


def test_what_is_given_is_kept() -> None:
    given: dict[str, Any] = {
        "run_id": "a",
        "start_date": "2020-01-01T00:00:00.000Z",
        "user": "somebody",
        "command": ["python", "a.py"],
        "env": {"SECRET": "mine"},
        "meta": {"purpose": "test"},
    }
    run = Run(**given)

    assert {name: getattr(run, name) for name in given} == given


def test_a_run_is_written_and_read_as_json() -> None:
    run = Run(
        "a", start_date="b", user="c", command=["d"], env={"e": "f"}, meta={"g": [1]}
    )

    written = run.to_json()

    assert written == {
        "id": "a",
        "start_date": "b",
        "user": "c",
        "command": ["d"],
        "env": {"e": "f"},
        "meta": {"g": [1]},
    }
    assert Run.from_json(written).to_json() == written


def test_only_harmless_variables_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("MY_TOKEN", "secret")
    monkeypatch.setenv("LANG", "xy")

    environment = Run().env

    assert environment["LANG"] == "xy"
    assert "secret" not in environment.values()
    assert environment == Run().to_json()["env"]


def test_no_variables_are_kept_when_none_are_given() -> None:
    assert Run(env={}).env == {}


def test_meta_belongs_to_the_user() -> None:
    meta = {"purpose": "test"}
    run = Run(meta=meta)
    run.meta["more"] = 1

    assert run.to_json()["meta"] == {"purpose": "test", "more": 1}


def test_the_text_of_a_run_shows_its_id() -> None:
    assert repr(Run("a")) == "Run('a')"


# Processes


@pytest.mark.parametrize(
    "how", ["subprocess", "os.fork", "fork", "spawn", "forkserver"]
)
@pytest.mark.parametrize("when", ["set", "asked", "later"])
def test_processes_that_a_script_starts_belong_to_its_run(
    workflow: Workflow, when: str, how: str
) -> None:
    script = read_script("processes_of_a_run.py")

    output = workflow.run(script, when, how, config=HERE).stdout

    assert output == f"True {10 if when == 'set' else 36}\n"


class Saves(Advice):
    """Saves a session as it is before its task."""

    def __init__(self, form: SessionFile) -> None:
        self.form = form

    def before(self, session: Session) -> None:
        session.save_to(self.form)
        session.proceed()


def do_nothing() -> None:
    pass


def test_who_continues_a_saved_session_takes_part_in_its_run() -> None:
    form = SessionFile(io.BytesIO())
    get_run().meta["for"] = "a test"
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(Saves(form))
        task = Task.create_task(do_nothing)
        Session(task, Execution("e", ()), configuration).initiate()
        reset()

        continue_session(form, SessionFile(io.BytesIO()))

    assert get_run().meta == {"for": "a test"}


def test_two_scripts_are_two_runs(workflow: Workflow) -> None:
    program = "import bandsaw; print(bandsaw.get_run_id())"

    one = workflow.python("-c", program).stdout
    other = workflow.python("-c", program).stdout

    assert one != other


def test_the_environment_may_say_which_run_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BANDSAW_RUN_ID", "of another one")

    assert get_run_id() == "of another one"


def test_importing_the_library_chooses_no_run_id(workflow: Workflow) -> None:
    program = "import bandsaw, os; print('BANDSAW_RUN_ID' in os.environ)"

    assert workflow.python("-c", program).stdout == "False\n"
    assert "BANDSAW_RUN_ID" not in os.environ
