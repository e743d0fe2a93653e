"""Measures short functions against each other, as exactly as a busy machine allows."""

from __future__ import annotations

import gc
import itertools
import re
import statistics
import time
from typing import Any, Callable

# Long enough for the clock, and so short that many loops are not interrupted.
_SECONDS_OF_A_LOOP = 0.0005
_FEWEST_SAMPLES = 5


def compare(
    functions: dict[str, Callable[[Any], object]], argument: object, seconds: float
) -> dict[str, dict[str, float]]:
    """Call functions with an argument, all in turn, again and again.

    Args:
        functions: The functions by name.
        argument: The argument.
        seconds: How long to go on.

    Returns:
        The seconds of one call by name, as `summary` has them.
    """
    numbers = {
        name: _calls_of_a_loop(function, argument)
        for name, function in functions.items()
    }
    samples: dict[str, list[float]] = {name: [] for name in functions}
    end = time.perf_counter() + seconds
    gc.collect()
    gc.disable()
    try:
        while (
            len(samples[next(iter(samples))]) < _FEWEST_SAMPLES
            or time.perf_counter() < end
        ):
            for name, function in functions.items():
                taken = _loop(function, argument, numbers[name])
                samples[name].append(taken / numbers[name])
    finally:
        gc.enable()
    return {name: summary(taken) for name, taken in samples.items()}


def summary(samples: list[float]) -> dict[str, float]:
    """Return what there is to say about samples: `minimum`, `median` and `number`."""
    return {
        "minimum": min(samples),
        "median": statistics.median(samples),
        "number": len(samples),
    }


def _calls_of_a_loop(function: Callable[[Any], object], argument: object) -> int:
    """Return how many calls a loop needs, and warms the function up."""
    # The first call does what is done only once, like filling a cache.
    function(argument)
    number = 1
    while True:
        taken = _loop(function, argument, number)
        if taken >= _SECONDS_OF_A_LOOP:
            return number
        number *= 2


def _loop(function: Callable[[Any], object], argument: object, number: int) -> float:
    repetitions = itertools.repeat(None, number)
    start = time.perf_counter()
    for _ in repetitions:
        function(argument)
    return time.perf_counter() - start


def peak_memory() -> float:
    """Return the most memory that this process has had, in megabytes."""
    with open("/proc/self/status") as file:
        found = re.search(r"VmHWM:\s*(\d+) kB", file.read())
    assert found is not None
    return int(found.group(1)) * 1024 / 1_000_000
