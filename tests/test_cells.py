"""Tasks of a notebook's cells are moved by their source."""

from __future__ import annotations

import json

from tests import notebook_cells
from tests.workflows import SCRIPTS, Workflow

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(workers=1, start_ahead=False)
)
"""


def execute(workflow: Workflow, *cells: str) -> list[str]:
    """Execute cells, and return what each prints."""
    workflow.write({"bandsaw_config.py": CONFIG})
    completed = workflow.python(SCRIPTS / "cells.py", input=json.dumps(cells))
    printed: list[str] = json.loads(completed.stdout)
    return printed


def test_a_task_of_a_cell_finds_elsewhere_what_it_finds_here(
    workflow: Workflow,
) -> None:
    printed = execute(workflow, *notebook_cells.all_cells())
    assert notebook_cells.check(printed) == {}
