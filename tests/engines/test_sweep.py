"""The example of a sweep is run as a user would run it, also on clusters."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests.engines.conftest import Clusters
from tests.workflows import ROOT, Workflow

EXAMPLE = ROOT / "examples" / "sweep"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed"
)


def copy_of_example(directory: Path) -> Workflow:
    """Return a directory with the example that has not run yet."""
    copy = directory / "sweep"
    ignored = shutil.ignore_patterns("output", "__pycache__")
    shutil.copytree(str(EXAMPLE), str(copy), ignore=ignored)
    return Workflow(copy)


def results_of(example: Workflow) -> dict[str, int]:
    """Return when each file of the cache was written; its notes are hidden files."""
    return {
        path.name: path.stat().st_mtime_ns
        for path in example.directory.glob("output/cache/*/*")
        if not path.name.startswith(".")
    }


def test_the_second_run_of_the_sweep_answers_from_the_cache(tmp_path: Path) -> None:
    example = copy_of_example(tmp_path)
    first = example.python("sweep.py", "workers")
    plot = (example.directory / "output" / "sweep.svg").read_text(encoding="utf-8")
    results = results_of(example)
    second = example.python("sweep.py", "workers")

    assert "200 of 200 settings" in first.stderr
    _, *lines = first.stdout.splitlines()
    models = [line.split()[0] for line in lines]
    assert models == ["neighbours", "tree", "rbf", "sigmoid"]
    assert plot.count("<circle") == 200
    assert second.stdout == first.stdout
    assert len(results) == 200
    assert results_of(example) == results


def test_the_sweep_says_the_same_on_each_engine(
    tmp_path: Path,
    engine: str,
    clusters: Clusters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if engine == "loky":
        pytest.skip("The sweep has no chain for it")
    example = copy_of_example(tmp_path)
    monkeypatch.setenv(f"SWEEP_{engine.upper()}", clusters.addresses[engine])

    here = example.python("sweep.py", "here")
    there = example.python("sweep.py", engine)

    assert there.stdout == here.stdout
    assert "200 of 200 settings" in there.stderr
