"""Tasks for the tests of combined advices, with the standard library only."""

from __future__ import annotations

import logging
from pathlib import Path


def add(a: int, b: int, counted: str) -> int:
    count(counted)
    return a + b


def fail(a: int, b: int, counted: str) -> None:
    count(counted)
    raise LookupError("not", "here", a, b)


def count(path: str) -> None:
    logging.getLogger("tests.combined").warning("from the task")
    with Path(path).open("a") as file:
        file.write("executed\n")
