"""What a child writes arrives where its parent's output leads."""

from __future__ import annotations

from pathlib import Path

from tests.advices.scripts import run
from tests.workflows import run_workflow


def test_what_the_task_prints_arrives_in_its_place(tmp_path: Path) -> None:
    completed = run_workflow(
        tmp_path,
        """
        import os
        import subprocess
        import sys
        import bandsaw

        @bandsaw.task
        def talk():
            print("ä task")
            sys.stdout.flush()
            os.write(1, b"a descriptor\\n")
            subprocess.run(["echo", "a program"])
            print("an error", file=sys.stderr)

        if __name__ == "__main__":
            print("before")
            talk()
            print("after")
        """,
    )
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
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        TALKING
        + """
if __name__ == "__main__":
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        talk("ä")
        talk("large", 1_000_000)
    print(out.getvalue() == "ä\\nlarge" + "x" * 1_000_000 + "\\n")
    print(err.getvalue() == 2 * "complained\\n")

    with open("file.txt", "w") as file, contextlib.redirect_stderr(file):
        talk()
        print("from here", file=sys.stderr)
    print(open("file.txt").read().split())

    only = OnlyWrite()
    with contextlib.redirect_stderr(only):
        talk()
    print(repr(only.text))
""",
    )
    assert output == (
        "True\nTrue\nsaid\n['complained', 'from', 'here']\nsaid\n'complained\\n'\n"
    )


def test_the_task_runs_to_its_end_where_there_is_no_standard_output(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        TALKING
        + """
if __name__ == "__main__":
    stdout, sys.stdout, sys.stderr = sys.stdout, None, None
    talk("a", 1_000_000)
    sys.stdout, sys.stderr = stdout, sys.__stderr__
    print("done")
""",
    )
    assert output == "done\n"


def test_output_is_read_in_the_encoding_that_the_child_has_chosen(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        TALKING
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


def test_a_program_that_goes_on_does_not_hold_up_the_call(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        TALKING
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
""",
    )
    assert output == "started\n"


def test_a_forked_process_does_not_hold_up_the_call(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        TALKING
        + """
import signal
import threading
import warnings

# Python minds a fork beside threads.
warnings.simplefilter("ignore")

@bandsaw.task
def wait():
    print("started", flush=True)
    open("gate").read()
    print("ended")

class Announces(io.StringIO):
    def write(self, text):
        super().write(text)
        started.set()

if __name__ == "__main__":
    os.mkfifo("gate")
    started = threading.Event()
    with contextlib.redirect_stdout(Announces()) as out:
        thread = threading.Thread(target=wait)
        thread.start()
        started.wait()
        pid = os.fork()
        if not pid:
            signal.pause()
        open("gate", "w").close()
        thread.join()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    print(out.getvalue().split())
""",
    )
    assert output == "['started', 'ended']\n"
