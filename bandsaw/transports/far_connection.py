"""A connection: a command that leads to a Python elsewhere, and the server behind it.

The command comes before the words of a Python, like `ssh HOST`. One thread of this
process starts it and serves it, in phases that an error names:

- *starting the command*;
- *reaching Python*: the loader is sent, until it answers;
- *greeting*: bandsaw's first code is sent, until it says which Python it is;
- *sending code*: what is not kept there yet, until the server has started;
- *running*: the server starts the processes that continue sessions. It runs no code of
  the user's, so it notices when the connection ends, and ends them.

The state of the process is `_connections`, all of them that have not ended yet.
"""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import threading
import time
from _thread import start_new_thread
from collections import deque
from marshal import dumps

from ..connections import wrapped
from ..distribution import bootstrap
from ..exceptions import (
    InterpreterDiedError,
    InterpreterError,
    InterpreterStartError,
    ProtocolError,
    UnreachableError,
)
from ..runtime import home, path_trust
from ..runtime.contexts import suppress
from ..runtime.fork import call_at_exit, call_at_reset, call_in_child
from ..session.cancellation import is_cancelled
from . import boot
from .background import run_beside
from .boot import BOOT_WORD, Code, boot_of, loader
from .link import EXITED, OPEN, STOP, Link, LinkEnded, read_exit, widen
from .spawning import ChildProcess
from .termination import describe_exit, end_group
from .worker import end_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Sequence

    from ..connections import Connection
    from ..distribution import DistributionArchive
    from .far import FarProcess


# What serves at the far end; nothing here imports it.
_SERVER = "bandsaw.runner.server"

# How often a thread that waits looks if it still has to, in seconds.
_INTERVAL = 0.1

# After how many seconds without a sign of life a connection is lost.
_SILENCE = 60.0

# How long a command may take to end when its standard input has ended, in seconds.
_TIME_TO_LEAVE = 5.0

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
GREETING = "greeting"
SENDING_CODE = "sending code"
STARTING_WORKER = "starting a worker"
RUNNING = "running"

# Statuses with a meaning
_NOT_FOUND, _NOT_EXECUTABLE, _SSH_FAILED = 127, 126, 255


