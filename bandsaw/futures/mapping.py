"""Calls of a task with the items of iterables, a bounded number of them ahead."""

from __future__ import annotations

from collections import deque
from itertools import islice
from queue import SimpleQueue

from ..reporting import MappedCalls
from ..transports.sharing import Sharing
from .batches import Batch, Outcomes
from .calls import Future, concurrency_of, current_map, interrupt, register
from .streams import routes_of

TYPE_CHECKING = False
if not TYPE_CHECKING:
    from ..runtime.stand_ins import Generic

    T_co = None

if TYPE_CHECKING:
    from typing import Any, Callable, Generic, Iterable, TypeVar

    from ..chain import AdviceChain
    from ..config import Configuration
    from ..tasks import Task
    from .batches import Outcome

    T_co = TypeVar("T_co", covariant=True)

# How many lists of short calls are ahead for each process
_LISTS_AHEAD = 4


class Lists:
    """Make lists of the calls of one task, to be sent together.

    Args:
        task: The task.
        configuration: The configuration that has the chain.
        chain: The chain of the task's calls.
    """

    def __init__(
        self, task: Task, configuration: Configuration, chain: AdviceChain
    ) -> None:
        self._task = task
        self._configuration = configuration
        self._chain = chain
        self._checks_arguments = task.callable is task.function

    @property
    def length(self) -> int:
        """The number of calls in a list at the moment; 1 if there are no lists."""
        routes = routes_of(self._chain)
        return 1 if routes is None else routes.length_of_lists(self._task)

    def takes(self, item: tuple[Any, ...]) -> bool:
        """Tell if a call may be in a list.

        Args:
            item: The arguments.
        """
        if self._checks_arguments and self._task.bind(item, {}) is None:
            return False
        return _are_small(item)

    def submit(self, items: list[tuple[Any, ...]]) -> Future[Any]:
        """Submit a list.

        Args:
            items: The arguments of its calls.
        """
        return register(Batch(self._task, self._configuration, self._chain, items))


# What is certainly small, and how long other plain data may be
_NUMBERS = frozenset((bool, complex, float, int, type(None)))
_LONGEST_TEXT = 1024
_LONGEST_CONTAINER = 64
_DEEPEST = 1


def _are_small(values: Iterable[Any], depth: int = _DEEPEST) -> bool:
    """Tell if values are plain data and small, as hundreds of them may be ahead.

    Args:
        values: The values.
        depth: How deeply they may be nested.
    """
    for value in values:
        kind = type(value)
        if kind in _NUMBERS:
            continue
        if kind is str or kind is bytes:
            if len(value) > _LONGEST_TEXT:
                return False
        elif depth and (kind is list or kind is tuple or kind is dict):
            if len(value) > _LONGEST_CONTAINER or not _are_small(value, depth - 1):
                return False
            if kind is dict and not _are_small(value.values(), depth - 1):
                return False
        else:
            return False
    return True


def _length_of(iterables: tuple[Any, ...]) -> int | None:
    """Return how many items there will be, `None` if that is unknown."""
    lengths = [len(one) for one in iterables if hasattr(one, "__len__")]
    return min(lengths, default=None if iterables else 0)


