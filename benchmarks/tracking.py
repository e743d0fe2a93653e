"""Tracked calls over the system calls that write the same files."""

from __future__ import annotations

from typing import Sequence

from .contestants import Contestant
from .measure import Effort, Figures, Row, in_rounds, median_ratios


def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
    """Compare calls with the bare writing of what they have written."""
    answers = in_rounds(contestants, effort, "tracking.py", effort.seconds)
    return median_ratios(answers, over="tracked calls", under="system calls")


ROWS = [
    Row(
        "tracking",
        "tracked call, distinct arguments, over the bare system calls",
        "",
        1.6,
        measure,
    )
]
