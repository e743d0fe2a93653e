"""The Pythons that the example finds; `tests/frameworks` runs it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ..workflows import ROOT

EXAMPLE = ROOT / "examples" / "two_worlds"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A directory with the example that has not run yet."""
    copy = tmp_path / "two worlds"
    shutil.copytree(
        str(EXAMPLE), str(copy), ignore=shutil.ignore_patterns("output", "__pycache__")
    )
    return copy


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