class Results(Generic[T_co]):
    """An iterator over the results of many calls, in the order of their items.

    Calls are submitted ahead of those whose results are asked for. Those that are ahead
    are cancelled when the iterator is closed or not used any more, and when it raises
    an exception. It is a context manager, which closes it.

    Args:
        submit: Submits a call.
        iterables: What gives the arguments of each call.
        chain: The chain of the calls.
        buffersize: How many calls are ahead at most; by default, twice as many as walk
            at a time, or as many as keep processes busy with short calls.
        lists: Submits several short calls at once; `None` if that is not to be.

    Raises:
        TypeError: If the size is no integer.
        ValueError: If it is not positive.
    """

    def __init__(
        self,
        submit: Callable[..., Future[T_co]],
        iterables: tuple[Iterable[Any], ...],
        chain: AdviceChain,
        buffersize: int | None = None,
        lists: Lists | None = None,
    ) -> None:
        self._ahead: deque[Future[Any]] = deque()
        self._outcomes: deque[Outcome] = deque()
        self._submit = submit
        self._lists = lists
        # Nothing is to be known of most maps.
        self._calls: MappedCalls | None = None
        self._items = zip(*iterables)
        # What has ended the items. It comes after the results of those before it.
        self._end: Exception | None = None
        if chain.extensions:
            self._calls = MappedCalls(_length_of(iterables))
        self._concurrency = concurrency_of(chain)
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        self._buffersize = buffersize
        # How many calls are ahead, and when more are to be submitted
        self._count = self._few = 0
        self._submit_ahead()

    def _submit_ahead(self) -> None:
        """Submit calls until as many are ahead as there are to be."""
        length = 1 if self._lists is None else self._lists.length
        most = self._buffersize
        if most is None:
            most = self._concurrency * (2 if length == 1 else _LISTS_AHEAD * length)
        else:
            length = max(1, min(length, most // (2 * self._concurrency)))
        self._few = most - length
        while self._end is None and self._count <= self._few:
            if length == 1:
                self._submit_next()
                continue
            self._submit_list(length)
            if self._lists is None:
                self._submit_ahead()
        if self._end is not None:
            self._end_calls()

    def _submit_next(self) -> None:
        try:
            self._submit_item(next(self._items))
        except Exception as error:
            self._end = error

    def _submit_item(self, item: tuple[Any, ...]) -> None:
        calls = self._calls
        if (calls is None or calls.sharing is None) and not _are_small(item):
            self._calls = calls = calls or MappedCalls()
            calls.sharing = Sharing()
        if calls is None:
            self._add(self._submit(*item))
        else:
            token = current_map.set(calls)
            try:
                self._add(self._submit(*item))
            finally:
                current_map.reset(token)
            calls.submitted += 1
        self._count += 1

    def _submit_list(self, length: int) -> None:
        lists: Any = self._lists
        items: list[tuple[Any, ...]] = []
        other: tuple[Any, ...] | None = None
        try:
            for item in islice(self._items, length):
                if not lists.takes(item):
                    other = item
                    break
                items.append(item)
            else:
                if len(items) < length:
                    self._end = StopIteration()
        except Exception as error:
            self._end = error
        if items:
            self._add(lists.submit(items))
            self._count += len(items)
        if other is not None:
            # Those that follow are like it, if only some of them.
            self._lists = None
            try:
                self._submit_item(other)
            except Exception as error:
                self._end = error

    def _add(self, future: Future[Any]) -> None:
        self._ahead.append(future)

    def _take(self) -> Future[Any]:
        """Take the call whose result is the next one."""
        return self._ahead.popleft()

    def _take_outcomes(self, outcomes: list[Outcome]) -> None:
        """Take what the calls of a list have come to."""
        self._outcomes.extend(outcomes)

    def __iter__(self) -> Results[T_co]:
        return self

    def __next__(self) -> T_co:
        try:
            result = self._next_result()
            self._count -= 1
            if self._count <= self._few:
                self._submit_ahead()
            return result
        except KeyboardInterrupt:
            interrupt(self._futures())
            self.close()
            raise
        except BaseException:
            self.close()
            raise

    def _next_result(self) -> T_co:
        while True:
            if self._outcomes:
                outcome = self._outcomes.popleft()
                if not isinstance(outcome, Future):
                    if outcome.exception is not None:
                        raise outcome.exception
                    value: T_co = outcome.value
                    return value
                future = outcome
            elif self._ahead:
                future = self._take()
            else:
                end, self._end = self._end, StopIteration()
                raise StopIteration if end is None else end
            value = future.result()
            if not isinstance(future, Outcomes):
                return value
            behind, self._outcomes = self._outcomes, deque()
            self._take_outcomes(value)  # type: ignore[arg-type]
            self._outcomes.extend(behind)

    def _end_calls(self, is_closed: bool = False) -> None:
        """Let go of what is to be known of all calls; those that are ahead have it."""
        calls = self._calls
        if calls is not None:
            if is_closed:
                self._calls = None
            calls.end(is_closed)

    def _futures(self) -> list[Future[Any]]:
        """Return the calls that are ahead."""
        return [*self._ahead, *(o for o in self._outcomes if isinstance(o, Future))]

    def close(self) -> None:
        """Cancel the calls that are ahead; there are no more results."""
        self._end = StopIteration()
        self._end_calls(is_closed=True)
        futures = self._futures()
        self._ahead.clear()
        self._outcomes.clear()
        while futures:
            future = futures.pop()
            if not future.cancel() and isinstance(future, Outcomes):
                # Some of its calls may have been handed on.
                futures += (o for o in future.result() if isinstance(o, Future))

    def __enter__(self) -> Results[T_co]:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class UnorderedResults(Results[T_co]):
    """An iterator like `Results`, but as the results come."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._done: SimpleQueue[Future[Any]] = SimpleQueue()
        super().__init__(*args, **kwargs)

    def _add(self, future: Future[Any]) -> None:
        super()._add(future)
        future.add_done_callback(self._done.put)  # type: ignore[arg-type]

    def _take(self) -> Future[Any]:
        future = self._done.get()
        self._ahead.remove(future)
        return future

    def _take_outcomes(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Future):
                self._add(outcome)
            else:
                self._outcomes.append(outcome)
