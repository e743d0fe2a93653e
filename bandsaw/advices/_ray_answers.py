"""The answers of calls on Ray, which two threads fetch, many at a time.

A callback of Ray for each of them would take as long as half of a small call. One
thread waits for short intervals, between which it learns of new calls. What takes long
is left to the other one, so that it need not be looked for all the time, and delays no
other answer.
"""

from __future__ import annotations

import threading
from itertools import islice
from time import monotonic

from ..exceptions import UnreachableError
from ..runtime.contexts import suppress
from ..runtime.fork import call_at_exit, call_in_child
from ..transports.background import run_in_background

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

    from ._engine_calls import Answer, Kept

# How long it is waited for answers of young calls, how long a call is young, and how
# long it is waited for answers of others, in seconds.
_INTERVAL = 0.005
_YOUTH = 0.5
_LONG_INTERVAL = 0.5

# How long a thread stays that has nothing to wait for, in seconds.
_PATIENCE = 0.1

# Fetching several answers takes little longer than fetching one. So it is waited for
# more of them as long as they come: for twice as many as the last time, but for that
# part at most of all but a few, which would not keep the cluster busy; and so long for
# each, and for all of them, in seconds.
_FEW = 16
_PART = 2
_PATIENCE_FOR_ONE = 0.002
_PATIENCE_FOR_ALL = 0.05

# Ray needs longer to wait for more answers. They come roughly in the order of the
# calls, so it is waited for the first ones. Between two looks at all of them is so many
# times as long as a look takes, and at least the time above.
_FIRST = 128
_RARELY = 20


class Sent:
    """A call on the cluster, with what it needs there.

    Args:
        ray: Ray.
        reference: What Ray calls the answer.
        answer: What the answer will be.
        kept: What the cluster keeps for the call.

    Attributes:
        reference: What Ray calls the answer.
        begin: When it was sent.
    """

    def __init__(
        self, ray: Any, reference: Any, answer: Answer, kept: list[Kept]
    ) -> None:
        self._ray = ray
        self._answer = answer
        self._kept = kept
        self.reference = reference
        self.begin = monotonic()

    def cancel(self) -> None:
        """Cancel it; a task that has begun is interrupted."""
        with suppress(Exception):  # It is gone, or the cluster is.
            self._ray.cancel(self.reference)

    def wait(self, timeout: float) -> None:
        """Wait for the answer in the current thread, and take it when it is there.

        Args:
            timeout: How long to wait, in seconds.
        """
        ready, _ = self._ray.wait([self.reference], timeout=timeout)
        if ready:
            self.fetch(self._ray.get)

    def fetch(self, get: Callable[[Any], Any]) -> None:
        """Take the answer, or the error in its place.

        Args:
            get: Gets it from Ray.
        """
        try:
            value = get(self.reference)
        except Exception as error:
            self.fail(error)
        else:
            self.take(value)

    def take(self, value: Any) -> None:
        """Take the answer.

        Args:
            value: The answer.
        """
        self._answer.fulfil(value)
        self._answer.sent = None

    def fail(self, error: BaseException) -> None:
        """Take an error in the place of the answer.

        Args:
            error: The error.
        """
        self._answer.fail(error)
        self._answer.sent = None


