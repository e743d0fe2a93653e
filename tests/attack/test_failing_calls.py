"""A call of the operating system fails, here or in the interpreter of the task."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.interpreters import with_the_newest_python_only
from tests.workflows import Workflow, read_script

pytestmark = with_the_newest_python_only

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(SubprocessAdvice({}))
"""


@pytest.mark.parametrize("options", ["start_ahead=False", "workers=1"])
@pytest.mark.parametrize("end", ["parent", "child"])
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("ENOSPC", 5),
        *(
            pytest.param(kind, 1, marks=pytest.mark.stress)
            for kind in ("ENOSPC", "EIO", "EMFILE", "EACCES")
        ),
    ],
)
def test_a_call_works_or_names_what_failed_and_the_next_one_works(
    workflow: Workflow, tmp_path: Path, options: str, end: str, kind: str, step: int
) -> None:
    workflow.write({"sitecustomize.py": read_script("failing_open_and_write.py")})
    workflow.write_script(read_script("failing_ends.py"), CONFIG.format(options))
    environment = {"PYTHONPATH": str(workflow.directory)}
    # What interpreters say that fail at their start
    errors = (tmp_path / "errors").open("wb")
    with errors:
        caller = workflow.start("workflow.py", environment=environment, stderr=errors)
    assert caller.stdin is not None
    assert caller.stdout is not None
    beyond = 0
    for number in range(1, 1000, step):
        caller.stdin.write(f"{end} {number} {kind}\n")
        caller.stdin.flush()
        lines = [caller.stdout.readline().rstrip("\n") for _ in range(4)]
        said, later, is_beyond, status = lines
        assert said == "right" or re.match(r"\w+Error\(.", said), (number, lines)
        assert (later, status) == ("right", "0"), (number, lines)
        # What follows the task is not among what the task can tell of.
        beyond += step * (is_beyond == "True")
        if beyond > 15:
            break
    assert number > 15
    assert said == "right"
    assert os.listdir(os.environ["TMPDIR"]) == []
