"""Type checkers see the function behind a task: they check what a user writes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
API = ROOT / "tests" / "typing" / "api.py"


def expected() -> dict[int, str]:
    """Return the types that are to be revealed, by line."""
    return {
        number: line.partition("# is: ")[2]
        for number, line in enumerate(API.read_text().splitlines(), start=1)
        if "reveal_type(" in line
    }


def output_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command, str(API)],
        cwd=str(ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def revealed(pattern: str, lines: list[str]) -> dict[int, str]:
    found = (re.search(pattern, line) for line in lines)
    return {int(match[1]): match[2] for match in found if match}


def test_mypy_sees_the_functions() -> None:
    pytest.importorskip("mypy", reason="mypy is installed by `tox -e types` only")

    lines = output_of("mypy", "--strict").splitlines()

    # mypy says where each type comes from, which is of no interest here.
    types = revealed(r':(\d+): note: Revealed type is ["\'](.+)["\']$', lines)
    assert {
        line: re.sub(r"[\w.]+\.(?=\w)", "", said) for line, said in types.items()
    } == expected()


def test_pyright_sees_the_functions() -> None:
    pytest.importorskip("pyright", reason="pyright is installed by `tox -e types` only")

    lines = output_of("pyright").splitlines()

    pattern = r':(\d+):\d+ - information: Type of ".*" is "(.+)"$'
    assert {
        line: re.sub(r"List\[", "list[", said)
        for line, said in revealed(pattern, lines).items()
    } == expected()
