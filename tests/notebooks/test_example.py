"""The notebook of the examples is executed as a user would do it, on a copy."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workflows import ROOT, Workflow, without_builds

EXAMPLE = ROOT / "examples" / "notebook"

pytestmark = pytest.mark.notebook


def outputs_of(notebook: Path) -> list[dict[str, Any]]:
    """Return what all cells of a notebook have said and shown."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [output for cell in cells for output in cell.get("outputs", ())]


def text_of(outputs: list[dict[str, Any]], stream: str) -> str:
    return "".join("".join(o["text"]) for o in outputs if o.get("name") == stream)


# A busy machine needs a minute for an environment with scikit-learn.
@pytest.mark.timeout(300)
def test_models_of_an_environment_are_drawn_in_the_notebook(workflow: Workflow) -> None:
    for module in ("ipykernel", "matplotlib", "nbclient"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    for name in ("spirals.ipynb", "bandsaw.lock"):
        shutil.copy(str(EXAMPLE / name), str(workflow.directory))
    lock = workflow.directory / "bandsaw.lock"
    # Where uv is, if it is installed for the tests
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    command = ("-m", "jupyter", "execute", "spirals.ipynb", "--output=done.ipynb")

    workflow.python(*command, environment={"PATH": path}, timeout=240)

    outputs = outputs_of(workflow.directory / "done.ipynb")
    *_, straight, forest, nearest, process = text_of(outputs, "stdout").splitlines()
    for line in (straight, forest, nearest, process):
        assert " by scikit-learn " in line
    assert "logistic regression  6" in straight
    assert all("  9" in line for line in (forest, nearest, process))
    (picture,) = (o["data"] for o in outputs if o["output_type"] == "display_data")
    assert picture["image/png"].startswith("iVBORw0KGgo")
    if sys.version_info[:2] == (3, 13) and sys.platform == "linux":
        # What is committed is what was installed.
        assert lock.read_text() == (EXAMPLE / "bandsaw.lock").read_text()
        assert without_builds(text_of(outputs, "stderr")) == ""


def test_the_notebook_is_kept_without_outputs() -> None:
    assert outputs_of(EXAMPLE / "spirals.ipynb") == []
