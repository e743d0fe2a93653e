"""Interpreter processes behind a connection, which all threads share.

A process there is a `Worker` like one on this machine. What differs is below it: its
channel and its output are streams of a link, see `bandsaw.transports.link`.
"""

from __future__ import annotations

import _socket
import os
from contextvars import ContextVar
from functools import partial

from ..exceptions import InterpreterDiedError, InterpreterError
from ..runtime.fork import Lock
from ..session.cancellation import is_cancelled, waiting_until
from .boot import Code
from .far_connection import FarConnection, code_of, words_of
from .frames import WholeParcel, pack_head
from .link import CHANNEL, ERROR, OUTPUT, STREAMS, Link
from .local import ProcessSpecification
from .output import ChildStream
from .pool import PoolTransport
from .termination import describe_exit
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping

    from ..connections import Connection
    from ..interpreter import Interpreter
    from .base import Job
    from .frames import Channel, Handshake
    from .link import Stream


class FarProcess:
    """A process behind a connection, as a `Worker` sees it.

    Args:
        name: What it is called in an error.
        connection: The connection.
        code: The code that it needs.

    Attributes:
        name: What it is called in an error.
        number: Its number at the connection.
        channel_end: This end of its channel, which belongs to the caller.
        streams: Where its standard output and error arrive.
        ends: The ends of the link's streams.
        is_open: Whether its start was asked for.
        has_ended: Whether it has ended.
        status: How it has ended, as `subprocess` says it; `None` if that is unknown.
        failure: Why it could not be started.
    """

    def __init__(self, name: str, connection: FarConnection, code: Code) -> None:
        self.name = name
        self._connection = connection
        self._code = code
        self.streams: list[ChildStream | None] = []
        self.ends: list[Stream] = []
        self.is_open = self.has_ended = self._is_removed = False
        self.status: int | None = None
        self.failure: InterpreterError | None = None
        own, self._theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self.channel_end = own.detach()
        self._outputs = [ChildStream("stdout"), ChildStream("stderr")]
        self.streams.extend(self._outputs)
        self.number = connection.add(self)

    def greet(self, channel: Channel, handshake: Handshake) -> None:
        """Have the process started, which gets its first message then.

        Args:
            channel: Its channel.
            handshake: The message.
        """
        channel.parcel = WholeParcel
        handshake.takes_files = False
        self._connection.open(self, self._code, pack_head(handshake.encode()))

    def attach(self, link: Link) -> None:
        """Let its streams lead over a link.

        Args:
            link: The link.
        """
        self.is_open = True
        first = STREAMS * self.number
        outputs = []
        for place, stream in zip((OUTPUT, ERROR), self._outputs):
            target = os.dup(stream.target)
            stream.close_target()
            outputs.append(link.attach(first + place, target, "w"))
        channel = link.attach(
            first + CHANNEL, self._theirs.detach(), "rw", tuple(outputs)
        )
        self.ends = [*outputs, channel]

    def cut(self) -> None:
        """Close this process's ends of its streams, attached or not."""
        for end in self.ends:
            end.close()
        for stream in self._outputs:
            stream.close_target()
        self._theirs.close()

    def poll(self) -> int | None:
        """Return its exit status, `None` while it runs, as far as that is known."""
        if self.has_ended or self._is_removed or self._connection.failure is not None:
            return self.status or 0
        return None

    def death(self, more: str) -> InterpreterError:
        """Return the error about its end.

        Args:
            more: What the message adds.
        """
        if self.failure is not None:
            return self.failure
        if self.status is not None:
            return InterpreterDiedError(
                f"Interpreter {self.name} {describe_exit(self.status)}{more}"
            )
        if self._connection.failure is not None:
            error = self._connection.error()
            return type(error)(f"{error}{more}")
        return InterpreterDiedError(f"Interpreter {self.name} was ended.{more}")

    def wait(self, seconds: float | None) -> None:
        """Wait until it has ended.

        Args:
            seconds: How long at most; `None` for as long as it takes.
        """
        self._connection.wait(lambda: self.poll() is not None, seconds)

    def end_group(self) -> None:
        """End it with what it has started, unless it has ended."""
        self.close()

    def end(self) -> None:
        """End it and everything that it has started."""
        self.close()

    def kill(self) -> None:
        """End it at once; it has not worked yet."""
        self.close()

    def close(self) -> None:
        """End it, if it has not ended, and let go of it; idempotent."""
        if not self._is_removed:
            self._is_removed = True
            self._connection.remove(self)

    def forget(self) -> None:
        """Let go of it in a forked child: it is its parent's."""
        self._is_removed = True


