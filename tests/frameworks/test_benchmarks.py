"""The rows about tensors give figures; what the figures are is not tested."""

from __future__ import annotations

import sys

import pytest

from benchmarks.__main__ import ROWS
from benchmarks.contestants import this_library
from benchmarks.measure import Effort

pytest.importorskip("torch", reason="needs torch")


@pytest.mark.parametrize("name", [name for name in ROWS if name.startswith("tensor-")])
def test_a_row_gives_a_figure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARRAY_SIZE", "1000000")

    effort = Effort(rounds=1, seconds=0.01, calls=20)
    figures = ROWS[name].measure([this_library(sys.executable)], effort)

    assert figures["bandsaw"].value > 0
