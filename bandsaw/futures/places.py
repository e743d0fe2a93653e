"""The places of submitted calls, and the threads in which they walk.

The calls of one chain that were submitted at one depth share a number of places. A call
that was submitted inside of a task is one level deeper, so those that wait for it never
have the places that it needs.

Nothing is waited for while the lock is held, and nothing of the user's runs.
"""

from __future__ import annotations

import threading
from collections import deque
from time import sleep

from ..runtime.fork import Lock, call_at_reset, call_in_child, closed_gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, Sequence

    from ..transports.pipeline import Pipeline

    class Turn(Protocol):
        """A call that waits for a place."""

        def run(self) -> bool:
            """Use the place, and tell if it is kept beyond that; it raises nothing."""


# How long a call takes behind which others need not wait, in seconds.
_LONG = 0.002

# How long a thread waits for more calls before it ends, in seconds.
_PATIENCE = 0.1

_lock = Lock()


class Level:
    """The places of the calls of one chain that were submitted at one depth.

    Args:
        limit: How many places there are.

    Attributes:
        limit: How many places there are from now on.
        pipelines: What sends calls to processes, in threads that have a place.
    """

    __slots__ = ("_busy", "_lent", "_queue", "limit", "pipelines")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._busy = self._lent = 0
        self._queue: deque[Turn] = deque()
        self.pipelines: list[Pipeline] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing has a place or waits for one."""
        return not (self._busy or self._lent or self._queue)

    def add(self, turn: Turn) -> None:
        """Let something have a place as soon as there is one.

        Args:
            turn: What waits for a place.
        """
        # Most calls find all places taken, and need no lock. A thread that gives its
        # place up looks at the queue afterwards.
        self._queue.append(turn)
        if self._busy < self.limit and self._take_place():
            self._start()

    def next(self) -> Turn | None:
        """Take what is next, for a thread that has a place already."""
        if self._busy > self.limit:
            return None
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def return_turns(self, turns: Sequence[Turn]) -> None:
        """Take back what is to be next after all.

        Args:
            turns: What has come and was not used, in its order.
        """
        self._queue.extendleft(reversed(turns))
        if self._busy < self.limit and self._take_place():
            self._start()

    def forget(self) -> None:
        """Forget what waits, in a forked child; its parent sees to that."""
        self._queue.clear()

    def lend(self) -> bool:
        """Let another call have the place of one that only waits.

        Returns:
            Whether that is so. Not if as many places are lent as there are: each call
            that waits has a thread.
        """
        with _lock:
            if self._lent >= self.limit:
                return False
            self._lent += 1
            self._busy -= 1
        if self._take_place():
            self._start()
        return True

    def take_back(self) -> None:
        """Take a place back that was lent, at once.

        What has waited may hold what others wait for. So there may be more calls than
        places, until one of them has ended.
        """
        with _lock:
            self._lent -= 1
            self._busy += 1

    def give_back(self) -> None:
        """Give a place back that was kept by a call without a thread."""
        self._give_up_place()
        if self._take_place():
            self._start()

    def _take_place(self) -> bool:
        with _lock:
            if self._busy >= self.limit or not self._queue:
                return False
            self._busy += 1
            return True

    def _give_up_place(self) -> bool:
        """Give a place up, and tell if there are others whose calls take the next."""
        with _lock:
            self._busy -= 1
            return bool(self._busy)

    def _start(self) -> None:
        """Let a thread use a place that was taken."""
        with _lock:
            thread = _threads.idle.pop() if _threads.idle else None
        try:
            if thread is not None:
                thread.go_on(self)
            else:
                _Thread(self).start()
        except RuntimeError:
            # At the end of the program, or where there are too many. Where no other
            # thread takes what waits, the current one does.
            if not self._give_up_place() and self._take_place():
                self.work()
        except BaseException:
            self._give_up_place()
            raise

    def work(self) -> None:
        """Use a place that was taken until nothing waits any more."""
        queue = self._queue
        while True:
            try:
                turn = queue.popleft()
            except IndexError:
                if self.pipelines and self._take_over():
                    continue
                self._give_up_place()
                if not self._take_place():
                    return
                continue
            is_kept = turn.run()
            del turn  # What it holds need not stay until the next one comes.
            if is_kept:
                if not self._take_place():
                    return
            elif self._busy > self.limit:
                self._give_up_place()
                if not self._take_place():
                    return

    def _take_over(self) -> bool:
        """Let nothing wait behind a long call while this thread has nothing to do.

        Returns:
            Whether there may be something to do now.
        """
        waiting = [p for p in list(self.pipelines) if p.has_calls_waiting]
        for pipeline in waiting:
            pipeline.hand_on(_LONG)
        if waiting and not self._queue:
            sleep(_LONG)
        return bool(waiting)


class _Thread(threading.Thread):
    """A thread in which calls walk; it ends when there are none for a while."""

    def __init__(self, level: Level) -> None:
        # The program waits for what was submitted.
        super().__init__(name="bandsaw-call", daemon=False)
        self._level: Level | None = level
        self._gate = closed_gate()

    def run(self) -> None:
        while self._level is not None:
            self._level.work()
            self._level = None
            self._wait()

    def go_on(self, level: Level | None) -> None:
        """Let the thread go on, which was taken from those that are idle.

        Args:
            level: Where it has a place, `None` to let it end.
        """
        self._level = level
        self._gate.release()

    def _wait(self) -> None:
        idle = _threads.idle
        with _lock:
            idle.append(self)
        if self._gate.acquire(True, _PATIENCE):
            return
        with _lock:
            if self in idle:
                idle.remove(self)
                return
        self._gate.acquire()


class _Threads:
    """The threads that have nothing to do at the moment."""

    def __init__(self) -> None:
        self.idle: list[_Thread] = []


_threads = _Threads()
call_in_child(_threads.idle.clear)


@call_at_reset
def end_idle_threads() -> None:
    """End the threads that have nothing to do."""
    with _lock:
        idle, _threads.idle[:] = list(_threads.idle), []
    for thread in idle:
        thread.go_on(None)