class _Fetching:
    """Fetches answers in a thread of its own.

    Args:
        interval: How long it is waited for answers before there may be others to wait
            for, in seconds.
        older: What fetches the answers of calls that are not young any more; `None` if
            this does.
    """

    def __init__(self, interval: float, older: _Fetching | None = None) -> None:
        self._interval = interval
        self._older = older
        self.forget()

    def forget(self) -> None:
        """Know of no call, as in a forked child."""
        self._changed = threading.Condition()
        self._calls: dict[Any, Sent] = {}
        self._lost: list[Sent] = []
        self._is_running = self._is_ending = False
        self._next_look = 0.0
        self._enough = 1

    @property
    def references(self) -> list[Any]:
        """What Ray calls the answers."""
        with self._changed:
            return list(self._calls)

    def add(self, ray: Any, calls: Iterable[Sent]) -> None:
        """Fetch the answers of calls when they are there.

        Args:
            ray: Ray.
            calls: The calls.
        """
        with self._changed:
            self._calls.update((call.reference, call) for call in calls)
            is_running, self._is_running = self._is_running, True
            self._changed.notify_all()
        if not is_running:
            # Those that are registered last come first, so before Ray is shut down.
            call_at_exit(_end, 0)
            run_in_background(lambda: self._run(ray))

    def _run(self, ray: Any) -> None:
        wait, get = _unconnected(ray.wait), _unconnected(ray.get)
        while self._has_calls():
            try:
                # This must keep no reference. One that is let go while Ray is shut down
                # ends the process.
                self._fetch(get, self._wait(wait))
            # Ray raises SystemExit in threads that wait when it is shut down.
            except BaseException as error:
                self._lose(error)
            if self._older is not None:
                self._leave_to(self._older, ray)

    def _has_calls(self) -> bool:
        """Tell if there are calls, after a while in which there may come some."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls or self._is_ending, _PATIENCE)
            self._is_running = bool(self._calls) and not self._is_ending
            if not self._is_running:
                self._changed.notify_all()
            return self._is_running

    def end(self) -> None:
        """End the thread, and leave what is not fetched."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_running, _LONG_INTERVAL * 4)

    def _wait(self, wait: Callable[..., Any]) -> list[Any]:
        """Wait for some answers, and return what is there."""
        with self._changed:
            number = len(self._calls)
            first = list(islice(self._calls, _FIRST))
        timeout = self._interval
        if number > _FIRST:
            now = monotonic()
            if now >= self._next_look:
                references = self.references
                ready, _ = wait(references, num_returns=len(references), timeout=0)
                end = monotonic()
                self._next_look = end + max(_PATIENCE_FOR_ALL, _RARELY * (end - now))
                if ready:
                    return ready  # type: ignore[no-any-return]
            timeout = min(timeout, self._next_look - now)
        ready, _ = wait(first, num_returns=1, timeout=timeout)
        if not ready:
            return []
        enough = min(self._enough, max(0, len(first) - _FEW) // _PART)
        if enough > 1:
            timeout = min(enough * _PATIENCE_FOR_ONE, _PATIENCE_FOR_ALL)
            ready, _ = wait(first, num_returns=enough, timeout=timeout)
        # Else those that are slow would delay others again and again.
        came = 2 * enough if len(ready) >= enough else len(ready)
        self._enough = max(came, 1)
        return ready  # type: ignore[no-any-return]

    def _fetch(self, get: Callable[[Any], Any], references: list[Any]) -> None:
        if not references:
            return
        with self._changed:
            calls = [self._calls.pop(reference) for reference in references]
        try:
            values = get(references)
        except BaseException:
            # It does not say in whose place this is.
            for call in calls:
                try:
                    call.fetch(get)
                except BaseException as error:  # Ray is being shut down.
                    call.fail(error)
        else:
            for call, value in zip(calls, values):
                call.take(value)

    def _leave_to(self, other: _Fetching, ray: Any) -> None:
        """Leave those that are not young any more to another thread."""
        begin = monotonic() - _YOUTH
        old = []
        with self._changed:
            for call in self._calls.values():
                if call.begin > begin:
                    break
                old.append(call)
            for call in old:
                del self._calls[call.reference]
        if old:
            other.add(ray, old)

    def _lose(self, error: BaseException) -> None:
        with self._changed:
            calls, self._calls = list(self._calls.values()), {}
            # Ray may still be about to be shut down.
            self._lost += calls
        for call in calls:
            text = f"The connection to Ray has ended: {error!r}"
            call.fail(UnreachableError(text))


_others = _Fetching(_LONG_INTERVAL)
_young = _Fetching(_INTERVAL, _others)
call_in_child(_others.forget)
call_in_child(_young.forget)


def _end() -> None:
    for fetching in _young, _others:
        fetching.end()


def fetch(ray: Any, call: Sent) -> None:
    """Fetch the answer of a call when it is there.

    Args:
        ray: Ray.
        call: The call.
    """
    _young.add(ray, [call])


def references_to_come() -> list[Any]:
    """Return what Ray calls the answers that are to be fetched."""
    return _young.references + _others.references


def _unconnected(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of Ray that does not start a cluster if there is none."""
    # That is the outer one of two wrappers.
    inner: Any = getattr(function, "__wrapped__", None)
    return inner if hasattr(inner, "__wrapped__") else function
