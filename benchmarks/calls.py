"""Calls of a task over calls of a wrapper that does nothing."""

from __future__ import annotations

from typing import Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figures, Row, in_rounds, median_ratios


def _calls(
    chain: str, argument: str
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        answers = in_rounds(
            contestants, effort, "calls.py", chain, argument, effort.seconds
        )
        return median_ratios(answers, over="task", under="pass-through")

    return measure


ROWS = [
    Row(
        "empty-small",
        "call, empty chain, small argument",
        "",
        1.5,
        _calls("empty", "small"),
    ),
    Row(
        "empty-array",
        "call, empty chain, 100 MB array",
        "",
        1.5,
        _calls("empty", "array"),
    ),
    Row(
        "ten-small",
        "call, 10 advices that only proceed, small argument",
        "",
        {"": 30, "3.8": 65},
        _calls("ten", "small"),
    ),
]
