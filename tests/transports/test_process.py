"""Child processes: what they find, what they write, and how they start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.workflows import HEAD, Workflow, read_script

# Everything that a path may hold on Linux and macOS and that some tool minds.
AWKWARD = 'it\'s a "näme": $(x) 100%'


def test_a_child_finds_the_environment_of_its_parent(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def environment():
    return dict(os.environ)

if __name__ == "__main__":
    os.environ["SET_HERE"] = "ä value\\nof two lines"
    del os.environ["DELETED_HERE"]
    there, here = environment(), dict(os.environ)
    # By this one, what the child starts is found when the child has died.
    print(there.pop("BANDSAW_PROCESSES").count(":"))
    # Python itself sets this when it finds the locale C.
    for variables in there, here:
        variables.pop("LC_CTYPE", None)
    print(set(there.items()) ^ set(here.items()))
""",
        environment={"DELETED_HERE": "x"},
    )
    assert output == "1\nset()\n"


def test_the_settings_of_the_interpreter_are_added_to_the_environment(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def variables():
    return os.environ["ADDED"], os.environ["KEPT"], os.environ["REPLACED"]

if __name__ == "__main__":
    print(variables(), "ADDED" in os.environ)
""",
        environment={"KEPT": "kept", "REPLACED": "not yet"},
        config="""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

interpreter = bandsaw.Interpreter().set_environment(ADDED="added", REPLACED="yes")
configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(interpreter=interpreter)
)
""",
    )
    assert output == "('added', 'kept', 'yes') False\n"


def test_a_child_works_in_the_directory_of_its_parent(
    workflow: Workflow, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def directory():
    return os.getcwd()

if __name__ == "__main__":
    print(directory() == os.getcwd())
    os.chdir("below")
    print(directory() == os.getcwd(), os.path.basename(directory()))
"""
    )
    assert output == "True\nTrue below\n"


def test_the_standard_input_of_a_child_is_empty(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def read():
    return sys.stdin.read()

if __name__ == "__main__":
    print(repr(read()), repr(sys.stdin.read()))
""",
        input="for the script",
    )
    assert output == "'' 'for the script'\n"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONDEVMODE": "1"},
        {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"},
    ],
    ids=["as usual", "warnings as errors", "development mode", "both"],
)
def test_a_quiet_task_adds_not_one_line_to_the_output(
    workflow: Workflow, environment: dict[str, str]
) -> None:
    completed = workflow.run(read_script("quiet_task.py"), environment=environment)
    assert (completed.stdout, completed.stderr) == ("", "")


def test_what_a_killed_child_has_started_ends_with_it(workflow: Workflow) -> None:
    # Its end is awaited: it has the standard output of the script.
    output = workflow.output(
        HEAD
        + """
import subprocess

@bandsaw.task
def die():
    subprocess.Popen(["sleep", "600"])
    os.kill(os.getpid(), 9)

if __name__ == "__main__":
    print(text_of(die).partition(":")[0])
"""
    )
    assert output == "InterpreterDiedError\n"


def test_paths_may_hold_every_character(tmp_path: Path) -> None:
    project = tmp_path / AWKWARD
    Workflow(project).write(
        {
            "package/__init__.py": "",
            "package/tasks.py": """
            import bandsaw
            from .numbers import TWO

            @bandsaw.task
            def double(x):
                return x * TWO
            """,
            "package/numbers.py": "TWO = 2",
            "home/tmp/.keep": "",
        }
    )
    output = Workflow(project).output(
        HEAD
        + """
import package.tasks

@bandsaw.task
def here():
    return os.path.basename(os.getcwd())

if __name__ == "__main__":
    print(here())
    print(package.tasks.double(4))
""",
        environment={
            "BANDSAW_HOME": str(project / "home"),
            "TMPDIR": str(project / "home" / "tmp"),
        },
    )
    assert output == f"{AWKWARD}\n8\n"


@pytest.mark.parametrize(
    ("executable", "reason"),
    [
        ("/there/is/no/python", "No such file"),
        ("/", "Permission denied"),
    ],
)
def test_an_interpreter_that_can_not_be_started_is_named(
    workflow: Workflow, executable: str, reason: str
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def task():
    return 1

if __name__ == "__main__":
    print(text_of(task))
""",
        config=with_executable(repr(executable)),
    )
    assert output.startswith(
        f"InterpreterStartError: Interpreter {executable} cannot be started: "
    )
    assert reason in output


def test_a_program_that_is_no_interpreter_gives_no_answer(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def task():
    return 1

if __name__ == "__main__":
    print(text_of(task))
""",
        config=with_executable('"true"'),
    )
    assert output == (
        "InterpreterDiedError: Interpreter true exited with status 0 without an "
        "answer.\n"
    )


def with_executable(expression: str) -> str:
    return f"""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(interpreter=bandsaw.Interpreter(executable={expression}))
)
"""


@pytest.mark.parametrize("exec", ["", "exec "], ids=["waits", "is replaced"])
def test_the_executable_may_be_a_script_that_starts_an_interpreter(
    workflow: Workflow, tmp_path: Path, exec: str
) -> None:
    wrapper = tmp_path / "python in here"
    wrapper.write_text(
        f'#!/bin/sh\nWRAPPED=yes\nexport WRAPPED\n{exec}"$PYTHON" "$@"\n'
    )
    wrapper.chmod(0o700)
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def is_wrapped():
    return os.environ["WRAPPED"], os.getppid()

if __name__ == "__main__":
    wrapped, parent = is_wrapped()
    print(wrapped, parent == os.getpid())
""",
        config=with_executable(repr(str(wrapper))),
        environment={"PYTHON": sys.executable},
    )
    assert output == f"yes {bool(exec)}\n"


def test_a_parent_may_have_many_open_files(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
import resource

@bandsaw.task
def add(a, b):
    return a + b

if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    files = [open(os.devnull) for _ in range(1500)]
    print(add(1, 2))
"""
    )
    assert output == "3\n"


def test_a_child_may_change_its_standard_streams_and_its_directory(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def rummage():
    os.chdir("/")
    os.closerange(0, 3)
    sys.stdout = sys.stderr = None
    os.environ.clear()
    return "answer"

if __name__ == "__main__":
    print(rummage())
"""
    )
    assert output == "answer\n"


def test_a_task_sees_the_arguments_of_the_script(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--verbose", action="store_true")
options = parser.parse_args()

@bandsaw.task
def arguments(depth):
    return [(options.verbose, sys.argv)] + (arguments(depth - 1) if depth else [])

if __name__ == "__main__":
    print(arguments(2) == 3 * [(True, sys.argv)])
""",
        "--verbose",
    )
    assert output == "True\n"
