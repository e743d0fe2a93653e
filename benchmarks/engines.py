"""Calls on a cluster of Dask or Ray, beside the bare engine.

Each cluster has two worker processes on this machine.
"""

from __future__ import annotations

import statistics
from typing import Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row

# A cluster takes its time to start.
_ROUNDS = 2


def _over_bare(
    program: str, engine: str
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    """Compare bandsaw with the bare engine on the same cluster, in one process."""

    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        (contestant,) = [one for one in contestants if one.name == "bandsaw"]
        answers = [
            contestant.run("engines.py", program, effort.seconds, engine)
            for _ in range(min(_ROUNDS, effort.rounds))
        ]
        return {
            name: Figure(
                statistics.median(
                    one[name]["minimum"] / one["bare"]["minimum"] for one in answers
                ),
                answers,
            )
            for name in answers[0]
        }

    return measure


ROWS = [
    row
    for engine, bare, kept in (
        ("dask", "client.submit", "scatter"),
        ("ray", "ray.remote", "put"),
    )
    for row in (
        Row(
            f"{engine}-calls",
            f"1000 submitted small calls on {engine.capitalize()}, over {bare}",
            "",
            1.15,
            _over_bare("submitted", engine),
        ),
        Row(
            f"{engine}-array",
            f"map of 20 calls with one 100 MB array on {engine.capitalize()}, "
            f"over {kept} and {bare}",
            "",
            1.1,
            _over_bare("mapped_array", engine),
        ),
    )
]
