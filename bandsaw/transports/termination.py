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
    """End a process, everything in its process group, and what these have started.

    On Linux that includes what has left the group for a session of its own. A daemon,
    whose parent has ended, is nobody's.

    Args:
        process: The process, the leader of the group.
    """
    if process.poll() is not None:
        return
    # When it has ended, nobody knows any more what it has started.
    outside = _descendants_outside(process.pid)
    signal_group(process.pid, signal.SIGTERM)
    _signal_all(outside, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        outside.update(_descendants_outside(process.pid))
        signal_group(process.pid, signal.SIGKILL)
        process.wait()
    _signal_all(outside, signal.SIGKILL)


def _descendants_outside(pid: int) -> dict[int, str]:
    """Find the descendants of the leader of a process group that are not in the group.

    Args:
        pid: Its process id.

    Returns:
        When they were started, by their process ids.
    """
    children: dict[int, list[tuple[int, int, str]]] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return {}
    for other in map(int, filter(str.isdigit, names)):
        facts = _facts_of(other)
        if facts is not None:
            parent, group, start = facts
            children.setdefault(parent, []).append((other, group, start))
    found: dict[int, str] = {}
    parents = [pid]
    for parent in parents:
        for child, group, start in children.get(parent, ()):
            parents.append(child)
            if group != pid:
                found[child] = start
    return found


def _facts_of(pid: int) -> tuple[int, int, str] | None:
    """Return the parent of a process, its group, and when it was started."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program, in parentheses before that, may hold anything.
            words = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(words[1]), int(words[2]), words[19].decode("ascii")


def _signal_all(starts: dict[int, str], number: int) -> None:
    for pid, start in starts.items():
        facts = _facts_of(pid)
        # Another one may have got its id meanwhile.
        if facts is not None and facts[2] == start:
            try:
                os.kill(pid, number)
            except (PermissionError, ProcessLookupError):
                pass  # It has become another user's, or has just ended.


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
    """Say how a process has ended that should have given an answer.

    Args:
        status: Its return code, as `subprocess` has it.
    """
    if status == 0 and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        return (
            "has ended without an answer. How is unknown, as this process ignores the "
            "signal SIGCHLD."
        )
    if status >= 0:
        return f"exited with status {status} without an answer."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    text = f"was killed by {name} without an answer."
    if -status == signal.SIGKILL:
        # It leaves no other trace that a program without privileges could read.
        text += " If nobody else did it, the system has, because memory had run out."
    return text
