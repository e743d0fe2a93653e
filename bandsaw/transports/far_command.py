"""The command of a connection, from its start until a Python answers behind it.

It comes before the words of a Python, like `ssh HOST`. What it says meanwhile is kept,
for an error, and what it says of a job in a queue is noticed, see
`bandsaw.connections.Connection.read`.
"""

from __future__ import annotations

import os
import select
import subprocess
import time

from ..connections import wrapped
from ..exceptions import InterpreterDiedError, InterpreterStartError, UnreachableError
from .background import run_in_background
from .boot import boot_of, loader
from .far_start import StartingCommand, words_of
from .link import widen
from .spawning import ChildProcess
from .termination import describe_exit, end_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Sequence

    from ..connections import Connection
    from ..exceptions import InterpreterError


# How often a wait is interrupted, in seconds.
_INTERVAL = 0.1

# How long the end of a command is awaited that has closed its output, in seconds.
_TIME_TO_END = 1.0

# How much is kept of what a command writes to its standard error.
_LINES_KEPT = 20
_BYTES_KEPT = 5000

# What a profile prints before Python is reached may be long; this is too long.
_LONGEST_PRELUDE = 1 << 20

# How often it is asked why a job waits, and how long the answer may take, in seconds.
_TIME_BETWEEN_QUESTIONS = 10.0
_TIME_TO_ANSWER = 10.0

# What became of a job whose command says so
_FATES = {
    "cancelled": "its job was cancelled",
    "time limit": "the time limit of its job is over",
}

_OLDEST = (3, 8)

STARTING_COMMAND = "starting the command"
REACHING_PYTHON = "reaching Python"
HANDSHAKE = "handshake"
SENDING_CODE = "sending code"
STARTING_WORKER = "starting a worker"
RUNNING = "running"

# Statuses with a meaning
_NOT_FOUND, _NOT_EXECUTABLE, _SSH_FAILED = 127, 126, 255


