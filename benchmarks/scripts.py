"""Whole scripts, beside a bare interpreter and a ProcessPoolExecutor.

They have the configuration of the tutorial. What is unpacked for their children is
there already, as it is from the second run of a script on. Each script runs in a new
process each time, in turn with the others.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row, interleaved

# A script takes 50 to 200 ms, and each has its turn.
_ROUNDS_A_SECOND = 2

_NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}


class _Runner:
    """Runs the programs of a contestant in a directory that is their own."""

    def __init__(
        self, contestant: Contestant, directory: str, variables: dict[str, str]
    ) -> None:
        self._contestant = contestant
        self._directory = Path(directory)
        home = str(self._directory / "home")
        self._environment = {
            **contestant.environment(),
            **variables,
            "BANDSAW_HOME": home,
        }
        self._emptied = 0

    def run(self, program: str) -> None:
        subprocess.run(
            self._contestant.command(program),
            env=self._environment,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def run_with_empty_cache(self, program: str) -> None:
        # Renaming takes no time, unlike removing.
        cache = self._directory / "cache"
        if cache.exists():
            self._emptied += 1
            os.rename(cache, self._directory / f"old-{self._emptied}")
        self.run(program)


def _over_bare(
    program: str, variables: dict[str, str], empties: bool = False
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    """Compare the fastest runs of a script with those of a bare interpreter."""

    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        (contestant,) = [one for one in contestants if one.name == "bandsaw"]
        with tempfile.TemporaryDirectory() as directory:
            if variables:
                # The library has its bytecode, as what pip installs has.
                with tempfile.TemporaryDirectory() as another:
                    _Runner(contestant, another, {}).run(program)
            runner = _Runner(contestant, directory, variables)
            run = runner.run_with_empty_cache if empties else runner.run
            run(program)  # Unpacks, and lets Python compile.
            actions: dict[str, Callable[[], object]] = {
                "bare": lambda: runner.run("nothing.py"),
                "executor": lambda: runner.run("one_call_of_executor.py"),
                "bandsaw": lambda: run(program),
            }
            rounds = round(effort.rounds * effort.seconds * _ROUNDS_A_SECOND)
            seconds = interleaved(actions, max(1, rounds))
        bare = min(seconds["bare"])
        return {
            name: Figure(min(taken) / bare, taken) for name, taken in seconds.items()
        }

    return measure


def _rows(
    name: str, what: str, target: float, program: str, empties: bool = False
) -> list[Row]:
    """Return two rows, without and with the variable of container images."""
    return [
        Row(name, what, "", target, _over_bare(program, {}, empties)),
        Row(
            f"{name}-no-bytecode",
            "the same, PYTHONDONTWRITEBYTECODE=1",
            "",
            target,
            _over_bare(program, _NO_BYTECODE, empties),
        ),
    ]


ROWS = [
    *_rows(
        "first-call",
        "first call of a script, log and subprocess, over a bare interpreter",
        6,
        "one_call.py",
    ),
    *_rows(
        "whole-script",
        "whole script of the tutorial, second run, over a bare interpreter",
        5,
        "tutorial.py",
    ),
    *_rows(
        "empty-cache",
        "the same with an empty cache, over a bare interpreter",
        9.5,
        "tutorial.py",
        empties=True,
    ),
]
