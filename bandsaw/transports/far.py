"""Interpreter processes behind a connection, which all threads share.

A process there is a `Worker` like one on this machine. What differs is below it: its
channel and its output are streams of a link, see `bandsaw.transports.link`.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial

from ..exceptions import InterpreterError
from ..runtime.fork import Lock
from ..session.cancellation import is_cancelled, waiting_until
from .far_command import STARTING_COMMAND
from .far_connection import FarConnection, code_of
from .far_start import words_of
from .frames import FarSessionMessage
from .lane import FarProcess
from .local import ProcessSpecification
from .pool import PoolTransport
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping

    from ..connections import Connection
    from ..interpreter import Interpreter
    from .base import Job
    from .far_start import StartingCommand


class FarSpecification(ProcessSpecification):
    """The parameters of a process behind a connection.

    Args:
        job: The job that needs a process.
        transport: The transport to it.
    """

    __slots__ = ("_transport",)

    session_message = FarSessionMessage

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
        """The name of the process in an error."""
        return f"{self.interpreter.executable} behind {self._transport.name}"

    @property
    def takes_routes(self) -> bool:
        """Whether calls may take short routes to the process."""
        return True

    @property
    def takes_claims(self) -> bool:
        """Whether calls may be sent ahead: a pipe reaches no other machine."""
        return False

    def start(self, parent_directory: str, variables: Mapping[str, str]) -> FarProcess:
        """Start a process.

        Args:
            parent_directory: Where to make a directory that the other end may share.
            variables: There are none, as all processes of a connection are alike.

        Raises:
            InterpreterError: If there is no connection.
        """
        while True:
            connection = self._transport.connection_for(
                self.interpreter, parent_directory
            )
            # The command starts meanwhile.
            try:
                code = code_of(self.archive)
                connection.await_start(code, _tell.get())
                limits = self._transport.limits
                return FarProcess(self.name, connection, code, limits)
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
    """Keep interpreter processes behind a connection.

    Args:
        name: The name of the connection.
        connection: The connection.
        connections: How many commands there are at most.
        workers: How many processes there are at most behind each.
        lanes: How many sessions are sent at most that were not answered.
        tasks_per_worker: After how many jobs a process ends. Left out, it stays.
        start_timeout: How long a connection may take to start, in seconds.
        idle_timeout: After how many seconds without a job a process ends, and after how
            many without a process a connection does.

    Attributes:
        name: What the connection is called in an error.
        limits: How many processes there are at most behind each command, and after how
            many jobs one ends.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        connections: int,
        workers: int,
        lanes: int,
        tasks_per_worker: int | None,
        start_timeout: float,
        idle_timeout: float,
    ) -> None:
        super().__init__(lanes, idle_timeout=idle_timeout)
        self.limits = workers, tasks_per_worker
        self.name = f"connection {name!r}"
        self._connection = connection
        self._most = connections
        self._start_timeout = start_timeout
        self._connections: list[FarConnection] = []
        self._choosing = Lock()

    def connection_for(
        self, interpreter: Interpreter, parent_directory: str
    ) -> FarConnection:
        """Return the connection that has the most room.

        Args:
            interpreter: The Python there.
            parent_directory: Where to make a directory that the other end may share.
        """
        python = interpreter.executable
        words = words_of(self._connection, python)
        with self._choosing:
            usable = [one for one in self._connections if one.is_usable]
            fitting = [one for one in usable if one.words == words]
            busy = self._busy(fitting)
            least = min(fitting, key=lambda one: busy[one], default=None)
            if least is None or (busy[least] and len(fitting) < self._most):
                least = self._begun(python, parent_directory)
                usable.append(least)
            self._connections = usable
            least.change_load(1)
            return least

    def begin(
        self, python: str, parent_directory: str, command: StartingCommand
    ) -> None:
        """Begin a connection with a command that is being started.

        Args:
            python: The Python there.
            parent_directory: Where to make a directory that the other end may share.
            command: The command.
        """
        with self._choosing:
            begun = self._begun(python, parent_directory, command)
            self._connections = [*self._connections, begun]

    def _begun(
        self,
        python: str,
        parent_directory: str,
        command: StartingCommand | None = None,
    ) -> FarConnection:
        return FarConnection(
            self.name,
            self._connection,
            python,
            parent_directory,
            self._start_timeout,
            self._idle_timeout,
            command,
        )

    @property
    def phase(self) -> str:
        """The phase of the latest connection, or the one in which it has failed."""
        return self._connections[-1].phase if self._connections else STARTING_COMMAND

    def _busy(self, connections: list[FarConnection]) -> dict[FarConnection, int]:
        """Return how many lanes of connections are in use."""
        busy = {connection: connection.load for connection in connections}
        for worker in list(self._idle):
            connection = self._connection_of(worker)
            if connection in busy:
                busy[connection] -= 1
        return busy

    @staticmethod
    def _connection_of(worker: Worker) -> FarConnection:
        assert isinstance(worker.process, FarProcess)
        return worker.process.connection

    def _take_idle(self, specification: ProcessSpecification) -> Worker | None:
        """Take the lane that was used last, of the connection with the most room."""
        if self._most > 1 and self._idle:
            busy = self._busy([one for one in self._connections if one.is_usable])
            least = min(busy.values(), default=0)

            def room(worker: Worker) -> int:
                return self.limits[0] - busy.get(self._connection_of(worker), 0)

            self._idle.sort(key=room)
            is_full = room(self._idle[-1]) <= 0
            if is_full and (least < self.limits[0] or len(busy) < self._most):
                return None
        return super()._take_idle(specification)

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
