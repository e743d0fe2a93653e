"""The choice of the calls that take a short route to a resident process."""

from __future__ import annotations

import os
import sys

from ..distribution import get_distribution_archive
from ..exceptions import BandsawError, SerializationError
from ..interpreter import Interpreter
from ..modules import script_module_name, working_directory
from ..result import Result
from ..run import get_run
from ..runtime.log_forwarding import wanted_levels
from ..runtime.registries import held_locks
from ..serialization.pickle import PickleSerializer
from ..session.cancellation import cancelled_error, main_thread_is_interrupted
from ..session.exchange import modules_of_recipient, receive_answer
from ..session.frame_format import SessionFrames
from ..session.route import ROUTES_KEPT, Route
from ..session.state import definitions_of
from ..tasks import Task
from ..transports.pipeline import Pipeline
from ..transports.pool import PoolTransport as PoolTransport
from ._moving import FAILURES, observe, recipients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

    from ..chain import Walk
    from ..config import Configuration
    from ..session import Session
    from ..transports.pipeline import Source
    from .connection import ConnectionAdvice
    from .subprocess import SubprocessAdvice

    PoolAdvice = Union[ConnectionAdvice, SubprocessAdvice]
    Conditions = tuple[object, ...]

# What a subclass may have overridden, so that each session has to be asked for anew.
_ASKED = frozenset(
    (
        "interpreter_for",
        "transport_for",
        "settings_for",
        "timeout_for",
        "memory_limit_for",
        "output_for",
    )
)

_AS_A_WHOLE = False, None

# How long a list of calls takes, in seconds, and how many calls it has at most.
_SECONDS_OF_A_LIST = 0.001
_LONGEST_LIST = 32


class ShortRoutes:
    """The short routes of the sessions that one advice moves.

    Args:
        advice: The advice.
    """

    def __init__(self, advice: PoolAdvice) -> None:
        self._advice = advice
        # The routes of tasks, where they lead, and whether those are environments
        self._routes: dict[int, tuple[Route, PoolTransport, Interpreter, bool]] = {}

    @staticmethod
    def fit(advice: PoolAdvice, kind: type[PoolAdvice]) -> bool:
        """Tell if an advice decides as its class does.

        Args:
            advice: The advice.
            kind: The class.
        """
        own = type(advice)
        return all(getattr(own, name) is getattr(kind, name) for name in _ASKED)

    def forget(self) -> None:
        """Find all routes anew."""
        self._routes.clear()

    def move(self, session: Session) -> tuple[bool, Exception | None]:
        """Move a session that may take a short route.

        Args:
            session: The session.

        Returns:
            Whether it was moved, and why it cannot be carried on.
        """
        # Notes, attachments, a cancellation: whatever it has beside its arguments
        if vars(session):
            return _AS_A_WHOLE
        known = self._routes.get(id(session.task), _NO_ROUTE)
        route, pool, interpreter, is_made = known
        if is_made:
            # Whether an environment is still what it was has to be asked each time.
            try:
                current = self._advice.interpreter_for(session)
            except BandsawError:
                return _AS_A_WHOLE
            if vars(current) != vars(interpreter):
                route = None
        if (
            route is None
            or route.conditions
            != self._conditions(session.walk, session.configuration, interpreter)
            or not _are_current(route)
        ):
            session.route = self._new_route(session)
            return _AS_A_WHOLE
        if route.specification is None:
            session.route = route
            return _AS_A_WHOLE
        if main_thread_is_interrupted() or not _flush():
            return _AS_A_WHOLE
        content = route.pack(session.execution)
        if content is None:
            return _AS_A_WHOLE
        try:
            answer = pool.call(session, route, content)
        except FAILURES as error:
            failure: Exception | None = error
        else:
            if answer is None:
                session.route = route
                return _AS_A_WHOLE
            failure = None
            if not isinstance(answer, SessionFrames):
                try:
                    session.receive_value(route.read(answer), route.stop)
                except SerializationError as error:
                    failure = error
            elif modules_of_recipient(answer) is None:
                failure = receive_answer(session, answer)
            else:
                return _AS_A_WHOLE  # The task has not begun.
        if session.is_cancelled:
            raise cancelled_error()
        return True, failure

    def _new_route(self, session: Session) -> Route | None:
        """Return a route for all sessions like this one, if there can be one."""
        task, serializer = session.task, session.serializer
        if (
            type(task) is not Task
            or type(serializer) is not PickleSerializer
            or (task.is_described and not _is_of_cells(task))
            or session.step + 1 != session.walk.task
            or session.configuration.extensions
        ):
            return None
        advice = self._advice
        if not _ASKED.isdisjoint(vars(advice)):
            return None
        try:
            interpreter = advice.interpreter_for(session)
            pool: Any = advice.transport_for(session)
            if (
                advice.timeout_for(session) is not None
                or advice.memory_limit_for(session) is not None
                or not advice.inherits_output
            ):
                return None
        except BandsawError:
            return None  # It is raised again where the session is moved as a whole.
        if held_locks.get() or recipients:
            return None
        is_made = interpreter not in advice.interpreters.values()
        conditions = tuple(
            map(
                _copied,
                self._conditions(session.walk, session.configuration, interpreter),
            )
        )
        stop = session.walk.stop(session.step)
        route = Route(task, stop, conditions, serializer, observe)
        if script_module_name() is None:
            try:
                route.definitions = definitions_of(task, serializer)
            except BandsawError:
                return None  # The same.
        if len(self._routes) >= ROUTES_KEPT:
            self._routes.clear()
        self._routes[id(task)] = route, pool, interpreter, is_made
        return route

    def _conditions(
        self, walk: Walk, configuration: Configuration, interpreter: Interpreter
    ) -> Conditions:
        """Return all that the way of a session depends on, but for its arguments."""
        advice, run = self._advice, get_run()
        return (
            walk,
            configuration.serializer,
            get_distribution_archive(configuration),
            run,
            repr(run.meta) if run.meta else "",
            vars(advice),
            advice.interpreters,
            vars(interpreter),
            # A copy that decodes nothing is ten times faster; it is only compared.
            getattr(os.environ, "_data", os.environ),
            working_directory(),
            sys.path,
            sys.argv,
            sys.executable,
            sys.modules.get("__main__"),
            sys.stdout,
            sys.stderr,
            wanted_levels(),
            held_locks.get(),
            recipients,
        )


