"""The example is run as a user would run it, by a Python that has no packages."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.workflows import ROOT, Workflow, without_builds

EXAMPLE = ROOT / "examples" / "two_worlds"


def test_two_models_pass_through_a_script_that_has_neither_library(
    workflow: Workflow, tmp_path: Path
) -> None:
    example = tmp_path / "two worlds"
    ignored = shutil.ignore_patterns("output", "__pycache__")
    shutil.copytree(str(EXAMPLE), str(example), ignore=ignored)
    bare = tmp_path / "bare"
    workflow.python("-m", "venv", "--without-pip", bare)
    lock = (example / "bandsaw.lock").read_text()
    # Where uv is, if it is installed for the tests
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])

    done = workflow.python(
        example / "workflow.py",
        python=bare / "bin" / "python",
        environment={"PATH": path},
    )

    assert without_builds(done.stderr) == ""
    *notes, header, old, new, difference, plot = done.stdout.splitlines()
    assert header.startswith("Python   scikit-learn  numpy   accuracy")
    assert all("opaque AdaBoostClassifier" in row for row in (old, new))
    assert old.split()[:3] != new.split()[:3]
    assert all(float(row.split()[3]) > 0.9 for row in (old, new))
    assert "differs by up to 0." in difference
    picture = example / "output" / "comparison.png"
    assert plot.endswith("comparison.png shows it all.")
    assert picture.read_bytes().startswith(b"\x89PNG")
    if old.startswith("3.8.") and new.startswith("3.13.") and sys.platform == "linux":
        # What is committed is what was installed.
        assert (example / "bandsaw.lock").read_text() == lock
        assert notes == []
