"""Advice for coroutine functions that does not block the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from concurrent.futures import Future, InvalidStateError, wait

from ..result import Result
from ..session import Session, advise
from ..tasks import coroutine_runner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Coroutine


async def advise_coroutine(session: Session) -> Result:
    """Walk a session in a thread of its own, and run its coroutine right here.

    The coroutine is awaited by the caller's own `asyncio.Task`, so it can be cancelled,
    and it sees the caller's context variables as if it had been awaited directly. Those
    that the advices set reach it as well, and the other way round.

    A thread of its own, because tasks that wait for each other would use up the threads
    of any pool.

    Args:
        session: A session that was not initiated yet.

    Returns:
        Its result.
    """
    walk = _Walk(session)
    walk.start()
    try:
        return await walk.serve()
    finally:
        if not walk.has_ended:
            walk.abandon()


class _Walk:
    """A session that walks in a thread, and hands its coroutine to the event loop."""

    def __init__(self, session: Session) -> None:
        self.session = session
        # Made here: later both threads ask for it.
        self.cancellation = session.cancellation
        self.loop = asyncio.get_running_loop()
        # What the thread asks for: to run a coroutine, or to know that it has ended.
        self.requests: asyncio.Queue[_Request | Result] = asyncio.Queue()
        self.pending: _Request | None = None
        self.abandoned = False
        self.has_ended = False
        self.context = contextvars.copy_context()

    def start(self) -> None:
        thread = threading.Thread(
            target=self.context.run, args=(self.walk,), name="bandsaw-session"
        )
        thread.start()

    # In the thread

    def walk(self) -> None:
        coroutine_runner.set(self.run)
        try:
            end = Result(advise(self.session))
        except BaseException as error:
            end = Result(exception=error)
        self.ask(end)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        request = _Request(coroutine, contextvars.copy_context())
        self.ask(request)
        # Not `result(timeout)`: the coroutine may well raise a TimeoutError of its own.
        while not wait((request.outcome,), timeout=1).done:
            if self.is_forgotten():
                request.refuse(asyncio.CancelledError())
        _adopt(request.context)
        return _value_of(request.outcome.result())

    def is_forgotten(self) -> bool:
        """Tell if the event loop will never run again."""
        if self.loop.is_closed():
            return True
        # The program has ended, which waits for this thread, and left its loop open.
        return not (threading.main_thread().is_alive() or self.loop.is_running())

    def ask(self, request: _Request | Result) -> None:
        with contextlib.suppress(RuntimeError):  # The loop was closed.
            self.loop.call_soon_threadsafe(self.receive, request)

    # On the event loop

    def receive(self, request: _Request | Result) -> None:
        if self.abandoned and isinstance(request, _Request):
            request.refuse(asyncio.CancelledError())
        else:
            self.requests.put_nowait(request)

    async def serve(self) -> Result:
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                request = await self.requests.get()
            except asyncio.CancelledError as error:
                # The advices still have to end what they began.
                cancelled = error
                self.cancellation.request()
                continue
            if isinstance(request, Result):
                self.has_ended = True
                if cancelled is not None:
                    raise cancelled
                _adopt(self.context)
                result: Result = _value_of(request)
                return result
            if cancelled is not None:
                request.refuse(asyncio.CancelledError())
                continue
            self.pending = request
            await request.serve()
            self.pending = None

    def abandon(self) -> None:
        """Let the thread end when it has no work any more."""
        self.abandoned = True
        self.cancellation.request()
        if self.pending is not None:
            self.pending.refuse(asyncio.CancelledError())
        while not self.requests.empty():
            request = self.requests.get_nowait()
            if isinstance(request, _Request):
                request.refuse(asyncio.CancelledError())


class _Request:
    """A coroutine that a thread wants to have run, and what has become of it.

    Attributes:
        context: What the coroutine finds, and at its end what it leaves.
        outcome: What it came to. An exception is part of the result, as a future would
            take a falsy one for none.
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
    ) -> None:
        self.coroutine = coroutine
        self.context = context
        self.outcome: Future[Result] = Future()

    async def serve(self) -> None:
        _adopt(self.context)
        try:
            value = await self.coroutine
        except GeneratorExit:
            raise
        except BaseException as error:
            result = Result(exception=error)
        else:
            result = Result(value)
        self.context = contextvars.copy_context()
        self.outcome.set_result(result)

    def refuse(self, error: BaseException) -> None:
        if not self.outcome.done():
            try:
                self.coroutine.close()
            finally:
                # The thread and the event loop may both give up at the same time.
                with contextlib.suppress(InvalidStateError):
                    self.outcome.set_result(Result(exception=error))


def _value_of(result: Result) -> Any:
    if result.exception is not None:
        raise result.exception
    return result.value


def _adopt(context: contextvars.Context) -> None:
    """Set the variables of this context to what they are in another one."""
    current = contextvars.copy_context()
    for variable, value in context.items():
        if variable is coroutine_runner:
            continue
        if variable not in current or current[variable] is not value:
            variable.set(value)
