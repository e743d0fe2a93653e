"""Tasks of a notebook's cells, beside those of a module."""

from __future__ import annotations

import statistics
from typing import Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row


def _milliseconds_more(
    which: str,
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        (contestant,) = [one for one in contestants if one.name == "bandsaw"]
        answers = [
            contestant.run("notebook.py", effort.seconds) for _ in range(effort.rounds)
        ]
        more = [one[f"{which} of cell"] - one[f"{which} of module"] for one in answers]
        return {"bandsaw": Figure(statistics.median(more) * 1e3, answers)}

    return measure


ROWS = [
    Row(
        "cell-first-call",
        "first call of a task of a cell in a resident process, over one of a module",
        "ms",
        50,
        _milliseconds_more("first"),
    ),
    Row(
        "cell-call",
        "later call of a task of a cell, over one of a module",
        "ms",
        1,
        _milliseconds_more("later"),
    ),
]
