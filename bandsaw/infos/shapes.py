"""How the texts of containers are made of the texts of their items."""

from __future__ import annotations

import heapq
import sys
from collections import OrderedDict, defaultdict, deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        AbstractSet,
        Any,
        Callable,
        Iterable,
        Iterator,
        NamedTuple,
    )

    class Shape(NamedTuple):
        """How the text of a container is made of the texts of its items."""

        opening: str
        closing: str
        items: Iterable[Any]
        backwards: Callable[[], Iterable[Any]]
        pairs: bool
        recursive: str


_LARGE_SET = 10_000
_SEEN = 200

_ORDERED = frozenset((int, bool, str, bytes))


def shape_of(value: Any) -> Shape | None:
    """Return how the text of a container is made, `None` for everything else."""
    shaper = _SHAPERS.get(type(value).__repr__)
    if shaper is None:
        array = sys.modules.get("array")
        if array is None or type(value) is not array.array or value.typecode in "uw":
            return None
        shaper = _shape_of_array
    shape: Shape = shaper(value)
    return shape


def sorted_items(values: Iterable[Any]) -> list[Any]:
    """Sort the items of a set, whatever they are, the same in every process."""
    items = list(values)
    try:
        return _in_order(items)
    except Exception:
        groups: dict[str, list[Any]] = {}
    for item in items:
        kind = type(item)
        groups.setdefault(f"{kind.__qualname__} {kind.__module__}", []).append(item)
    result: list[Any] = []
    for _, group in sorted(groups.items(), key=lambda entry: entry[0]):
        try:
            result += _in_order(group)
        except Exception:
            result += sorted(group, key=_sort_text)
    return result


def _in_order(items: list[Any]) -> list[Any]:
    if not set(map(type, items)) <= _ORDERED:
        for item in items:
            # Sets compare by inclusion and NaN not at all: sorting would not notice.
            if isinstance(item, (set, frozenset)) or item != item:
                raise TypeError("not ordered")
    if len(items) <= _LARGE_SET:
        return sorted(items)
    # Nobody sees what is between.
    return heapq.nsmallest(_SEEN, items) + heapq.nlargest(_SEEN, items)[::-1]


def _sort_text(item: Any) -> str:
    return repr(sorted_items(item) if isinstance(item, (set, frozenset)) else item)


# A subclass that inherits the text of its base class is read as the base class reads
# it, whatever the subclass makes of iteration.


def _shape_of_list(value: list[Any]) -> Any:
    def backwards() -> Iterator[Any]:
        return list.__reversed__(value)

    return "[", "]", list.__iter__(value), backwards, False, "[...]"


def _shape_of_tuple(value: tuple[Any, ...]) -> Any:
    length = tuple.__len__(value)

    def backwards() -> Iterator[Any]:
        return (tuple.__getitem__(value, i) for i in range(length - 1, -1, -1))

    closing = ",)" if length == 1 else ")"
    return "(", closing, tuple.__iter__(value), backwards, False, "(...)"


def _shape_of_dict(value: dict[Any, Any]) -> Any:
    items = dict.items(value)
    return "{", "}", items, lambda: reversed(items), True, "{...}"


def _shape_of_set(value: AbstractSet[Any]) -> Any:
    kind = type(value)
    items = sorted_items(value)
    if kind is set and items:
        opening, closing = "{", "}"
    elif items:
        opening, closing = f"{kind.__name__}({{", "})"
    else:
        opening, closing = f"{kind.__name__}(", ")"
    return opening, closing, items, lambda: reversed(items), False, "..."


def _shape_of_deque(value: deque[Any]) -> Any:
    opening = f"{type(value).__name__}(["
    closing = "])" if value.maxlen is None else f"], maxlen={value.maxlen})"
    return opening, closing, value, lambda: reversed(value), False, "[...]"


def _shape_of_defaultdict(value: defaultdict[Any, Any]) -> Any:
    opening = f"{type(value).__name__}({value.default_factory!r}, {{"
    items = dict.items(value)
    return opening, "})", items, lambda: reversed(items), True, "{...}"


def _shape_of_ordered_dict(value: OrderedDict[Any, Any]) -> Any:
    name = type(value).__name__
    if not value:
        return f"{name}(", ")", (), tuple, False, "..."
    items = value.items()
    pairs = sys.version_info >= (3, 12)
    brackets = "{}" if pairs else "[]"
    opening, closing = f"{name}({brackets[0]}", f"{brackets[1]})"
    return opening, closing, items, lambda: reversed(items), pairs, "..."


def _shape_of_view(value: Any) -> Any:
    opening = f"{type(value).__name__}(["
    return opening, "])", value, lambda: reversed(value), False, "..."


def _shape_of_array(value: Any) -> Any:
    opening = f"array({value.typecode!r}"
    if not value:
        return opening, ")", (), tuple, False, "..."
    return f"{opening}, [", "])", value, lambda: reversed(value), False, "..."


_SHAPERS: dict[Any, Callable[[Any], Any]] = {
    list.__repr__: _shape_of_list,
    tuple.__repr__: _shape_of_tuple,
    dict.__repr__: _shape_of_dict,
    set.__repr__: _shape_of_set,
    frozenset.__repr__: _shape_of_set,
    deque.__repr__: _shape_of_deque,
    defaultdict.__repr__: _shape_of_defaultdict,
    OrderedDict.__repr__: _shape_of_ordered_dict,
    type({}.keys()).__repr__: _shape_of_view,
    type({}.values()).__repr__: _shape_of_view,
    type({}.items()).__repr__: _shape_of_view,
}
