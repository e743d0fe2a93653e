"""Every way to fail in every phase of a call ends with an error that says which."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.advices.scripts import run
from tests.interpreters import is_one_of

pytestmark = pytest.mark.skipif(
    not is_one_of(min, max), reason="runs with the oldest and the newest Python only"
)

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(), name="fresh")
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="pool")
"""

SCRIPT = """
import signal

CHAIN = sys.argv[1]
PARENT = int(os.environ.setdefault("PARENT", str(os.getpid())))

def descriptors():
    return [int(name) for name in os.listdir("/dev/fd") if int(name) > 2]

def explode(failure):
    if failure == "error":
        raise LookupError("boom")
    if failure.startswith("exit"):
        os._exit(int(failure[4:]))
    if failure == "close":
        for descriptor in descriptors():
            try:
                os.close(descriptor)
            except OSError:
                pass
    elif failure == "garbage":
        for descriptor in descriptors():
            try:
                os.write(descriptor, b"garbage " * 100)
            except OSError:
                pass
    else:
        os.kill(os.getpid(), getattr(signal, failure))
    return failure

class ExplodesWhenWritten:
    def __init__(self, failure):
        self.failure = failure

    def __reduce__(self):
        explode(self.failure)
        return explode, ("error",)

class ExplodesWhenRead(ExplodesWhenWritten):
    def __reduce__(self):
        return explode, (self.failure,)

@bandsaw.task(chain=CHAIN, subprocess={"timeout": 2})
def work(phase, failure, value=None):
    if phase == "runs":
        explode(failure)
    if phase == "result written":
        return ExplodesWhenWritten(failure)
    if phase == "result read":
        return ExplodesWhenRead(failure)
    return 42

FAILURES = [
    *("error", "exit0", "exit3", "SIGSEGV", "SIGKILL", "SIGSTOP", "close", "garbage")
]

if __name__ == "__main__":
    cases = [("argument written", "error"), ("result read", "error")]
    for phase in "argument read", "runs", "result written":
        cases += [(phase, failure) for failure in FAILURES]
    values = {
        "argument written": ExplodesWhenWritten,
        "argument read": ExplodesWhenRead,
    }
    for phase, failure in cases:
        value = values[phase](failure) if phase in values else None
        text = text_of(work, phase, failure, value).splitlines()[0]
        print(f"{phase}, {failure}: {text}")
        assert work("nothing", "") == 42
    from bandsaw.transports import worker
    worker.end_all()
    directory = bandsaw.get_configuration().temporary_directory
    names = [path.name for path in directory.iterdir()]
    print("left:", [name for name in names if not name.startswith("distribution-")])
    print("shared:", [n for n in os.listdir("/dev/shm") if n.startswith("bandsaw-")]
        if os.path.isdir("/dev/shm") else [])
    try:
        os.waitpid(-1, os.WNOHANG)
        print("a child is left")
    except ChildProcessError:
        print("no child is left")
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
without an answer. If nobody else did it, the system has, because memory had run out.
argument read, SIGSTOP: TaskTimeoutError: The call took longer than its timeout of 2 \
seconds in interpreter PYTHON, which was ended.
argument read, close: InterpreterDiedError: Interpreter PYTHON exited with status 0 \
without an answer.
argument read, garbage: ProtocolError: The channel between two interpreters holds \
something else than their frames, beginning with b'garbage garbage ga'. Something has \
written into a descriptor that it did not open.
"""


@pytest.mark.parametrize("chain", ["fresh", "pool"])
def test_every_failure_in_every_phase_has_its_error_and_leaves_nothing(
    tmp_path: Path, chain: str
) -> None:
    output = run(tmp_path, SCRIPT, chain, config=CONFIG)

    lines = output.splitlines()
    expected = EXPECTED.splitlines()
    # Where it happens makes a difference for errors only.
    for phase in "runs", "result written":
        for line in EXPECTED.splitlines()[2:]:
            expected.append(line.replace("argument read", phase))
    expected = [line.replace("PYTHON", sys.executable) for line in expected]
    assert lines[-3:] == ["left: []", "shared: []", "no child is left"]
    assert dict(line.split(": ", 1) for line in lines[:-3]) == {
        **dict(line.split(": ", 1) for line in expected),
        "runs, error": "LookupError: boom",
        "result written, error": (
            "SerializationError: The result of the session cannot be written by "
            "PickleSerializer: LookupError: boom"
        ),
    }
