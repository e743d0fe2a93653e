"""Run tasks in another interpreter process on this machine."""

from __future__ import annotations

from ..exceptions import ConfigurationError, keyword_only
from ..runtime.fork import Lock
from ..runtime.lazy import LateModule, late_attribute
from .remote import ProcessAdvice, interpreter_of, interpreters, moving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path
    from typing import Any, Callable, Union

    from ..interpreter import Interpreter
    from ..session import Session
    from ..transports import local
    from ..transports.base import Transport
    from ._routes import RoutesOfCalls
    from .remote import AnyInterpreter

    # An interpreter, an environment, or the path of a Python
    Given = Union[AnyInterpreter, str, PathLike[str]]
else:
    # A process that only loads its configuration does without.
    local = LateModule("bandsaw.transports.local")


# What may be replaced in an instance, so that it has to see each session
_STEPS = frozenset(("before", "after"))


class SubprocessAdvice(ProcessAdvice):
    """Continue sessions in interpreter processes on this machine.

    Args:
        directory: Where to keep temporary files of the processes. By default the
            directory for temporary files of the configuration.
        interpreter: The interpreter, its path, or an environment that has one; by
            default the interpreter that runs this process. A text with a separator is a
            path.
        workers: How many processes there are at most, each of which continues one
            session after the other. Left out, each session has a fresh one. A list
            has one process for each of its dicts, with these environment variables in
            addition, like ``{"CUDA_VISIBLE_DEVICES": "0"}``.
        tasks_per_worker: After how many sessions such a process ends.
        idle_timeout: After how many seconds without a session a process ends.
        timeout: How long a session may take, in seconds. Its process is ended then.
        memory_limit: How many bytes a session may take beyond those of its arguments.
            Counts on Linux only.
        output: Where it goes what a session writes to its standard output and error:
            `inherit` where this process writes; `capture` into the attachments
            ``stdout.txt`` and ``stderr.txt``; a function is called with the name of the
            stream, `stdout` or `stderr`, and the text.
        start_ahead: Whether the fresh process of the next session is started while one
            is continued. It has imported the configuration and the task's module then.

    A task chooses with the parameter ``subprocess={"interpreter": name, "timeout":
    seconds, "memory_limit": bytes}``, each of which may be left out.

    Attributes:
        interpreters: The interpreters and environments by name. What was given here is
            the one that is called `default`.
        timeout: The timeout.
        memory_limit: The limit.
    """

    parameters: tuple[str, ...] = ("subprocess",)

    _parameter = "subprocess"
    _key_of_name = "interpreter"

    @keyword_only("directory", "interpreter")
    def __init__(
        self,
        *,
        directory: str | Path | None = None,
        interpreter: Given | None = None,
        workers: int | list[dict[str, str]] | None = None,
        tasks_per_worker: int | None = None,
        idle_timeout: float = 60.0,
        timeout: float | None = None,
        memory_limit: int | None = None,
        output: str | Callable[[str, str], None] = "inherit",
        start_ahead: bool = True,
    ) -> None:
        super().__init__(
            directory, timeout=timeout, memory_limit=memory_limit, output=output
        )
        if not isinstance(workers, list):
            self._check_positive("workers", workers, int)
        elif not (workers and all(map(_are_variables, workers))):
            raise ConfigurationError(
                "SubprocessAdvice needs as workers a list of dicts of environment "
                f"variables, which are text, and not {workers!r}."
            )
        self._check_positive("tasks_per_worker", tasks_per_worker, int)
        self._check_positive("idle_timeout", idle_timeout, float)
        if interpreter is not None:
            chosen = interpreter_of(type(self).__name__, interpreter)
            self.interpreters = {"default": chosen}
        self._workers = workers
        self._tasks_per_worker = tasks_per_worker
        self._idle_timeout = idle_timeout
        self._start_ahead = start_ahead
        # A subclass may choose something else when a session comes to it.
        self._is_expecting = not (
            type(self) is SubprocessAdvice
            and workers is None
            and start_ahead
            and self.inherits_output
        )

    def _begin_anew(self) -> None:
        self._transport: Transport | None = None
        self._routes: RoutesOfCalls | None = None
        self._lock = Lock()

    @late_attribute
    def interpreters(self) -> dict[str, AnyInterpreter]:
        """The interpreters and environments by name."""
        return {"default": interpreters.Interpreter()}

    @property
    def interpreter(self) -> AnyInterpreter:
        """The interpreter, or environment, that is called `default`."""
        return self.interpreters["default"]

    @keyword_only("name")
    def add_interpreter(
        self, interpreter: Given, *, name: str = "default"
    ) -> SubprocessAdvice:
        """Add an interpreter.

        Args:
            interpreter: The interpreter, its path, or an environment that has one.
            name: The name by which tasks choose it.

        Returns:
            This advice, so that calls chain.

        Raises:
            ConfigurationError: If it is none of these.
        """
        owner = type(self).__name__
        self.interpreters[name] = interpreter_of(owner, interpreter)
        return self

    def interpreter_for(self, session: Session) -> Interpreter:
        """Return the interpreter that the task of a session has chosen.

        Args:
            session: The session.

        Raises:
            ConfigurationError: If there is none of this name, or if its environment is
                none that can be made.
            EnvironmentBuildError: If its environment cannot be made.
        """
        chosen = self._chosen(session)
        if isinstance(chosen, interpreters.Interpreter):
            return chosen
        resolution = chosen.at(session.configuration.directory).resolution()
        interpreter = interpreters.Interpreter(executable=resolution.executable())
        if resolution not in session.environments:
            session.environments += (resolution,)
        return interpreter

    def environment_for(self, session: Session) -> str | None:
        """Say what is known of the environment, as it is locked."""
        chosen = self._chosen(session)
        if isinstance(chosen, interpreters.Interpreter):
            return super().environment_for(session)
        return chosen.at(session.configuration.directory).resolution().identity

    def _chosen(self, session: Session) -> AnyInterpreter:
        """Return the interpreter, or environment, that a task has chosen."""
        name = self._parameters_of(session.full_task).get("interpreter", "default")
        if name not in self.interpreters:
            known = ", ".join(map(repr, self.interpreters))
            raise ConfigurationError(
                f"Unknown interpreter {name!r} of task {session.task}. Known are: "
                f"{known}."
            )
        return self.interpreters[name]

    def transport_for(self, session: Session) -> Transport:
        """Return the transport to a process on this machine."""
        transport = self._transport
        if transport is None:
            with self._lock:
                transport = self._transport or self._make_transport()
                self._transport = transport
        return transport

    def _make_transport(self) -> Transport:
        # A process that only continues sessions does without what these need.
        if self._workers is None:
            from ..transports.process import ProcessTransport

            return ProcessTransport(
                starts_ahead=self._start_ahead, idle_timeout=self._idle_timeout
            )
        from ._routes import PoolTransport, RoutesOfCalls

        pool = PoolTransport(
            self._workers,
            tasks_per_worker=self._tasks_per_worker,
            idle_timeout=self._idle_timeout,
        )
        if RoutesOfCalls.fit(self, SubprocessAdvice):
            self._routes = RoutesOfCalls(self, pool)
        return pool

    @property
    def short_routes(self) -> RoutesOfCalls | None:
        """The routes of calls without sessions, `None` if each has to be asked."""
        if type(self) is not SubprocessAdvice or not _STEPS.isdisjoint(vars(self)):
            return None
        return self._routes

    def expect_session(self, session: Session) -> None:
        """Start the process of the first session when that begins.

        Until the session comes here, this process imports what that takes, and what the
        extensions and the earlier advices need. The other one can start meanwhile.

        Args:
            session: The session.
        """
        if self._is_expecting or session.is_cancelled:
            return
        self._is_expecting = True
        try:
            self._expect(session)
        except Exception:
            pass  # It is met again, and told, when the session comes here.

    def _expect(self, session: Session) -> None:
        interpreter = self._chosen(session)
        if not isinstance(interpreter, interpreters.Interpreter):
            return  # To make an environment takes long.
        directory = self.directory or session.configuration.temporary_path
        process = local.start_interpreter(
            interpreter, str(directory), local.piped_streams()
        )
        try:
            # It needs its code as soon as it has started, and the rest later.
            archive = session.distribution_archive
            process.run_code(archive.directory)
            job = moving.job_for(self, session, interpreter)
            # Refuses a task that reaches other code.
            specification = local.ProcessSpecification(job)
        except BaseException:
            process.discard()
            raise
        if specification.archive is not archive:
            # More of the user's modules were imported meanwhile.
            process.discard()
            return
        transport: Any = self.transport_for(session)
        transport.keep(process, specification, job)

    def _move(self, session: Session) -> Exception | None:
        self.expect_session(session)
        if self._routes is not None:
            is_moved, failure = self._routes.move(session)
            if is_moved:
                return failure
        return super()._move(session)

    def settings_for(self, session: Session) -> dict[str, Any]:
        """Add where the process finds modules."""
        return {
            **super().settings_for(session),
            "path": list(moving.imports_of(self.interpreter_for(session)).path),
        }

    @property
    def slots(self) -> int | None:
        """The maximum number of processes."""
        workers = self._workers
        return len(workers) if isinstance(workers, list) else workers


def _are_variables(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(text, str) for text in (*value, *value.values())
    )
