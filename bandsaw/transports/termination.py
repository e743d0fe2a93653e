"""The exit of a process, and how it is brought about."""

from __future__ import annotations

import os
import time
from _signal import SIGKILL, SIGTERM  # type: ignore[import-not-found]

from ..exceptions import InterpreterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .spawning import ChildProcess

#: How long a process that has to go may take for it, in seconds.
GRACE = 0.5

# How long to wait between two looks at processes that have to go, in seconds.
_PAUSE = 0.005


class ProcessExited(Exception):
    """A process has exited before it took the job; another one can.

    Args:
        death: How it has ended.
        is_lacking: Whether it only lacked something that it was to keep.
    """

    def __init__(self, death: InterpreterError, is_lacking: bool = False) -> None:
        super().__init__(death)
        self.death = death
        self.is_lacking = is_lacking


def end_group(process: ChildProcess) -> None:
    """End a process, everything in its process group, and what these have started.

    On Linux that includes what has left the group for a session of its own. A daemon,
    whose parent has ended, is not ended.

    Args:
        process: The process, the leader of the group.
    """
    if process.poll() is not None:
        return
    # When it has ended, what it has started has another parent.
    outside = _descendants_outside(process.pid)
    signal_group(process.pid, SIGTERM)
    _signal_all(outside, SIGTERM)
    deadline = time.monotonic() + GRACE
    if process.wait(GRACE) is None:
        outside.update(_descendants_outside(process.pid))
        signal_group(process.pid, SIGKILL)
        process.wait()
    # The others have as long, however soon that has ended.
    while any(_runs(*each) for each in outside.items()) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    _signal_all(outside, SIGKILL)


#: The environment variable by which what a dead process has started is found. It holds
#: the marks of all the processes that a process was started below.
MARK_VARIABLE = "BANDSAW_PROCESSES"


def end_left(mark: str) -> None:
    """End what a process has started in sessions of their own, when it has died.

    On Linux only. A daemon, which has left the one that started its session behind, is
    not ended.

    Args:
        mark: The mark of the process in the variable `MARK_VARIABLE`.
    """
    left = {}
    for pid in _all_processes():
        facts = _facts_of(pid)
        if facts is None or not _has_mark(pid, mark):
            continue
        if facts.session == pid or _facts_of(facts.session) is not None:
            left[pid] = facts.start
    _signal_all(left, SIGKILL)


def _has_mark(pid: int, mark: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return False  # It is another user's, or gone.
    prefix = f"{MARK_VARIABLE}=".encode("ascii")
    return any(
        variable.startswith(prefix) and mark.encode("ascii") in variable
        for variable in variables
    )


def _all_processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _descendants_outside(pid: int) -> dict[int, str]:
    """Find the descendants of the leader of a process group that are not in the group.

    Args:
        pid: Its process id.

    Returns:
        When they were started, by their process ids.
    """
    children: dict[int, list[tuple[int, int, str]]] = {}
    for other in _all_processes():
        facts = _facts_of(other)
        if facts is not None:
            found_one = (other, facts.group, facts.start)
            children.setdefault(facts.parent, []).append(found_one)
    found: dict[int, str] = {}
    parents = [pid]
    for parent in parents:
        for child, group, start in children.get(parent, ()):
            parents.append(child)
            if group != pid:
                found[child] = start
    return found


class _Facts:
    """The parent of a process, its group, its session, and when it was started."""

    __slots__ = ("group", "parent", "session", "start")

    def __init__(self, parent: int, group: int, session: int, start: str) -> None:
        self.parent = parent
        self.group = group
        self.session = session
        self.start = start


def _facts_of(pid: int) -> _Facts | None:
    """Return the facts of a process, `None` if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program, in parentheses before that, may hold anything.
            words = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if words[0] == b"Z":
        return None  # Its parent has not noticed yet.
    parent, group, session = map(int, words[1:4])
    return _Facts(parent, group, session, words[19].decode("ascii"))


def _runs(pid: int, start: str) -> bool:
    facts = _facts_of(pid)
    # Another one may have got its id meanwhile.
    return facts is not None and facts.start == start


def _signal_all(starts: dict[int, str], number: int) -> None:
    for pid, start in starts.items():
        if _runs(pid, start):
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
        pass  # No process is left there, or only one of another user.


#: What is said of a process that has ended its part of an exchange, but not itself.
HAS_CLOSED = "has closed its channel, and was ended."


def describe_exit(status: int) -> str:
    """Describe the exit of a process that should have given an answer.

    Args:
        status: Its return code, as `ChildProcess` has it.
    """
    import signal

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
        text += " If no user did it, the system has, because memory had run out."
    return text
