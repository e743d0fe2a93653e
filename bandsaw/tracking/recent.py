"""A bounded memory of what was met lately."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic, Hashable, TypeVar

    Item = TypeVar("Item")
else:
    from ..runtime.stand_ins import Generic

    Item = None


class Recent(Generic[Item]):
    """Remember at least the most recently used items, and at most twice as many.

    It needs no lock, which a forked child could find locked for ever: each step is a
    single operation on a dict. When threads meet while old items are dropped, a few
    younger ones may be dropped, too.

    Args:
        size: How many items are remembered at least.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[Hashable, Item] = {}
        self._old: dict[Hashable, Item] = {}

    def get(self, key: Hashable) -> Item | None:
        """Return an item, or `None` if it is not remembered.

        Args:
            key: The key under which it was set.
        """
        item = self._young.get(key)
        return item if item is not None else self._old.get(key)

    def setdefault(self, key: Hashable, item: Item) -> Item:
        """Remember an item, unless one is remembered already.

        Args:
            key: The key of the item.
            item: The item.

        Returns:
            The item that is remembered under that key.
        """
        young = self._young
        item = young.setdefault(key, self._old.get(key, item))
        if len(young) >= self._size:
            self._old = young
            self._young = {}
        return item

    def add(self: Recent[object], key: Hashable) -> bool:
        """Remember a key, and tell if it was not remembered before.

        Args:
            key: The key.

        Returns:
            `True` for one thread of those that add it at the same time.
        """
        if key in self._young:
            return False
        mark = object()
        return self.setdefault(key, mark) is mark

    def pop(self, key: Hashable) -> Item | None:
        """Forget an item.

        Args:
            key: The key of the item.

        Returns:
            The item, or `None` if it is not remembered.
        """
        young, old = self._young.pop(key, None), self._old.pop(key, None)
        return old if young is None else young

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
