"""Short descriptions of values, cheap also where the value is huge."""

from __future__ import annotations

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
        """The parts that make up the text of a container."""

        opening: str
        closing: str
        items: Iterable[Any]
        backwards: Callable[[], Iterable[Any]]
        pairs: bool
        recursive: str


LONGEST_TEXT = 100
HEAD = 85
TAIL = 12

# Python 3.11 and newer refuse to write integers of more than 4300 digits; the older
# ones take a time for it that grows with the square of the digits.
_LONGEST_INTEGER = 14_000

# The text of smaller ones, with their sign, is shown in full.
_LARGE = 10 ** (LONGEST_TEXT - 1)

_CHUNK = 1_000
_LARGE_ARRAY = 1_000

_LARGE_SET = 10_000
_SEEN = 200

_ORDERED = frozenset((int, bool, str, bytes))
_NUMBERS = frozenset((float, bool, complex, type(None)))
_PLAIN = frozenset((list, tuple))
_FEW = 16
_BYTES = frozenset((bytes, bytearray))


def value_info(value: Any) -> dict[str, Any]:
    """Describe a value for a reader.

    Never fails and never does more work than its result needs: the text of a huge
    container, string or array is not made in full.

    Args:
        value: Any value.

    Returns:
        A dict with

        - `type`: the qualified name of the value's class,
        - `value`: its text; of one with more than 100 characters the first 85, `...`
          and the last 12. The items of a set are sorted.
        - `size`: the text of its length, if it has one,
        - and what the value's own method `value_info()` returns, if it has one. It can
          replace the entries above.
    """
    kind = type(value)
    if kind in _NUMBERS or (kind is int and -_LARGE < value < _LARGE):
        # Most arguments. They are short, and have neither a length nor an own method.
        return {"type": kind.__qualname__, "value": str(value)}
    return described(value, text_of(value))


def described(value: Any, text: str) -> dict[str, Any]:
    """Describe a value whose text was already made.

    Args:
        value: Any value.
        text: What becomes the entry `value`.

    Returns:
        The same as `value_info` returns.
    """
    kind = type(value)
    info: dict[str, Any] = {"type": kind.__qualname__, "value": text}
    if hasattr(kind, "__len__"):
        try:
            info["size"] = str(len(value))
        except Exception:
            pass
    if hasattr(kind, "value_info"):
        try:
            info.update(value.value_info())
        except Exception:
            pass
    return info


def text_of(value: Any) -> str:
    """Return the text of a value, shortened when it has over 100 characters.

    Args:
        value: Any value.

    Returns:
        The text, or the first 85 and the last 12 characters of it.
    """
    head, tail = text_ends(value, LONGEST_TEXT, TAIL)
    if tail is None:
        return head
    return f"{head[:HEAD]}...{tail}"


def text_ends(value: Any, head: int, tail: int) -> tuple[str, str | None]:
    """Return the two ends of a value's text, without making what is between them.

    Args:
        value: Any value.
        head: How many characters to return of the beginning.
        tail: How many characters to return of the end.

    Returns:
        The whole text and `None`, if it is not longer than `head`; else its beginning
        and its end.
    """
    kind = type(value)
    if kind is str:
        text: str = value
    elif kind in _NUMBERS or (kind is int and value.bit_length() <= _LONGEST_INTEGER):
        text = str(value)
    else:
        try:
            if kind in _PLAIN and _has_few_numbers(value):
                # Points, shapes: most items of results. Piece by piece takes thrice.
                return _ends(repr(value), head, tail)
            if isinstance(value, set):
                # Written as the sorted list of its items, as it always was.
                value = _sorted_items(value)
            elif _has_own_text(kind):
                return _ends(_text_of_object(value), head, tail)
            text = "".join(_taken(_forward(value, set()), head + 1))
            if len(text) > head:
                pieces = _taken(_backward(value, set()), tail)
                return text[:head], "".join(reversed(pieces))[-tail:]
        except Exception as error:
            text = _excuse(kind, error)
    return _ends(text, head, tail)


def _has_few_numbers(value: list[Any] | tuple[Any, ...]) -> bool:
    return len(value) <= _FEW and all(
        -_LARGE < item < _LARGE if type(item) is int else type(item) in _NUMBERS
        for item in value
    )


def _has_own_text(kind: Any) -> bool:
    # The text of bytes is their `repr`, but `python -bb` forbids to ask `str` for it.
    return kind.__str__ is not object.__str__ and kind not in _BYTES


def _ends(text: str, head: int, tail: int) -> tuple[str, str | None]:
    if len(text) <= head:
        return text, None
    return text[:head], text[-tail:]