class FarSpecification(ProcessSpecification):
    """What a process behind a connection is started with.

    Args:
        job: The job that needs a process.
        transport: The transport to it.
    """

    __slots__ = ("_transport",)

    parcel = WholeParcel

    def __init__(self, job: Job, transport: ConnectionTransport) -> None:
        self._transport = transport
        self.interpreter = job.interpreter
        self.archive = job.archive
        self.settings = job.settings.process
        self.run = job.session.run
        self.piped = (True, True)
        self._parts = (
            # Another one was made when another module was imported.
            id(self.archive),
            self.settings,
            # A copy: the interpreter's environment and executable can be changed.
            dict(vars(self.interpreter)),
            (id(self.run), repr(self.run.meta) if self.run.meta else ""),
        )

    @property
    def name(self) -> str:
        """What the process is called in an error."""
        return f"{self.interpreter.executable} behind {self._transport.name}"

    @property
    def takes_routes(self) -> bool:
        """Whether calls may take short routes to the process."""
        return True

    def start(self, parent_directory: str, variables: Mapping[str, str]) -> FarProcess:
        """Start a process.

        Args:
            parent_directory: Is not needed.
            variables: There are none, as all processes of a connection are alike.

        Raises:
            InterpreterError: If there is no connection.
        """
        while True:
            connection = self._transport.connection_for(self.interpreter)
            # The command starts meanwhile.
            try:
                code = code_of(self.archive)
                connection.await_start(code, _tell.get())
                return FarProcess(self.name, connection, code)
            except BaseException as error:
                connection.change_load(-1)
                if not isinstance(error, InterpreterError):
                    raise
                # Another thread may have given it up just then.
                if not connection.was_closed or is_cancelled.get()():
                    raise


#: Tells the call on whose behalf the current context waits for what it does.
_tell: ContextVar[Callable[[str], object]] = ContextVar("tell", default=str)


def _tell_progress(job: Job, message: str) -> None:
    observe = job.settings.observe
    if observe is not None and message:
        task = str(job.session.full_task)
        facts = {"task": task, "done": 0, "total": None, "message": message}
        observe("progress", facts)


class ConnectionTransport(PoolTransport):
    """Keeps interpreter processes behind a connection.

    Args:
        name: The name of the connection.
        connection: The connection.
        connections: How many commands there are at most.
        workers: How many processes there are at most behind each.
        tasks_per_worker: After how many jobs a process ends. Left out, it stays.
        start_timeout: How long a connection may take to start, in seconds.
        idle_timeout: After how many seconds without a job a process ends, and after how
            many without a process a connection does.

    Attributes:
        name: What the connection is called in an error.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        connections: int,
        workers: int,
        tasks_per_worker: int | None,
        start_timeout: float,
        idle_timeout: float,
    ) -> None:
        super().__init__(connections * workers, tasks_per_worker, idle_timeout)
        self.name = f"connection {name!r}"
        self._connection = connection
        self._most = connections
        self._start_timeout = start_timeout
        self._connections: list[FarConnection] = []
        self._choosing = Lock()

    def connection_for(self, interpreter: Interpreter) -> FarConnection:
        """Return a connection, which counts one more process from now on.

        Args:
            interpreter: The Python there.
        """
        python = interpreter.executable
        words = words_of(self._connection, python)
        with self._choosing:
            usable = [one for one in self._connections if one.is_usable]
            fitting = [one for one in usable if one.words == words]
            least = min(fitting, key=lambda one: one.load, default=None)
            if least is None or (least.load and len(fitting) < self._most):
                least = FarConnection(
                    self.name,
                    self._connection,
                    python,
                    self._start_timeout,
                    self._idle_timeout,
                )
                usable.append(least)
            self._connections = usable
            least.change_load(1)
            return least

    def _specification_of(self, job: Job) -> FarSpecification:
        specification = FarSpecification(job, self)
        # Comparing one with itself is faster by far.
        if self._specification != specification:
            self._specification = specification
        known = self._specification
        assert isinstance(known, FarSpecification)
        return known

    def _start(self, job: Job, specification: ProcessSpecification) -> Worker:
        token = _tell.set(partial(_tell_progress, job))
        try:
            with waiting_until(job.session.notice_interrupt):
                return super()._start(job, specification)
        finally:
            _tell.reset(token)

    def _forget(self) -> None:
        super()._forget()
        self._connections = []
