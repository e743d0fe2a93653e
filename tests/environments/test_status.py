"""The status that is shown while an environment is made."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from types import SimpleNamespace

import pytest

from bandsaw.environments.status import BuildStatus, FarBuildStatus, told
from tests.environments.terminals import COLUMNS, pseudo_terminal


def show_everything(label: str) -> None:
    with BuildStatus(label, "is there") as status:
        status.show("making", "")
        status.show("making", "a [/line]")
        status.show("installing [x]", "")


def test_without_a_terminal_stages_and_lines_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "bandsaw.environments")

    show_everything("mine")

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Environment 'mine': making"),
        ("DEBUG", "Environment 'mine', making: a [/line]"),
        ("INFO", "Environment 'mine': installing [x]"),
        ("INFO", "Environment 'mine' is there"),
    ]


def test_what_has_failed_is_not_said_to_be_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "bandsaw.environments")

    with pytest.raises(ValueError), BuildStatus("mine", "is there"):
        raise ValueError
    assert caplog.messages == []


def test_a_build_that_takes_long_is_told_of_by_warnings_once_a_stage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bandsaw.environments")
    clock = [100.0]
    monkeypatch.setattr("bandsaw.environments.status.time.monotonic", lambda: clock[0])

    with BuildStatus("mine", "is there", lambda: "1 of 2") as status:
        status.show("making", "")
        for clock[0] in 109.0, 111.0, 112.0:
            status.show("making", "")
        status.show("installing", "")

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Environment 'mine': making"),
        ("WARNING", "Environment 'mine': making (1 of 2, 11 s)"),
        ("WARNING", "Environment 'mine': installing (1 of 2, 12 s)"),
        ("WARNING", "Environment 'mine' is there (1 of 2, 12 s)"),
    ]


@pytest.mark.parametrize("label", ["python, six[fast]", "[/bold] [red]"])
def test_on_a_terminal_a_line_changes_whatever_is_in_it(
    label: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bandsaw.environments.status.time.monotonic", lambda: 0.0)
    caplog.set_level(logging.DEBUG, "bandsaw.environments")

    with pseudo_terminal() as terminal:
        show_everything(label)
        *stages, empty, last = terminal.read().split("\r")[1:]

    assert f"{label!r}: making" in stages[0]
    assert "a [/line]" in stages[1]
    assert f"{label!r}: installing [x]" in stages[2]
    assert max(map(len, stages)) < COLUMNS
    assert empty.strip() == ""
    assert last == f"Environment {label!r} is there (0 s)\n"
    assert caplog.messages == []


def test_in_a_notebook_a_line_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(kernel=object())
    module = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    page = io.StringIO()

    with contextlib.redirect_stderr(page):
        show_everything("mine")

    assert page.getvalue().startswith("\rEnvironment 'mine': making")


def test_nothing_of_a_failed_build_stays_on_the_terminal() -> None:
    with pseudo_terminal() as terminal:
        with pytest.raises(ValueError), BuildStatus("mine", "is there") as status:
            status.show("making", "")
            raise ValueError

        assert terminal.read().split("\r")[-2:] == [" " * (COLUMNS - 1), ""]


def test_a_build_for_another_process_tells_that_one_only() -> None:
    texts: list[str] = []
    with pseudo_terminal() as terminal:
        token = told.set(texts.append)
        try:
            show_everything("mine")
        finally:
            told.reset(token)
        assert terminal.read() == ""

        with FarBuildStatus("mine", "is there") as status:
            for text in texts:
                status.show_text(text)
        shown = terminal.read()
    assert "Environment 'mine': making" in shown
    assert "a [/line]" in shown


def test_an_environment_that_was_there_is_not_told_of() -> None:
    with pseudo_terminal() as terminal:
        with FarBuildStatus("mine", "is there"):
            pass
        assert terminal.read() == ""
