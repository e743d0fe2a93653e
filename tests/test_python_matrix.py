"""Every supported Python as the parent and as the child of every other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interpreters import installed_pythons, with_the_newest_python_only
from tests.workflows import Workflow, read_script


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what all parents share: archives, and their bytecode."""
    return tmp_path_factory.mktemp("home")


@with_the_newest_python_only
@pytest.mark.parametrize("parent", installed_pythons())
def test_every_python_can_be_a_child(
    workflow: Workflow, home: Path, parent: str
) -> None:
    pythons = {v: str(path) for v, path in installed_pythons().items()}
    workflow.write({"pythons.json": json.dumps(pythons)})

    completed = workflow.run(
        read_script("matrix.py"),
        config=read_script("matrix_config.py"),
        python=pythons[parent],
        environment={"BANDSAW_HOME": str(home)},
    )
    assert completed.stdout.split() == list(pythons)
    # A warning that is not handled, as without bandsaw
    assert set(completed.stderr.split("\n")) <= {"from the task", ""}
