"""Calls on another machine, beside ssh itself, execnet and mitogen.

The other machine is this one, behind a server of ssh with throwaway keys.
"""

from __future__ import annotations

import statistics
from typing import Any, Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row

_FEWER_ROUNDS = 2


def _answer(contestants: Sequence[Contestant], program: str, effort: Effort) -> Any:
    (contestant,) = [one for one in contestants if one.name == "bandsaw"]
    return contestant.run("connections.py", program, effort.seconds)


def _over(
    yardstick: str, program: str, rounds: int | None = None
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    """Compare all that take part with one of them, in one process for each round."""

    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        answers = [
            _answer(contestants, program, effort)
            for _ in range(rounds or effort.rounds)
        ]
        return {
            name: Figure(
                statistics.median(
                    one[name]["minimum"] / one[yardstick]["minimum"] for one in answers
                ),
                answers,
            )
            for name in answers[0]
        }

    return measure


def _worst(
    program: str,
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    """Give the largest of several figures that the program itself computes."""

    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        answer: dict[str, float] = _answer(contestants, program, effort)
        return {"bandsaw": Figure(max(answer.values()), answer)}

    return measure


ROWS = [
    Row(
        "far-first-call",
        "first call over ssh, its code is there, over ssh HOST python3 -c pass",
        "",
        1.5,
        _over("ssh", "first", rounds=_FEWER_ROUNDS),
    ),
    Row(
        "far-warm-call",
        "call in a resident process behind a command, over one of a local pool",
        "",
        1.6,
        _over("pool", "warm"),
    ),
    Row(
        "far-array-argument",
        "100 MB array argument over ssh, over scp with its connection",
        "",
        0.7,
        _over("scp", "argument", rounds=_FEWER_ROUNDS),
    ),
    Row(
        "far-array-result",
        "100 MB array result over ssh, over scp with its connection",
        "",
        0.7,
        _over("scp", "result", rounds=_FEWER_ROUNDS),
    ),
    Row(
        "far-memory",
        "memory above a 1 GB array over ssh, the worst of both ends",
        "MB",
        32,
        _worst("memory"),
    ),
    Row(
        "far-queue",
        "200 calls of 20 ms in 4 processes, 50 ms away each way",
        "s",
        1.3,
        _worst("queue"),
    ),
]
