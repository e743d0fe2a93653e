"""Run tasks in interpreter processes behind a command that leads elsewhere."""

from __future__ import annotations

from ..exceptions import (
    ConfigurationError,
    InterpreterStartError,
    check_methods,
    check_type,
)
from ..runtime.fork import Lock
from ..runtime.lazy import LateModule, late_attribute
from ..transports.far_start import DEFAULT_PYTHON, StartingCommand, words_of
from .remote import ProcessAdvice, interpreter_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any, Callable, Mapping

    from ..connections import Connection
    from ..environments import Environment
    from ..environments.far import FarEnvironment
    from ..interpreter import Interpreter
    from ..session import Session
    from ..tasks import OwnTask, Task
    from ..transports.base import Transport
    from . import _connected
    from ._connected import Place
    from ._routes import ShortRoutes
    from .remote import AnyInterpreter

    connected = _connected
else:
    # A process that only continues sessions, or loads its configuration, does without.
    connected = LateModule("bandsaw.advices._connected")


_METHODS = ("wrap", "read", "ask", "cancel", "for_making")

# How many sessions are there for each process at most: the one that it continues, and
# those that wait for the process that is free next.
_SESSIONS_PER_WORKER = 8


class ConnectionAdvice(ProcessAdvice):
    """Continue sessions in interpreter processes behind a connection.

    A connection is a command that gives a standard input and output to a Python, see
    `bandsaw.connections`. Nothing has to be installed there but a Python, from 3.8 on.

    Args:
        connection: The connection that is called `default`; others follow with
            `add_connection`.
        interpreter: The Python there, its path, or an environment, which is made there
            on first use. The directories of a Python are the ones that it is given,
            nothing of the module search path here. By default it is ``python3``.
        connections: How many commands of a connection there are at most, each of which
            has its own workers.
        workers: How many processes there are at most behind each command. Each of them
            continues one session after the other.
        tasks_per_worker: After how many sessions such a process ends.
        start_timeout: How long a connection may take to start, in seconds.
        idle_timeout: After how many seconds without a session a process ends, and
            after how many without a process a connection does.
        timeout: How long a session may take, in seconds. Its process is ended then.
        memory_limit: How many bytes a session may take beyond those of its arguments.
            Counts on Linux only.
        output: Where it goes what a session writes to its standard output and error:
            `inherit` where this process writes; `capture` into the attachments
            ``stdout.txt`` and ``stderr.txt``; a function is called with the name of the
            stream, `stdout` or `stderr`, and the text.

    A task chooses with the parameter ``connection="name"``, or ``connection={"name":
    name, "timeout": seconds, "memory_limit": bytes}``, each of which may be left out.

    Attributes:
        connections: The connections by name.
        timeout: The timeout.
        memory_limit: The limit.

    Raises:
        ConfigurationError: If something of that cannot be.
    """

    parameters: tuple[str, ...] = ("connection",)

    _parameter = "connection"
    _key_of_name = "name"

    def __init__(
        self,
        connection: Connection | None = None,
        *,
        interpreter: AnyInterpreter | str | PathLike[str] | None = None,
        connections: int = 1,
        workers: int = 1,
        tasks_per_worker: int | None = None,
        start_timeout: float = 300.0,
        idle_timeout: float = 60.0,
        timeout: float | None = None,
        memory_limit: int | None = None,
        output: str | Callable[[str, str], None] = "inherit",
    ) -> None:
        super().__init__(timeout=timeout, memory_limit=memory_limit, output=output)
        self._check_positive("connections", connections, int)
        self._check_positive("workers", workers, int)
        self._check_positive("tasks_per_worker", tasks_per_worker, int)
        self._check_positive("start_timeout", start_timeout, float)
        self._check_positive("idle_timeout", idle_timeout, float)
        if interpreter is not None:
            chosen = interpreter_of(type(self).__name__, interpreter)
            self.interpreters = {"default": chosen}
        self.connections: dict[str, Connection] = {}
        self._most = connections, workers
        self._tasks_per_worker = tasks_per_worker
        self._timeouts = start_timeout, idle_timeout
        if connection is not None:
            self.add_connection(connection)

    def _begin_anew(self) -> None:
        self._places: dict[str, Place] = {}
        self._routes: ShortRoutes | None = None
        self._lock = Lock()

    def add_connection(
        self, connection: Connection, name: str = "default"
    ) -> ConnectionAdvice:
        """Add a connection.

        Args:
            connection: The connection.
            name: The name by which tasks choose it.

        Returns:
            This advice, so that calls chain.

        Raises:
            ConfigurationError: If it is none.
        """
        needed = "a connection, like those of bandsaw.connections"
        check_methods("ConnectionAdvice", needed, connection, *_METHODS)
        check_type("ConnectionAdvice", "a text as the name of a connection", name, str)
        self.connections[name] = connection
        self._places.pop(name, None)
        if self._routes is not None:
            self._routes.forget()
        return self

    def connection_for(self, session: Session) -> Connection:
        """Return the connection that the task of a session has chosen.

        Args:
            session: The session.

        Raises:
            ConfigurationError: If there is none of this name.
        """
        return self.connections[self._chosen(session)]

    def _chosen(self, session: Session) -> str:
        name: str = self._parameters_of(session.full_task).get("name", "default")
        if name not in self.connections:
            known = ", ".join(map(repr, self.connections)) or "none"
            raise ConfigurationError(
                f"Unknown connection {name!r} of task {session.task}. Known are: "
                f"{known}."
            )
        return name

    @property
    def slots(self) -> int:
        """The maximum number of processes behind each connection."""
        connections, workers = self._most
        return connections * workers

    @property
    def default_concurrency(self) -> int:
        """As many as are sent to a connection, where they wait for a process."""
        return self.slots * _SESSIONS_PER_WORKER

    @late_attribute
    def interpreters(self) -> dict[str, AnyInterpreter]:
        """The Python there, or its environment, which is called `default`."""
        return {"default": connected.default_interpreter()}

    def interpreter_for(self, session: Session) -> Interpreter:
        """Return the Python there, that of an environment after it was made.

        Args:
            session: The session.

        Raises:
            InterpreterError: If the environment cannot be made.
        """
        chosen: Any = self.interpreters["default"]
        if hasattr(chosen, "executable"):
            interpreter: Interpreter = chosen
            return interpreter
        environment = self._environment(chosen, session)
        if environment not in session.environments:
            session.environments += (environment,)
        return environment.interpreter

    def environment_for(self, session: Session) -> str:
        """Return the name of the connection, and what is known of the Python there."""
        chosen: Any = self.interpreters["default"]
        if hasattr(chosen, "executable"):
            return f"{self._chosen(session)}:{chosen.executable}"
        return f"{self._chosen(session)}:{self._environment(chosen, session).identity}"

    def _environment(self, chosen: Environment, session: Session) -> FarEnvironment:
        environments = self._place_for(session).environments
        return environments.get(chosen.at(session.configuration.directory), session)

    def transport_for(self, session: Session) -> Transport:
        """Return the transport to the processes behind the connection."""
        return self._place_for(session).transport

    def _place_for(self, session: Session) -> Place:
        name = self._chosen(session)
        place = self._places.get(name)
        if place is None:
            with self._lock:
                place = self._places.get(name)
                if place is None:
                    place = self._places[name] = self._new_place(name, session)
                    if self._routes is None:
                        self._routes = connected.routes_of(self, ConnectionAdvice)
        return place

    def _new_place(self, name: str, session: Session) -> Place:
        connection = self.connections[name]
        python = self._known_python
        command = None
        if python is not None:
            # While it starts, this process imports what the rest takes.
            try:
                command = StartingCommand(words_of(connection, python))
            except Exception:
                pass  # It is met again, and told, when the connection is needed.
        try:
            place = connected.Place(
                name,
                connection,
                (*self._most, self.default_concurrency),
                self._tasks_per_worker,
                self._timeouts,
            )
            if python is not None and command is not None:
                directory = self.directory or session.configuration.temporary_path
                place.transport.begin(python, str(directory), command)
        except BaseException:
            if command is not None:
                command.end()
            raise
        return place

    @property
    def _known_python(self) -> str | None:
        """The Python there, `None` if a session has to be asked for it."""
        if type(self).interpreter_for is not ConnectionAdvice.interpreter_for:
            return None
        chosen = vars(self).get("interpreters")
        if chosen is None:
            return DEFAULT_PYTHON  # To make it takes an import.
        return getattr(chosen["default"], "executable", None)

    def _move(self, session: Session) -> Exception | None:
        if self._routes is None:
            self._place_for(session)  # The first one makes them.
        routes = self._routes
        is_moved, failure = (False, None) if routes is None else routes.move(session)
        if not is_moved:
            failure = super()._move(session)
        if isinstance(failure, InterpreterStartError):
            # One may have been removed there.
            self._place_for(session).forget_environments()
        return failure

    def settings_for(self, session: Session) -> dict[str, Any]:
        """Add the directories and the variables that were given to the interpreter."""
        interpreter = self.interpreter_for(session)
        return {
            **super().settings_for(session),
            # The default would be the directories of this machine.
            "path": list(interpreter.serialized()["path"] or ()),
            "environment": interpreter.environment,
        }

    def _parameters_of(self, task: Task | OwnTask) -> Mapping[str, Any]:
        name = task.advice_parameters.get(self._parameter)
        if isinstance(name, str):
            return {"name": name}
        return super()._parameters_of(task)
