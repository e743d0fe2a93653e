"""Writes values as JSON without recursion, so that no nesting is too deep."""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Iterator, Sequence

from ..exceptions import SerializationError
from . import _python_types as python_types
from .values import (
    ExceptionSerializer,
    SerializableValueSerializer,
    TupleSerializer,
    ValueSerializer,
)

SERIALIZER = "_serializer"

_OWN_SERIALIZERS = (ExceptionSerializer, SerializableValueSerializer, TupleSerializer)
_SCALARS = {str, int, float, bool, type(None)}

# A value serializer that represents each value by another one of its kind never ends.
_MOST_LEVELS = 100_000

# How many steps of a place an error message shows.
_MOST_SHOWN_STEPS = 40

# Pythons refuse to read longer numbers, in decimal that is.
_MOST_DIGITS = 4300
_MOST_BITS = 14_284

# Two halves of a character that is one character to a reader.
_SPLIT_CHARACTER = re.compile("(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")
# What may be such halves, or a number that is too long.
_DOUBTFUL = re.compile(rf"\\ud[89ab][0-9a-f]{{2}}\\ud[c-f]|[0-9]{{{_MOST_DIGITS + 1}}}")

_encode_flat = json.JSONEncoder(
    allow_nan=False, check_circular=False, separators=(",", ":")
).encode

# How a step into a value reads in an error message.
_ITEM, _ATTRIBUTE, _PART, _KEY = "item", "attribute", "part", "key"


class _Level:
    """A value that is being written, and where in it the writer stands."""

    __slots__ = ("close", "kind", "marker", "step", "steps", "value")

    def __init__(
        self, value: Any, close: str, steps: Iterator[tuple[str, str, Any, Any]]
    ) -> None:
        # Kept alive, as long as its id is a marker.
        self.value = value
        self.marker = id(value)
        self.close = close
        self.steps = steps
        self.kind = _PART
        self.step: Any = None

    def place(self) -> str:
        if self.kind == _ITEM:
            return f"[{_shown(self.step)}]"
        if self.kind == _ATTRIBUTE:
            return f".{self.step}"
        if self.kind == _KEY:
            return f"(key {self.step})"
        # Parts of a representation are not seen, but the arguments of an exception.
        return ".args" if self.step == "args" else ""


def _shown(step: Any) -> str:
    try:
        text = repr(step)
    except Exception:
        text = f"<{type(step).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."


