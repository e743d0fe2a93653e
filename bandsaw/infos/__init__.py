"""Short descriptions of values, cheap also where the value is huge."""

from __future__ import annotations

import sys

from .shapes import shape_of, sorted_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

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

_NUMBERS = frozenset((float, bool, complex, type(None)))
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


def shortened(text: str) -> str:
    """Shorten a text that has over 100 characters.

    Args:
        text: Any text.

    Returns:
        The text, or the first 85 and the last 12 characters of it.
    """
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:HEAD]}...{text[-TAIL:]}"


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
            if isinstance(value, set):
                # Written as the sorted list of its items, as it always was.
                value = sorted_items(value)
            elif _has_own_text(kind):
                return _ends(_text_of_object(value), head, tail)
            text = "".join(_taken(_forward(value, set()), head + 1))
            if len(text) > head:
                pieces = _taken(_backward(value, set()), tail)
                return text[:head], "".join(reversed(pieces))[-tail:]
        except Exception as error:
            text = _excuse(kind, error)
    return _ends(text, head, tail)


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
# of it than somebody takes. So also the time for structures that share their parts, or
# contain themselves, is bounded by the characters that are shown.


def _forward(value: Any, containers: set[int]) -> Iterator[str]:
    shape = shape_of(value)
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
    shape = shape_of(value)
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
