"""Tensors on their way, and values that the caller only passes on.

One copy is what it takes to write as much into a new file on shared memory.
"""

from __future__ import annotations

import statistics
import subprocess
from typing import Callable, Sequence

from .contestants import Contestant, environment
from .measure import Effort, Figure, Figures, Row

# Hundreds of megabytes take their time, and do not scatter much.
_ROUNDS = 3

# Installed where it is not, for the rows that need it.
_REQUIREMENTS = ("numpy", "torch")


def _over(
    yardstick: str, program: str, with_torch: bool = True
) -> Callable[[Sequence[Contestant], Effort], Figures]:
    """Compare bandsaw with something else, all in one process."""

    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        ours = _ours(contestants, with_torch)
        answers = [
            ours.run("frameworks.py", program, effort.seconds)
            for _ in range(min(_ROUNDS, effort.rounds))
        ]
        ratios = [
            one["bandsaw"]["minimum"] / one[yardstick]["minimum"] for one in answers
        ]
        return {"bandsaw": Figure(statistics.median(ratios), answers)}

    return measure


def _memory(contestants: Sequence[Contestant], effort: Effort) -> Figures:
    ours = _ours(contestants, with_torch=False)
    answer: float = ours.run("frameworks.py", "hop_memory", effort.seconds)
    return {"bandsaw": Figure(answer, answer)}


def _ours(contestants: Sequence[Contestant], with_torch: bool) -> Contestant:
    (ours,) = (one for one in contestants if one.name == "bandsaw")
    command = [ours.executable, "-c", "import torch"]
    if with_torch and subprocess.run(command, capture_output=True).returncode:
        executable = environment(ours.executable, "torch", _REQUIREMENTS)
        return ours._replace(executable=executable)
    return ours


ROWS = [
    Row(
        "tensor-argument",
        "200 MB tensor argument, over one copy",
        "",
        1.3,
        _over("copy", "argument"),
    ),
    Row(
        "tensor-result",
        "200 MB tensor result, over one copy",
        "",
        1.3,
        _over("copy", "result"),
    ),
    Row(
        "tensor-cached",
        "cache hit, 200 MB tensor result, over the same array of numpy",
        "",
        2,
        _over("numpy", "cached"),
    ),
    Row(
        "opaque-hop",
        "200 MB made in a process and read in another one, opaque, over one copy",
        "",
        1.3,
        _over("copy", "hop", with_torch=False),
    ),
    Row(
        "opaque-memory",
        "memory of the caller for that",
        "MB",
        16,
        _memory,
    ),
]