class JsonWriter:
    """Writes values, with what JSON lacks represented by value serializers.

    Args:
        value_serializers: Offered, in this order, what JSON lacks.
    """

    def __init__(self, value_serializers: Sequence[ValueSerializer]) -> None:
        self._value_serializers = value_serializers
        self._levels: list[_Level] = []
        self._open: set[int] = set()

    def write(self, value: Any) -> str:
        """Write a value.

        Args:
            value: The value.

        Returns:
            The JSON text.

        Raises:
            SerializationError: If the value could not be given back, with the place
                of what is to blame.
        """
        chunks: list[str] = []
        levels = self._levels
        root = _Level(None, "", iter([("", _PART, None, value)]))
        levels.append(root)
        try:
            while levels:
                level = levels[-1]
                for prefix, kind, step, child in level.steps:
                    level.kind, level.step = kind, step
                    chunks.append(prefix)
                    text = self._text(child)
                    if text is None:
                        chunks.append(self._enter(child))
                        break
                    chunks.append(text)
                else:
                    chunks.append(level.close)
                    self._open.discard(level.marker)
                    levels.pop()
        except _RefusedError as error:
            raise SerializationError(f"{self._place()}: {error}") from error.__cause__
        return "".join(chunks)

    def _place(self) -> str:
        places = [place for place in map(_Level.place, self._levels) if place]
        if len(places) > _MOST_SHOWN_STEPS:
            half = _MOST_SHOWN_STEPS // 2
            places = [*places[:half], " ... ", *places[-half:]]
        # What a value says of itself needs no name for the value in front.
        if places and places[0].startswith("."):
            return "".join(places)[1:]
        return "".join(["value", *places])

    def _text(self, value: Any) -> str | None:
        """Return the text of a value that need not be entered."""
        cls = type(value)
        if cls is str:
            return None if _SPLIT_CHARACTER.search(value) else quoted(value)
        if value is None:
            return "null"
        if cls is bool:
            return "true" if value else "false"
        if cls is int:
            return _decimal(value)
        if cls is float:
            return _float_text(value)
        if cls is list:
            return _flat_text(value, value)
        if cls is dict and _has_plain_keys(value):
            return _flat_text(value, value.values())
        return None

    def _enter(self, value: Any) -> str:
        """Begin a level for a value, and return the text it begins with."""
        if id(value) in self._open:
            raise _RefusedError(f"{type(value).__qualname__} contains itself")
        if len(self._levels) > _MOST_LEVELS:
            raise _RefusedError(
                f"{type(value).__qualname__} is nested more than {_MOST_LEVELS} deep"
            )
        cls = type(value)
        parent = self._levels[-1]
        if cls is list:
            opening, level = "[", _Level(value, "]", _list_steps(value))
        elif cls is dict and _has_plain_keys(value):
            # The entries of what a value says of itself read like attributes of it.
            is_state = parent.kind == _PART and parent.step in (
                "attributes",
                "serialized",
            )
            kind = _ATTRIBUTE if is_state else _ITEM
            opening, level = "{", _Level(value, "}", _dict_steps(value, kind))
        elif cls is dict:
            opening = _opening(python_types.DICT) + "["
            level = _Level(value, "]]}", _pair_steps(value))
        else:
            name, content, is_own = self._represent(value)
            opening = _opening(name)
            steps = (
                _part_steps(content) if is_own else iter([("", _PART, None, content)])
            )
            close = "}"
            if is_own:
                opening, close = opening + "{", "}}"
            level = _Level(value, close, steps)
        self._open.add(level.marker)
        self._levels.append(level)
        return opening

    def _represent(self, value: Any) -> tuple[str, Any, bool]:
        """Return the name of a serializer, what it says, and if it is one of ours."""
        cls = type(value)
        if cls is int:
            return python_types.INT, hex(value), False
        if cls is str:
            return python_types.STR, _SPLIT_CHARACTER.split(value), False
        try:
            for serializer in self._value_serializers:
                if serializer.can_serialize_value(value):
                    name = self._unmistakable_name(serializer)
                    content = serializer.serialize_value(value)
                    return name, content, type(serializer) in _OWN_SERIALIZERS
            return (*python_types.represent(value), True)
        except SerializationError as error:
            raise _RefusedError(str(error)) from error

    def _unmistakable_name(self, serializer: ValueSerializer) -> str:
        name = type(serializer).__name__
        for other in self._value_serializers:
            if type(other).__name__ == name:
                if other is serializer:
                    return name
                raise SerializationError(
                    f"There are two value serializers named {name}, and a reader would "
                    "choose the wrong one"
                )
        raise AssertionError("The serializer is one of them.")


class _RefusedError(Exception):
    """A value that cannot be written; the place is not known yet."""


def _opening(name: str) -> str:
    return f'{{"{SERIALIZER}":{quoted(name)},"value":'


def _has_plain_keys(value: Any) -> bool:
    return (
        set(map(type, value)) <= {str}
        and SERIALIZER not in value
        and not any(map(_SPLIT_CHARACTER.search, value))
    )


def _flat_text(value: Any, items: Any) -> str | None:
    """Return the text of a container of scalars, fast, or `None`."""
    if not set(map(type, items)) <= _SCALARS:
        return None
    try:
        text = _encode_flat(value)
    except ValueError:
        return None  # Written item by item, the bad one is found.
    return None if _DOUBTFUL.search(text) else text


def _decimal(value: int) -> str | None:
    if value.bit_length() > _MOST_BITS:
        return None
    try:
        return repr(value)
    except ValueError:
        return None  # This process allows fewer digits.


def _float_text(value: float) -> str:
    if value - value != 0:
        raise _RefusedError(f"float {value!r} is no number, and JSON has none for it")
    return repr(value)


def _list_steps(value: list[Any]) -> Iterator[tuple[str, str, Any, Any]]:
    separator = ""
    for index, item in enumerate(value):
        yield separator, _ITEM, index, item
        separator = ","


def _dict_steps(value: Any, kind: str) -> Iterator[tuple[str, str, Any, Any]]:
    separator = ""
    for key, item in value.items():
        yield f"{separator}{quoted(key)}:", kind, key, item
        separator = ","


def _part_steps(value: Any) -> Iterator[tuple[str, str, Any, Any]]:
    # In the order in which the published releases wrote them.
    return _dict_steps(dict(sorted(value.items())), _PART)


def _pair_steps(value: Any) -> Iterator[tuple[str, str, Any, Any]]:
    separator = "["
    for index, (key, item) in enumerate(value.items()):
        yield separator, _KEY, index, key
        yield ",", _ITEM, key, item
        separator = "],["
