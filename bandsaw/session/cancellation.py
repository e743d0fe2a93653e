"""The wish to have something ended that another thread waits for."""

from __future__ import annotations

from ..runtime.fork import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable


#: Of all of them, as it is only held for a moment.
lock = Lock()


class Cancellation:
    """Tells whoever waits for something that nobody wants it any more.

    Args:
        callbacks: What is called when the end is asked for.

    Attributes:
        is_requested: Whether it was asked for.
    """

    def __init__(self, callbacks: Iterable[Callable[[], None]] = ()) -> None:
        self.is_requested = False
        self._callbacks = list(callbacks)

    def request(self) -> None:
        """Ask for the end; again does no harm."""
        with lock:
            self.is_requested = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

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
