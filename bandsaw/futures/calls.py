"""Calls that were submitted, and what they will come to."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from _thread import get_ident
from concurrent.futures import (
    CancelledError,
    Future as _Future,
    InvalidStateError,
    wait,
)
from contextvars import ContextVar, copy_context

from ..exceptions import DependencyError
from ..execution import Execution
from ..result import Result
from ..runtime.fork import Lock, call_at_reset, call_in_child
from ..runtime.inheritance import call_with_facts, facts_of_context
from ..session import Session, advise
from ..session.cancellation import CallElsewhere, cancelled_error, submitted_call
from ..tracking.failures import told
from .dependencies import futures_among, with_results
from .ending import (
    call_around_cells,
    call_at_end_of_script,
    script_was_interrupted,
    tell_parent_of_interrupt,
)
from .places import Level, end_idle_threads
from .streams import MovedCall, Stream, routes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Context
    from typing import (
        Any,
        Callable,
        Generator,
        Iterable,
        NoReturn,
        Protocol,
        TypeVar,
    )

    from ..chain import AdviceChain, Walk
    from ..config import Configuration
    from ..reporting import MappedCalls
    from ..session.route import Route
    from ..tasks import Task
    from ..transports.pipeline import Pipeline
    from .streams import Routes

    class Moved(Protocol):
        """A session that an advice has moved, and for which no thread waits."""

        def add_done_callback(self, function: Callable[[Any], object]) -> None:
            """Have something called when the answer is there, in any thread."""

        def finish(self) -> Exception | None:
            """Carry on with the session; return why that cannot be."""

    # A future that is handed out is only read.
    T_co = TypeVar("T_co", covariant=True)
else:
    T_co = None

    if sys.version_info < (3, 9):
        # An annotation may be more than text.
        class _Future(_Future):
            def __class_getitem__(cls, parameter):
                return cls


class Future(_Future[T_co]):  # type: ignore[type-var]
    """The outcome of a submitted call, which may still be to come.

    It is a `concurrent.futures.Future`, so `concurrent.futures.wait` and `as_completed`
    take it, and can be awaited on every event loop of `asyncio`. Given as an argument
    to another submitted call, it stands for its result.

    Attributes:
        task: The task that is called.
    """

    # The base class never learns that the call is running, so that it can be cancelled.

    def __init__(self, call: Call | None = None) -> None:
        super().__init__()
        self._call = call
        self.task = None if call is None else call.task

    def cancel(self) -> bool:
        """Cancel the call, also one that has been moved to another interpreter.

        The process that executes it is ended then.

        Returns:
            Whether the call is cancelled; not if it has ended, or if its task is being
            executed by this process.
        """
        call = self._call
        if call is None:
            return super().cancel()
        if not call.cancel():
            return self.cancelled()
        self._tell_cancelled()
        call.end_walk()
        return True

    def _tell_cancelled(self) -> None:
        super().cancel()
        # Else `wait` and `as_completed` wait for a thread to come across it.
        self.set_running_or_notify_cancel()
        self._call = None

    def _settle(self, result: Result) -> None:
        error = result.exception
        if isinstance(error, StopIteration):
            # An iterator over results would end, and an event loop takes none.
            text = f"Task {self.task} has raised StopIteration."
            error = RuntimeError(text)
            error.__cause__ = result.exception
        try:
            if error is None:
                self.set_result(result.value)
            else:
                self.set_exception(error)
        except InvalidStateError:
            pass  # Whatever has been set by hand stays.
        self._call = None

    def _belong_to_parent(self) -> None:
        """Be cancelled in a forked child, where no thread makes the call."""
        # A thread of the parent may have held what locks it, and waits for it.
        super().__init__()
        self._tell_cancelled()

    def running(self) -> bool:
        """Tell if the call has begun and not ended."""
        call = self._call
        return call is not None and call.has_begun and not self.done()

    def result(self, timeout: float | None = None) -> T_co:
        """Return what the task returns, or raise what it raises.

        Ctrl-C ends this, and the call.

        Args:
            timeout: How long to wait, in seconds.

        Raises:
            concurrent.futures.TimeoutError: If that is not long enough.
            concurrent.futures.CancelledError: If the call was cancelled.
        """
        try:
            return super().result(self._wait_in_task(timeout))
        except KeyboardInterrupt:
            interrupt((self,))
            raise

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the task raises, `None` if it does not; otherwise as `result`."""
        try:
            return super().exception(self._wait_in_task(timeout))
        except KeyboardInterrupt:
            interrupt((self,))
            raise

    def _wait_in_task(self, timeout: float | None) -> float | None:
        """Let an engine have the place of a task of it that waits for this.

        Returns:
            How long to wait after that.
        """
        caller = submitted_call.get()
        if not isinstance(caller, CallElsewhere) or self.done():
            return timeout
        begin = time.monotonic()
        caller.wait(self, timeout)
        return timeout and max(0.0, timeout - (time.monotonic() - begin))

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"The future of {self.task} cannot be pickled: it belongs to this process. "
            "As an argument of a submitted call it is replaced by its result, also "
            "inside of lists, tuples and dicts; elsewhere pass its result()."
        )

    def __await__(self) -> Generator[Any, None, T_co]:
        import asyncio

        return asyncio.wrap_future(self).__await__()

    def __repr__(self) -> str:
        if self.cancelled():
            state = "cancelled"
        elif self.done():
            state = "done" if self.exception() is None else "failed"
        else:
            state = "running" if self.running() else "waiting"
        return f"<Future of {self.task}: {state}>"


