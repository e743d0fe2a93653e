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
    from ..session.frame_format import SessionFrames
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
            """Return the outcome in an answer, `None` if the task needs a session."""

        def length_of_lists(self, task: Task) -> int:
            """Return how many calls of a task are to be sent together."""


def routes_of(chain: AdviceChain) -> Routes | None:
    """Return the routes that calls of a chain may take without a session.

    Args:
        chain: The chain.

    Returns:
        The routes, `None` if each call needs a session.
    """
    advices = chain.walk.advices
    if len(advices) != 1 or chain.extensions:
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
        size: How many calls it is that have not ended.
        number: Its number on the way.
        is_list: Whether it is a list of calls.
    """

    __slots__ = ("_routes", "call", "content", "number", "route", "size")

    is_list = False

    def __init__(
        self, call: Call, routes: Routes, route: Route, content: bytes
    ) -> None:
        self._routes = routes
        self.call = call
        self.route = route
        self.content = content
        self.size = 1
        self.number = 0

    @property
    def has_outcomes(self) -> bool:
        """Whether calls of a list have ended."""
        return False

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
        """Take over the outcome in an answer.

        Args:
            answer: A value as it was written, or an answer.
        """
        result = self._read(answer)
        if result is None:
            self.call.walk()
        else:
            self.call.end(result)

    def _read(self, answer: SessionFrames | memoryview) -> Result | None:
        """Return the outcome in an answer, `None` if the task needs a session."""
        context = self.call.context
        try:
            if isinstance(answer, memoryview):
                return self.route.read(answer)
            if context is None:
                return Result()  # It was cancelled.
            return context.run(self._routes.receive, self._session, answer)
        except BaseException as error:
            return Result(exception=error)

    def receive_values(self, contents: Sequence[memoryview]) -> None:
        """Come to values.

        Args:
            contents: The values as they were written, of the next calls of a list.
        """
        for content in contents:
            self.receive(content)

    def pack_again(self) -> bool:
        """Write what is sent of those that have not ended, if that is possible."""
        return True

    def split(self, count: int) -> MovedCall:
        """Return the last ones of a list."""
        raise NotImplementedError

    def publish(self) -> MovedCall:
        """Come to what is known, and return the rest."""
        return self

    def refuse(self) -> None:
        """Be no list any more."""

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
        return call.moved(self._routes, route, content)


def _pack(call: Call, route: Route) -> bytes | None:
    # A lock that the caller holds is told with a session.
    return None if held_locks.get() else call.pack(route)
