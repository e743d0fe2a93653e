"""Scripts whose tasks run in children."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.workflows import run_workflow

# What most scripts begin with.
HEAD = """
import os
import sys
import bandsaw

def text_of(call, *args):
    try:
        return repr(call(*args))
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
"""


def run(directory: Path, script: str, *arguments: str, **options: Any) -> str:
    """Runs a script and returns what it prints; it writes nothing to stderr."""
    completed = run_workflow(directory, HEAD + script, *arguments, **options)
    assert completed.stderr == ""
    return completed.stdout
