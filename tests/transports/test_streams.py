"""Output of a child, which arrives where its parent's output leads."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from pathlib import Path

import pytest

from bandsaw import Interpreter
from bandsaw.advices.ssh import Remote, SshCommandLineBackend
from tests.workflows import HEAD, Workflow, read_script


def test_what_the_task_prints_arrives_in_its_place(workflow: Workflow) -> None:
    completed = workflow.run(read_script("printing.py"))
    assert completed.stdout == "before\nä task\na descriptor\na program\nafter\n"
    assert completed.stderr == "an error\n"


TALKING = """
import contextlib
import io
import subprocess

@bandsaw.task
def talk(text="said", size=0, complaint="complained"):
    print(text + "x" * size)
    print(complaint, end="\\n" if complaint else "", file=sys.stderr)

class OnlyWrite:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text
"""


def test_what_the_task_prints_arrives_where_the_standard_output_leads(
    workflow: Workflow,
) -> None:
    output = workflow.output(read_script("redirecting.py"))
    assert output == (
        "True\nTrue\nsaid\n['complained', 'from', 'here']\nsaid\n'complained\\n'\n"
    )


def test_the_task_runs_to_its_end_where_there_is_no_standard_output(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + TALKING
        + """
if __name__ == "__main__":
    stdout, sys.stdout, sys.stderr = sys.stdout, None, None
    talk("a", 1_000_000)
    sys.stdout, sys.stderr = stdout, sys.__stderr__
    print("done")
"""
    )
    assert output == "done\n"


def test_output_is_read_in_the_encoding_that_the_child_has_chosen(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + TALKING
        + """
if __name__ == "__main__":
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        talk("größer", complaint="")
    print(ascii(out.getvalue()))
""",
        environment={"PYTHONIOENCODING": "latin-1"},
    )
    assert output == "'gr\\xf6\\xdfer\\n'\n"


def test_a_program_that_goes_on_does_not_hold_up_the_call(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + TALKING
        + """
@bandsaw.task
def leave_a_program():
    print("started", flush=True)
    return subprocess.Popen(["sleep", "600"]).pid

if __name__ == "__main__":
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        pid = leave_a_program()
    print(out.getvalue().strip())
    os.kill(pid, 9)
"""
    )
    assert output == "started\n"


def test_a_forked_process_does_not_hold_up_the_call(workflow: Workflow) -> None:
    output = workflow.output(read_script("forked_while_printing.py"))
    assert output == "['started', 'ended']\n"


def test_the_output_of_a_command_of_ssh_arrives_where_this_process_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "ssh"
    # What goes on behind it holds its output open.
    command.write_text(
        "#!/bin/sh\nsleep 600 &\necho $! > pid\nprintf 'ä said\\nand said'\n"
        "echo complained >&2\n",
        encoding="utf-8",
    )
    command.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys, "__stdout__", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    remote = Remote("host", interpreter=Interpreter())
    printed, complained = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(
            complained
        ):
            SshCommandLineBackend().execute_remote(remote, "python")
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    assert printed.getvalue() == "ä said\nand said"
    assert complained.getvalue() == "complained\n"
