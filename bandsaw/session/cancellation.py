"""The wish to have something ended that another thread waits for."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from time import monotonic

from ..runtime.contexts import contextmanager
from ..runtime.fork import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Iterator

    _IsCancelled = Callable[[], bool]


#: Of all of them, as it is only held for a moment.
lock = Lock()

# How many calls lie between the `__exit__` of an executor and the lock that it waits
# for, at most.
_DEPTH = 16


#: Tells if the call on whose behalf the current context waits was cancelled.
is_cancelled: ContextVar[_IsCancelled] = ContextVar("is_cancelled", default=bool)

#: The submitted call that the current context belongs to, `None` if there is none.
submitted_call: ContextVar[Any] = ContextVar("bandsaw_submitted_call", default=None)


#: What lets an engine have the place of a task that waits in the current thread, until
#: a future is done or a time is over, by the name of the engine.
waits_in_tasks: dict[str, Callable[[Any, float | None], None]] = {}


class CallElsewhere:
    """The call that the current session belongs to, if that comes from an engine.

    Args:
        depth: In how many submitted calls it was made.

    Attributes:
        depth: In how many submitted calls it was made.
        is_interrupted: Whether Ctrl-C has ended what waits for it, which is not known.
    """

    is_interrupted = False
    # What was submitted inside of it is below no other call of this process.
    _parent = None

    def __init__(self, depth: int) -> None:
        self.depth = depth

    def lend_place(self) -> None:
        """Keep the place, which is the engine's."""

    @staticmethod
    def wait(future: Any, timeout: float | None) -> None:
        """Wait without the place of the task, if that can be.

        Args:
            future: What is waited for.
            timeout: How long, in seconds.
        """
        for wait in list(waits_in_tasks.values()):
            wait(future, timeout)


def depth_of_calls() -> int:
    """Return in how many submitted calls the current context is."""
    call = submitted_call.get()
    return 0 if call is None else call.depth


def _submitted_call_is_interrupted() -> bool:
    call = submitted_call.get()
    return call is not None and bool(call.is_interrupted)


@contextmanager
def place_lent() -> Iterator[None]:
    """Let another submitted call walk while the current one waits for a cache."""
    call = submitted_call.get()
    level = None if call is None else call.lend_place()
    try:
        yield
    finally:
        if level is not None:
            level.take_back()


@contextmanager
def waiting_until(condition: Callable[[], bool]) -> Iterator[None]:
    """Let what waits for other threads and processes wait until a call is cancelled.

    Args:
        condition: Tells if it was cancelled.
    """
    token = is_cancelled.set(condition)
    try:
        yield
    finally:
        is_cancelled.reset(token)


def cancelled_error() -> BaseException:
    """Return what a call raises that was cancelled."""
    from asyncio import CancelledError

    return CancelledError()


class Cancellation:
    """Tell the threads that wait for something that it is not wanted any more.

    Args:
        callbacks: What is called when the end is asked for.

    Attributes:
        is_requested: Whether it was asked for.
    """

    def __init__(self, callbacks: Iterable[Callable[[], None]] = ()) -> None:
        self.is_requested = False
        self._callbacks = list(callbacks)

    def request(self) -> None:
        """Ask for the end; a second time has no effect."""
        with lock:
            self.is_requested = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def notice_interrupt(self) -> bool:
        """Ask for the end if Ctrl-C has ended what else would need it.

        The main thread only waits for it then, or does not wait for it any more.

        Returns:
            Whether the end was asked for, now or before.
        """
        if not self.is_requested and (
            _submitted_call_is_interrupted() or _is_interrupted()
        ):
            self.request()
        return self.is_requested

    def call(self, callback: Callable[[], None]) -> None:
        """Have something called once when the end is asked for, at once if it was.

        Args:
            callback: What ends the wait. It may be called in another thread.
        """
        with lock:
            if not self.is_requested:
                self._callbacks.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], None]) -> None:
        """Call something no more, if it was not called yet.

        Args:
            callback: What `call` was given.
        """
        with lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


# How long it is taken for granted that there was no interrupt, in seconds.
_INTERVAL = 0.1


class _Interrupt:
    """The result of the last check for an interrupt."""

    is_there = False
    found_until = 0.0


def main_thread_is_interrupted() -> bool:
    """Tell if Ctrl-C makes the main thread leave an executor, within 0.1 seconds.

    It takes longer to find out than a short call may take.
    """
    now = monotonic()
    if now > _Interrupt.found_until:
        _Interrupt.is_there = _is_interrupted()
        _Interrupt.found_until = now + _INTERVAL
    return _Interrupt.is_there


def _is_interrupted() -> bool:
    """Tell if a `KeyboardInterrupt` makes the main thread leave an executor.

    The executor waits for its threads then, and the signal reaches none of them.
    """
    futures = sys.modules.get("concurrent.futures._base")
    if futures is None:
        return False
    import threading

    main = threading.main_thread().ident
    if main is None or main == threading.get_ident():
        return False
    leave = futures.Executor.__exit__.__code__
    frame = sys._current_frames().get(main)
    for _ in range(_DEPTH):
        if frame is None:
            break
        if frame.f_code is leave:
            return isinstance(frame.f_locals.get("exc_val"), KeyboardInterrupt)
        frame = frame.f_back
    return False
