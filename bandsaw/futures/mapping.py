"""Calls of a task with the items of iterables, a bounded number of them ahead."""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue

from .calls import Future, concurrency_of, interrupt

TYPE_CHECKING = False
if not TYPE_CHECKING:
    from ..runtime.stand_ins import Generic

    T_co = None

if TYPE_CHECKING:
    from typing import Any, Callable, Generic, Iterable, TypeVar

    from ..chain import AdviceChain

    T_co = TypeVar("T_co", covariant=True)


class Results(Generic[T_co]):
    """An iterator over the results of many calls, in the order of their items.

    Calls are submitted ahead of those whose results are asked for. Those that are ahead
    are cancelled when the iterator is closed or not used any more, and when it raises
    an exception.

    Args:
        submit: Submits a call.
        iterables: What gives the arguments of each call.
        chain: The chain of the calls.
        buffersize: How many calls are ahead at most; by default, twice as many as walk
            at a time.

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
    ) -> None:
        self._ahead: deque[Future[T_co]] = deque()
        self._submit = submit
        self._items = zip(*iterables)
        # What has ended the items. It comes after the results of those before it.
        self._end: Exception | None = None
        if buffersize is None:
            buffersize = 2 * concurrency_of(chain)
        elif not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        elif buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        for _ in range(buffersize):
            self._submit_next()

    def _submit_next(self) -> None:
        if self._end is None:
            try:
                self._add(self._submit(*next(self._items)))
            except Exception as error:
                self._end = error

    def _add(self, future: Future[T_co]) -> None:
        self._ahead.append(future)

    def _take(self) -> Future[T_co]:
        """Take the call whose result is the next one."""
        return self._ahead.popleft()

    def __iter__(self) -> Results[T_co]:
        return self

    def __next__(self) -> T_co:
        try:
            if not self._ahead:
                end, self._end = self._end, StopIteration()
                raise StopIteration if end is None else end
            result = self._take().result()
            self._submit_next()
            return result
        except KeyboardInterrupt:
            interrupt(self._ahead)
            self.close()
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Cancel the calls that are ahead; there are no more results."""
        self._end = StopIteration()
        for future in self._ahead:
            future.cancel()
        self._ahead.clear()

    def __del__(self) -> None:
        self.close()


class UnorderedResults(Results[T_co]):
    """An iterator like `Results`, but as the results come."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._done: SimpleQueue[Future[T_co]] = SimpleQueue()
        super().__init__(*args, **kwargs)

    def _add(self, future: Future[T_co]) -> None:
        super()._add(future)
        future.add_done_callback(self._done.put)  # type: ignore[arg-type]

    def _take(self) -> Future[T_co]:
        future = self._done.get()
        self._ahead.remove(future)
        return future