class _Lost(Exception):
    """A connection that cannot be used any more.

    Args:
        reason: Why.
        kind: The class of the error that its calls get, if that is known.
    """

    def __init__(self, reason: str, kind: type[InterpreterError] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


class _Closed(_Lost):
    """A connection that this process has closed, because nothing needed it."""


class FarConnection:
    """A command that runs, and the server behind it.

    Args:
        name: What it is called in an error.
        connection: What makes the words of the command.
        python: The Python there.
        start_timeout: How long it may take until the server has started, in seconds.
        idle_timeout: After how many seconds without a process it ends.

    Attributes:
        words: The words of the command.
        failure: Why it cannot be used any more, `None` if it can.
        was_closed: Whether that is because nothing needed it.
        load: How many processes it has, or is to have.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        python: str,
        start_timeout: float,
        idle_timeout: float,
    ) -> None:
        self.name = name
        self.failure: InterpreterError | None = None
        self.was_closed = False
        self.load = 0
        self.words = words_of(connection, python)
        self._shown = shlex.join(wrapped(connection, [python]))
        self._connection = connection
        # What the command has told of its job, if it has one
        self._job: str | None = None
        self._queued_since: float | None = None
        self._asked_at = 0.0
        self._fate = ""
        #: Why it waits in a queue, empty if it does not.
        self.waits_for = ""
        self._start_timeout = start_timeout
        self._idle_timeout = idle_timeout
        self._phase = STARTING_COMMAND
        self._changed = threading.Condition()
        self._is_started = self._is_closing = self._has_ended = False
        self._waiting = 0
        self._requests: deque[Callable[[], None]] = deque()
        self._processes: dict[int, FarProcess] = {}
        self._count = 0
        self._said = b""
        self._said_all = False
        self._line = b""
        self._link: Link | None = None
        # The code that is there, what is asked for, and what waits for it
        self._kept: set[str] = set()
        self._asked: deque[Code] = deque()
        self._exiting: list[FarProcess] = []
        self._opening: deque[tuple[Code, FarProcess, bytes]] = deque()
        self._wake_source, self._wake_target = os.pipe()
        self._descriptors = [self._wake_source, self._wake_target]
        for descriptor in self._descriptors:
            os.set_blocking(descriptor, False)
        self._command: ChildProcess | None = None
        self._begun = time.monotonic()
        _connections.add(self)
        call_at_exit(close_all, priority=-60)
        try:
            start_new_thread(self._serve, ())
        except RuntimeError as error:
            self._end(_Lost(str(error), InterpreterStartError))

    @property
    def is_usable(self) -> bool:
        """Whether processes can be started behind it."""
        return self.failure is None and not self._is_closing

    def change_load(self, count: int) -> None:
        """Count processes that it has, or is to have.

        Args:
            count: How many there are more.
        """
        with self._changed:
            self.load += count

    def request(self, function: Callable[[], None]) -> None:
        """Have the thread of the connection call a function.

        Args:
            function: The function.
        """
        self._requests.append(function)
        with self._changed:
            # Once it is closed, its number may be that of another file.
            if self._wake_target >= 0:
                with suppress(BlockingIOError):
                    os.write(self._wake_target, b".")

    def await_start(self, code: Code, tell: Callable[[str], object]) -> None:
        """Wait until the server has started.

        Args:
            code: Some code that it needs.
            tell: Is told why it waits in a queue.

        Raises:
            InterpreterError: If it cannot be started, or if the call is cancelled.
        """
        self.request(lambda: self._want(code))
        is_unwanted = is_cancelled.get()
        told = ""
        with self._changed:
            self._waiting += 1
        try:
            with self._changed:
                while not self._is_started and self.failure is None:
                    self._changed.wait(_INTERVAL)
                    if self.waits_for != told:
                        told = self.waits_for
                        tell(told)
                    if is_unwanted():
                        raise InterpreterError("The call was cancelled.")
                if self.failure is not None:
                    raise self.error()
        finally:
            with self._changed:
                self._waiting -= 1
                is_left = not (self._waiting or self._is_started or self.failure)
            if is_left:
                self.close()

    def error(self) -> InterpreterError:
        """Return why it cannot be used, an exception for each call."""
        failure = self.failure
        assert failure is not None
        return type(failure)(*failure.args)

    def open(self, process: FarProcess, code: Code, handshake: bytes) -> None:
        """Have a process started.

        Args:
            process: The process.
            code: The code that it needs.
            handshake: The head of the first message to it.
        """

        def request() -> None:
            self._want(code)
            self._opening.append((code, process, handshake))

        self.request(request)

    def add(self, process: FarProcess) -> int:
        """Return the number of a new process.

        Args:
            process: The process.

        Raises:
            InterpreterError: If it cannot be used any more.
        """
        with self._changed:
            if self.failure is not None:
                raise self.error()
            self._count += 1
            self._processes[self._count] = process
            return self._count

    def remove(self, process: FarProcess) -> None:
        """End a process, if it has not ended, and forget it.

        Args:
            process: The process.
        """

        def request() -> None:
            if self._processes.pop(process.number, None) is None:
                return
            self.change_load(-1)
            process.cut()
            if self._link is not None and process.is_open:
                self._link.send(STOP, process.number)

        self.request(request)

    def wait(self, condition: Callable[[], bool], seconds: float | None) -> None:
        """Wait until something has changed.

        Args:
            condition: Tells if it has.
            seconds: How long at most.
        """
        with self._changed:
            self._changed.wait_for(condition, seconds)

    def close(self) -> None:
        """Let the connection end, which takes its time."""
        self._is_closing = True
        self.request(lambda: None)

    def await_end(self, seconds: float) -> None:
        """Wait until it has ended.

        Args:
            seconds: How long at most.
        """
        self.wait(lambda: self._has_ended, seconds)

    def forget(self) -> None:
        """Let go of it in a forked child: it is its parent's."""
        self.failure = InterpreterDiedError(f"{self.name} belongs to another process.")
        for process in self._processes.values():
            process.cut()
        if self._command is not None:
            self._command.returncode = 0
        self._close_descriptors()

    # What follows runs in the thread of the connection.

    def _serve(self) -> None:
        failure: _Lost
        try:
            self._start_command()
            self._reach_python()
            self._be_linked()
        except _Lost as lost:
            failure = lost
        except LinkEnded:
            failure = self._ended()
        except ProtocolError as error:
            failure = _Lost(str(error), ProtocolError)
        except BaseException as error:
            failure = _Lost(f"{type(error).__name__}: {error}")
        self._end(failure)

    def _start_command(self) -> None:
        pipe = subprocess.PIPE
        try:
            command = subprocess.Popen(
                self.words,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                bufsize=0,
                # A Ctrl-C is for this process, which ends it.
                start_new_session=True,
            )
        except OSError as error:
            raise _Lost(str(error), InterpreterStartError) from error
        self._command = ChildProcess(command.pid, ())
        command.returncode = 0  # It is not to be waited for there.
        streams = command.stdin, command.stdout, command.stderr
        self._stdin, self._stdout, self._stderr = (
            os.dup(stream.fileno()) for stream in streams if stream is not None
        )
        for stream in streams:
            assert stream is not None
            stream.close()
        self._descriptors += [self._stdin, self._stdout, self._stderr]
        for descriptor in self._stdin, self._stdout, self._stderr:
            os.set_blocking(descriptor, False)
            widen(descriptor)

    def _reach_python(self) -> None:
        """Send the loader, and read until it answers."""
        self._phase = REACHING_PYTHON
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
                raise _Lost("it has written a lot, and Python has not answered")
        version = received[place + len(mark) : end].decode("ascii", "replace")
        parts = tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
        if parts[:2] < _OLDEST:
            oldest = ".".join(map(str, _OLDEST))
            raise _Lost(
                f"the Python there has version {version}, and bandsaw needs {oldest} "
                "at least",
                InterpreterStartError,
            )
        self._phase = GREETING
        self._write(boot_of(_boot_modules()))
        self._beginning = received[end + 1 :]

    def _write(self, content: bytes) -> None:
        """Write to the command before there is a link."""
        rest = memoryview(content)
        while rest:
            try:
                rest = rest[os.write(self._stdin, rest) :]
            except BlockingIOError:
                self._wait_for(self._stdin)
            except OSError:
                raise self._ended() from None

    def _read(self) -> bytes:
        """Read from the command before there is a link."""
        while True:
            try:
                piece = os.read(self._stdout, 1 << 16)
            except BlockingIOError:
                self._wait_for()
                continue
            if not piece:
                raise self._ended()
            return piece

    def _wait_for(self, writable: int | None = None) -> None:
        """Wait until the command can be read, or written to."""
        poll = select.poll()
        poll.register(self._wake_source, select.POLLIN)
        if not self._said_all:
            poll.register(self._stderr, select.POLLIN)
        if writable is None:
            poll.register(self._stdout, select.POLLIN)
        else:
            poll.register(writable, select.POLLOUT)
        for descriptor, _ in poll.poll(1000 * _INTERVAL):
            if descriptor == self._stderr:
                self._read_error()
            elif descriptor == self._wake_source:
                self._take_requests()
        self._check_start()

    def _read_error(self) -> None:
        try:
            piece = os.read(self._stderr, 1 << 16)
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
            self._said_all = True
            if self._link is not None:
                self._link.forget(self._stderr)

    def _notice(self, line: str) -> None:
        """Notice what a line of the command tells of its job."""
        event = self._connection.read(line)
        if event is None:
            return
        self._job = event.job or self._job
        now = time.monotonic()
        if event.kind == "queued":
            self._queued_since = now
            self.waits_for = f"The {self.name} waits in a queue."
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
        if self._job is None or now - self._asked_at < _TIME_BETWEEN_QUESTIONS:
            return
        self._asked_at = now
        words = self._connection.ask(self._job)
        if words is None:
            return

        def ask() -> None:
            answer = _run(words).strip()
            if answer and self.waits_for:
                self.waits_for = f"The {self.name} waits in a queue: {answer}."

        run_beside(ask)

    def _cancel_job(self) -> None:
        """Have the job ended, which need not end with the command."""
        if self._job is not None:
            words = self._connection.cancel(self._job)
            if words is not None:
                _run(words)

    def _check_start(self) -> None:
        """Give up when the start takes too long, or is not wanted any more."""
        if self._is_closing:
            raise _Closed("it is not needed any more")
        if self._queued_since is not None:
            self._ask_why()
        elif time.monotonic() - self._begun > self._start_timeout:
            raise _Lost(
                f"there was no answer within {self._start_timeout:g} seconds",
                UnreachableError,
            )

    def _take_requests(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_source, 1 << 16)
        requests = self._requests
        while requests:
            requests.popleft()()

    def _be_linked(self) -> None:
        self._link = link = Link(self._stdout, self._stdin, self._beginning)
        link.watch(self._wake_source, self._take_requests)
        if not self._said_all:
            link.watch(self._stderr, self._read_error)
        self._take_requests()
        idle_since = time.monotonic()
        while True:
            for kind, number, content in link.turn(_INTERVAL):
                self._handle(kind, number, content)
            if not self._is_started:
                self._check_start()
                continue
            self._open_processes(link)
            if self._exiting:
                self._note_ends()
            now = time.monotonic()
            if self.load:
                idle_since = now
            if now - idle_since > self._idle_timeout:
                self._is_closing = True
            if self._is_closing:
                raise _Closed("it is not needed any more")
            if now - link.heard > _SILENCE:
                raise _Lost(f"there was no sign of life for {_SILENCE:g} seconds")

    def _want(self, code: Code) -> None:
        """Ask for some code, unless it is there or asked for."""
        for one in (code.shared, code):
            if one is None or one.digest in self._kept:
                continue
            if any(one.digest == other.digest for other in self._asked):
                continue
            self._asked.append(one)
            if len(self._asked) == 1:
                self._ask()

    def _ask(self) -> None:
        # One after the other: what is sent for one must not end up in the next.
        if self._link is not None and self._phase != GREETING and self._asked:
            digest = self._asked[0].digest
            self._link.send(boot.ASK, 0, dumps([digest], 2))

    def _handle(self, kind: int, number: int, content: bytes) -> None:
        link = self._link
        assert link is not None
        if kind == boot.HELLO:
            self._phase = SENDING_CODE
            self._ask()
        elif kind == boot.LACKS:
            if content:
                link.uploads.append(iter(self._asked[0].messages()))
            else:
                self._note_kept()
        elif kind == boot.KEPT:
            self._note_kept()
        elif kind == boot.STARTED:
            self._phase = RUNNING
            with self._changed:
                self._is_started = True
                self._changed.notify_all()
            self._ask()
        elif kind == boot.FAILED:
            reason = content.decode("utf-8", "replace")
            if self._is_started:
                self._fail_opening(reason)
            else:
                raise _Lost(reason, InterpreterStartError)
        elif kind == EXITED:
            self._note_exit(number, *read_exit(content))
        elif kind != boot.PING:
            raise ProtocolError(f"The far end has sent a message of kind {kind}.")

    def _note_kept(self) -> None:
        code = self._asked.popleft()
        self._kept.add(code.digest)
        shared = code.shared
        if self._link is not None and not self._is_started and shared is not None:
            self._link.send(boot.START, 0, dumps((shared.digest, _SERVER), 2))
        else:
            self._ask()

    def _fail_opening(self, reason: str) -> None:
        code = self._asked.popleft()
        for waiting in list(self._opening):
            if waiting[0].digest == code.digest:
                self._opening.remove(waiting)
                self._note_exit(waiting[1].number, None, reason)
        self._ask()

    def _open_processes(self, link: Link) -> None:
        while self._opening and self._opening[0][0].digest in self._kept:
            code, process, handshake = self._opening.popleft()
            if process.number not in self._processes:
                continue  # It was ended meanwhile.
            process.attach(link)
            content = dumps((code.digest, handshake), 2)
            link.send(OPEN, process.number, content)

    def _note_exit(self, number: int, status: int | None, reason: str) -> None:
        process = self._processes.pop(number, None)
        if process is None:
            return
        self.change_load(-1)
        if status is None:
            process.failure = self._named(
                STARTING_WORKER, reason, InterpreterStartError
            )
        process.status = status
        for stream in process.ends:
            stream.end_writing()
        self._exiting.append(process)

    def _note_ends(self) -> None:
        """Tell of the ends of processes of which everything has arrived."""
        for process in list(self._exiting):
            if not any(stream.is_written for stream in process.ends):
                self._exiting.remove(process)
                if not process.is_open:
                    process.cut()
                with self._changed:
                    process.has_ended = True
                    self._changed.notify_all()

    def _ended(self) -> _Lost:
        """Return what the end of the command means."""
        command = self._command
        assert command is not None
        command.wait(_TIME_TO_END)
        while not self._said_all:
            before = self._said
            self._read_error()
            if self._said == before:
                break
        if self._fate:
            return _Lost(self._fate, InterpreterDiedError)
        status = command.returncode
        if status is None:
            return _Lost("the command has closed its output", UnreachableError)
        kind: type[InterpreterError] = UnreachableError
        if status < 0:
            end = describe_exit(status).replace(" without an answer", "")
            text = f"the command {end}".rstrip(".")
        else:
            text = f"the command ended with status {status}"
        if self._phase == REACHING_PYTHON and status != _SSH_FAILED:
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
        return _Lost(text, kind)

    def _named(
        self, phase: str, reason: str, kind: type[InterpreterError]
    ) -> InterpreterError:
        text = (
            f"The {self.name} failed while {phase}: {reason.rstrip('.')}. Its command "
            f"is: {self._shown}"
        )
        lines = self._said.decode("utf-8", "replace").splitlines()[-_LINES_KEPT:]
        if lines:
            text += "\nIt wrote last:\n" + "\n".join(lines)
        return kind(text)

    def _end(self, lost: _Lost) -> None:
        kind = lost.kind or UnreachableError
        failure = self._named(self._phase, lost.reason, kind)
        if self._is_started and self._is_closing:
            self._flush()
        with self._changed:
            self.was_closed = isinstance(lost, _Closed)
            self.failure = failure
            self._changed.notify_all()
        for process in list(self._processes.values()):
            process.cut()
        if self._link is not None:
            self._link.close()
        command = self._command
        if command is not None:
            os.close(self._stdin)
            self._descriptors.remove(self._stdin)
            if isinstance(lost, _Closed) and self._is_started:
                command.wait(_TIME_TO_LEAVE)
            end_group(command)
            if not (self._fate or self._is_started):
                self._cancel_job()
        with self._changed:
            self._close_descriptors()
            self._has_ended = True
            self._changed.notify_all()
        _connections.discard(self)

    def _flush(self) -> None:
        """Send what is still to be sent, as far as it is taken."""
        link = self._link
        deadline = time.monotonic() + _TIME_TO_END
        with suppress(LinkEnded, ProtocolError):
            while link is not None and link.has_queue and time.monotonic() < deadline:
                link.turn(_INTERVAL)

    def _close_descriptors(self) -> None:
        self._wake_target = -1
        descriptors, self._descriptors = self._descriptors, []
        for descriptor in descriptors:
            os.close(descriptor)


_connections: set[FarConnection] = set()


@call_at_reset
def close_all() -> None:
    """End all connections; at the end of the program, and for tests."""
    if not _connections:
        return
    end_all()  # The processes behind them may still have something to do.
    connections = list(_connections)
    for connection in connections:
        connection.close()
    for connection in connections:
        connection.await_end(2 * _TIME_TO_LEAVE)


@call_in_child
def _forget_all() -> None:
    for connection in _connections:
        connection.forget()
    _connections.clear()


def _boot_modules() -> list[tuple[str, str]]:
    """Return the names of the modules that the far end begins with, and their texts."""
    modules = {
        "_bandsaw_home": home,
        "_bandsaw_path_trust": path_trust,
        "_bandsaw_bootstrap": bootstrap,
        "_bandsaw_boot": boot,
    }
    texts = []
    for name, module in modules.items():
        with open(module.__file__ or "", encoding="utf-8") as file:
            texts.append((name, file.read()))
    return texts


def words_of(connection: Connection, python: str) -> list[str]:
    """Return the words of a command that executes the loader.

    Args:
        connection: What makes them.
        python: The Python there.
    """
    return wrapped(connection, [python, "-u", "-c", BOOT_WORD])


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


_codes: dict[str, Code] = {}
call_at_reset(_codes.clear)


def code_of(archive: DistributionArchive) -> Code:
    """Return the code of an archive.

    Args:
        archive: The archive.
    """
    directory = archive.directory
    code = _codes.get(directory)
    if code is None:
        shared = os.path.dirname(os.path.realpath(os.path.join(directory, "bandsaw")))
        if shared not in _codes:
            _codes[shared] = Code(shared)
        code = _codes[directory] = Code(directory, _codes[shared])
    return code
