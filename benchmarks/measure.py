"""Rows of the table, and their figures from several rounds."""

from __future__ import annotations

import statistics
import time
from typing import Any, Callable, Dict, NamedTuple, Sequence

from .contestants import Contestant


class Effort(NamedTuple):
    """The effort for a figure.

    Attributes:
        rounds: How often every contestant has its turn.
        seconds: How long one turn may take, where the time is divided into samples.
        calls: How many calls are made where their number matters.
    """

    rounds: int = 5
    seconds: float = 2.0
    calls: int = 100_000


THOROUGH = Effort()
QUICK = Effort(rounds=2, seconds=0.4, calls=10_000)


class Figure(NamedTuple):
    """The figures of one contestant.

    Attributes:
        value: The figure in the unit of the row.
        details: All that it was computed from, for the JSON.
    """

    value: float
    details: Any


Figures = Dict[str, Figure]


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: How the row is chosen on the command line.
        what: What is measured.
        unit: The unit of its figures; none when they are ratios.
        target: What is to be reached: one number, or a number for each version, like
            ``"3.8"``, with the one for the others under ``""``.
        measure: Gives each contestant's figure by name.
    """

    name: str
    what: str
    unit: str
    target: float | dict[str, float]
    measure: Callable[[Sequence[Contestant], Effort], Figures]

    def target_for(self, version: str) -> float:
        """Return what is to be reached with a Python of a version."""
        if not isinstance(self.target, dict):
            return self.target
        return self.target.get(".".join(version.split(".")[:2]), self.target[""])


def in_rounds(
    contestants: Sequence[Contestant],
    effort: Effort,
    program: str,
    *arguments: object,
    rounds: int | None = None,
) -> dict[str, list[Any]]:
    """Run a script with all contestants in turn, several times.

    What disturbs the machine for a while disturbs all of them so, and what differs from
    process to process, like the layout of the memory, differs within a contestant, too.

    Args:
        contestants: Who takes part.
        effort: How often, unless `rounds` says so.
        program: The name of the script in `programs`.
        *arguments: Its arguments.
        rounds: How often.

    Returns:
        What the script said in each round, by contestant.
    """
    answers: dict[str, list[Any]] = {one.name: [] for one in contestants}
    for _ in range(rounds or effort.rounds):
        for contestant in contestants:
            answers[contestant.name].append(contestant.run(program, *arguments))
    return answers


def median_ratios(answers: dict[str, list[Any]], over: str, under: str) -> Figures:
    """Compare two measurements of each round, and takes the median of the rounds.

    The minima of both are compared: whatever else the machine does adds to a time, and
    nothing takes from it.

    Args:
        answers: What `in_rounds` gave, from a script that prints `timing.Samples`.
        over: The measurement whose price is wanted.
        under: The one that is 1.
    """
    figures = {}
    for name, rounds in answers.items():
        ratios = [one[over]["minimum"] / one[under]["minimum"] for one in rounds]
        figures[name] = Figure(statistics.median(ratios), rounds)
    return figures


def interleaved(
    actions: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Measure in this process how long several actions take, all in turn.

    Args:
        actions: The actions by name.
        rounds: How often each of them is measured; once more to warm up.

    Returns:
        The seconds of each round by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - start)
    return seconds
