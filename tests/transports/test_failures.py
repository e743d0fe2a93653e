"""Every way to fail in every phase of a call ends with an error that says which."""

from __future__ import annotations

import sys

import pytest

from tests.interpreters import with_the_oldest_and_the_newest_python_only
from tests.workflows import FAR, Workflow, read_script

pytestmark = with_the_oldest_and_the_newest_python_only

CONFIG = f"""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
{FAR}

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(), name="fresh")
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="pool")
configuration.add_advice_chain(far(), name="far")
"""

EXPECTED = """\
argument written, error: SerializationError: Argument 'value' of workflow.work cannot \
be written by PickleSerializer: LookupError: boom
result read, error: SerializationError: The result of the session cannot be read by \
PickleSerializer: LookupError: boom
argument read, error: SerializationError: Argument 'value' of workflow.work cannot be \
read by PickleSerializer: LookupError: boom (at args[2])
argument read, exit0: InterpreterDiedError: Interpreter PYTHON exited with status 0 \
without an answer.
argument read, exit3: InterpreterDiedError: Interpreter PYTHON exited with status 3 \
without an answer.
argument read, SIGSEGV: InterpreterDiedError: Interpreter PYTHON was killed by SIGSEGV \
without an answer.
argument read, SIGKILL: InterpreterDiedError: Interpreter PYTHON was killed by SIGKILL \
without an answer. If no user did it, the system has, because memory had run out.
argument read, SIGSTOP: TaskTimeoutError: The call took longer than its timeout of 2 \
seconds in interpreter PYTHON, which was ended.
argument read, close: InterpreterDiedError: Interpreter PYTHON exited with status 0 \
without an answer.
argument read, garbage: ProtocolError: The channel between two interpreters holds \
something else than their frames, beginning with b'garbage garbage ga'. Something has \
written into a descriptor that it did not open.
"""


@pytest.mark.parametrize("chain", ["fresh", "pool", "far"])
def test_every_failure_in_every_phase_has_its_error_and_leaves_nothing(
    workflow: Workflow, chain: str
) -> None:
    script = read_script("every_failure.py")
    completed = workflow.run(script, chain, config=CONFIG)

    # Nothing is written there but the stacks of those that have crashed.
    crashes = completed.stderr.split("Fatal Python error: Segmentation fault\n")
    assert crashes[0] == ""
    assert len(crashes) == 4
    lines = completed.stdout.splitlines()
    expected = EXPECTED.splitlines()
    # Where it happens makes a difference for errors only.
    for phase in "runs", "result written":
        for line in EXPECTED.splitlines()[2:]:
            expected.append(line.replace("argument read", phase))
    name = sys.executable
    if chain == "far":
        name += " behind connection 'default'"
    expected = [line.replace("PYTHON", name) for line in expected]
    assert lines[-3:] == ["left: []", "shared: []", "no child is left"]
    # The stack of a crash is also the last that came from behind a connection.
    lines = [line.replace(" It wrote last:", "") for line in lines]
    assert dict(line.split(": ", 1) for line in lines[:-3]) == {
        **dict(line.split(": ", 1) for line in expected),
        "runs, error": "LookupError: boom",
        "result written, error": (
            "SerializationError: The result of workflow.work cannot be written by "
            "PickleSerializer: LookupError: boom"
        ),
    }
