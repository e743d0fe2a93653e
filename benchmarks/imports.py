"""Imports of bandsaw, and of a configuration, at the start of a process."""

from __future__ import annotations

import statistics
import subprocess
from typing import Callable, Iterator, Sequence

from .contestants import Contestant
from .measure import Effort, Figure, Figures, Row, interleaved

# A process takes 10 to 100 ms.
_PROCESSES_A_SECOND = 8


def _process(contestant: Contestant, program: str) -> Callable[[], object]:
    command, environment = contestant.command(program), contestant.environment()
    return lambda: subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, check=True
    )


def _seconds(
    contestants: Sequence[Contestant], effort: Effort, program: str
) -> Iterator[tuple[str, list[float], list[float]]]:
    """Yield the times of many processes, and of bare ones in turn with them."""
    actions: dict[str, Callable[[], object]] = {}
    for contestant in contestants:
        actions[f"bare {contestant.name}"] = _process(contestant, "nothing.py")
        actions[contestant.name] = _process(contestant, program)
    rounds = round(effort.rounds * effort.seconds * _PROCESSES_A_SECOND)
    seconds = interleaved(actions, max(1, rounds))
    for contestant in contestants:
        name = contestant.name
        yield name, seconds[name], seconds[f"bare {name}"]


def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
    """Compare the fastest of many processes, in milliseconds."""
    figures = {}
    for name, whole, bare in _seconds(contestants, effort, "decorate.py"):
        details = {
            "processes": len(whole),
            "minimum": (min(whole) - min(bare)) * 1000,
            "median": (statistics.median(whole) - statistics.median(bare)) * 1000,
            "bare minimum": min(bare) * 1000,
            "bare median": statistics.median(bare) * 1000,
        }
        figures[name] = Figure(details["minimum"], details)
    return figures


def measure_configuration(contestants: Sequence[Contestant], effort: Effort) -> Figures:
    """Compare the fastest of many processes with that of as many bare ones."""
    ours = [one for one in contestants if one.name == "bandsaw"]
    figures = {}
    for name, whole, bare in _seconds(ours, effort, "configure.py"):
        details = {
            "processes": len(whole),
            "minimum": min(whole) / min(bare),
            "median": statistics.median(whole) / statistics.median(bare),
        }
        figures[name] = Figure(details["minimum"], details)
    return figures


def measure_without_bytecode(
    contestants: Sequence[Contestant], effort: Effort
) -> Figures:
    """Compare the same where Python is told to write no bytecode."""
    return measure_configuration([c.without_bytecode() for c in contestants], effort)


ROWS = [
    Row(
        "import",
        "process that imports bandsaw and decorates one function, over a bare one",
        "ms",
        12,
        measure,
    ),
    Row(
        "configuration",
        "process that imports the configuration of the tutorial, over a bare one",
        "",
        2.3,
        measure_configuration,
    ),
    Row(
        "configuration-no-bytecode",
        "the same with PYTHONDONTWRITEBYTECODE",
        "",
        2.3,
        measure_without_bytecode,
    ),
]
