"""The start of a command that leads to a Python.

It takes long until that answers, and this process can import all the rest meanwhile. So
nothing that takes long to import is needed here.
"""

from __future__ import annotations

import os
from _signal import SIGKILL  # type: ignore[import-not-found]
from _thread import start_new_thread

from ..connections import wrapped
from ..runtime.fork import call_at_exit, call_at_reset, call_in_child, closed_gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Sequence

    from ..connections import Connection

#: The Python that is looked for unless another one is given.
DEFAULT_PYTHON = "python3"

# The word that a Python is started with. It reads the loader, and nothing behind it
# that could be lost: what follows is sent when the loader has answered.
_BOOT_WORD = "import sys;exec(eval(sys.stdin.readline()))"


def words_of(connection: Connection, python: str) -> list[str]:
    """Return the words of a command that executes the loader.

    Args:
        connection: What makes them.
        python: The Python there.
    """
    return wrapped(connection, [python, "-u", "-c", _BOOT_WORD])


def start_command(words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command with pipes for its standard streams.

    Args:
        words: Its words.

    Raises:
        OSError: If it cannot be started.
    """
    import subprocess

    pipe = subprocess.PIPE
    # A Ctrl-C is for this process, which ends it.
    return subprocess.Popen(
        words, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
    )


class StartingCommand:
    """A command that a thread starts, which no Ctrl-C can interrupt.

    What is not taken is ended with the program. The thread stays as long as the
    command. Linux takes it for the parent: `bwrap --die-with-parent` ends with it.

    Args:
        words: Its words.

    Raises:
        RuntimeError: If there is no thread for it.
    """

    def __init__(self, words: Sequence[str]) -> None:
        # It imports `threading`, which takes the thread in which that is done for the
        # main one.
        import subprocess  # noqa: F401

        self._words = words
        self._command: subprocess.Popen[bytes] | None = None
        self._error: BaseException | None = None
        self._has_started = closed_gate()
        call_at_exit(_end_all, priority=-60)
        _starting.add(self)
        try:
            start_new_thread(self._start, ())
        except RuntimeError:
            _starting.discard(self)
            raise

    def _start(self) -> None:
        try:
            self._command = start_command(self._words)
        except BaseException as error:
            self._error = error
        finally:
            self._has_started.release()
        if self._command is not None and hasattr(os, "waitid"):
            try:
                # It is left to others to take note of the end.
                os.waitid(os.P_PID, self._command.pid, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                pass  # They already have.

    def take(self) -> subprocess.Popen[bytes]:
        """Wait until it has started, and return it.

        Raises:
            OSError: If it cannot be started.
        """
        with self._has_started:
            _starting.discard(self)
        if self._command is None:
            raise self._error or OSError(f"{self._words[0]} was not started")
        return self._command

    def end(self) -> None:
        """End it with all that it has started."""
        try:
            command = self.take()
        except Exception:
            return
        try:
            os.killpg(command.pid, SIGKILL)
        except ProcessLookupError:
            pass
        command.communicate()

    def forget(self) -> None:
        """Let go of it in a forked child: it is its parent's."""
        command = self._command
        if command is not None:
            command.returncode = 0
            for stream in command.stdin, command.stdout, command.stderr:
                if stream is not None:
                    stream.close()


_starting: set[StartingCommand] = set()


@call_at_reset
def _end_all() -> None:
    for command in list(_starting):
        command.end()


@call_in_child
def _forget_all() -> None:
    for command in _starting:
        command.forget()
    _starting.clear()