_NO_ROUTE: Any = None, None, None, False


class RoutesOfCalls(ShortRoutes):
    """The short routes of calls that need no sessions, as all go to the same processes.

    Args:
        advice: The advice that moves them.
        pool: The processes.
    """

    def __init__(self, advice: PoolAdvice, pool: PoolTransport) -> None:
        super().__init__(advice)
        self._pool = pool

    def pipeline(self, source: Source) -> Pipeline:
        """Return what sends several calls to one process.

        Args:
            source: What has the calls.
        """
        return Pipeline(self._pool, source)

    @staticmethod
    def receive(session: Callable[[], Session], answer: SessionFrames) -> Result | None:
        """Return the result in an answer.

        Args:
            session: Returns the session as if it had been moved.
            answer: The answer.

        Returns:
            The result; `None` if the task has not begun, and needs a session.
        """
        if modules_of_recipient(answer) is not None:
            return None
        moved = session()
        try:
            failure = receive_answer(moved, answer)
            return moved.result if failure is None else Result(exception=failure)
        finally:
            moved.remove_temp_dir()

    def length_of_lists(self, task: Task) -> int:
        """Return how many calls of a task are to be sent together.

        Args:
            task: The task.
        """
        route, *_ = self._routes.get(id(task), _NO_ROUTE)
        seconds = None if route is None else route.seconds
        if seconds is None or self._pool.calls_are_counted:
            return 1
        return min(_LONGEST_LIST, 1 + int(_SECONDS_OF_A_LIST / max(seconds, 1e-6)))

    def route_of(
        self, task: Task, walk: Walk, configuration: Configuration
    ) -> Route | None:
        """Return the route that calls of a task take now without a session.

        Args:
            task: The task.
            walk: The walk of its calls, whose one advice is that of these routes.
            configuration: The configuration.

        Returns:
            The route; `None` for calls that need sessions, if only to find the route.
        """
        route, _, interpreter, is_made = self._routes.get(id(task), _NO_ROUTE)
        if (
            route is None
            or is_made
            or not getattr(route.specification, "takes_claims", False)
            or route.conditions != self._conditions(walk, configuration, interpreter)
            or not _are_current(route)
            or main_thread_is_interrupted()
            or not _flush()
        ):
            return None
        return route  # type: ignore[no-any-return]


def _is_of_cells(task: Task) -> bool:
    """Tell if what a task holds is among the definitions of a notebook."""
    if script_module_name() is not None:
        return False
    return task.callable.__globals__ is vars(sys.modules["__main__"])


def _are_current(route: Route) -> bool:
    """Tell if what a task of a notebook needs is still what its route was told."""
    definitions = route.definitions
    return definitions is None or definitions.is_current(vars(sys.modules["__main__"]))


def _copied(condition: Any) -> object:
    """Return a condition as it is now."""
    if isinstance(condition, dict):
        return dict(condition)
    return list(condition) if isinstance(condition, list) else condition


def _flush() -> bool:
    """Keep the order of what is written, as far as there are streams to flush."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return False
    return True
