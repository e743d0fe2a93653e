"""The bounds of a store, and the removal of what is beyond them."""

from __future__ import annotations

import os
import time

from ..exceptions import ConfigurationError, keyword_only
from ..runtime.fork import Lock
from .local import DOCUMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .base import Item, Store

_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_SIZES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_AGES = {
    "": 1,
    "s": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "w": 604800,
    "week": 604800,
}

# What is too large is made smaller by some more, so that not every write has to.
_SHARE_KEPT = 0.9

# A document without entries may be that of one which is just being written.
_YOUNG = 3600.0


class Pruned:
    """The number and size of the entries that were removed.

    Attributes:
        count: How many entries.
        size: Their size in bytes.
    """

    @keyword_only("count", "size")
    def __init__(self, *, count: int, size: int) -> None:
        self.count = count
        self.size = size


@keyword_only("max_size", "max_age")
def prune(
    store: Store,
    *,
    max_size: float | None = None,
    max_age: float | None = None,
) -> Pruned:
    """Remove entries until a store keeps to its bounds.

    Args:
        store: The store.
        max_size: How much it may hold, in bytes. The entries that were not used for the
            longest time are removed first.
        max_age: How old an entry may be, in seconds.

    Returns:
        What was removed.
    """
    entries: list[Item] = []
    documents: list[Item] = []
    for item in store.items():
        (documents if is_document(item.name) else entries).append(item)
    entries.sort(key=lambda item: item.used)
    size = sum(item.size for item in entries + documents)
    oldest = float("-inf") if max_age is None else time.time() - max_age
    kept: dict[str, int] = {}
    removed = Pruned(count=0, size=0)
    for item in entries:
        is_beyond = max_size is not None and size > max_size
        if (is_beyond or item.written < oldest) and store.remove(item.name):
            size -= item.size
            removed.count += 1
            removed.size += item.size
        else:
            directory = os.path.dirname(item.name)
            kept[directory] = kept.get(directory, 0) + 1
    for document in documents:
        is_young = time.time() - document.written < _YOUNG
        if not kept.get(os.path.dirname(document.name)) and (
            removed.count or not is_young
        ):
            store.remove(document.name)
    store.clean()
    return removed


def is_document(name: str) -> bool:
    """Tell if a name is that of a document about code, and not of an entry.

    Args:
        name: A name in a store.
    """
    return name.rpartition("/")[2].startswith(DOCUMENT)


class Bounds:
    """The bounds of a store, to which a cache keeps while it writes.

    Args:
        store: The store.
        max_size: How much it may hold, in bytes or as text like ``"10 GB"``.
        max_age: How old an entry may be, in seconds or as text like ``"30 days"``.

    Attributes:
        max_age: How old an entry may be, in seconds; `None` for any age.

    Raises:
        ConfigurationError: If a text makes no sense.
    """

    @keyword_only("max_size", "max_age")
    def __init__(
        self,
        store: Store,
        *,
        max_size: float | str | None,
        max_age: float | str | None,
    ) -> None:
        self._store = store
        self._max_size = None if max_size is None else parse_size(max_size)
        self.max_age = None if max_age is None else parse_age(max_age)
        self._size: float | None = None
        self._lock = Lock()

    def is_over(self, created: float) -> bool:
        """Tell if an entry is too old.

        Args:
            created: When it was written, in seconds since the epoch.
        """
        return self.max_age is not None and time.time() - created > self.max_age

    def added(self, size: int) -> None:
        """Remember that an entry was written, and make room if it has to be made.

        Others may write to the same store. So how much it holds is found out when this
        process writes for the first time, and each time that it seems to hold too much.

        Args:
            size: The size of the entry in bytes.
        """
        if self._max_size is None:
            return
        with self._lock:
            if self._size is None:
                self._size = sum(item.size for item in self._store.items())
            else:
                self._size += size
            if self._size <= self._max_size:
                return
            size_kept = _SHARE_KEPT * self._max_size
            prune(self._store, max_size=size_kept, max_age=self.max_age)
            self._size = None


def parse_size(size: float | str) -> float:
    """Return a number of bytes.

    Args:
        size: The number itself, or text like ``"10 GB"`` or ``"512 MiB"``.

    Raises:
        ConfigurationError: If it makes no sense.
    """
    if not isinstance(size, str):
        return _positive(size, "size")
    import re

    match = re.fullmatch(r"\s*([\d.]+)\s*([kmgt]?)(i?)b?\s*", size.lower())
    try:
        number, unit, binary = match.groups()  # type: ignore[union-attr]
        return float(number) * (_BINARY_SIZES if binary else _SIZES)[unit]
    except (AttributeError, ValueError):
        raise ConfigurationError(
            f"{size!r} is no size. Write a number of bytes, or e.g. '10 GB' or "
            "'512 MiB'."
        ) from None


def parse_age(age: float | str) -> float:
    """Return a number of seconds.

    Args:
        age: The number itself, or text like ``"30 days"`` or ``"12h"``.

    Raises:
        ConfigurationError: If it makes no sense.
    """
    if not isinstance(age, str):
        return _positive(age, "age")
    import re

    match = re.fullmatch(r"\s*([\d.]+)\s*([a-z]*?)s?\s*", age.lower())
    try:
        number, unit = match.groups()  # type: ignore[union-attr]
        return float(number) * _AGES[unit]
    except (AttributeError, KeyError, ValueError):
        raise ConfigurationError(
            f"{age!r} is no age. Write a number of seconds, or e.g. '30 days' or '12h'."
        ) from None


def _positive(number: Any, kind: str) -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float)) or number < 0:
        raise ConfigurationError(f"{number!r} is no {kind}.")
    return float(number)
