"""Submitted calls in real kernels of IPython."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.workflows import SCRIPTS, Workflow

pytestmark = pytest.mark.notebook

CONFIG = """
import bandsaw

configuration = bandsaw.Configuration().set_concurrency(1)
"""

FIRST = """
import json, sys, threading
sys.path.insert(0, ".")
import bandsaw

gate = threading.Event()

@bandsaw.task
def wait():
    return gate.wait(60)

held, before = wait.submit(), wait.submit()
"""

INTERRUPTED = """
within = wait.submit()
raise KeyboardInterrupt
"""

LAST = """
states = [future.cancelled() for future in (held, before, within)]
gate.set()
print(json.dumps([states, before.result(), wait.submit().result()]))
"""


def test_an_interrupted_cell_cancels_what_it_has_submitted(
    workflow: Workflow, kernel: Path
) -> None:
    workflow.write({"bandsaw_config.py": CONFIG})

    completed = workflow.python(
        SCRIPTS / "kernel.py",
        python=kernel,
        input=json.dumps([FIRST, INTERRUPTED, LAST]),
    )

    said = json.loads(completed.stdout.splitlines()[-1])
    assert json.loads(said[-1]) == [[False, False, True], True, True]
