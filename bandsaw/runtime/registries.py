"""Facts that a module supplies once it is loaded, and that others ask for without it.

A module that nothing has needed yet is not loaded only to answer that it has nothing to
say.
"""

from __future__ import annotations

from time import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Generic, Sequence, TypeVar

    T = TypeVar("T")
else:
    from .stand_ins import Generic

    T = None


class Registry(Generic[T]):
    """A place for the one function that supplies a fact.

    Args:
        default: Supplies the fact as long as no function is registered.

    Attributes:
        get: Returns the fact. Calling the function itself takes no longer than needed.
    """

    def __init__(self, default: Callable[[], T]) -> None:
        self.get = default

    def register(self, supply: Callable[[], T]) -> None:
        """Register the function.

        Args:
            supply: Returns the fact as it is for the current context.
        """
        self.get = supply


#: The locks of caches that the current context holds: store and key of each.
held_locks: Registry[Sequence[tuple[str, str]]] = Registry(tuple)

#: When this process got the code that it runs, in seconds since the epoch; `None` if it
#: was started with it.
code_came_at: Registry[float | None] = Registry(lambda: None)


def note_code() -> None:
    """Note that this process gets its code now."""
    now = time()
    code_came_at.register(lambda: now)
