"""How a process ends, and how it is made to."""

from __future__ import annotations

import os
import signal
import subprocess

from ..exceptions import InterpreterError

#: How long a process that has to go may take for it, in seconds.
GRACE = 0.5


class HasLeft(Exception):
    """A process has ended before it took the job; another one can.

    Args:
        death: How it has ended.
    """

    def __init__(self, death: InterpreterError) -> None:
        super().__init__(death)
        self.death = death


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything in its process group.

    Args:
        process: The process, the leader of the group.
    """
    if process.poll() is None:
        signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
    if process.poll() is None:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a process group.

    Args:
        pid: The process id of its leader.
        number: The signal.
    """
    try:
        os.killpg(pid, number)
    except (PermissionError, ProcessLookupError):
        pass  # Nobody, or only somebody who has become another user, is left there.


def describe_end(status: int) -> str:
    """Say how a process has ended.

    Args:
        status: Its return code, as `subprocess` has it.
    """
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"
