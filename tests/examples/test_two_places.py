"""The example is run as a user would run it, by a Python that has no packages."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from ..interpreters import is_one_of
from ..workflows import ROOT, Workflow, without_builds

EXAMPLE = ROOT / "examples" / "two_places"


def copy_of_example(directory: Path) -> Path:
    """A directory with the example that has not run yet."""
    copy = directory / "two places"
    shutil.copytree(
        str(EXAMPLE), str(copy), ignore=shutil.ignore_patterns("output", "__pycache__")
    )
    return copy


def assert_it_works(example: Path, workflow: Workflow) -> None:
    # The Python of the tests is the one of the regions, and uv is found beside it.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])

    done = workflow.python(example / "workflow.py", environment={"PATH": path})

    assert without_builds(done.stderr) == ""
    header, north, south, together, plot = done.stdout.splitlines()
    assert header.startswith("region   Python   numpy ")
    assert (north.split()[0], north.split()[3]) == ("north", "240")
    assert (south.split()[0], south.split()[3]) == ("south", "160")
    # Each has an environment of its own.
    assert north.split()[2] != south.split()[2]
    accuracies = [float(line.split()[-1]) for line in (north, south, together)]
    assert max(accuracies[:2]) < 0.8 < accuracies[2]
    assert plot.endswith("accuracy.svg shows each round.")
    picture = (example / "output" / "accuracy.svg").read_text()
    assert picture.count("<polyline ") == 3


@pytest.mark.skipif(not is_one_of(max), reason="runs with the newest Python only")
def test_two_regions_learn_together_and_keep_their_data(
    tmp_path: Path, workflow: Workflow
) -> None:
    example = copy_of_example(tmp_path)
    assert_it_works(example, workflow)

    leaking = """
import bandsaw

@bandsaw.task(chain="north")
def read():
    with open("measurements.csv") as file:
        return {"data": file.read()}

if __name__ == "__main__":
    try:
        read()
    except PermissionError as error:
        print(error)
"""
    (example / "leaking.py").write_text(leaking)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    done = workflow.python(example / "leaking.py", environment={"PATH": path})

    assert done.stdout == "A task answers with more than a few numbers.\n"
