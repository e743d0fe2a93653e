"""A command is started by a thread, which stays as long as the command."""

from __future__ import annotations

import subprocess
import sys
from typing import Sequence

import pytest

from bandsaw.transports import far_start

# Asks Linux for a signal when the thread ends that has started it, as bwrap does.
PROGRAM = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.write(2, b"asked\\n")
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has such a signal.")
def test_a_command_that_dies_with_its_parent_stays_until_its_input_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = far_start.start_command

    def start_and_wait(words: Sequence[str]) -> subprocess.Popen[bytes]:
        command = start(words)
        assert command.stderr is not None
        assert command.stderr.readline() == b"asked\n"
        return command

    monkeypatch.setattr(far_start, "start_command", start_and_wait)
    command = far_start.StartingCommand([sys.executable, "-c", PROGRAM]).take()

    command.communicate(timeout=60)

    assert command.returncode == 0
