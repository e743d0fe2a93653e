"""Start the process of an interpreter, if possible without the module `subprocess`.

To import that takes 5 of the 60 ms that the first call of a script takes, and nothing
else can be done before there is a process.
"""

from __future__ import annotations

import os
import sys
import time
from _signal import SIGPIPE, SIGXFSZ  # type: ignore[import-not-found]

from ..runtime.fork import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Sequence

# How long to wait between two looks at a process, in seconds: longer each time.
_SHORTEST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.05


class ChildProcess:
    """A child of this process.

    Args:
        pid: Its process id.
        descriptors: The numbers that the passed descriptors have there.

    Attributes:
        pid: Its process id.
        descriptors: The numbers that the passed descriptors have there.
        returncode: Its exit status or the negative number of the signal that killed it,
            `None` until it is known to have ended.
    """

    def __init__(self, pid: int, descriptors: Sequence[int]) -> None:
        self.pid = pid
        self.descriptors = descriptors
        self.returncode: int | None = None
        self._lock = Lock()

    def poll(self) -> int | None:
        """Return its exit status, `None` while it runs."""
        # A thread that waits for it has the lock, and notes its end.
        if self.returncode is None and self._lock.acquire(False):
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self._note_end(status)
            except ChildProcessError:
                self._note_end(0)
            finally:
                self._lock.release()
        return self.returncode

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait until it has ended.

        Args:
            seconds: How long to wait at most.

        Returns:
            Its exit status, `None` if it has not ended.
        """
        if seconds is None:
            with self._lock:
                if self.returncode is None:
                    try:
                        self._note_end(os.waitpid(self.pid, 0)[1])
                    except ChildProcessError:
                        self._note_end(0)
            return self.returncode
        deadline = time.monotonic() + seconds
        pause = _SHORTEST_PAUSE
        while self.poll() is None and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
        return self.returncode

    def _note_end(self, status: int) -> None:
        """Note how it has ended; unknown is taken for well.

        Args:
            status: What the system says. It says nothing where this process ignores
                SIGCHLD, for example.
        """
        if self.returncode is None:
            killed = os.WIFSIGNALED(status)
            self.returncode = -os.WTERMSIG(status) if killed else os.WEXITSTATUS(status)


def start_process(
    words: Sequence[str],
    environment: dict[str, str],
    streams: Sequence[int | None],
    passed: Sequence[int],
) -> ChildProcess:
    """Start a process in a session of its own, with an empty standard input.

    Args:
        words: The words of its command line. The number that the first of the passed
            descriptors has there follows.
        environment: Its environment variables.
        streams: The descriptors of its standard output and standard error, `None` for
            those of this process.
        passed: The other descriptors that it inherits.

    Raises:
        OSError: If it cannot be started.
    """
    if sys.platform == "linux" and os.sep in words[0]:
        try:
            return _spawn(words, environment, streams, passed)
        except (FileNotFoundError, NotImplementedError):
            pass  # There is no `/proc`, or the C library knows no `setsid`.
    import subprocess

    stdout, stderr = streams
    process = subprocess.Popen(
        [*words, str(passed[0])],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=passed,
        start_new_session=True,
    )
    process.returncode = 0  # It is not to be waited for there.
    return ChildProcess(process.pid, passed)


def _spawn(
    words: Sequence[str],
    environment: dict[str, str],
    streams: Sequence[int | None],
    passed: Sequence[int],
) -> ChildProcess:
    # What is closed meanwhile makes no error.
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inheritable()
    ]
    actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    for number, stream in enumerate(streams, 1):
        if stream is not None:
            actions.append((os.POSIX_SPAWN_DUP2, stream, number))
    # A copy is inherited, which no other process has that is started meanwhile.
    copies = range(max(passed) + 1, max(passed) + 1 + len(passed))
    actions += [(os.POSIX_SPAWN_DUP2, *pair) for pair in zip(passed, copies)]
    pid = os.posix_spawn(
        words[0],
        [*words, str(copies[0])],
        environment,
        file_actions=actions,
        setsid=True,
        setsigdef=(SIGPIPE, SIGXFSZ),  # Python itself ignores them.
    )
    return ChildProcess(pid, copies)


def _inheritable() -> Iterator[int]:
    """Yield the descriptors that were made inheritable, or that a library in C has."""
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor > 2 and _is_inheritable(descriptor):
            yield descriptor


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False  # It is closed by now, like that of the list itself.
