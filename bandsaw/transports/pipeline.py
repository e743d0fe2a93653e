"""Several calls on their way to one resident process.

The process executes one after the other. The thread that works for a pipeline sends
short calls ahead of those that are not answered yet, and settles them in their order.
A call that was sent ahead is taken back when it is cancelled, when the process has
ended, and when one before it turns out to be long; see `bandsaw.transports.claims`.
"""

from __future__ import annotations

from collections import deque
from time import monotonic

from ..exceptions import InterpreterError
from ..runtime.contexts import suppress
from ..runtime.fork import Lock
from .claims import NUMBERS
from .frames import DONE, Left, Unread
from .pool import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, Sequence

    from ..session.frame_format import SessionFrames
    from ..session.route import Route
    from .pool import PoolTransport
    from .worker import Worker

    class QueuedCall(Protocol):
        """A call that takes a short route.

        Attributes:
            route: The route.
            content: What is sent.
            is_list: Whether it is a list of calls.
            size: How many of them have not ended.
            number: The number of the next one of them, which the pipeline sets.
        """

        route: Route
        content: bytes
        is_list: bool
        size: int
        number: int

        @property
        def has_outcomes(self) -> bool:
            """Whether some of them have ended."""

        @property
        def is_cancelled(self) -> bool:
            """Whether it was cancelled."""

        def begin(self) -> None:
            """Be about to be executed."""

        def withdraw(self) -> None:
            """Be not about to be executed any more."""

        def notice_interrupt(self) -> None:
            """Be cancelled if Ctrl-C has ended what waits for it."""

        def observe(self, kind: str, facts: dict[str, Any]) -> None:
            """Take part in what it tells."""

        def receive(self, answer: SessionFrames | memoryview) -> None:
            """Take the answer to the next one over."""

        def receive_values(self, contents: Sequence[memoryview]) -> None:
            """Take the values of the next ones over."""

        def pack_again(self) -> bool:
            """Write what is sent of those that have not ended, if that is possible."""

        def split(self, count: int) -> QueuedCall:
            """Return the last ones, which are not of this list any more."""

        def publish(self) -> QueuedCall:
            """Come to what is known, and return the rest."""

        def refuse(self) -> None:
            """Be no list any more, but calls that need sessions."""

        def fail(self, error: BaseException) -> None:
            """Take over that there is no answer."""

    class Source(Protocol):
        """A source of calls."""

        def begin_round(self) -> None:
            """Look anew how calls can be sent."""

        def next(self, worker: Worker) -> QueuedCall | None:
            """Return the next call for a process, `None` if none is to be sent now."""

        def give_back(self, calls: Sequence[Any]) -> None:
            """Take calls back that were not begun."""


# How many seconds of work may be ahead of a call, and how many calls are on their way.
_AHEAD = 0.002
_MOST_CALLS = 64

# What certainly fits into a socket: neither end waits until the other one reads.
_MOST_BYTES = 1 << 13

# After how many seconds another session may have the process.
_SLICE = 0.005


class _Idle(Exception):
    """Nothing is on its way any more."""


