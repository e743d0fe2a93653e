"""The same value has the same fingerprint on every Python, under every hash seed."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from tests.interpreters import SUPPORTED, python, with_the_newest_python_only
from tests.workflows import Workflow

HERE = Path(__file__).parent
# Under its own name: what is defined in a script has another one.
PRINT_FINGERPRINTS = "import portable_values; portable_values.main()"


@lru_cache(maxsize=None)
def fingerprints(executable: str, seed: str) -> dict[str, str]:
    answer = Workflow(HERE).python(
        *("-W", "error", "-c", PRINT_FINGERPRINTS),
        python=executable,
        environment={"PYTHONHASHSEED": seed},
    )
    result: dict[str, str] = json.loads(answer.stdout)
    return result


@with_the_newest_python_only
@pytest.mark.parametrize("seed", ["0", "1"])
@pytest.mark.parametrize("version", SUPPORTED)
def test_a_fingerprint_is_the_same_on_every_python(version: str, seed: str) -> None:
    executable = str(python(version))

    assert fingerprints(executable, seed) == fingerprints(sys.executable, "2")


def test_no_two_of_the_values_share_a_fingerprint() -> None:
    found = fingerprints(sys.executable, "2")

    assert len(set(found.values())) == len(found)


LOCAL_CODE = """
import sys
from bandsaw.fingerprint import fingerprint

def make(captured):
    class Local:
        limit = captured
        def method(self):
            return self.limit
    def function(a, b={"x", "y", "z"}):
        return a in {"p", "q", "r"}, captured, function
    return [function, lambda x: x + captured, Local, Local()]

print(fingerprint(make({"k", "l", "m"})).hex())
"""


def test_code_that_has_no_name_is_the_same_under_every_hash_seed(
    workflow: Workflow,
) -> None:
    found = {
        workflow.python("-c", LOCAL_CODE, environment={"PYTHONHASHSEED": seed}).stdout
        for seed in "012"
    }

    assert len(found) == 1
