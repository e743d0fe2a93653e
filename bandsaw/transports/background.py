"""Background threads, which no call waits for."""

from __future__ import annotations

import threading
from _thread import start_new_thread

from ..runtime.fork import call_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


class _Beside:
    """The threads that are running."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know of none, as in a forked child."""
        self.changed = threading.Condition()
        self.running: set[object] = set()
        self.is_ending = False


_beside = _Beside()
call_in_child(_beside.forget)


def run_in_background(function: Callable[[], None]) -> None:
    """Call a function in a thread.

    Args:
        function: The function. It is called at once when no thread can be started.
    """

    def run() -> None:
        try:
            function()
        finally:
            with _beside.changed:
                _beside.running.discard(run)
                _beside.changed.notify_all()

    with _beside.changed:
        _beside.running.add(run)
    try:
        # Unlike that of `threading`, this does not wait until the thread runs.
        start_new_thread(run, ())
    except RuntimeError:
        run()


def pause_background(seconds: float) -> bool:
    """Wait in such a thread, and tell if nothing waits for its end meanwhile.

    Args:
        seconds: How long to wait.
    """
    with _beside.changed:
        return not _beside.changed.wait_for(lambda: _beside.is_ending, seconds)


def wait_for_background(seconds: float) -> None:
    """Wait until there is no such thread any more.

    Args:
        seconds: How long to wait at most.
    """
    with _beside.changed:
        _beside.is_ending = True
        _beside.changed.notify_all()
        _beside.changed.wait_for(lambda: not _beside.running, seconds)
        _beside.is_ending = False
