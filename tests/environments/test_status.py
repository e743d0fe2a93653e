"""What is shown while an environment is made."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from bandsaw.environments.status import BuildStatus


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


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


@pytest.mark.parametrize("label", ["python, six[fast]", "[/bold] [red]"])
def test_on_a_terminal_a_line_moves_whatever_is_in_it(
    label: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("rich")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")

    show_everything(label)

    assert label in terminal.getvalue()
    assert "a [/line]" in terminal.getvalue() or "installing [x]" in terminal.getvalue()
    assert caplog.messages == []


def test_without_rich_a_terminal_gets_log_records(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bandsaw.environments")
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setitem(sys.modules, "rich.console", None)

    show_everything("mine")

    assert "Environment 'mine': making" in caplog.messages
