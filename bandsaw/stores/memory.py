"""A store in this process, for tests and for what need not outlive it."""

from __future__ import annotations

import time

from ..runtime.fork import Lock
from .base import Item, Store, check_name
from .locks import Locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ContextManager, Iterator, NoReturn, Sequence

    from .base import Content


class MemoryStore(Store):
    """Keep bytes in the memory of this process."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._items: dict[str, Item] = {}
        self._lock = Lock()
        self._locks = Locks()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be copied, because what it keeps is in this process "
            "only. Give a LocalStore or a FsspecStore."
        )

    def read(self, name: str) -> Content | None:
        """Return what is kept under a name."""
        return self._contents.get(check_name(name))

    def may_have(self, name: str) -> bool:
        """Tell if something is kept under a name."""
        return name in self._contents

    def is_unchanged(self, content: Content, written: float) -> bool:
        """Trust the memory."""
        return True

    def write(self, name: str, pieces: Sequence[Content]) -> None:
        """Keep the bytes."""
        content = b"".join(pieces)
        now = time.time()
        with self._lock:
            self._contents[check_name(name)] = content
            self._items[name] = Item(
                name, size=len(content), written=now, used=now, hits=0
            )

    def remove(self, name: str) -> bool:
        """Forget the bytes."""
        with self._lock:
            self._items.pop(check_name(name), None)
            return self._contents.pop(name, None) is not None

    def items(self, prefix: str = "") -> Iterator[Item]:
        """Return what is kept."""
        with self._lock:
            items = list(self._items.values())
        return (item for item in items if item.name.startswith(prefix))

    def note_use(self, name: str) -> None:
        """Remember that something was used."""
        item = self._items.get(name)
        if item is not None:
            item.used, item.hits = time.time(), item.hits + 1

    def alone(self, name: str, wait: float) -> ContextManager[bool]:
        """Lock a name among the threads of this process."""
        return self._locks.alone(name, wait)

    def __repr__(self) -> str:
        return "MemoryStore()"
