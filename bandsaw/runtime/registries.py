"""Facts that a module supplies once it is loaded, and that others ask for without it.

A module that nothing has needed yet is not loaded only to answer that it has nothing to
say.
"""

from __future__ import annotations

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
        default: The fact as long as no function is registered.
    """

    def __init__(self, default: T) -> None:
        self._default = default
        self._supply: Callable[[], T] | None = None

    def register(self, supply: Callable[[], T]) -> None:
        """Register the function.

        Args:
            supply: Returns the fact as it is for the current context.
        """
        self._supply = supply

    def get(self) -> T:
        """Return the fact."""
        return self._default if self._supply is None else self._supply()


#: The locks of caches that the current context holds: store and key of each.
held_locks: Registry[Sequence[tuple[str, str]]] = Registry(())
