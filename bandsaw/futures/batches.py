"""Several items of one map that go to a process together."""

from __future__ import annotations

from contextvars import copy_context

from ..execution import Execution
from ..result import Result
from .calls import Call, Future, submit
from .streams import MovedCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Union

    from ..chain import AdviceChain
    from ..config import Configuration
    from ..session import Session
    from ..session.frame_format import SessionFrames
    from ..session.route import Route
    from ..tasks import Task
    from .streams import Routes

    # What a call has come to, or a future of it, or of several.
    Outcome = Union[Result, Future[Any]]
    _Outcomes = Future[List[Outcome]]
else:
    _Outcomes = Future


class Outcomes(_Outcomes):
    """The outcomes of the calls of a batch, some of them still to come."""


class Batch(Call):
    """Calls of one task with several items.

    Args:
        task: The task.
        configuration: The configuration that has the chain.
        chain: The chain of the calls.
        items: The positional arguments of each call.
    """

    __slots__ = ("_behind", "_is_refused", "_items", "_outcomes")

    _kind = Outcomes

    def __init__(
        self,
        task: Task,
        configuration: Configuration,
        chain: AdviceChain,
        items: list[tuple[Any, ...]],
    ) -> None:
        super().__init__(task, configuration, chain, (), {})
        self._items = items
        self._outcomes: list[Outcome] = []
        self._behind: list[Future[Any]] = []
        self._is_refused = False

    @property
    def size(self) -> int:
        """The number of calls that have not ended."""
        return len(self._items) - len(self._outcomes)

    @property
    def has_outcomes(self) -> bool:
        """Whether some calls have ended."""
        return bool(self._outcomes)

    def pack(self, route: Route) -> bytes | None:
        """Write what a process is sent, `None` if calls have to be sent one by one."""
        if self._is_refused:
            return None
        return route.pack_many(self._items[len(self._outcomes) :])

    def moved(self, routes: Routes, route: Route, content: bytes) -> MovedCall:
        """Return the calls as they are sent."""
        return MovedBatch(self, routes, route, content)

    def refuse(self) -> None:
        """Send the calls one by one from now on."""
        self._is_refused = True

    def walk(self) -> bool:
        """Submit each call that has not ended by itself."""
        for _ in range(self.size):
            self._add(self._submit_next())
        return False

    def _submit_next(self) -> Future[Any]:
        item = self._items[len(self._outcomes)]
        context = self.context or copy_context()
        return context.run(
            submit, self.task, self._configuration, self._chain, item, {}
        )

    def _add(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        if not self.size:
            self._finish()

    def _finish(self) -> None:
        self.end(Result([*self._outcomes, *self._behind]))

    def end_next(self, result: Result | None) -> None:
        """End the next call.

        Args:
            result: What it has come to; `None` if it needs a session.
        """
        if self.context is not None:
            if result is not None and result.exception is not None:
                self.tell_failure(result.exception, self.session_of_next)
            self._add(self._submit_next() if result is None else result)

    def session_of_next(self) -> Session:
        """Return the session of the next call as if it had been moved."""
        item = self._items[len(self._outcomes)]
        return self.session_of(Execution.of_call(self.task, item, {}))

    def split(self, count: int) -> Batch:
        """Let the last calls be a batch of their own.

        Args:
            count: How many.
        """
        place = len(self._items) - count
        context = self.context or copy_context()
        rest: Batch = context.run(
            Batch, self.task, self._configuration, self._chain, self._items[place:]
        )
        future: Any = rest.future
        self._behind.insert(0, future)
        del self._items[place:]
        rest.take_after(self)
        if self.is_cancelled:
            self._cancel_what_is_behind()
        elif not self.size:
            self._finish()
        return rest

    def end_walk(self) -> None:
        """End what was cancelled, and what was a part of it."""
        super().end_walk()
        self._cancel_what_is_behind()

    def _cancel_what_is_behind(self) -> None:
        for future in self._behind:
            future.cancel()


class MovedBatch(MovedCall):
    """Calls that are sent together.

    Args:
        call: The batch.
        routes: The routes of the advice that moves them.
        route: Their route.
        content: What is sent.
    """

    __slots__ = ("_current",)

    call: Batch
    is_list = True

    def __init__(
        self, call: Batch, routes: Routes, route: Route, content: bytes
    ) -> None:
        super().__init__(call, routes, route, content)
        self.size = call.size
        self._current: Session | None = None

    @property
    def has_outcomes(self) -> bool:
        """Whether calls of the list have ended."""
        return self.call.has_outcomes

    def receive(self, answer: SessionFrames | memoryview) -> None:
        """Take over the answer to the next call."""
        result = self._read(answer)
        self._current = None
        self.call.end_next(result)

    def fail(self, error: BaseException) -> None:
        """Come to an error."""
        for _ in range(self.call.size):
            self.call.end_next(Result(exception=error))

    def pack_again(self) -> bool:
        """Write what is sent of those that have not ended, if that is possible."""
        context = self.call.context
        try:
            content = context and context.run(self.call.pack, self.route)
        except BaseException:
            return False
        self.content = content or b""
        return bool(content)

    def split(self, count: int) -> MovedCall:
        """Return the last ones, which are not of this list any more."""
        self.size -= count
        return MovedBatch(self.call.split(count), self._routes, self.route, b"")

    def publish(self) -> MovedCall:
        """Come to what is known, and return the rest."""
        if not self.call.has_outcomes:
            return self
        rest = MovedBatch(
            self.call.split(self.size), self._routes, self.route, self.content
        )
        rest.number = self.number
        rest._current = self._current
        rest.begin()
        return rest

    def refuse(self) -> None:
        """Send the calls one by one from now on."""
        self.call.refuse()

    def _session(self) -> Session:
        if self._current is None:
            self._current = self.call.session_of_next()
            self._current.stand_at(0)
        return self._current
