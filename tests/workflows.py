"""Workflows as users write them: files in a directory, run by a real interpreter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, Mapping

import bandsaw

# Where a script finds the library.
ROOT = Path(bandsaw.__file__).resolve().parent.parent

# Scripts that are long, or that several tests run
SCRIPTS = Path(__file__).parent / "scripts"

# Each task runs in a child of the same Python.
MOVING = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(SubprocessAdvice())
configuration.add_advice_chain(name="here")
"""

# The same, but no process is started before it is needed.
MOVING_WITHOUT_SPARE = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(start_ahead=False)
)
"""

# A Python behind a command, as if it were elsewhere. It follows `import bandsaw`.
FAR = """
import sys
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.connections import Command

def far(*command, **options):
    there = bandsaw.Interpreter(path=(), executable=sys.executable)
    connection = Command(command or ["sh", "-c", 'exec "$@"', "sh"])
    return ConnectionAdvice(connection, interpreter=there, **options)
"""

# What most scripts begin with
HEAD = """
import os
import sys
import bandsaw
from text_of import text_of
"""

# No script of a test takes nearly as long, not even on a busy machine.
SECONDS = 120


def write_files(directory: Path, files: Mapping[str, str]) -> None:
    """Write files by their names, which may lead to directories below."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")


def read_script(name: str) -> str:
    """Return the text of a script of `tests/scripts`."""
    return (SCRIPTS / name).read_text(encoding="utf-8")


def environment_of(**variables: str) -> dict[str, str]:
    """The environment in which scripts find the library, and these variables."""
    python_path = variables.pop("PYTHONPATH", None)
    own = (
        str(ROOT) if python_path is None else os.pathsep.join((python_path, str(ROOT)))
    )
    inherited = dict(os.environ)
    # Hides what is written too late, from those in whose shell it is set.
    inherited.pop("PYTHONUNBUFFERED", None)
    return {
        **inherited,
        "PYTHONPATH": own,
        "PYTHONIOENCODING": "utf-8",
        **variables,
    }


def assert_interrupted(errors: str) -> None:
    """Assert that Ctrl-C was the end of a script, perhaps in a call that is named."""
    end = r"\nKeyboardInterrupt(\nFailed call: .*(\n  .*)*)?\s*\Z"
    assert re.search(end, errors), errors


def without_builds(errors: str) -> str:
    """Leave out what tells of environments that are made.

    It depends on how long they take, and so on what else the machine does.

    Args:
        errors: What was written to standard error.
    """
    return re.sub(r"(?m)^(.*\r)?Environment .+ \(.*\d+ s\)\r?\n?", "", errors)


class Workflow:
    """A directory with a script and its configuration, as a user has them.

    Attributes:
        directory: Where the files are, and where what is run works.
        config: The text of `bandsaw_config.py`, which is written with a script.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = MOVING
        self._started: list[subprocess.Popen[str]] = []

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their names, which may lead to directories below."""
        write_files(self.directory, files)

    def write_script(self, script: str, config: str | None = None) -> None:
        """Write `workflow.py`, its configuration, and the function `text_of`."""
        self.write(
            {
                "bandsaw_config.py": config or self.config,
                "text_of.py": read_script("text_of.py"),
                "workflow.py": script,
            }
        )

    def run(
        self, script: str, *arguments: str, config: str | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Write a script, and run it to its end.

        Args:
            script: Its text.
            *arguments: The words on its command line.
            config: Another configuration than that of all scripts.
            **options: Those of `python()`.
        """
        self.write_script(script, config)
        # Its own directory is found also when the script is run elsewhere.
        return self.python(self.directory / "workflow.py", *arguments, **options)

    def output(self, script: str, *arguments: str, **options: Any) -> str:
        """Run a script as `run()` does, and return its output; it has no errors."""
        completed = self.run(script, *arguments, **options)
        assert without_builds(completed.stderr) == ""
        return completed.stdout

    def python(
        self,
        *arguments: str | Path,
        python: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        input: str = "",
        status: int | None = 0,
        timeout: float = SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run an interpreter to its end, and assert the status that it ends with.

        Args:
            *arguments: What follows the interpreter on its command line.
            python: The interpreter; by default the one that runs the tests.
            environment: Variables to set in addition.
            input: What it reads from its standard input.
            status: How it ends; `None` if it does not matter.
            timeout: How long it may take, in seconds.
        """
        process = self.start(*arguments, python=python, environment=environment)
        stdout, stderr = process.communicate(input, timeout)
        if status is not None and process.returncode != status:
            raise AssertionError(
                f"It ended with status {process.returncode}, not {status}.\n"
                f"stdout:\n{stdout}\nstderr:\n{stderr}"
            )
        return subprocess.CompletedProcess(
            process.args, process.returncode, stdout, stderr
        )

    def start(
        self,
        *arguments: str | Path,
        python: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Start an interpreter, whose standard streams are pipes, without waiting.

        Args:
            *arguments: What follows the interpreter on its command line.
            python: The interpreter; by default the one that runs the tests.
            environment: Variables to set in addition.
            **options: Those of `Popen`.
        """
        piped = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(
            [str(python or sys.executable), *map(str, arguments)],
            cwd=str(self.directory),
            env=environment_of(**(environment or {})),
            encoding="utf-8",
            **{**piped, **options},
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """Kill what still runs, as after a test that has failed."""
        for process in self._started:
            with process:
                process.kill()
