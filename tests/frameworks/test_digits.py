"""The example is run as a user would run it, on a copy that may write."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workflows import ROOT, Workflow

EXAMPLE = ROOT / "examples" / "digits"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed"
)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A directory with the example that has not run yet."""
    copy = tmp_path / "digits"
    shutil.copytree(
        str(EXAMPLE), str(copy), ignore=shutil.ignore_patterns("output", "__pycache__")
    )
    return copy


def run(example: Path, python: str) -> list[dict[str, str]]:
    """Run the example, and returns the lines of the table that it prints."""
    environment = {"DIGITS_PYTHON": python}
    done = Workflow(example).python("workflow.py", environment=environment)
    assert done.stderr == ""
    header, *lines = (re.split(r"\s{2,}", line) for line in done.stdout.splitlines())
    return [dict(zip(header, line)) for line in lines]


def test_the_second_run_answers_from_the_cache_unless_with_another_python(
    example: Path, tmp_path: Path
) -> None:
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)

    first = run(example, python=sys.executable)
    assert_each_model_was_trained_in_a_process_of_its_own(example, first)
    second = run(example, python=sys.executable)
    forest, support_vectors = run(example, python=str(other))

    assert [line["model"] for line in first] == ["random forest", "support vectors"]
    assert {line["answer"] for line in first} == {"computed"}
    assert {line["answer"] for line in second} == {"from the cache"}
    for computed, cached in zip(first, second):
        assert float(computed["accuracy"]) > 0.9
        for column in ("model", "accuracy", "Python", "process"):
            assert computed[column] == cached[column]
    assert forest["answer"] == "from the cache"
    assert support_vectors["answer"] == "computed"


def assert_each_model_was_trained_in_a_process_of_its_own(
    example: Path, lines: list[dict[str, str]]
) -> None:
    processes = {line["process"] for line in lines}
    assert len(processes) == 2
    assert {line["Python"] for line in lines} == {platform.python_version()}
    # What was logged there has come here, and is tracked.
    logs = example.glob("output/tracking/tasks/*/*/*/attachments/session.log")
    lines_of_logs = "".join(log.read_text() for log in logs).splitlines()
    records = [json.loads(line) for line in lines_of_logs]
    training = [r for r in records if r["message"].startswith("Training")]
    assert {str(record["processId"]) for record in training} == processes


def test_a_second_python_trains_where_there_is_one(example: Path) -> None:
    finder = load("second_python", example / "second_python.py")
    # Left empty, the variable names none, and the script itself finds one.
    python = os.environ.get("DIGITS_PYTHON", "")
    if not python and not any(map(finder.has_scikit_learn, finder.other_pythons())):
        pytest.skip("no other Python here has scikit-learn")

    forest, support_vectors = run(example, python)

    assert forest["Python"] == platform.python_version()
    assert support_vectors["Python"] != platform.python_version()
    assert float(support_vectors["accuracy"]) > 0.9


def load(name: str, file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, str(file))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
