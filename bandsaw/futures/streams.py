"""Submitted calls that go to a process without a session and a thread of their own.

Where the one advice of a chain has only to send the arguments to a process, and nothing
else has to know of the call, there is no walk. One thread for each process sends calls
and settles them.
"""

from __future__ import annotations

from ..chain import NOT_STARTED
from ..result import Result
from ..run import current_run
from ..runtime.registries import held_locks
from ..session.cancellation import main_thread_is_interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Protocol, Sequence

    from ..chain import AdviceChain, Walk
    from ..config import Configuration
    from ..session import Session
    from ..session.frame_form import SessionFrames
    from ..session.route import Route
    from ..tasks import Task
    from ..transports.pipeline import Pipeline
    from ..transports.worker import Worker
    from .calls import Call
    from .places import Level

    class Routes(Protocol):
        """The short routes of the sessions that one advice moves."""

        def route_of(
            self, task: Task, walk: Walk, configuration: Configuration
        ) -> Route | None:
            """Return the route that calls of a task take now without a session."""

        def pipeline(self, source: Stream) -> Pipeline:
            """Return what sends several calls to one process."""

        def receive(
            self, session: Callable[[], Session], answer: SessionFrames
        ) -> Result | None:
            """Return what an answer says, `None` if the task needs a session."""


def routes_of(chain: AdviceChain) -> Routes | None:
    """Return the routes that calls of a chain may take without a session.

    Args:
        chain: The chain.

    Returns:
        The routes, `None` if each call needs a session.
    """
    advices = chain.walk.advices
    if len(advices) != 1:
        return None
    return getattr(advices[0], "short_routes", None)


class MovedCall:
    """A call that is sent without a session.

    Args:
        call: The call.
        routes: The routes of the advice that moves it.
        route: Its route.
        content: What is sent.

    Attributes:
        call: The call.
        route: Its route.
        content: What is sent.
    """

    __slots__ = ("_routes", "call", "content", "route")

    def __init__(
        self, call: Call, routes: Routes, route: Route, content: bytes
    ) -> None:
        self._routes = routes
        self.call = call
        self.route = route
        self.content = content

    @property
    def is_cancelled(self) -> bool:
        """Whether it is cancelled."""
        return self.call.is_cancelled

    def begin(self) -> None:
        """Be about to be executed."""
        self.call.has_begun = True

    def withdraw(self) -> None:
        """Be not about to be executed any more."""
        self.call.has_begun = False

    def notice_interrupt(self) -> None:
        """Be cancelled if Ctrl-C has ended what waits for it."""
        call = self.call
        future = call.future
        if future is not None and (
            call.is_interrupted
            or call.parent_is_interrupted
            or main_thread_is_interrupted()
        ):
            future.cancel()

    def observe(self, kind: str, facts: dict[str, Any]) -> None:
        """Take part in what it tells from elsewhere.

        Args:
            kind: `progress` or `record`.
            facts: What it tells.
        """
        context = self.call.context
        if context is not None:
            context.run(self._observe, kind, facts)

    def _observe(self, kind: str, facts: dict[str, Any]) -> None:
        self.route.observe(self._session(), kind, facts)

    def receive(self, answer: SessionFrames | memoryview) -> None:
        """Come to what an answer says.

        Args:
            answer: A value as it was written, or an answer.
        """
        call = self.call
        context = call.context
        if context is None:
            return
        result: Result | None
        try:
            if isinstance(answer, memoryview):
                result = self.route.read(answer)
            else:
                result = context.run(self._routes.receive, self._session, answer)
        except BaseException as error:
            result = Result(exception=error)
        if result is None:
            call.walk()
        else:
            call.end(result)

    def _session(self) -> Session:
        """Return the session as if it had been moved."""
        session = self.call.session()
        if session.step == NOT_STARTED:
            session.stand_at(0)
        return session

    def fail(self, error: BaseException) -> None:
        """Come to an error.

        Args:
            error: The error.
        """
        self.call.end(Result(exception=error))


class Stream:
    """Calls that go to one process.

    Args:
        level: Where they wait.
        routes: The routes.
    """

    def __init__(self, level: Level, routes: Routes) -> None:
        self._level = level
        self._routes = routes
        self._known: dict[Task, Route | None] = {}
        self._pipeline: Pipeline = routes.pipeline(self)
        self._is_ended = False

    def work(self, first: Call) -> bool:
        """Have a call done, and those that wait behind it.

        Args:
            first: The call.

        Returns:
            Whether it is done; not if it needs a session.
        """
        moved = self._moved(first)
        if moved is None:
            return False
        pipelines = self._level.pipelines
        pipelines.append(self._pipeline)
        try:
            return self._pipeline.work(moved)
        finally:
            pipelines.remove(self._pipeline)

    def begin_round(self) -> None:
        """Look anew which routes calls may take."""
        self._known.clear()

    def next(self, worker: Worker) -> MovedCall | None:
        """Return the next call that a process may be sent.

        Args:
            worker: The process.
        """
        while not self._is_ended:
            call: Any = self._level.next()
            if call is None:
                return None
            if call.is_cancelled:
                continue
            moved = self._moved(call)
            if (
                moved is not None
                and moved.route.number in worker.routes
                and moved.route.specification is worker.specification
            ):
                return moved
            self._is_ended = True
            self._level.return_turns([call])
        return None

    def give_back(self, calls: Sequence[MovedCall]) -> None:
        """Let calls that were not begun wait for their turn again.

        Args:
            calls: The calls.
        """
        if calls:
            self._level.return_turns([moved.call for moved in calls])

    def _moved(self, call: Call) -> MovedCall | None:
        """Prepare what is sent of a call, `None` if it needs a session."""
        task, context = call.task, call.context
        if call.facts or context is None or context.get(current_run) is not None:
            return None
        try:
            route = self._known[task]
        except KeyError:
            route = self._known[task] = call.route_among(self._routes)
        if route is None:
            return None
        try:
            content = context.run(_pack, call, route)
        except BaseException:
            return None  # It is raised again where there is a session.
        if content is None:
            return None
        call.travel_with(self._pipeline)
        return MovedCall(call, self._routes, route, content)


def _pack(call: Call, route: Route) -> bytes | None:
    # A lock that the caller holds is told with a session.
    return None if held_locks.get() else route.pack(call.execution())