class Pipeline:
    """Calls on their way to one process.

    Args:
        pool: The processes.
        source: What has calls.
    """

    def __init__(self, pool: PoolTransport, source: Source) -> None:
        self._pool = pool
        self._source = source
        self._lock = Lock()
        self._worker: Worker | None = None
        self._sent: deque[QueuedCall] = deque()
        # What has come of calls, and the numbers of these
        self._values: deque[tuple[int, memoryview]] = deque()
        # How many calls, and bytes of them, are on their way
        self._waiting = 0
        self._bytes = 0
        self._since = 0.0
        self._first: QueuedCall | None = None
        # The call that was sent without a claim, until it is answered
        self._unclaimed: QueuedCall | None = None
        self._has_turn = self._has_sent_ahead = self._has_lists = False

    def work(self, first: QueuedCall) -> bool:
        """Have calls done until there are no more.

        Args:
            first: The first one.

        Returns:
            Whether the first one was taken over; not if it has to be moved as a whole.
        """
        self._first = first
        turn = _Turn(self, first)
        try:
            worker = self._pool.take_told(turn)
        except BaseException as error:
            with self._lock:
                self._worker = None  # It has ended, if it has begun.
                self._sent.clear()
            first.fail(error)  # It was cancelled, if it is no error of ours.
            return True
        if worker is None:
            return False
        self._has_turn = True
        if not turn.has_begun:
            self.begin(worker, first)
        try:
            with suppress(_Idle):
                self._exchange(worker)
        except BaseException as error:
            self._end(worker, error)
        else:
            with self._lock:
                self._worker = None
            worker.release()
            self._pool.put_back(worker)
        return True

    def begin(self, worker: Worker, call: QueuedCall) -> bool:
        """Send the first call, in any thread.

        Args:
            worker: The process.
            call: The call.

        Returns:
            Whether it was sent; not if it is cancelled.
        """
        with self._lock:
            self._worker = worker
            if call.is_list:
                try:
                    worker.claim(self, 0)
                except InterpreterError:
                    return False
                self._send(worker, [call])
            elif not worker.begin(self, call.content):
                return False
            else:
                self._count(call)
                # No value that comes through the pipe is of this one.
                call.number = -1
                self._unclaimed = call
                call.begin()
                self._since = monotonic()
            return True

    # What a worker asks of its session

    @property
    def is_cancelled(self) -> bool:
        """Whether the first call is cancelled before it is sent."""
        return self._first is not None and self._first.is_cancelled

    def notice_interrupt(self) -> bool:
        """Cancel all calls that Ctrl-C has made superfluous.

        Returns:
            Whether the first one is cancelled.

        Raises:
            _Idle: If no answer is to come any more, as all are cancelled.
        """
        # While the turn is awaited, another thread may have begun, and others ended.
        if self._has_turn and not self._sent:
            raise _Idle
        for call in (self._first, *self._sent):
            if call is not None:
                call.notice_interrupt()
        return self.is_cancelled

    def _count(self, call: QueuedCall) -> None:
        self._sent.append(call)
        self._waiting += call.size
        self._bytes += len(call.content)

    @property
    def _seconds(self) -> float:
        """The estimated time that the calls on their way will take."""
        if not self._sent:
            return 0.0
        seconds = self._sent[-1].route.seconds
        return _AHEAD if seconds is None else self._waiting * seconds

    def _exchange(self, worker: Worker) -> None:
        end = monotonic() + _SLICE
        is_ending = False
        while True:
            if not is_ending and self._has_room:
                self._refill(worker)
            if not self._sent:
                return
            answer: Any
            kind, answer = worker.next_answer(self._observe, self.hand_on)
            with self._lock:
                # What has come of calls before this one
                self._settle_values()
                call = None if kind == DONE else self._answered()
                if call is not None:
                    self._note_time(call.route, 1)
                elif answer:
                    self._refuse(answer[0])
                if call is not None and call.is_list:
                    # What another thread finds in the pipe comes behind it.
                    call.receive(answer)
                    call = None
            if call is not None:
                call.receive(answer)
            if monotonic() > end and self._pool.is_wanted:
                is_ending = True

    def _answered(self, count: int = 1) -> QueuedCall:
        """Return what is answered, of which there are fewer calls now.

        Args:
            count: How many fewer.
        """
        call = self._sent[0]
        self._unclaimed = None
        call.size -= count
        call.number = (call.number + count) % NUMBERS
        self._waiting -= count
        if not call.size:
            self._sent.popleft()
            self._bytes -= len(call.content)
            if self._sent:
                self._sent[0].begin()
        return call

    def _note_time(self, route: Route, count: int) -> None:
        """Note how long some calls have taken that were answered now."""
        now = monotonic()
        route.note_seconds((now - self._since) / count)
        self._since = now

    def _settle_values(self) -> None:
        """Settle calls whose values have come, as far as those before them are."""
        if self._worker is None or not self._has_lists:
            return
        values = self._values
        values.extend(self._worker.values())
        settled = 0
        while values and self._sent and self._sent[0].number == values[0][0]:
            call = self._sent[0]
            count = min(call.size, len(values))
            if values[count - 1][0] != (call.number + count - 1) % NUMBERS:
                count = 1  # Between them is one that was answered otherwise.
            contents = [values.popleft()[1] for _ in range(count)]
            self._answered(count).receive_values(contents)
            settled += count
        if settled:
            self._note_time(call.route, settled)

    def _refuse(self, number: int) -> None:
        """Take calls back that were sent together and need sessions.

        Args:
            number: The number of the first one.
        """
        calls = self._take_back()
        if calls and calls[0].number == number:
            calls[0].refuse()
        self._source.give_back(calls)

    @property
    def _has_room(self) -> bool:
        """Whether it is worth while to send more."""
        return self._seconds < _AHEAD / 2 and self._waiting <= _MOST_CALLS // 2

    def _refill(self, worker: Worker) -> None:
        """Send calls ahead, as long as there are some."""
        self._source.begin_round()
        left = self._pool.calls_left(worker)
        room = _MOST_CALLS - self._waiting
        if left is not None:
            room = min(room, left)
        calls: list[QueuedCall] = []
        seconds, size = self._seconds, self._bytes
        while room > 0 and seconds < _AHEAD:
            call = self._source.next(worker)
            if call is None:
                break
            size += len(call.content)
            room -= call.size
            if (size > _MOST_BYTES or room < 0) and (calls or self._sent):
                self._source.give_back([call])
                break
            calls.append(call)
            known = call.route.seconds
            seconds += _AHEAD if known is None else known * call.size
        if calls:
            self._send(worker, calls)

    def _send(self, worker: Worker, calls: list[QueuedCall]) -> None:
        with self._lock:
            wanted = [call for call in calls if not call.is_cancelled]
            if not wanted:
                return
            if not self._sent:
                self._since = monotonic()
                wanted[0].begin()
            for call in wanted:
                self._count(call)
                self._has_lists |= call.is_list
            self._has_sent_ahead = True
            worker.send_ahead(wanted)

    def _observe(self, kind: str, facts: dict[str, Any]) -> None:
        self._sent[0].observe(kind, facts)

    def hand_on(self, seconds: float = 0.0) -> None:
        """Let others have the calls that wait behind one that is executed.

        Args:
            seconds: How long that one has to have taken.
        """
        if monotonic() - self._since < seconds or not self.has_calls_waiting:
            return
        with self._lock:
            self._settle_values()
            calls = self._take_back()
            self._keep_one(calls)
            if self._sent:
                # Those before the long one need not wait for it either.
                self._sent[0] = self._sent[0].publish()
        self._source.give_back(calls)

    @property
    def has_calls_waiting(self) -> bool:
        """Whether calls, or what is known of some, wait for one that is executed."""
        try:
            return self._waiting > 1 or self._sent[0].has_outcomes
        except IndexError:
            return False

    def _take_back(self) -> list[QueuedCall]:
        """Take back what was sent ahead and not begun."""
        with self._lock:
            if self._worker is None:
                return []
            count = self._worker.take_back()
            self._waiting -= count
            calls: list[QueuedCall] = []
            while count:
                call = self._sent.pop()
                if call.size > count:
                    self._sent.append(call)
                    call = call.split(count)
                else:
                    self._bytes -= len(call.content)
                    call.withdraw()
                count -= call.size
                calls.append(call)
            calls.reverse()
            return calls

    def _keep_one(self, calls: list[QueuedCall]) -> None:
        """Send one again if all were taken back, as its answer is awaited."""
        worker = self._worker
        if worker is not None and calls and not self._sent and calls[0].pack_again():
            self._send(worker, [calls.pop(0)])

    def withdraw_cancelled(self) -> None:
        """Let cancelled calls not be begun, and end the process that executes one."""
        with self._lock:
            worker = self._worker
            if worker is None or not any(call.is_cancelled for call in self._sent):
                return
            calls = [call for call in self._take_back() if not call.is_cancelled]
            # Those before the last one that was begun are answered.
            if self._sent and self._sent[-1].is_cancelled:
                # Until it has ended, the thread that waits does not let it go.
                worker.end_group()
            self._keep_one(calls)
        self._source.give_back(calls)

    def _end(self, worker: Worker, error: BaseException) -> None:
        """End a process that does not answer any more."""
        with self._lock:
            self._settle_values()
            calls = self._take_back()
            self._worker = None
            left = list(self._sent)
            self._sent.clear()
        if left and self._is_unread(worker, left[0], error):
            left[0].withdraw()
            calls = left + calls
            left = []
        death = worker.death(error)
        self._pool.give_up_place(worker)
        for call in left:
            call.fail(death)
        self._source.give_back(calls)

    def _is_unread(
        self, worker: Worker, call: QueuedCall, error: BaseException
    ) -> bool:
        """Tell if a process has ended before it took a call."""
        if call is not self._unclaimed:
            return False
        if isinstance(error, Left) or not worker.is_sent:
            return True
        # One that has read this call may have left what was sent behind it.
        return isinstance(error, Unread) and not self._has_sent_ahead


class _Turn(Turn):
    """The turn of a pipeline, which begins with its first call."""

    def __init__(self, pipeline: Pipeline, call: QueuedCall) -> None:
        route = call.route
        super().__init__(pipeline, route.specification, route, call.content)
        self._pipeline = pipeline
        self._call = call

    def begin(self, worker: Worker, content: bytes) -> bool:
        """Send the first call."""
        return self._pipeline.begin(worker, self._call)
