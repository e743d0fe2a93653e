"""A network that fails, in each phase of a connection and of a call."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

import pytest

from bandsaw.connections import Command, Ssh
from tests.far.relay import Fault, Relay
from tests.far.test_calls import config
from tests.sshd import Sshd
from tests.workflows import HEAD, Workflow

# A call is made for each line, and what it comes to is a line. The next one has a new
# connection.
CALLS = (
    HEAD
    + """
import json

@bandsaw.task
def work(kind, content):
    if kind == "running":
        print("running", flush=True)
        import time
        time.sleep(600)
    return len(content), bytes(8 << 20) if kind == "result" else b""

if __name__ == "__main__":
    from bandsaw.transports import far_connection

    for line in sys.stdin:
        kind = line.strip()
        if kind == "new":
            far_connection.close_all()
            print("closed", flush=True)
            continue
        content = os.urandom(8 << 20) if kind == "argument" else b""
        print(json.dumps(text_of(work, kind, content)), flush=True)
"""
)

# More than this takes no fault to be noticed, not even on a busy machine.
LONGEST = 30.0


class Phase(NamedTuple):
    """The phase in which a fault begins, and its name in errors.

    Attributes:
        called: The phase in the error.
        fault: The phase of the relay, and how many bytes of it pass.
        is_start: Whether the connection is made then.
        call: Which call is made.
    """

    called: str
    fault: tuple[str, int] | None
    is_start: bool = True
    call: str = "call"


PHASES = {
    "banner": Phase("reaching Python", ("banner", 0)),
    "key exchange": Phase("reaching Python", ("key exchange", 0)),
    "authentication": Phase("reaching Python", ("authentication", 0)),
    "session": Phase("reaching Python", ("session", 0)),
    "handshake": Phase("handshake", ("session", 20_000)),
    "sending code": Phase("sending code", ("session", 150_000)),
    "argument": Phase("running", ("session", 1 << 20), False, "argument"),
    "running": Phase("running", None, False, "running"),
    "result": Phase("running", ("session", 1 << 20), False, "result"),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the directory in which the far end keeps the code."""
    path = tmp_path / "far"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def there(sshd: Sshd, relay: Relay, home: Path) -> Command:
    options = {**relay.options, "ConnectTimeout": 3, "LogLevel": "INFO"}
    options.update({"ServerAliveInterval": 1, "ServerAliveCountMax": 2})
    ssh = Ssh(
        "127.0.0.1",
        user=sshd.user,
        port=relay.port,
        key_file=sshd.key_file,
        options=options,
    )
    return Command(["env", f"BANDSAW_HOME={home}"], via=ssh)


@pytest.fixture
def caller(workflow: Workflow, there: Command) -> Iterator[Callable[[str], str]]:
    """Return a function that sends the script a line and returns its next one."""
    workflow.write_script(CALLS, config(there, "start_timeout=10"))
    process = workflow.start("workflow.py", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    lines, answers = process.stdin, process.stdout

    def call(line: str) -> str:
        if line:
            lines.write(f"{line}\n")
            lines.flush()
        return answers.readline().strip()

    yield call
    lines.close()
    process.wait()


@pytest.mark.parametrize("kind", ["cut", "swallow"])
def test_each_fault_is_an_error_with_its_phase_and_the_next_call_connects_anew(
    caller: Callable[[str], str], relay: Relay, home: Path, kind: str
) -> None:
    for name, phase in PHASES.items():
        if phase.is_start:
            assert caller("new") == "closed"
            shutil.rmtree(home / "archives", ignore_errors=True)
        if phase.fault is not None:
            relay.fault = Fault(kind, *phase.fault)
        begun = time.monotonic()
        answer = caller(phase.call)
        if answer == "running":
            (relay.cut if kind == "cut" else relay.swallow)()
            answer = caller("")

        text = json.loads(answer)
        assert time.monotonic() - begun < LONGEST, name
        assert text.startswith(
            f"UnreachableError: The connection 'default' failed while {phase.called}: "
        ), name
        if kind == "cut" or not phase.is_start:
            # What ssh says of it
            assert "\nIt wrote last:\n" in text, name
        relay.fault = None
        assert json.loads(caller("call")) == "(0, b'')", name


def test_a_slow_network_is_no_fault(caller: Callable[[str], str], relay: Relay) -> None:
    relay.delay, relay.rate = 0.05, 4e6

    assert json.loads(caller("argument")) == "(8388608, b'')"
    assert len(relay.connections) == 1
