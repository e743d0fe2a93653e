"""The look-up of an environment that exists."""

from __future__ import annotations

from typing import Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row


def _milliseconds(
    what: str,
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        (contestant,) = [one for one in contestants if one.name == "bandsaw"]
        answer = contestant.run("environments.py", what, effort.seconds)
        return {"bandsaw": Figure(answer["median"] * 1e3, answer)}

    return measure


ROWS = [
    Row(
        "environment",
        "look-up of an environment that exists",
        "ms",
        1,
        _milliseconds("again"),
    ),
    Row(
        "first-environment",
        "the first look-up in a process, imports included",
        "ms",
        20,
        _milliseconds("first"),
    ),
]
