"""Forms of the built-in containers and other values of built-in types."""

from __future__ import annotations

import types

from .digests import blob
from .form import Form, Pair, Refused
from .leaves import PACKED_LENGTH, packed, packed_texts, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Mapping

_SORTABLE = frozenset((int, str, bytes, bool))

# How many characters of a key are shown.
_BRIEF = 60
# The text of longer numbers takes long, and Python 3.11 and newer refuse to make it.
_LARGE = 10**_BRIEF


def _expand_list(value: Any) -> bytes | Form:
    if len(value) >= PACKED_LENGTH:
        token = packed(value)
        if token is not None:
            return b"list packed " + token
    return Form(b"list %d " % len(value), value)


def _expand_tuple(value: Any) -> bytes | Form:
    if len(value) >= PACKED_LENGTH:
        token = packed(value)
        if token is not None:
            return b"tuple packed " + token
    return Form(b"tuple %d " % len(value), value)


def _expand_set(value: Any) -> bytes | Form:
    return unordered(b"set ", value)


def _expand_frozenset(value: Any) -> bytes | Form:
    return unordered(b"frozenset ", value)


def unordered(tag: bytes, items: Collection[object]) -> bytes | Form:
    """Take a collection apart whose order is not significant.

    Args:
        tag: What tells it from other collections, ended by a space.
        items: The items in any order; how often equal ones occur is significant.

    Returns:
        A token or a form.
    """
    if len(items) >= PACKED_LENGTH and type(next(iter(items))) in _SORTABLE:
        kinds = set(map(type, items))
        token = packed(sorted(items)) if len(kinds) == 1 else None  # type: ignore[type-var]
        if token is not None:
            return tag + b"packed " + token
    return Form(tag + b"%d " % len(items), tuple(items), unordered=True)


def _expand_dict(value: Any) -> bytes | Form:
    return mapping(b"dict ", value)


def _expand_proxy(value: Any) -> bytes | Form:
    return mapping(b"mappingproxy ", dict(value))


def mapping(tag: bytes, items: Mapping[Any, object]) -> bytes | Form:
    """Take a mapping apart whose order is not significant.

    Args:
        tag: What tells it from other mappings, ended by a space.
        items: The keys and their values.

    Returns:
        A token or a form.
    """
    kinds = set(map(type, items))
    if len(kinds) == 1:
        kind = kinds.pop()
        keys = sorted(items) if kind in _SORTABLE else None
        if keys is not None:
            token = packed_texts(keys) if kind is str else packed(keys)
            if token is not None:
                values = [items[key] for key in keys]
                content = packed(values)
                if content is not None:
                    return tag + b"packed " + token + content
                return Form(tag + b"keys " + token, values, "[%r]", keys)
    pairs = [Pair(key, item) for key, item in items.items()]
    return Form(tag + b"%d " % len(pairs), pairs, unordered=True)


def _expand_pair(value: Pair) -> Form:
    parts = (value.key, value.value)
    return Form(b"pair ", parts, "%s", (" (a key)", f" (of {_brief(value.key)})"))


def _brief(key: Any) -> str:
    kind = type(key)
    if kind in (float, bool, type(None)) or (kind is int and -_LARGE < key < _LARGE):
        return repr(key)
    if kind in (str, bytes):
        return repr(key[:_BRIEF])[:_BRIEF]
    return f"a {kind.__qualname__}"


def _expand_keys(value: Any) -> bytes | Form:
    return unordered(b"dict_keys ", value)


def _expand_values(value: Any) -> bytes | Form:
    return unordered(b"dict_values ", value)


def _expand_items(value: Any) -> bytes | Form:
    return Form(
        b"dict_items %d " % len(value),
        [Pair(key, item) for key, item in value],
        unordered=True,
    )


def _expand_bytearray(value: bytearray) -> bytes:
    # The export of a buffer, however short, would let a task fail that resizes it.
    return b"bytearray " + blob(b"B", bytes(value) if len(value) < 200 else value)


def _expand_memoryview(value: memoryview) -> Form:
    try:
        content = value if value.c_contiguous else value.tobytes()
    except ValueError as error:
        raise Refused(value, str(error)) from error
    label = b"memoryview " + text(value.format) + blob(b"B", content)
    return Form(label, (value.shape,), ".%s", ("shape",))


def _expand_range(value: range) -> Form:
    # Ranges are equal when they hold the same numbers. `len` knows only so many.
    size = max(0, -((value.start - value.stop) // value.step))
    first = value.start if size else None
    return Form(b"range ", (size, first, value.step if size > 1 else None))


def _expand_slice(value: Any) -> Form:
    names = ("start", "stop", "step")
    return Form(b"slice ", (value.start, value.stop, value.step), ".%s", names)


EXPANDERS: dict[type, Callable[[Any], bytes | Form]] = {
    list: _expand_list,
    tuple: _expand_tuple,
    set: _expand_set,
    frozenset: _expand_frozenset,
    dict: _expand_dict,
    Pair: _expand_pair,
    types.MappingProxyType: _expand_proxy,
    type({}.keys()): _expand_keys,
    type({}.values()): _expand_values,
    type({}.items()): _expand_items,
    bytearray: _expand_bytearray,
    memoryview: _expand_memoryview,
    range: _expand_range,
    slice: _expand_slice,
}
