"""The example of a sweep, on clusters."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.engines.conftest import Clusters
from tests.examples.test_sweep import copy_of_example


def test_the_sweep_says_the_same_on_each_engine(
    tmp_path: Path,
    engine: str,
    clusters: Clusters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if engine == "loky":
        pytest.skip("The sweep has no chain for it")
    if importlib.util.find_spec("sklearn") is None:
        pytest.skip("scikit-learn is not installed")
    example = copy_of_example(tmp_path)
    monkeypatch.setenv(f"SWEEP_{engine.upper()}", clusters.addresses[engine])

    here = example.python("sweep.py", "here")
    there = example.python("sweep.py", engine)

    assert there.stdout == here.stdout
    assert "200 of 200 settings" in there.stderr
