"""Memory that calls leave behind."""

from __future__ import annotations

from typing import Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row, in_rounds


def _growth(chain: str) -> Callable[[Sequence[Contestant], Effort], Figures]:
    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        # Counted, not timed: once is enough.
        answers = in_rounds(
            contestants, effort, "memory.py", chain, effort.calls, rounds=1
        )
        return {
            name: Figure(rounds[0]["growth"] / rounds[0]["calls"], rounds[0])
            for name, rounds in answers.items()
        }

    return measure


ROWS = [
    Row("memory", "100,000 calls: growth of memory per call", "B", 0, _growth("empty")),
    Row(
        "memory-tracked",
        "100,000 tracked calls: growth of memory per call",
        "B",
        0,
        _growth("tracked"),
    ),
]
