"""The benchmarks of engines work. What the figures are is not tested."""

from __future__ import annotations

import sys

import pytest

from benchmarks.__main__ import ROWS
from benchmarks.contestants import this_library
from tests.engines.conftest import need
from tests.test_benchmarks import TINY


@pytest.mark.parametrize(
    "row",
    [
        "dask-calls",
        "ray-array",
        # They differ from those in one line.
        pytest.param("dask-array", marks=pytest.mark.stress),
        pytest.param("ray-calls", marks=pytest.mark.stress),
    ],
)
def test_a_row_compares_bandsaw_with_the_bare_engine(
    row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need({"dask": "distributed"}.get(row.split("-")[0], "ray"))
    monkeypatch.setenv("ARRAY_SIZE", "1000000")
    monkeypatch.setenv("CALLS_AT_ONCE", "20")

    figures = ROWS[row].measure([this_library(sys.executable)], TINY)

    assert figures.keys() == {"bandsaw", "bare"}
    assert figures["bare"].value == 1
