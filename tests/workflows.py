"""Workflows as users write them: files in a directory, run by a real interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, Mapping

import bandsaw

# Where a script finds the library.
ROOT = Path(bandsaw.__file__).resolve().parent.parent

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

# No script of a test takes nearly as long, not even on a busy machine.
SECONDS = 120


def write_files(directory: Path, files: Mapping[str, str]) -> None:
    """Writes files by their names, which may lead to directories below."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")


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


def run_python(
    *arguments: str | Path,
    directory: Path,
    python: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    input: str | None = None,
    status: int | None = 0,
    timeout: float = SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Runs an interpreter, and asserts that it ends with a status.

    Args:
        *arguments: What follows the interpreter on its command line.
        directory: Its working directory.
        python: The interpreter; by default the one that runs the tests.
        environment: Variables to set in addition.
        input: What it reads from its standard input.
        status: How it ends; `None` if it does not matter.
        timeout: How long it may take, in seconds.
    """
    completed = subprocess.run(
        [str(python or sys.executable), *map(str, arguments)],
        cwd=str(directory),
        env=environment_of(**(environment or {})),
        input=input or "",
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
    )
    if status is not None and completed.returncode != status:
        raise AssertionError(
            f"It ended with status {completed.returncode}, not {status}.\n"
            f"stdout:\n{completed.stdout}\nstderr:\n{completed.stderr}"
        )
    return completed


def run_workflow(
    directory: Path,
    script: str,
    *arguments: str,
    files: Mapping[str, str] | None = None,
    config: str = MOVING,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Writes a script `workflow.py` and its configuration, and runs the script.

    Args:
        directory: Where to write them.
        script: The text of the script.
        *arguments: The words on the command line of the script.
        files: Other files to write beside.
        config: The text of `bandsaw_config.py`.
        **options: What `run_python` wants to know.
    """
    written = {"bandsaw_config.py": config, "workflow.py": script, **(files or {})}
    write_files(directory, written)
    options.setdefault("directory", directory)
    return run_python(directory / "workflow.py", *arguments, **options)
