"""Measures tensors on their way, and values that the caller only passes on.

``python frameworks.py WHAT SECONDS``: what is one of the functions of this script.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from typing import Any

from timing import compare, peak_memory

SHARED_MEMORY = "/dev/shm"
MEGABYTE = 1_000_000
SIZE = int(os.environ.get("ARRAY_SIZE", 200 * MEGABYTE))

# A library that only the processes have.
HEAVY = """
class Heavy:
    def __init__(self, numbers):
        self.numbers = numbers
"""


def one_copy(array: Any) -> None:
    """Write an array into a new file on shared memory."""
    place = SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else None
    with tempfile.TemporaryFile(dir=place, buffering=0) as file:
        content = memoryview(array).cast("B")
        while content:
            content = content[file.write(content) or 0 :]


def argument(seconds: float) -> Any:
    from frameworks_tasks import made, size_of

    tensor, array = made("torch", SIZE), made("numpy", SIZE)
    return compare(
        {"bandsaw": lambda _: size_of(tensor), "copy": lambda _: one_copy(array)},
        None,
        seconds,
    )


def result(seconds: float) -> Any:
    from frameworks_tasks import made, tensor_of

    array = made("numpy", SIZE)
    return compare(
        {"bandsaw": lambda _: tensor_of(SIZE), "copy": lambda _: one_copy(array)},
        None,
        seconds,
    )


def cached(seconds: float) -> Any:
    from frameworks_tasks import cached

    return compare(
        {
            "bandsaw": lambda _: cached("torch", SIZE),
            "numpy": lambda _: cached("numpy", SIZE),
        },
        None,
        seconds,
    )


def hop(seconds: float) -> Any:
    from frameworks_tasks import made, make_heavy, read_heavy

    array = made("numpy", SIZE)
    return compare(
        {
            "bandsaw": lambda _: read_heavy(make_heavy(SIZE)),
            "copy": lambda _: one_copy(array),
        },
        None,
        seconds,
    )


def hop_memory(seconds: float) -> Any:
    from frameworks_tasks import make_heavy, read_heavy

    read_heavy(make_heavy(SIZE // 100))
    before = peak_memory()
    read_heavy(make_heavy(SIZE))
    return peak_memory() - before


def main():
    from bandsaw.transports import worker

    what, seconds = sys.argv[1:]
    place = SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else None
    directory = tempfile.mkdtemp(prefix="benchmark-", dir=place)
    os.environ["BANDSAW_HOME"] = os.path.join(directory, "home")
    os.environ["BENCHMARK_DIRECTORY"] = directory
    package = os.path.join(directory, "site-packages", "heavy")
    os.makedirs(package)
    with open(os.path.join(package, "__init__.py"), "w") as file:
        file.write(HEAVY)
    try:
        print(json.dumps(globals()[what](float(seconds))))
    finally:
        worker.end_all()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
