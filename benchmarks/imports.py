"""What importing bandsaw and decorating a function add to the start of a process."""

from __future__ import annotations

import statistics
import subprocess
from typing import Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row, interleaved

# A process takes 10 to 100 ms.
_PROCESSES_A_SECOND = 8


def _process(contestant: Contestant, program: str) -> Callable[[], object]:
    command, environment = contestant.command(program), contestant.environment()
    return lambda: subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, check=True
    )


def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
    """Compares the fastest of many processes, in milliseconds."""
    actions: dict[str, Callable[[], object]] = {}
    for contestant in contestants:
        actions[f"bare {contestant.name}"] = _process(contestant, "nothing.py")
        actions[contestant.name] = _process(contestant, "decorate.py")
    rounds = round(effort.rounds * effort.seconds * _PROCESSES_A_SECOND)
    seconds = interleaved(actions, max(1, rounds))
    figures = {}
    for contestant in contestants:
        whole, bare = seconds[contestant.name], seconds[f"bare {contestant.name}"]
        details = {
            "processes": len(whole),
            "minimum": (min(whole) - min(bare)) * 1000,
            "median": (statistics.median(whole) - statistics.median(bare)) * 1000,
            "bare minimum": min(bare) * 1000,
            "bare median": statistics.median(bare) * 1000,
        }
        figures[contestant.name] = Figure(details["minimum"], details)
    return figures


ROWS = [
    Row(
        "import",
        "process that imports bandsaw and decorates one function, over a bare one",
        "ms",
        12,
        measure,
    )
]
