"""The sweep is run in two ways, as a user would run it, on a copy that may write."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from ..workflows import ROOT, Workflow

EXAMPLE = ROOT / "examples" / "sweep"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed"
)


def copy_of_example(directory: Path) -> Workflow:
    """Return a directory with the example that nobody has run yet."""
    copy = directory / "sweep"
    ignored = shutil.ignore_patterns("output", "__pycache__")
    shutil.copytree(str(EXAMPLE), str(copy), ignore=ignored)
    return Workflow(copy)


def test_the_sweep_says_the_same_wherever_it_is_executed(tmp_path: Path) -> None:
    example = copy_of_example(tmp_path)
    first = example.python("sweep.py", "here")
    plot = (example.directory / "output" / "sweep.svg").read_text(encoding="utf-8")
    # What one process has computed answers the others, too: it is the same Python.
    shutil.rmtree(str(example.directory / "output"))
    second = example.python("sweep.py", "workers")
    entries = sorted(example.directory.glob("output/cache/**/*"))
    third = example.python("sweep.py", "workers")

    assert "200 of 200 settings" in first.stderr
    assert [line.split()[0] for line in first.stdout.splitlines()] == [
        "model",
        "neighbours",
        "tree",
        "rbf",
        "sigmoid",
    ]
    assert plot.count("<circle") == 200
    assert first.stdout == second.stdout == third.stdout
    assert sorted(example.directory.glob("output/cache/**/*")) == entries
