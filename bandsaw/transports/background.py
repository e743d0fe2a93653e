"""Threads that do something beside the calls, for whose start nobody waits."""

from __future__ import annotations

import os
import threading
from _thread import start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


class _Beside:
    """How many threads there are."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.count = 0


_beside = _Beside()


def run_beside(function: Callable[[], None]) -> None:
    """Call a function in a thread.

    Args:
        function: The function. It is called at once when no thread can be started.
    """
    beside = _beside

    def run() -> None:
        try:
            function()
        finally:
            with beside.changed:
                beside.count -= 1
                beside.changed.notify_all()

    with beside.changed:
        beside.count += 1
    try:
        # Unlike that of `threading`, this does not wait until the thread runs.
        start_new_thread(run, ())
    except RuntimeError:
        run()


def wait_for_all_beside(seconds: float) -> None:
    """Wait until there is no such thread any more.

    Args:
        seconds: How long to wait at most.
    """
    beside = _beside
    with beside.changed:
        beside.changed.wait_for(lambda: not beside.count, seconds)


def _forget_in_forked_child() -> None:
    global _beside
    _beside = _Beside()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_forked_child)
