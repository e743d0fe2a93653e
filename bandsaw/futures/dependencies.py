"""Futures among the arguments of a call, which stand for their results."""

from __future__ import annotations

import copy
from concurrent.futures import Future

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

# What most arguments are, and most of what is in a long list.
_PLAIN = frozenset((bool, bytes, complex, float, int, str, type(None)))


def futures_among(
    args: tuple[Any, ...], kwargs: dict[str, Any], kind: type[Future[Any]]
) -> list[Any]:
    """Return the futures in some arguments, each once.

    Args:
        args: The positional arguments.
        kwargs: The keyword arguments.
        kind: The class of the futures.
    """
    if _PLAIN.issuperset(map(type, args)) and not kwargs:
        return []
    found: dict[int, Any] = {}
    seen: dict[int, Any] = {}
    unseen: list[Any] = [args, kwargs]
    while unseen:
        container = unseen.pop()
        if id(container) in seen:
            continue
        seen[id(container)] = container
        values = container.values() if isinstance(container, dict) else container
        if _PLAIN.issuperset(map(type, values)):
            continue
        for value in values:
            if isinstance(value, kind):
                found[id(value)] = value
            elif _is_container(value):
                unseen.append(value)
    return list(found.values())


def _is_container(value: Any) -> bool:
    return isinstance(value, (list, dict)) or (
        isinstance(value, tuple) and (type(value) is tuple or hasattr(value, "_fields"))
    )


def with_results(value: Any, kind: type[Future[Any]]) -> Any:
    """Return a value with the results in the place of the futures in it.

    Args:
        value: The value. It and what it contains is not changed; only containers in
            which something is replaced are copied.
        kind: The class of the futures, which are done.
    """
    return _Replacement(kind).of(value)


class _Replacement:
    """Replace futures, in a container that occurs twice just once."""

    def __init__(self, kind: type[Future[Any]]) -> None:
        self._kind = kind
        self._known: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, self._kind):
            return value.result()
        if not _is_container(value):
            return value
        if id(value) not in self._known:
            self._known[id(value)] = value  # In itself it stays what it is.
            self._known[id(value)] = self._of_container(value)
        return self._known[id(value)]

    def _of_container(self, container: Any) -> Any:
        if isinstance(container, dict):
            return self._of_items(container, container.items())
        if isinstance(container, list):
            return self._of_items(container, enumerate(container))
        values = [self.of(value) for value in container]
        if all(new is old for new, old in zip(values, container)):
            return container
        make: Callable[[list[Any]], Any] = getattr(type(container), "_make", tuple)
        return make(values)

    def _of_items(self, container: Any, items: Iterable[tuple[Any, Any]]) -> Any:
        new = {key: self.of(old) for key, old in items}
        changed = {
            key: value for key, value in new.items() if value is not container[key]
        }
        if not changed:
            return container
        # What is derived from a list or a dict stays what it is.
        copied = copy.copy(container)
        for key, value in changed.items():
            copied[key] = value
        return copied
