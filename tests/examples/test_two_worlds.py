"""The example is run as a user would run it, by a Python that has no packages."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ..interpreters import is_one_of
from ..workflows import ROOT, Workflow, without_builds

EXAMPLE = ROOT / "examples" / "two_worlds"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A directory with the example that has not run yet."""
    copy = tmp_path / "two worlds"
    shutil.copytree(
        str(EXAMPLE), str(copy), ignore=shutil.ignore_patterns("output", "__pycache__")
    )
    return copy


@pytest.mark.skipif(not is_one_of(max), reason="runs with the newest Python only")
def test_two_models_pass_through_a_script_that_has_neither_library(
    example: Path, workflow: Workflow, tmp_path: Path
) -> None:
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


def test_without_python_3_8_the_oldest_is_taken(
    example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worlds = load("worlds", example / "worlds.py")

    monkeypatch.setenv("TWO_WORLDS_PYTHONS", "3.8.18,3.11.7,3.13.0")
    assert (worlds.oldest_python(), worlds.newest_python()) == ("3.8", "3.13.0")
    monkeypatch.setenv("TWO_WORLDS_PYTHONS", "3.9.18,3.11.7")
    assert (worlds.oldest_python(), worlds.newest_python()) == ("3.9.18", "3.11.7")


def test_the_pythons_of_this_machine_are_found(
    example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWO_WORLDS_PYTHONS", "")
    worlds = load("worlds", example / "worlds.py")

    versions = worlds.installed_versions()

    running = ".".join(map(str, sys.version_info[:3]))
    assert running in versions
    numbers = [list(map(int, version.split("."))) for version in versions]
    assert numbers == sorted(numbers)


def load(name: str, path: Path) -> ModuleType:
    """Load one of the modules of the example."""
    spec = importlib.util.spec_from_file_location(name, str(path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
