"""Measures how long it takes to find an environment that exists.

``python environments.py again SECONDS``: once more in the same process;
``python environments.py first SECONDS``: for the first time in a process, imports
included.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

FIRST = """
import time
from os.path import abspath
from bandsaw.environments import Environment
LOCK = abspath("bandsaw.lock")
start = time.perf_counter()
Environment("3", lock=LOCK).interpreter()
print(time.perf_counter() - start)
"""


def again(seconds: float) -> Any:
    from bandsaw.environments import Environment

    environment = Environment("3", lock=os.path.abspath("bandsaw.lock"))
    environment.interpreter()
    took = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        environment.interpreter()
        took.append(time.perf_counter() - start)
    return _summary(took)


def first(seconds: float) -> Any:
    from bandsaw.environments import Environment

    Environment("3", lock=os.path.abspath("bandsaw.lock")).interpreter()
    took = []
    end = time.perf_counter() + seconds
    while not took or time.perf_counter() < end:
        answer = subprocess.run(
            [sys.executable, "-c", FIRST], stdout=subprocess.PIPE, check=True
        )
        took.append(float(answer.stdout))
    return _summary(took)


def _summary(took: Any) -> Any:
    return {"minimum": min(took), "median": statistics.median(took), "runs": len(took)}


def main():
    what, seconds = sys.argv[1:]
    directory = tempfile.mkdtemp(prefix="benchmark-")
    os.environ["BANDSAW_HOME"] = os.path.join(directory, "home")
    os.chdir(directory)
    try:
        print(json.dumps(globals()[what](float(seconds))))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
