"""Records as JSON, whatever the user's values in them are."""

from __future__ import annotations

from math import isfinite
from operator import is_

from ..infos import text_of
from ..runtime.json_text import make_dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# How far values are followed that JSON does not know.
_DEEPEST = 50
_LONGEST_INTEGER = 14_000

# A circle is nested too deep for it, which is found out without looking for circles.
_encode = make_dumps(allow_nan=False)


class Documents:
    """Make JSON documents of records.

    A record that begins with all the parts of the one before, the very same objects,
    begins with its text, too. So these parts may not change in between.
    """

    _NONE: tuple[list[str], list[Any], str] = ([], [], "")

    def __init__(self) -> None:
        # The names of the last record, its parts, and its text. Replaced as a whole, so
        # it needs no lock.
        self._last = self._NONE

    def document_of(self, record: dict[str, Any]) -> bytes:
        """Return a record as JSON, what JSON does not know as its text.

        Args:
            record: The record.
        """
        names, parts = [*record], [*record.values()]
        first_names, first_parts, text = self._last
        count = len(first_names)
        if (
            0 < count < len(names)
            and first_names == names[:count]
            # Not compared for equality: what that means, only the user's values know.
            and all(map(is_, first_parts, parts))
        ):
            rest = {name: record[name] for name in names[count:]}
            text = f"{text[:-1]}, {_text_of(rest)[1:]}"
        else:
            text = _text_of(record)
        self._last = names, parts, text
        return text.encode()

    def forget(self) -> None:
        """Let go of the last record, which may hold large values of the user's."""
        self._last = self._NONE


def _text_of(record: dict[str, Any]) -> str:
    try:
        return _encode(record)
    except Exception:
        # The user's values may be anything, and do anything when they are looked at.
        return _encode(_plain(record, ()))


def _plain(value: Any, parents: tuple[int, ...]) -> Any:
    """Return a copy of which JSON knows everything: other values as their text."""
    if value is None or isinstance(value, bool):
        return value
    if id(value) in parents or len(parents) > _DEEPEST:
        return "..."
    try:
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int) and int.bit_length(value) < _LONGEST_INTEGER:
            return int.__index__(value)
        if isinstance(value, float) and isfinite(value):
            return float.__float__(value)
        inside = (*parents, id(value))
        if isinstance(value, dict):
            return {_key(key): _plain(value[key], inside) for key in value}
        if isinstance(value, (list, tuple)):
            return [_plain(item, inside) for item in value]
    except Exception:
        # A class of the user's that does not keep what its base class promises.
        pass
    return text_of(value)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or type(key) in (bool, int):
        return _encode(key)
    return text_of(key)
