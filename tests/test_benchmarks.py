"""The benchmarks work: each row gives figures. What the figures are is not tested."""

from __future__ import annotations

import importlib.util
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import ROWS
from benchmarks.contestants import LIBRARY, this_library
from benchmarks.measure import Effort, Figure, Row, interleaved, median_ratios
from benchmarks.table import as_json, as_text
from tests.interpreters import with_the_newest_python_only
from tests.workflows import Workflow

pytestmark = with_the_newest_python_only

TINY = Effort(rounds=1, seconds=0.01, calls=20)


def row(unit: str = "", target: Any = 1.5) -> Row:
    return Row("name", "what it is", unit, target, lambda contestants, effort: {})


# Tests of engines measure clusters, those of frameworks tensors, and those of other
# machines the way there.
ELSEWHERE = ("dask-", "far-", "ray-", "tensor-")

# The same as another row, but of another value or without bytecode, or another figure
# of what the same program says
VARIANTS = (
    *("-f", "-nan", "-no-bytecode", "-strided", "-struct", "-wide"),
    *("cell-first-call", "code-process", "first-environment", "large-argument"),
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.stress] * name.endswith(VARIANTS))
        for name in ROWS
        if not name.startswith(ELSEWHERE)
    ],
)
def test_a_row_gives_a_figure_for_each_contestant(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = ["numpy", "joblib", "diskcache", "loky", "execnet"]
    modules += ["pandas", "polars"] if name.startswith("identity-") else []
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module}, with which is compared, is not installed")
    monkeypatch.setenv("ARRAY_SIZE", "1000000")
    monkeypatch.setenv("CALLS_AT_ONCE", "20")
    contestant = this_library(sys.executable)

    figures = ROWS[name].measure([contestant], TINY)

    assert "bandsaw" in figures
    assert isinstance(figures["bandsaw"].value, float)
    json.dumps(figures["bandsaw"].details)


def test_the_rows_can_be_listed() -> None:
    done = Workflow(LIBRARY).python("-m", "benchmarks", "--help")

    # Lines are broken behind hyphens, too.
    listed = "".join(done.stdout.split())
    assert f"Rows:{','.join(ROWS)}." in listed


def test_an_unknown_row_is_refused() -> None:
    done = Workflow(LIBRARY).python("-m", "benchmarks", "no-such-row", status=2)

    assert "unknown row no-such-row" in done.stderr


def test_what_fails_is_no_figure(tmp_path: Path) -> None:
    contestant = this_library(sys.executable)

    with pytest.raises(RuntimeError, match=r"calls\.py failed with bandsaw"):
        contestant.run("calls.py", "no-such-chain", "small", 0.01)


def test_the_median_of_the_rounds_counts_and_the_minimum_within_a_round() -> None:
    def measured(over: float) -> dict[str, Any]:
        return {"task": {"minimum": over}, "other": {"minimum": 2.0}}

    answers: dict[str, list[Any]] = {"a": [measured(x) for x in (2.0, 50.0, 4.0)]}

    assert median_ratios(answers, "task", "other")["a"].value == 2.0


def test_all_actions_are_measured_in_turn_after_a_first_time() -> None:
    calls: list[str] = []

    seconds = interleaved({n: partial(calls.append, n) for n in "ab"}, rounds=2)

    assert calls == ["a", "b"] * 3
    assert [len(taken) for taken in seconds.values()] == [2, 2]


def test_the_table_shows_contestants_beside_the_target() -> None:
    measured = [
        (row(), {"original": Figure(1234.5, []), "bandsaw": Figure(1.234, [])}),
        (row("ms", {"": 12, "3.8": 14}), {"bandsaw": Figure(11.0, [])}),
    ]

    assert as_text("3.8.18", measured).splitlines() == [
        "Python 3.8.18  original  bandsaw  to reach",
        "-------------  --------  -------  --------",
        "what it is        1,234     1.23       1.5",
        "what it is               11.0 ms     14 ms",
    ]


def test_the_json_has_what_the_figures_were_computed_from() -> None:
    (one,) = as_json("3.13.0", [(row("B", 0), {"bandsaw": Figure(2.0, [1, 2, 3])})])

    assert one["python"] == "3.13.0"
    assert one["target"] == 0
    assert one["figures"] == {"bandsaw": 2.0}
    assert one["details"] == {"bandsaw": [1, 2, 3]}
    json.dumps(one)
