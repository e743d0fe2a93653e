"""Long tests: every chain of three, very many calls, children that are killed."""

from __future__ import annotations

import itertools
import sys

import pytest

from tests.test_chain import KINDS, Model, walk
from tests.workflows import Workflow, read_script

pytestmark = pytest.mark.stress


def test_every_chain_of_three_advices_goes_as_the_rules_say() -> None:
    for kinds in itertools.product(KINDS, repeat=6):
        chain = tuple(zip(kinds[::2], kinds[1::2]))
        model = Model(chain)
        trace, value, error = walk(chain)
        assert (trace, error) == (model.trace, model.error), chain
        if error is None:
            assert value == model.value, chain


def test_children_that_are_killed_lose_no_call_and_leave_nothing(
    workflow: Workflow,
) -> None:
    output = workflow.output(read_script("killed_children.py"))
    assert output == "True True\n"


def test_very_many_tracked_calls_need_no_more_memory(workflow: Workflow) -> None:
    output = workflow.output(
        read_script("very_many_calls.py"),
        config="""
import bandsaw
from bandsaw.timestamps import TimestampsExtension
from bandsaw.tracking.backend import Backend
from bandsaw.tracking.tracker import TrackerExtension

configuration = bandsaw.Configuration().add_advice_chain(bandsaw.Advice())
configuration.add_extension(TimestampsExtension())
configuration.add_extension(TrackerExtension(Backend()))
""",
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(output) * unit < 2 * 1024 * 1024
