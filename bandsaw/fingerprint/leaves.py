"""Tokens of values that have no parts, and of long sequences of them."""

from __future__ import annotations

import sys
from array import array
from math import nan
from struct import pack

from .digests import INLINE_SIZE, blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Collection

# Shorter sequences are quicker item by item. Part of the format.
PACKED_LENGTH = 8

_NAN = pack("<d", nan)
_SURROGATES = "surrogatepass"
_LOWEST, _HIGHEST = -(1 << 63), 1 << 63


def text(value: str) -> bytes:
    """Return the token of a text."""
    content = value.encode("utf-8", _SURROGATES)
    if len(content) <= INLINE_SIZE:
        return b"S%d:%b" % (len(content), content)
    return blob(b"S", content)


def _int(value: int) -> bytes:
    if _LOWEST <= value < _HIGHEST:
        return b"I%d;" % value
    # Decimal digits of a long number take quadratic time, and newer Pythons refuse.
    size = value.bit_length() // 8 + 1
    return blob(b"J", value.to_bytes(size, "little", signed=True))


def _float(value: float) -> bytes:
    return b"D" + (pack("<d", value) if value == value else _NAN)


def _complex(value: complex) -> bytes:
    return b"C" + _float(value.real) + _float(value.imag)


def _bytes(value: bytes) -> bytes:
    return blob(b"B", value)


def _bool(value: bool) -> bytes:
    return b"T" if value else b"F"


def _none(value: None) -> bytes:
    return b"N"


def _ellipsis(value: object) -> bytes:
    return b"E"


def _not_implemented(value: object) -> bytes:
    return b"M"


# By exact type.
LEAVES: dict[type, Callable[..., bytes]] = {
    int: _int,
    str: text,
    float: _float,
    bool: _bool,
    type(None): _none,
    bytes: _bytes,
    complex: _complex,
    type(Ellipsis): _ellipsis,
    type(NotImplemented): _not_implemented,
}


def _pack_ints(items: Collection[int]) -> bytes | None:
    try:
        numbers = array("q", items)
    except OverflowError:
        return None
    return blob(b"Q%d " % len(items), _little_endian(numbers))


def _pack_floats(items: Collection[float]) -> bytes:
    numbers = array("d", items)
    total = sum(numbers)
    if total != total:
        numbers = array("d", [item if item == item else nan for item in items])
    return blob(b"R%d " % len(items), _little_endian(numbers))


def _pack_bools(items: Collection[bool]) -> bytes:
    return blob(b"Y%d " % len(items), bytes(items))


def _pack_texts(items: Collection[str]) -> bytes:
    lengths = _little_endian(array("q", map(len, items)))
    content = "".join(items).encode("utf-8", _SURROGATES)
    return blob(b"W%d " % len(items), lengths) + blob(b"", content)


def _pack_bytes(items: Collection[bytes]) -> bytes:
    lengths = _little_endian(array("q", map(len, items)))
    return blob(b"X%d " % len(items), lengths) + blob(b"", b"".join(items))


_PACKERS: dict[type, Callable[..., bytes | None]] = {
    int: _pack_ints,
    float: _pack_floats,
    bool: _pack_bools,
    str: _pack_texts,
    bytes: _pack_bytes,
}


def _little_endian(numbers: array[int] | array[float]) -> memoryview:
    if sys.byteorder == "big":
        numbers.byteswap()
    return memoryview(numbers).cast("B")


def packed(items: Collection[object]) -> bytes | None:
    """Return the token of a long sequence of leaves of one type, made at C speed.

    Args:
        items: The items in an order that is significant.

    Returns:
        A short token, or `None` for a sequence that has to be walked.
    """
    if len(items) < PACKED_LENGTH:
        return None
    packer = _PACKERS.get(type(next(iter(items))))
    if packer is None or len(set(map(type, items))) != 1:
        return None
    return packer(items)


def packed_texts(items: Collection[str]) -> bytes:
    """Return the token of a sequence of texts, however short.

    Args:
        items: Texts.

    Returns:
        A token.
    """
    if len(items) >= PACKED_LENGTH:
        return _pack_texts(items)
    return b"w%d " % len(items) + b"".join(map(text, items))
