"""Both ends of the pipe that makes a child process end when its parent does.

The parent keeps the writing end of a pipe open. When it ends, for whatever reason, the
child reads the pipe's end. A process that the parent has forked may hold the pipe open
longer, so the child also looks at who its parent is.

A child that is stopped cannot look, so on Linux the end of the pipe lets it go on, also
one that was stopped before it could look. On macOS it ends when it is continued.

A child on another machine has the pipe as its standard input. What starts it there may
give it another one, so it takes it for a lifeline only after a greeting.
"""

from __future__ import annotations

import os
import select
from _signal import SIGCONT, SIGKILL  # type: ignore[import-not-found]
from _thread import start_new_thread
from time import monotonic, sleep

from .fork import Lock, call_in_child
from .functions import partial
from .temporary import (
    hold_directory_of_call,
    left_directories,
    places_of_directories,
    remove_left_directories_of_calls,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

# How often a child looks at who its parent is, in seconds.
_INTERVAL = 0.5

# What no other program writes into a standard input.
_GREETING = b"bandsaw keeps this open\n"

# Outlives the group, so that nothing writes into the directories any more.
_END_AND_REMOVE = 'kill -s KILL -- "-$1"; shift; exec rm -Rf -- "$@"'

# How long a parent takes at most that is about to be gone, in seconds.
_TIME_TO_DIE = 1.0


class Lifeline:
    """The parent's end.

    Attributes:
        descriptor: The child's end of the pipe, for a child to inherit.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self.descriptor, self._kept_open = os.pipe()
        call_in_child(self._close)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that a child on this machine passes to `end_with_parent`."""
        return {
            "descriptor": self.descriptor,
            "parent": os.getpid(),
            "places": places_of_directories(),
        }

    @staticmethod
    def far_settings(remove: str) -> dict[str, Any]:
        """Return what a child on another machine has to give to `end_with_parent`.

        Args:
            remove: A directory there that no other process can remove then.
        """
        return {"descriptor": 0, "greeted": True, "remove": remove}

    def greet(self) -> None:
        """Tell a child that the pipe is its standard input."""
        with self._lock:
            if self._kept_open >= 0:
                os.write(self._kept_open, _GREETING)

    def continue_at_end(self, child: int) -> None:
        """Have a child that was stopped, and its process group, go on when this ends.

        Args:
            child: The leader of the group, which may not have come to watch the pipe.
        """
        _let_its_end_continue(self.descriptor, -child)

    def cut(self) -> None:
        """Let the child end, unless it has been told to already."""
        with self._lock:
            kept_open, self._kept_open = self._kept_open, -1
            if kept_open >= 0:
                os.close(kept_open)

    def release_descriptor(self) -> None:
        """Close the end of the child here, unless that is done already."""
        with self._lock:
            descriptor, self.descriptor = self.descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)

    def __enter__(self) -> Lifeline:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._close()

    def _close(self) -> None:
        self.cut()
        self.release_descriptor()


def end_with_parent(
    descriptor: int,
    parent: int | None = None,
    remove: str | None = None,
    greeted: bool = False,
    places: Sequence[str] = (),
) -> None:
    """Let this process, and all of its process group, end when its parent does.

    Args:
        descriptor: What reads as ended when the parent ends. Standard input is taken
            away from the program, which finds an empty one.
        parent: The process id of the parent, on the same machine. It may have started
            this process by way of another one.
        remove: A directory that no other process can remove then, made for a call from
            another machine. What dead workflows have left beside it is removed now.
        greeted: Whether the descriptor counts only when it begins with a greeting.
        places: Where to remove the temporary directories that the parent leaves.
    """
    # The parent may have so many that `select` would not take the number.
    inherited, descriptor = descriptor, os.dup(descriptor)
    if inherited == 0:
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
    else:
        os.close(inherited)
    if remove is not None:
        remove = os.path.abspath(remove)
        hold_directory_of_call(remove)
    _let_its_end_continue(descriptor, os.getpid())
    start_new_thread(_watch, (descriptor, parent, remove, greeted, places))
    if remove is not None:
        remove_left_directories_of_calls(remove)


def _let_its_end_continue(descriptor: int, owner: int) -> None:
    """Have the system send SIGCONT, which alone reaches a process that is stopped.

    Args:
        descriptor: The reading end of the pipe.
        owner: The id of the process, or the negative one of a process group.
    """
    try:
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETOWN, owner)
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, SIGCONT)
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
    except (AttributeError, ImportError, OSError):
        pass  # Elsewhere it would be another signal, which has to wait.


def _watch(
    descriptor: int,
    parent: int | None,
    remove: str | None,
    greeted: bool,
    places: Sequence[str],
) -> None:
    if greeted and not _read_greeting(descriptor):
        return
    interval = None if parent is None else _INTERVAL
    is_child = os.getppid() == parent
    while parent is None or _is_there(parent, is_child):
        try:
            ready = select.select([descriptor], [], [], interval)[0]
            if ready and not os.read(descriptor, 1):
                break
        except OSError:
            # The program has closed it. That the parent is there can still be seen.
            if interval is None:
                return
            sleep(interval)
    group = os.getpgrp()
    left = [] if remove is None else [remove]
    if parent is not None and places and _is_gone(parent, is_child):
        for place in places:
            left.extend(left_directories(place, dead=parent))
    if left:
        _end_and_remove(group, left)
    os.killpg(group, SIGKILL)


def _is_gone(parent: int, is_child: bool) -> bool:
    """Tell if the parent ends that has closed its end of the pipe."""
    deadline = monotonic() + _TIME_TO_DIE
    while _is_there(parent, is_child):
        if monotonic() > deadline:
            return False
        sleep(0.002)
    return True


def _is_there(parent: int, is_child: bool) -> bool:
    if is_child:
        return os.getppid() == parent
    # The executable is a script that starts an interpreter.
    try:
        os.kill(parent, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not _is_zombie(parent)


def _is_zombie(process: int) -> bool:
    """Tell if a process has ended that its own parent has not waited for."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The state follows the name, which may hold anything.
            return file.read().rpartition(b") ")[2][:1] in (b"Z", b"X")
    except OSError:
        return False  # macOS does not say it.


def _read_greeting(descriptor: int) -> bool:
    return all(os.read(descriptor, 1) == bytes((expected,)) for expected in _GREETING)


def _end_and_remove(group: int, directories: list[str]) -> None:
    words = ["/bin/sh", "-c", _END_AND_REMOVE, "sh", str(group), *directories]
    streams = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    spawn: Any = partial(
        os.posix_spawn, words[0], words, os.environ, file_actions=streams
    )
    try:
        try:
            process = spawn(setsid=True)
        except NotImplementedError:  # macOS
            process = spawn(setpgroup=0)
        os.waitpid(process, 0)
    except OSError:
        import shutil

        for directory in directories:
            shutil.rmtree(directory, ignore_errors=True)