#: The map whose calls are submitted now.
current_map: ContextVar[MappedCalls | None] = ContextVar("current_map", default=None)

_OPEN, _DECIDED, _CANCELLED = range(3)

_lock = Lock()


class Call:
    """A submitted call: a record until it is its turn.

    Args:
        task: The task.
        configuration: The configuration that has the chain.
        chain: The chain of the task's calls.
        args: The positional arguments.
        kwargs: The keyword arguments.

    Attributes:
        task: The task.
        future: What it will come to, `None` when it has.
        depth: How many submitted calls it was submitted in.
        has_begun: Whether it has had its turn.
        is_interrupted: Whether Ctrl-C has ended what waits for it.
        mapped_calls: The calls of the map that it is one of, `None` if it is of none.
    """

    _kind: type[Future[Any]] = Future

    __slots__ = (
        "_args",
        "_chain",
        "_configuration",
        "_context",
        "_facts",
        "_fate",
        "_keeps_place",
        "_kwargs",
        "_level",
        "_missing",
        "_moved",
        "_needs",
        "_parent",
        "_pipeline",
        "_session",
        "_thread",
        "depth",
        "future",
        "has_begun",
        "is_interrupted",
        "mapped_calls",
        "task",
    )

    def __init__(
        self,
        task: Task,
        configuration: Configuration,
        chain: AdviceChain,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.task = task
        self._configuration = configuration
        self._chain = chain
        self._args = args
        self._kwargs = kwargs
        self.mapped_calls = calls = current_map.get()
        self._context: Context | None = copy_context()
        if calls is not None:
            # What the task calls is not of the map.
            self._context.run(current_map.set, None)
        self._facts = facts_of_context()
        self._fate = _OPEN
        self._session: SubmittedSession | None = None
        self._moved: Moved | None = None
        self._keeps_place = False
        self._needs: list[Future[Any]] = []
        self._missing = 0
        self._level: Level | None = None
        self._pipeline: Pipeline | None = None
        self._thread = 0
        self._parent: Call | None = submitted_call.get()
        self.depth = 0 if self._parent is None else self._parent.depth + 1
        self.has_begun = self.is_interrupted = False
        self.future: Future[Any] | None = self._kind(self)

    @property
    def needs(self) -> list[Future[Any]]:
        """The futures among the arguments of a call that has not ended."""
        return self._needs

    def start(self) -> None:
        """Let the call have its turn as soon as all that it needs is there."""
        self._needs = needs = futures_among(self._args, self._kwargs, Future)
        if not needs:
            self._take_turn()
            return
        self._missing = len(needs) + 1  # One for those that are there already
        for need in needs:
            need.add_done_callback(self._notice)
        self._notice(None)

    def _notice(self, need: Future[Any] | None) -> None:
        """Notice that something is there, or will never be."""
        if need is not None and (need.cancelled() or need.exception() is not None):
            _fail(self, need)
            return
        with _lock:
            self._missing -= 1
            is_complete = not self._missing
        if is_complete and self._fate == _OPEN:
            self._take_turn()

    def _take_turn(self) -> None:
        chain = self._configuration.chains[self._chain.name]
        self._level = level = _level_of(chain, self.depth)
        level.add(self)

    def lend_place(self) -> Level | None:
        """Let another call have the place of this one, whose thread waits.

        Returns:
            What takes it back; `None` if it is not lent.
        """
        # Other threads may work for the call, too.
        if self._level is None or self._thread != get_ident():
            return None
        return self._level if self._level.lend() else None

    def fail(self, need: Future[Any]) -> None:
        """Fail, because something that the call needs will never be there.

        Args:
            need: What it was to come to.
        """
        future = self.future
        if future is None or not self.decide():
            return
        self._forget()
        future._settle(Result(exception=_dependency_error(self.task, need)))

    def run(self) -> bool:
        """Make the call in the current thread; it raises nothing.

        Returns:
            Whether the call keeps its place, as its session is on its way elsewhere.
        """
        if self._fate == _OPEN and (self._chain.idle or not self._go_ahead()):
            return self.walk()
        return False

    def _go_ahead(self) -> bool:
        """Go to a process without a session, if nothing else has to know of the call.

        Returns:
            Whether that is so.
        """
        level = self._level
        if level is None or self._facts:
            return False
        routes = routes_of(self._chain)
        return routes is not None and Stream(level, routes).work(self)

    @property
    def is_cancelled(self) -> bool:
        """Whether it is cancelled."""
        return self._fate == _CANCELLED

    @property
    def context(self) -> Context | None:
        """The context of what has submitted it, `None` when it has ended."""
        return self._context

    @property
    def facts(self) -> list[Any]:
        """The facts that threads inherit from the call's submitter."""
        return self._facts

    def route_among(self, routes: Routes) -> Route | None:
        """Return the route that it takes now, `None` if it needs a session.

        Args:
            routes: Those of the advice that moves it.
        """
        walk = self._chain.for_task(self.task).walk
        return routes.route_of(self.task, walk, self._configuration)

    def take_after(self, origin: Call) -> None:
        """Be where a call is that this one was a part of.

        Args:
            origin: That call.
        """
        _calls.add(self)
        self._level, self._pipeline = origin._level, origin._pipeline
        self.is_interrupted = origin.is_interrupted

    def travel_with(self, pipeline: Pipeline) -> None:
        """Go to a process without a session; cancelling the call withdraws it.

        Args:
            pipeline: What sends it.
        """
        self._pipeline = pipeline

    def execution(self) -> Execution:
        """Return the arguments, with the results of the calls that it needs."""
        if self._needs:
            self._args = with_results(self._args, Future)
            self._kwargs = with_results(self._kwargs, Future)
            self._needs = []
        return Execution.of_call(self.task, self._args, self._kwargs)

    def session(self) -> SubmittedSession:
        """Return its session, which is cancelled with it."""
        if self._session is None:
            self._session = self.session_of(self.execution())
        return self._session

    def session_of(self, execution: Execution) -> SubmittedSession:
        """Return a session of the call with some arguments.

        Args:
            execution: The arguments.
        """
        session = SubmittedSession(
            self.task, execution, self._configuration, self._chain.name
        )
        session.call = self
        return session

    def pack(self, route: Route) -> bytes | None:
        """Write what a process is sent, `None` if it needs a session.

        Args:
            route: The route that it takes.
        """
        return route.pack(self.execution())

    def moved(self, routes: Routes, route: Route, content: bytes) -> MovedCall:
        """Return the call as it is sent.

        Args:
            routes: The routes of the advice that moves it.
            route: Its route.
            content: What is sent.
        """
        return MovedCall(self, routes, route, content)

    def walk(self) -> bool:
        """Make the call with a session, in the current thread.

        Returns:
            Whether the call keeps its place, as its session is on its way elsewhere.
        """
        context = self._context
        if context is None:
            return False
        self.has_begun = True
        self._thread = get_ident()
        # No frame that an exception refers to may hold the exception.
        return self._end_or_leave(self._outcome(context, self._result))

    def _end_or_leave(self, result: Result | None) -> bool:
        if result is None:
            return self._leave()
        self.end(result)
        return False

    def _leave(self) -> bool:
        """Let the thread go on without the call, until its answer is there."""
        assert self._moved is not None
        # The engine has as many at a time as it wants to, unless the user says so.
        chain = self._configuration.chains[self._chain.name]
        self._keeps_place = keeps = chain.concurrency is not None
        self._moved.add_done_callback(lambda _: _arrivals.add(_Arrival(self)))
        return keeps

    def arrive(self) -> None:
        """Carry on with the session, whose answer is there; it raises nothing."""
        context, level = self._context, self._level
        if context is None:
            return
        self._end_or_leave(self._outcome(context, self._result_of_move))
        if self._keeps_place and level is not None:
            level.give_back()

    def _outcome(
        self, context: Context, walk: Callable[[], Result | None]
    ) -> Result | None:
        try:
            return context.run(self._walk, walk)
        except BaseException as error:
            return Result(exception=error)

    def _walk(self, walk: Callable[[], Result | None]) -> Result | None:
        submitted_call.set(self)
        if self._facts:
            return call_with_facts(self._facts, walk)  # type: ignore[no-any-return]
        return walk()

    def _result_of_move(self) -> Result:
        session, moved = self._session, self._moved
        assert session is not None
        assert moved is not None
        return session.end_move(moved)

    def _result(self) -> Result | None:
        if self._chain.idle:
            execution = self.execution()
            if not self.decide():
                raise cancelled_error()
            return Result(self.task.callable(*execution.args, **execution.kwargs))
        session = self.session()
        if self._fate == _CANCELLED:
            raise cancelled_error()
        self._moved = session.begin_move()
        return advise(session) if self._moved is None else None

    def decide(self) -> bool:
        """Let the call not be cancelled any more, and tell if it is not already."""
        if self._fate == _OPEN:
            with _lock:
                if self._fate == _OPEN:
                    self._fate = _DECIDED
        return self._fate == _DECIDED

    def undecide(self) -> None:
        """Let the call be cancelled again, as it has not come to anything."""
        with _lock:
            if self._fate == _DECIDED:
                self._fate = _OPEN

    def cancel(self) -> bool:
        """Cancel the call unless it is decided, and tell if this has done so."""
        with _lock:
            if self._fate != _OPEN:
                return False
            self._fate = _CANCELLED
            return True

    def end_walk(self) -> None:
        """End what a cancelled call waits for elsewhere, if it has begun."""
        session = self._session
        if session is not None:
            session.cancellation.request()
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.withdraw_cancelled()
        if not self.has_begun:
            self._forget()

    def end(self, result: Result) -> None:
        """Come to a result, unless it was cancelled.

        Args:
            result: The result.
        """
        future, session = self.future, self._session
        if future is None:
            return  # It was cancelled at the very moment in which it began.
        error = result.exception
        # Noticed by the session itself, when Ctrl-C has ended what waits for it
        is_cancelled = session is not None and session.is_cancelled
        if is_cancelled and error is not None and self.cancel():
            self._forget()
            future._tell_cancelled()
            return
        is_wanted = self.decide()
        if error is not None and is_wanted and not self._chain.idle:
            self.tell_failure(error, self.session)
        self._forget()
        if is_wanted:
            future._settle(result)

    @staticmethod
    def tell_failure(error: BaseException, session: Callable[[], Session]) -> None:
        """Let an exception say which call has failed.

        Args:
            error: The exception.
            session: Gives the session of the call, which may be of no use any more.
        """
        with contextlib.suppress(Exception):
            told(error, session())

    def _forget(self) -> None:
        """Let go of everything that a call needs which has not ended."""
        _calls.discard(self)
        self.future = self._context = self._session = self._parent = None
        self._level = self._moved = self._pipeline = None
        self._args, self._kwargs, self._facts, self._needs = (), {}, [], []

    @property
    def parent_is_interrupted(self) -> bool:
        """Whether Ctrl-C has ended what waits for the call that has submitted it."""
        parent = self._parent
        return parent is not None and parent.is_interrupted

    def is_below(self, calls: set[Call]) -> bool:
        """Tell if it is one of some calls, or was submitted inside of one.

        Args:
            calls: These calls.
        """
        call: Call | None = self
        while call is not None:
            if call in calls:
                return True
            call = call._parent
        return False


class SubmittedSession(Session):
    """The session of a submitted call.

    Attributes:
        call: The call.
    """

    __slots__ = ("call",)

    call: Call

    @property
    def mapped_calls(self) -> MappedCalls | None:
        """The calls of the map that the session is one of, `None` if it is of none."""
        return self.call.mapped_calls

    def admit_task(self) -> None:
        """Raise what a cancelled call raises, or let it not be cancelled any more."""
        if not self.call.decide():
            raise cancelled_error()

    def await_next_attempt(self) -> None:
        """Let the call be cancelled until its task is executed again."""
        self.call.undecide()

    def _execute_task(self) -> None:
        self.admit_task()
        super()._execute_task()

    def begin_move(self) -> Moved | None:
        """Let the first advice move the session, if it can without a thread that waits.

        Returns:
            What carries on with the session; `None` if the walk has to be walked.
        """
        self.choose_chain()
        advices = self.walk.advices
        begin_move = getattr(advices[0], "begin_move", None) if advices else None
        if begin_move is None:
            return None
        try:
            for extension in self._extensions:
                extension.on_session_created(self)
            self._stand_before(1)
            moved: Moved = begin_move(self)
        except BaseException:
            self._tell_finished()  # Its errors must not hide this one.
            self.remove_temp_dir()
            raise
        return moved

    def end_move(self, moved: Moved) -> Result:
        """Carry on with the session, whose answer is there.

        Args:
            moved: What `begin_move` has returned.

        Returns:
            The result.
        """
        try:
            failure = moved.finish()
            if failure is None:
                self.proceed()
            else:
                self.conclude(Result(exception=failure))
            if not self.is_finished:
                raise self._forgotten_step()
        except BaseException:
            self._tell_finished()
            raise
        finally:
            self.remove_temp_dir()
        error = self._tell_finished()
        if error is not None:
            raise error
        return self.result


class _Arrival:
    """The turn of a call whose answer is there."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def run(self) -> bool:
        """Carry on with the call."""
        self._call.arrive()
        return False


# Of the calls that no thread waits for
_arrivals = Level(2)


class _Failing(threading.local):
    """The calls that fail in the current thread because another one has."""

    calls: list[tuple[Call, Future[Any]]] | None = None


_failing = _Failing()


def _fail(call: Call, need: Future[Any]) -> None:
    # One after the other: what depends on a call that fails here fails in turn, and
    # thousands of them may be in a row.
    if _failing.calls is not None:
        _failing.calls.append((call, need))
        return
    _failing.calls = calls = [(call, need)]
    try:
        while calls:
            call, need = calls.pop()
            call.fail(need)
    finally:
        _failing.calls = None


def _dependency_error(task: Task, need: Future[Any]) -> DependencyError:
    cause = CancelledError() if need.cancelled() else need.exception()
    if isinstance(cause, DependencyError):
        # It depends on what has failed first, too.
        reason = cause.reason
        cause = cause.__cause__
    elif need.cancelled():
        reason = f"the call of {need.task} was cancelled"
    else:
        reason = f"the call of {need.task} failed: {type(cause).__name__}: {cause}"
    error = DependencyError(f"A call of {task} was not made, because {reason}")
    error.reason = reason
    error.__cause__ = cause
    return error


# Those that have not ended. They are kept, as there may be no other trace of them.
_calls: set[Call] = set()
_levels: dict[tuple[AdviceChain, int], Level] = {}
_limits: dict[AdviceChain, tuple[Walk, int | None, int]] = {}


@call_in_child
def _forget_all() -> None:
    futures = [call.future for call in _calls]
    _calls.clear()
    for future in futures:
        if future is not None:
            future._belong_to_parent()
    for level in _levels.values():
        level.forget()
    _levels.clear()
    _arrivals.forget()


def submit(
    task: Task,
    configuration: Configuration,
    chain: AdviceChain,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Future[Any]:
    """Submit a call of a task.

    Args:
        task: The task.
        configuration: The configuration that has the chain.
        chain: The chain of the task's calls.
        args: The positional arguments.
        kwargs: The keyword arguments.

    Returns:
        What it will come to.

    Raises:
        TypeError: If the arguments do not fit, or if the task is a coroutine function.
    """
    if task.is_coroutine_function:
        raise TypeError(
            f"Task {task} is a coroutine function, which is not submitted: await its "
            "calls, many at once with asyncio.gather()."
        )
    # What a decorator in between does with the arguments is not known.
    if task.callable is task.function and task.bind(args, kwargs) is None:
        task.signature.bind(*args, **kwargs)
    _prepare_end()
    return register(Call(task, configuration, chain, args, kwargs))


def register(call: Call) -> Future[Any]:
    """Let a call have its turn, and be waited for at the end of the program.

    Args:
        call: The call.

    Returns:
        What it will come to.
    """
    future: Any = call.future
    _calls.add(call)
    try:
        if _End.is_interrupted or call.parent_is_interrupted:
            future.cancel()
        else:
            call.start()
    except BaseException:
        future.cancel()
        raise
    return future  # type: ignore[no-any-return]


def _level_of(chain: AdviceChain, depth: int) -> Level:
    limit = concurrency_of(chain)
    level = _levels.get((chain, depth))
    if level is None:
        with _lock:
            for key in [key for key in _levels if key[1] and _levels[key].is_empty]:
                del _levels[key]
            level = _levels.setdefault((chain, depth), Level(limit))
    level.limit = limit
    return level


def concurrency_of(chain: AdviceChain) -> int:
    """Return how many submitted calls of a chain walk at a time.

    Args:
        chain: The chain.
    """
    known = _limits.get(chain)
    if known is None or known[0] is not chain.walk or known[1] != chain.concurrency:
        limit = chain.concurrency or _default_concurrency(chain.walk)
        known = _limits[chain] = chain.walk, chain.concurrency, limit
    return known[2]


def _default_concurrency(walk: Walk) -> int:
    for advice in walk.advices:
        default = getattr(advice, "default_concurrency", None)
        if isinstance(default, int):
            return default
    usable = getattr(os, "sched_getaffinity", None)
    return (os.cpu_count() or 1) if usable is None else len(usable(0))


def interrupt(futures: Iterable[Future[Any]]) -> None:
    """End calls that Ctrl-C has made superfluous, what they need, and all below them.

    Args:
        futures: What the calls were to come to.
    """
    calls: set[Call] = set()
    unseen = list(futures)
    while unseen:
        call = unseen.pop()._call
        if call is not None and call not in calls:
            calls.add(call)
            unseen += call.needs
    _interrupt(lambda call: call.is_below(calls))


def _interrupt(is_meant: Callable[[Call], bool]) -> None:
    while True:
        found = [c for c in list(_calls) if not c.is_interrupted and is_meant(c)]
        if not found:
            return
        # Those that this process executes cannot be ended, but what they wait for. What
        # they have submitted meanwhile is found the next time, as it was not marked.
        for call in found:
            call.is_interrupted = True
        for call in found:
            future = call.future
            if future is not None:
                future.cancel()


class _End:
    """The end of the program, which waits for what was submitted.

    Attributes:
        is_prepared: Whether it will wait.
        is_interrupted: Whether Ctrl-C has ended all.
        before_cell: What was submitted before the current cell of a notebook.
    """

    is_prepared = False
    is_interrupted = False
    before_cell: frozenset[Call] = frozenset()


def _prepare_end() -> None:
    if not _End.is_prepared:
        _End.is_prepared = True
        call_at_end_of_script(_finish)
        call_around_cells(_begin_cell, _interrupt_cell)


def _begin_cell() -> None:
    _End.before_cell = frozenset(_calls)


def _interrupt_cell() -> None:
    _interrupt(lambda call: call not in _End.before_cell)


def _finish() -> None:
    """Wait for what was submitted; Ctrl-C, or an end because of it, cancels it."""
    try:
        if script_was_interrupted():
            _interrupt_all()
        while True:
            futures = [call.future for call in list(_calls)]
            # One that is cancelled may still have its thread, which ends by itself.
            left = [f for f in futures if f is not None and not f.done()]
            if not left:
                return
            wait(left)
    except KeyboardInterrupt:
        _interrupt_all()
        raise
    finally:
        end_idle_threads()


def _interrupt_all() -> None:
    _End.is_interrupted = True
    tell_parent_of_interrupt()
    _interrupt(lambda call: True)


@call_at_reset
def _reset() -> None:
    _interrupt(lambda call: True)
    _levels.clear()
    _limits.clear()
