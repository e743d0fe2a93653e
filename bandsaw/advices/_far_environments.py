"""Environments that are made where a connection leads, for a `ConnectionAdvice`."""

from __future__ import annotations

from .. import environments
from ..exceptions import InterpreterError
from ..reporting import listens_to_progress, progress, report
from ..runtime.fork import Lock
from ..transports.far import ConnectionTransport
from ._far_calls import FarCaller, default_interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from ..connections import Connection
    from ..environments import Environment
    from ..environments.far import FarEnvironment
    from ..reporting import Progress
    from ..session import Session

# How often a session that waits for another one checks if it was cancelled, in seconds.
_INTERVAL = 0.1


class FarEnvironments:
    """The environments at the far end of a connection, each made on first use.

    Args:
        name: The name of the connection.
        connection: The connection.
        start_timeout: How long the connection may take to start, in seconds.
        idle_timeout: After how many seconds without a build it ends.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        start_timeout: float,
        idle_timeout: float,
    ) -> None:
        self._transport = ConnectionTransport(
            name,
            connection.for_making(),
            connections=1,
            workers=1,
            lanes=1,
            tasks_per_worker=None,
            start_timeout=start_timeout,
            idle_timeout=idle_timeout,
        )
        self._known: dict[Environment, FarEnvironment] = {}
        self._lock = Lock()

    def get(self, environment: Environment, session: Session) -> FarEnvironment:
        """Return an environment, which is made if it is absent.

        Args:
            environment: The environment.
            session: The session that needs it.

        Raises:
            InterpreterError: If it cannot be made.
        """
        known = self._known.get(environment)
        if known is not None and known.is_current:
            return known
        while not self._lock.acquire(True, _INTERVAL):
            if session.notice_interrupt():
                raise InterpreterError("The call was cancelled.")

        try:
            known = self._known.get(environment)
            if known is None or not known.is_current:
                known = self._make_and_show(environment, session)
                self._known[environment] = known
        finally:
            self._lock.release()
        return known

    def _make_and_show(
        self, environment: Environment, session: Session
    ) -> FarEnvironment:
        def tell(told: Progress) -> None:
            facts = {"task": str(session.full_task), "done": 0, "total": None}
            report(session, {**facts, "message": told.message})

        extensions = session.configuration.extensions
        if any(map(listens_to_progress, extensions)):
            return self.make(environment, tell, session)
        done = f"is there, behind the {self._transport.name}"
        status = environments.status.FarBuildStatus(environment.label, done)

        def show(told: Progress) -> None:
            status.show_text(told.message or "")

        with status:
            return self.make(environment, show, session)

    def make(
        self,
        environment: Environment,
        tell: Callable[[Progress], object],
        session: Session | None = None,
    ) -> FarEnvironment:
        """Make an environment, unless it is there.

        Args:
            environment: The environment.
            tell: Is told what is done.
            session: The session that needs it; when that is cancelled, this ends.

        Raises:
            InterpreterError: If it cannot be made.
        """
        caller = FarCaller(self._transport, default_interpreter(), tell)

        def ask(description: dict[str, Any]) -> Any:
            return caller.call(_make_here, description, caller=session)

        return environments.far.FarEnvironment(environment, self._transport.name, ask)


def _make_here(description: dict[str, Any]) -> dict[str, Any]:
    """Make an environment, and tell its caller what is done."""
    told = environments.status.told
    token = told.set(lambda text: progress(0, message=text))
    try:
        return environments.far.make(description)
    finally:
        told.reset(token)
