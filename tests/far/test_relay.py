"""The relay itself: what it does in each phase is what a broken network does."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Iterator

import pytest

from bandsaw.connections import Ssh
from tests.far.conftest import run
from tests.far.relay import PHASES, Fault, Relay
from tests.sshd import Sshd
from tests.waiting import SECONDS, wait_until

ECHO = [sys.executable, "-c", "import sys;sys.stdout.write(sys.stdin.read())"]


@pytest.fixture
def connection(sshd: Sshd, relay: Relay) -> Ssh:
    options = {**relay.options, "ServerAliveInterval": 1, "ServerAliveCountMax": 2}
    options["LogLevel"] = "INFO"
    return Ssh(
        "127.0.0.1",
        user=sshd.user,
        port=relay.port,
        key_file=sshd.key_file,
        options=options,
    )


def echo(connection: Ssh, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        connection.wrap(ECHO),
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.fixture
def waiting(connection: Ssh, relay: Relay) -> Iterator[subprocess.Popen[bytes]]:
    """A connection to a program that waits for its input."""
    with subprocess.Popen(
        connection.wrap(["sh", "-c", "echo started; cat"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        yield process
        process.kill()


def test_bytes_pass_without_a_fault(connection: Ssh, relay: Relay) -> None:
    text = "ä" * 300_000

    done = echo(connection, text)

    assert (done.stdout, done.stderr) == (text, "")
    assert relay.connections[0].phase == "session"
    assert relay.connections[0].failed is None


def test_an_unknown_port_has_no_known_key(sshd: Sshd, relay: Relay) -> None:
    done = run(
        Ssh("127.0.0.1", user=sshd.user, port=relay.port, key_file=sshd.key_file).wrap(
            ["true"]
        )
    )

    assert "Host key verification failed" in done.stderr


@pytest.mark.parametrize("phase", PHASES)
def test_a_connection_is_cut_in_a_phase(
    connection: Ssh, relay: Relay, sshd: Sshd, phase: str
) -> None:
    accepted = sshd.log.count("Accepted publickey")
    relay.fault = Fault("cut", phase)

    done = echo(connection, "text")

    assert (done.returncode, done.stdout) == (255, "")
    assert [c.phase for c in relay.connections] == [phase]
    if phase == "session":
        wait_until(lambda: sshd.log.count("Accepted publickey") > accepted)
    else:
        assert sshd.log.count("Accepted publickey") == accepted


@pytest.mark.parametrize("phase", PHASES)
def test_a_connection_is_swallowed_in_a_phase(
    connection: Ssh, relay: Relay, phase: str
) -> None:
    relay.fault = Fault("swallow", phase)
    process = subprocess.Popen(
        connection.wrap(ECHO), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )

    wait_until(lambda: any(c.failed for c in relay.connections))

    assert process.poll() is None
    process.kill()
    _, said = process.communicate(timeout=SECONDS)
    assert said == b""
    assert [c.phase for c in relay.connections] == [phase]


def test_ssh_gives_up_a_silent_session(
    waiting: subprocess.Popen[bytes], relay: Relay
) -> None:
    relay.swallow()

    _, said = waiting.communicate(timeout=SECONDS)

    assert waiting.returncode == 255
    assert b"not responding" in said


def test_an_open_session_is_cut(waiting: subprocess.Popen[bytes], relay: Relay) -> None:
    relay.cut()

    _, said = waiting.communicate(timeout=SECONDS)

    assert waiting.returncode == 255
    assert said != b""


def test_a_fault_begins_after_some_bytes(connection: Ssh, relay: Relay) -> None:
    relay.fault = Fault("cut", "session", after=200_000)

    done = echo(connection, "a" * 150_000)

    assert done.returncode == 255
    assert 0 < len(done.stdout) < 150_000


def test_bytes_are_late_by_the_delay(
    waiting: subprocess.Popen[bytes], relay: Relay
) -> None:
    assert waiting.stdin is not None
    assert waiting.stdout is not None
    relay.delay = 0.3
    start = time.monotonic()
    waiting.stdin.write(b"text\n")
    waiting.stdin.flush()

    assert waiting.stdout.readline() == b"text\n"

    assert time.monotonic() - start >= 0.6


def test_bytes_under_way_are_late_together(
    waiting: subprocess.Popen[bytes], relay: Relay
) -> None:
    assert waiting.stdin is not None
    assert waiting.stdout is not None
    relay.delay = 0.3
    start = time.monotonic()
    for _ in range(100):
        waiting.stdin.write(b"text\n")
        waiting.stdin.flush()
        threading.Event().wait(0.001)

    for _ in range(100):
        waiting.stdout.readline()

    assert time.monotonic() - start < 100 * 0.3


def test_bytes_are_throttled_to_the_rate(connection: Ssh, relay: Relay) -> None:
    relay.rate = 100_000
    start = time.monotonic()

    done = echo(connection, "a" * 50_000)

    assert len(done.stdout) == 50_000
    assert time.monotonic() - start >= 1
