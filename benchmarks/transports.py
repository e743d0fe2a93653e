"""Calls in another interpreter, beside executors, loky and execnet.

One copy is what it takes to write an array into a new file on shared memory.
"""

from __future__ import annotations

import statistics
from typing import Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row

# Large arrays take their time.
_FEWER_ROUNDS = 2


def _over(
    yardstick: str, program: str, *peers: str, rounds: int | None = None
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    """Compare bandsaw and the peers with one of them, all in one process."""

    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        (contestant,) = _ours(contestants)
        answers = [
            contestant.run("transports.py", program, effort.seconds, *peers)
            for _ in range(rounds or effort.rounds)
        ]
        figures = {}
        for name in answers[0]:
            ratios = [
                one[name]["minimum"] / one[yardstick]["minimum"] for one in answers
            ]
            figures[name] = Figure(statistics.median(ratios), answers)
        return figures

    return measure


def _without_bytecode(
    measure: Callable[[Sequence[Contestant], Effort], Figures],
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    """Measure where Python is told to write no bytecode."""
    return lambda contestants, effort: measure(
        [one.without_bytecode() for one in contestants], effort
    )


def _milliseconds(contestants: Sequence[Contestant], effort: Effort) -> Figures:
    (contestant,) = _ours(contestants)
    answer = contestant.run("transports.py", "ahead", effort.seconds)
    return {"bandsaw": Figure(answer["bandsaw"]["median"] * 1e3, answer)}


def _memory(contestants: Sequence[Contestant], effort: Effort) -> Figures:
    (contestant,) = _ours(contestants)
    answer: dict[str, float] = contestant.run("transports.py", "memory", effort.seconds)
    return {"bandsaw": Figure(max(answer.values()), answer)}


def _ours(contestants: Sequence[Contestant]) -> list[Contestant]:
    return [one for one in contestants if one.name == "bandsaw"]


ROWS = [
    Row(
        "warm-call",
        "call in a resident process, small argument, over ProcessPoolExecutor",
        "",
        0.5,
        _over("executor", "warm", "executor", "loky", "execnet"),
    ),
    Row(
        "shared-calls",
        "1000 calls of 8 threads in 2 resident processes, over ProcessPoolExecutor",
        "",
        1,
        _over("executor", "shared", "executor", "loky"),
    ),
    Row(
        "submitted-here",
        "1000 submitted calls in this process, over ThreadPoolExecutor",
        "",
        1.5,
        _over("threads", "submitted_here"),
    ),
    Row(
        "submitted-calls",
        "1000 submitted calls in 2 resident processes, over ProcessPoolExecutor",
        "",
        1,
        _over("executor", "submitted", "executor", "loky"),
    ),
    Row(
        "mapped-calls",
        "map of 1000 calls in 2 resident processes, over joblib",
        "",
        1,
        _over("joblib", "mapped"),
    ),
    Row(
        "fresh-call",
        "call in a fresh process, not started ahead, over a bare interpreter",
        "",
        2.5,
        _over("bare", "fresh", "bare"),
    ),
    Row(
        "logged-call",
        "call in a fresh process, log and subprocess, over a bare interpreter",
        "",
        3,
        _over("bare", "logged", "bare"),
    ),
    Row(
        "logged-call-no-bytecode",
        "the same with PYTHONDONTWRITEBYTECODE",
        "",
        3,
        _without_bytecode(_over("bare", "logged", "bare")),
    ),
    Row(
        "ahead-call",
        "call in a fresh process, one each second, started ahead",
        "ms",
        2,
        _milliseconds,
    ),
    Row(
        "array-argument",
        "100 MB array argument, over one copy",
        "",
        1.3,
        _over("copy", "argument", "copy", "executor", "loky"),
    ),
    Row(
        "large-argument",
        "1 GB array argument, over one copy",
        "",
        1.3,
        _over("copy", "large_argument", "copy", rounds=_FEWER_ROUNDS),
    ),
    Row(
        "large-result",
        "1 GB array result, over one copy",
        "",
        1.5,
        _over("copy", "large_result", rounds=_FEWER_ROUNDS),
    ),
    Row(
        "large-memory",
        "memory of the caller for a 1 GB argument, the worst of three arrays",
        "MB",
        16,
        _memory,
    ),
]
