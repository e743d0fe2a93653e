"""Measures tracked calls, and the system calls that write the same files.

``python tracking.py SECONDS``
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from timing import summary

CALLS_OF_A_SAMPLE = 50

# What a call writes: the infos of execution, session and result, and the session's
# place among those of its run.
FILES_OF_A_CALL = 4

# A disk takes 0.2 to 5 ms for the files of one call, now this, now that, and hides what
# the library takes.
MEMORY = "/dev/shm"


def main():
    seconds = float(sys.argv[1])
    parent = MEMORY if os.access(MEMORY, os.W_OK) else None
    directory = tempfile.mkdtemp(prefix="bandsaw-benchmark-", dir=parent)
    try:
        print(json.dumps(measure(Path(directory), seconds)))
    finally:
        shutil.rmtree(directory)


def measure(directory, seconds):
    tracked, bare = directory / "tracked", directory / "bare"
    os.environ["BENCHMARK_DIRECTORY"] = str(tracked)
    import bandsaw

    @bandsaw.task(config="tracked_config")
    def function(argument):
        return argument

    calls = iter(range(1_000_000_000))
    function(next(calls))  # Writes what is written once in a run.
    known = set()
    for written in new_paths(tracked, known):
        copy(written, tracked, bare)

    samples = {"tracked calls": [], "system calls": []}
    end = time.perf_counter() + seconds
    is_warm = False
    while not samples["tracked calls"] or time.perf_counter() < end:
        gc.collect()
        gc.disable()
        start = time.perf_counter()
        for _ in range(CALLS_OF_A_SAMPLE):
            function(next(calls))
        tracked_seconds = time.perf_counter() - start

        steps = [step_of(path, tracked, bare) for path in new_paths(tracked, known)]
        files = [step for step in steps if step[0] is not os.mkdir]
        assert len(files) == FILES_OF_A_CALL * CALLS_OF_A_SAMPLE, "Not all is tracked."
        start = time.perf_counter()
        for make, *arguments in steps:
            make(*arguments)
        bare_seconds = time.perf_counter() - start
        gc.enable()
        if is_warm:
            samples["tracked calls"].append(tracked_seconds / CALLS_OF_A_SAMPLE)
            samples["system calls"].append(bare_seconds / CALLS_OF_A_SAMPLE)
        is_warm = True
    return {name: summary(taken) for name, taken in samples.items()}


def new_paths(directory, known):
    """Yield what was not there before, directories before what is in them."""
    for path in sorted(directory.rglob("*")):
        if path not in known:
            known.add(path)
            yield path


def copy(path, source, target):
    if path.is_dir():
        (target / path.relative_to(source)).mkdir(parents=True)
    else:
        shutil.copy(path, target / path.relative_to(source))


def step_of(path, source, target):
    """Return a function that makes the same below another directory."""
    new = str(target / path.relative_to(source))
    if path.is_dir():
        return os.mkdir, new
    content = path.read_bytes()
    if not content:
        return touch, new
    return write, new, new + ".tmp", content


def touch(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))


def write(path, temporary, content):
    """Write beside and rename, as a reader must see a whole file or none."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    os.write(descriptor, content)
    os.close(descriptor)
    os.rename(temporary, path)


if __name__ == "__main__":
    main()