def _text_of_object(value: Any) -> str:
    if isinstance(value, int):
        return _text_of_integer(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(value) is numpy.ndarray:
        threshold = numpy.get_printoptions()["threshold"]
        if _LARGE_ARRAY < value.size <= threshold:
            return str(numpy.array2string(value, threshold=_LARGE_ARRAY))
    return str(value)


def _text_of_integer(value: int) -> str:
    if type(value).__repr__ is int.__repr__ and value.bit_length() > _LONGEST_INTEGER:
        return f"<{type(value).__qualname__} of {value.bit_length()} bits>"
    return str(value)


def _excuse(kind: type, error: Exception) -> str:
    return f"<{kind.__qualname__} that has no text: {type(error).__name__}>"


def _taken(pieces: Iterator[str], enough: int) -> list[str]:
    taken: list[str] = []
    length = 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length >= enough:
            break
    return taken


# The text of a container is generated piece by piece from both of its ends, and no more
# of it than is shown. So also the time for structures that share their parts, or
# contain themselves, is bounded by the characters that are shown.


def _forward(value: Any, containers: set[int]) -> Iterator[str]:
    shape = _shape_of(value)
    if shape is None:
        yield from _leaf_forward(value)
        return
    opening, closing, items, _, pairs, recursive = shape
    identity = id(value)
    if identity in containers:
        yield recursive
        return
    containers.add(identity)
    yield opening
    separator = ""
    for item in items:
        yield separator
        separator = ", "
        if pairs:
            yield from _forward(item[0], containers)
            yield ": "
            item = item[1]
        yield from _forward(item, containers)
    yield closing
    containers.discard(identity)


def _backward(value: Any, containers: set[int]) -> Iterator[str]:
    shape = _shape_of(value)
    if shape is None:
        yield from _leaf_backward(value)
        return
    opening, closing, _, backwards, pairs, recursive = shape
    identity = id(value)
    if identity in containers:
        yield recursive
        return
    containers.add(identity)
    yield closing
    separator = ""
    for item in backwards():
        yield separator
        separator = ", "
        if pairs:
            yield from _backward(item[1], containers)
            yield ": "
            item = item[0]
        yield from _backward(item, containers)
    yield opening
    containers.discard(identity)


def _leaf_forward(value: Any) -> Iterator[str]:
    kind = type(value)
    if kind is str or kind in _BYTES:
        if len(value) <= _CHUNK:
            yield repr(value)
        else:
            opening, quote, closing = _quotes(value)
            yield opening + quote
            for start in range(0, len(value), _CHUNK):
                yield _escaped(value[start : start + _CHUNK], quote)
            yield quote + closing
    elif kind is int:
        yield _text_of_integer(value)
    else:
        yield repr(value)


def _leaf_backward(value: Any) -> Iterator[str]:
    kind = type(value)
    if (kind is str or kind in _BYTES) and len(value) > _CHUNK:
        opening, quote, closing = _quotes(value)
        yield quote + closing
        for end in range(len(value), 0, -_CHUNK):
            yield _escaped(value[max(end - _CHUNK, 0) : end], quote)
        yield opening + quote
    else:
        yield from _leaf_forward(value)


def _quotes(value: Any) -> tuple[str, str, str]:
    kind = type(value)
    single: Any = "'" if kind is str else b"'"
    double: Any = '"' if kind is str else b'"'
    quote = '"' if single in value and double not in value else "'"
    if kind is bytearray:
        return "bytearray(b", quote, ")"
    return "" if kind is str else "b", quote, ""


def _escaped(chunk: Any, quote: str) -> str:
    """Return a part of a text as it looks inside of the text's `repr`."""
    # `repr` prefers the quote that does not occur, so the other one is put in front.
    front: Any = "'" if quote == '"' else '"'
    if type(chunk) is not str:
        front = type(chunk)(front.encode())
    closing = 2 if type(chunk) is bytearray else 1
    return repr(front + chunk)[len(repr(front)) - closing : -closing]


def _shape_of(value: Any) -> Shape | None:
    """Return how the text of a container is made, `None` for everything else."""
    shaper = _SHAPERS.get(type(value).__repr__)
    if shaper is None:
        array = sys.modules.get("array")
        if array is None or type(value) is not array.array or value.typecode in "uw":
            return None
        shaper = _shape_of_array
    shape: Shape = shaper(value)
    return shape


def _sorted_items(values: Iterable[Any]) -> list[Any]:
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
    import heapq

    # What is between is not shown.
    return heapq.nsmallest(_SEEN, items) + heapq.nlargest(_SEEN, items)[::-1]


def _sort_text(item: Any) -> str:
    return repr(_sorted_items(item) if isinstance(item, (set, frozenset)) else item)


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
    items = _sorted_items(value)
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