class Lost(Exception):
    """A connection that cannot be used any more.

    Args:
        reason: Why.
        kind: The class of the error that its calls get.
    """

    def __init__(
        self, reason: str, kind: type[InterpreterError] = UnreachableError
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


class Closed(Lost):
    """A connection that this process has closed, because nothing needed it."""


class FarCommand:
    """A command that leads to a Python.

    Args:
        name: What the connection is called in an error.
        connection: What makes the words of the command.
        python: The Python there.
        start_timeout: How long it may take until that answers, in seconds.
        started: The command, if it is being started already.

    Attributes:
        words: The words of the command.
        phase: What the connection is doing, for an error.
        waits_for: Why it waits in a queue, empty if it does not.
        job: The job in the queue, `None` if there is none.
        stdin: The descriptor of its standard input.
        stdout: The descriptor of its standard output.
        stderr: The descriptor of its standard error.
        said_all: Whether nothing more comes from there.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        python: str,
        start_timeout: float,
        started: StartingCommand | None = None,
    ) -> None:
        self.words = words_of(connection, python)
        self._started = started
        self.phase = STARTING_COMMAND
        self.waits_for = ""
        self.job: str | None = None
        self.stdin = self.stdout = self.stderr = -1
        self.said_all = False
        self._name = name
        self._connection = connection
        self._shown = wrapped(connection, [python])
        self._queued_since: float | None = None
        self._asked_at = 0.0
        self._fate = ""
        self._start_timeout = start_timeout
        self._begun = time.monotonic()
        self._said = self._line = b""
        self.process: ChildProcess | None = None

    def start(self) -> None:
        """Start it, unless it was started already.

        Raises:
            Lost: If it cannot be started.
        """
        try:
            command = (self._started or StartingCommand(self.words)).take()
        except (OSError, RuntimeError) as error:
            raise Lost(str(error), InterpreterStartError) from error
        self.process = ChildProcess(command.pid, ())
        command.returncode = 0  # It is not to be waited for there.
        streams = command.stdin, command.stdout, command.stderr
        self.stdin, self.stdout, self.stderr = (
            os.dup(stream.fileno()) for stream in streams if stream is not None
        )
        for stream in streams:
            assert stream is not None
            stream.close()
        for descriptor in self.stdin, self.stdout, self.stderr:
            os.set_blocking(descriptor, False)
            widen(descriptor)

    def reach_python(self, watch: Callable[[], None], wake_source: int) -> bytes:
        """Send the loader, and what that executes when it has answered.

        Args:
            watch: Is called during each wait.
            wake_source: A descriptor that ends a wait when it can be read.

        Returns:
            The beginning of what that has sent.

        Raises:
            Lost: If there is no answer, or none of a Python that will do.
        """
        self._watch, self._wake_source = watch, wake_source
        self.phase = REACHING_PYTHON
        nonce = os.urandom(16).hex()
        self._write(loader(nonce))
        mark = b"\n" + nonce[::-1].encode("ascii") + b" "
        received = b""
        while True:
            place = received.find(mark)
            end = received.find(b"\n", place + len(mark)) if place >= 0 else -1
            if end >= 0:
                break
            received += self._read()
            if place < 0 and len(received) > _LONGEST_PRELUDE:
                raise Lost("it has written a lot, and Python has not answered")
        version = received[place + len(mark) : end].decode("ascii", "replace")
        parts = tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
        if parts[:2] < _OLDEST:
            oldest = ".".join(map(str, _OLDEST))
            raise Lost(
                f"the Python there has version {version}, and bandsaw needs {oldest} "
                "at least",
                InterpreterStartError,
            )
        self.phase = HANDSHAKE
        self._write(boot_of(_boot_modules()))
        return received[end + 1 :]

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            try:
                rest = rest[os.write(self.stdin, rest) :]
            except BlockingIOError:
                self._wait_for(self.stdin, select.POLLOUT)
            except OSError:
                raise self.ended() from None

    def _read(self) -> bytes:
        while True:
            try:
                piece = os.read(self.stdout, 1 << 16)
            except BlockingIOError:
                self._wait_for(self.stdout, select.POLLIN)
                continue
            if not piece:
                raise self.ended()
            return piece

    def _wait_for(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(self._wake_source, select.POLLIN)
        if not self.said_all:
            poll.register(self.stderr, select.POLLIN)
        poll.register(descriptor, event)
        found = dict(poll.poll(1000 * _INTERVAL))
        if self.stderr in found:
            self.read_error()
        self._watch()

    def read_error(self) -> None:
        """Read what it says, once."""
        try:
            piece = os.read(self.stderr, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        self._said = (self._said + piece)[-_BYTES_KEPT:]
        *lines, self._line = (self._line + piece).split(b"\n")
        self._line = self._line[-_BYTES_KEPT:]
        for line in lines:
            self._notice(line.decode("utf-8", "replace"))
        if not piece:
            self.said_all = True

    def _notice(self, line: str) -> None:
        """Notice what a line of the command tells of its job."""
        event = self._connection.read(line)
        if event is None:
            return
        self.job = event.job or self.job
        now = time.monotonic()
        if event.kind == "queued":
            self._queued_since = now
            self.waits_for = f"The {self._name} waits in a queue."
            return
        self.waits_for = ""
        if self._queued_since is not None:
            # How long a queue is, nothing tells.
            self._begun += now - self._queued_since
            self._queued_since = None
        # Of two reasons, the one that is no mere end says more.
        if event.kind != "cancelled" or not self._fate:
            self._fate = _FATES.get(event.kind, "")

    def _ask_why(self) -> None:
        """Ask for the reason why the job waits, now and then."""
        now = time.monotonic()
        if self.job is None or now - self._asked_at < _TIME_BETWEEN_QUESTIONS:
            return
        self._asked_at = now
        words = self._connection.ask(self.job)
        if words is None:
            return

        def ask() -> None:
            answer = _run(words).strip()
            if answer and self.waits_for:
                self.waits_for = f"The {self._name} waits in a queue: {answer}."

        run_in_background(ask)

    def cancel_job(self) -> None:
        """Have the job ended, which need not end with the command."""
        if self.job is not None and not self._fate:
            words = self._connection.cancel(self.job)
            if words is not None:
                _run(words)

    def check_start(self) -> None:
        """Give up when the start takes too long.

        Raises:
            Lost: If it does.
        """
        if self._queued_since is not None:
            self._ask_why()
        elif time.monotonic() - self._begun > self._start_timeout:
            raise Lost(f"there was no answer within {self._start_timeout:g} seconds")

    def ended(self) -> Lost:
        """Return what the end of the command means."""
        command = self.process
        assert command is not None
        command.wait(_TIME_TO_END)
        while not self.said_all:
            before = self._said
            self.read_error()
            if self._said == before:
                break
        if self._fate:
            return Lost(self._fate, InterpreterDiedError)
        status = command.returncode
        if status is None:
            return Lost("the command has closed its output")
        kind: type[InterpreterError] = UnreachableError
        if status < 0:
            end = describe_exit(status).replace(" without an answer", "")
            text = f"the command {end}".rstrip(".")
        else:
            text = f"the command ended with status {status}"
        if self.phase == REACHING_PYTHON and status != _SSH_FAILED:
            kind = InterpreterStartError
            if status == _NOT_FOUND:
                text += ", so a program was not found"
            elif status == _NOT_EXECUTABLE:
                text += ", so a program could not be executed"
            else:
                text += (
                    ". Unless it has said why, something before Python, the profile of "
                    "a login shell for example, may have read its standard input"
                )
        return Lost(text, kind)

    def error(
        self, reason: str, kind: type[InterpreterError], phase: str = ""
    ) -> InterpreterError:
        """Return an error that says which connection has failed, and in which phase.

        Args:
            reason: Why it has.
            kind: The class of the error.
            phase: The phase, unless it is the current one.
        """
        import shlex

        text = (
            f"The {self._name} failed while {phase or self.phase}: "
            f"{reason.rstrip('.')}. Its command is: {shlex.join(self._shown)}"
        )
        lines = self._said.decode("utf-8", "replace").splitlines()[-_LINES_KEPT:]
        if lines:
            text += "\nIt wrote last:\n" + "\n".join(lines)
        return kind(text)

    def end(self, seconds: float) -> None:
        """End it, if it has not ended by itself.

        Args:
            seconds: How long it may take for that.
        """
        if self.process is not None:
            if seconds:
                self.process.wait(seconds)
            end_group(self.process)

    def close_input(self) -> None:
        """Close its standard input, by which it learns that it has to end."""
        if self.stdin >= 0:
            stdin, self.stdin = self.stdin, -1
            os.close(stdin)

    def close(self) -> None:
        """Close all descriptors; idempotent."""
        self.close_input()
        for descriptor in self.stdout, self.stderr:
            if descriptor >= 0:
                os.close(descriptor)
        self.stdout = self.stderr = -1

    def forget(self) -> None:
        """Let go of it in a forked child: it is its parent's."""
        if self.process is not None:
            self.process.returncode = 0
        self.close()


# The modules that the far end begins with, each after those that it needs.
_BOOT_MODULES = {
    "_bandsaw_home": ("runtime", "home"),
    "_bandsaw_path_trust": ("runtime", "path_trust"),
    "_bandsaw_bootstrap": ("distribution", "bootstrap"),
    "_bandsaw_boot": ("transports", "boot"),
}


def _boot_modules() -> list[tuple[str, str]]:
    """Return the names of the modules that the far end begins with, and their texts."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    texts = []
    for name, (room, module) in _BOOT_MODULES.items():
        path = os.path.join(package, room, f"{module}.py")
        with open(path, encoding="utf-8") as file:
            texts.append((name, file.read()))
    return texts


def _run(words: Sequence[str]) -> str:
    """Run a command that takes no time, and return what it prints."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIME_TO_ANSWER,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")
