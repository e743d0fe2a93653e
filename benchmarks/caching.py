"""Hits and misses of the cache, beside joblib.Memory and diskcache.

With diskcache, functions are decorated with the `memoize` of a `diskcache.Cache`.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from typing import Any, Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row, in_rounds

# Arrays of 100 MB take their time, and do not scatter much.
_FEWER_ROUNDS = 3


def _over(
    yardstick: str, program: str, *peers: str, rounds: int | None = None
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    """Compare all of them with one of the peers, in the process in which it was called.

    The original release has a process of its own, without peers: it is compared with
    the yardstick of the same round.
    """

    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        answers: dict[str, list[Any]] = {one.name: [] for one in contestants}
        for _ in range(rounds or effort.rounds):
            for one in contestants:
                others = peers if one.name == "bandsaw" else ()
                answer = one.run("caching.py", program, effort.seconds, *others)
                answers[one.name].append(answer)
        bases = [answer[yardstick]["minimum"] for answer in answers["bandsaw"]]
        figures = {}
        for name, own in answers.items():
            for peer in own[0]:
                ratios = [one[peer]["minimum"] / base for one, base in zip(own, bases)]
                heading = name if peer == "bandsaw" else peer
                figures[heading] = Figure(statistics.median(ratios), own)
        return figures

    return measure


def _large_result(contestants: Sequence[Contestant], effort: Effort) -> Figures:
    ours = [one for one in contestants if one.name == "bandsaw"]
    answers = in_rounds(
        ours, effort, "caching.py", "hit_large_result", effort.seconds, rounds=1
    )
    return {
        name: Figure(rounds[0]["bandsaw"]["minimum"] * 1e3, rounds)
        for name, rounds in answers.items()
    }


def _code(
    measurement: str, is_first: bool
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        figures = {}
        for contestant in contestants:
            if contestant.name != "bandsaw":
                continue  # The original release does not look at code.
            values = []
            for _ in range(effort.rounds):
                with tempfile.TemporaryDirectory() as directory:
                    # Writes the project, and lets Python compile it.
                    contestant.run("reaching.py", directory)
                    if is_first:
                        shutil.rmtree(f"{directory}/home")
                    answer = contestant.run("reaching.py", directory)
                    values.append(answer[measurement])
            figures[contestant.name] = Figure(min(values), values)
        return figures

    return measure


ROWS = [
    Row(
        "cache-hit",
        "cache hit, small argument and result, over diskcache",
        "",
        1,
        _over("diskcache", "hit_small", "joblib", "diskcache"),
    ),
    Row(
        "cache-miss",
        "cache miss, small, over diskcache",
        "",
        1,
        _over("diskcache", "miss_small", "joblib", "diskcache"),
    ),
    Row(
        "cache-argument",
        "cache hit, 100 MB array argument, over joblib",
        "",
        0.33,
        _over("joblib", "hit_argument", "joblib", "diskcache", rounds=_FEWER_ROUNDS),
    ),
    Row(
        "cache-argument-f",
        "the same, Fortran order",
        "",
        0.33,
        _over("joblib", "hit_argument_f", "joblib", rounds=_FEWER_ROUNDS),
    ),
    Row(
        "cache-argument-strided",
        "the same, every other column",
        "",
        0.33,
        _over("joblib", "hit_argument_strided", "joblib", rounds=_FEWER_ROUNDS),
    ),
    Row(
        "cache-result",
        "cache hit, 100 MB array result, over joblib mapped",
        "",
        1,
        _over(
            "joblib-mapped",
            "hit_result",
            "joblib",
            "joblib-mapped",
            "diskcache",
            rounds=_FEWER_ROUNDS,
        ),
    ),
    Row("cache-large-result", "cache hit, 1 GB array result", "ms", 0.5, _large_result),
    Row(
        "code-first",
        "code of a task that reaches 200 functions, first call of all",
        "ms",
        80,
        _code("first", is_first=True),
    ),
    Row(
        "code-process",
        "the same, first call of a process",
        "ms",
        20,
        _code("first", is_first=False),
    ),
    Row(
        "code-later",
        "the same, later calls",
        "us",
        50,
        _code("later", is_first=False),
    ),
]
