"""The serializer for JSON, which other programs can read."""

from __future__ import annotations

import json
import re
from math import isfinite

from ..exceptions import SerializationError
from . import _python_types as python_types
from .serializer import Serializer
from .values import (
    ExceptionSerializer,
    SerializableValueSerializer,
    TupleSerializer,
    ValueSerializer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, NoReturn, Sequence

_SERIALIZER = "_serializer"

_OWN_SERIALIZERS = (ExceptionSerializer, SerializableValueSerializer, TupleSerializer)

# How many steps of a place an error message shows.
_MOST_SHOWN_STEPS = 40

# Pythons refuse to read longer numbers, in decimal that is: 4300 digits.
_MOST_BITS = 14_284
# What no process can refuse: 640 digits.
_BITS_FOR_EVERY_PROCESS = 2_000

# Between the halves of a character that is one character to a reader.
_SPLIT_CHARACTER = re.compile("(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")

_WHITESPACE = " \t\n\r"

# How a step into a value reads in an error message.
_ITEM, _ATTRIBUTE, _PART, _KEY = "item", "attribute", "part", "key"


class JsonSerializer(Serializer):
    """A `Serializer` that writes compact JSON.

    What it writes it gives back equal and of the same type; what it cannot give back
    it refuses to write. Beyond what JSON has it knows tuples and named tuples,
    exceptions, `SerializableValue`s, enums, dicts with any keys, and subclasses of the
    types that JSON has. Further types are taught by appending to `value_serializers`.

    Reading JSON runs no code but of exceptions, enums and `SerializableValue`s, and of
    the value serializers. It imports no module, unless a session is being restored, but
    those of bandsaw's own values, like `File` and `Environment`.

    Attributes:
        value_serializers (List[ValueSerializer]): Offered, in this order, every value
            that JSON lacks. The first that accepts a value writes it.
    """

    def __init__(self) -> None:
        self.value_serializers: list[ValueSerializer] = [
            ExceptionSerializer(),
            SerializableValueSerializer(),
            TupleSerializer(),
        ]

    def serialize(self, value: Any, stream: IO[bytes]) -> None:
        """Write a value to a stream.

        Args:
            value: The value.
            stream: The binary stream that the value is written to. Nothing is written
                to it when the value is refused.

        Raises:
            SerializationError: If the value could not be given back equal and of its
                type, or is nested too deep for Python. The message names the place,
                like ``args[0]['a'][3]: set``.
        """
        text = _Writer(self.value_serializers).write(value)
        if text[0] in "-0123456789" and not _is_at_start(stream):
            # Two numbers without a space between them would be one.
            text = " " + text
        stream.write(text.encode("ascii"))

    def deserialize(self, stream: IO[bytes]) -> Any:
        """Read the next value from a stream.

        A stream that can seek is left behind the value. Another one is read to its end,
        so it must not hold anything else that is of interest.

        Args:
            stream: The binary stream that the value was written to.

        Returns:
            The value.

        Raises:
            SerializationError: If there is no whole value, or one that cannot be
                given back here or is nested too deep for Python. It says "Unknown
                serializer" when the value was written by a value serializer that this
                object does not have.
        """
        start = stream.tell() if _is_seekable(stream) else None
        data = stream.read()
        text = _leading_text(data)
        begin = len(text) - len(text.lstrip(_WHITESPACE))
        if begin == len(data):
            raise SerializationError(
                "The stream ends where a JSON value was expected. (One that cannot "
                "seek is read to its end by the first value.)"
            )
        decoder = json.JSONDecoder(object_hook=self._revive, parse_constant=_refuse)
        try:
            value, end = decoder.raw_decode(text, begin)
        except json.JSONDecodeError as error:
            raise SerializationError(f"This is not JSON: {error}") from error
        except RecursionError as error:
            raise SerializationError(
                "This JSON is nested too deep for Python to read it."
            ) from error
        if start is not None:
            stream.seek(start + len(text[:end].encode("utf-8")))
        return value

    def _revive(self, entries: dict[str, Any]) -> Any:
        """Give the value back that an object of the JSON represents."""
        if _SERIALIZER not in entries:
            return entries
        name = entries[_SERIALIZER]
        read = self._find_reader(name)
        if "value" not in entries:
            raise SerializationError(f"There is no value for the serializer {name!r}.")
        return read(entries["value"])

    def _find_reader(self, name: object) -> Any:
        for serializer in self.value_serializers:
            if type(serializer).__name__ == name:
                return serializer.deserialize_value
        read = python_types.reader(name)
        if read is None:
            raise SerializationError(
                f"Unknown serializer {name!r}. The value_serializers of this "
                "JsonSerializer have no class of that name."
            )
        return read


def _is_at_start(stream: IO[bytes]) -> bool:
    try:
        return stream.tell() == 0
    except (AttributeError, OSError):
        return False


def _is_seekable(stream: Any) -> bool:
    try:
        return bool(stream.seekable())
    except AttributeError:
        # The temporary files of older Pythons can seek and do not say so.
        return hasattr(stream, "seek") and hasattr(stream, "tell")


def _leading_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # What stands behind the value need not be text.
        return data[: error.start].decode("utf-8")


def _refuse(constant: str) -> NoReturn:
    raise SerializationError(f"{constant} is no number, and nothing that JSON has.")


class _Writer:
    """Write a value, with what JSON lacks represented by value serializers.

    Args:
        value_serializers: Offered, in this order, what JSON lacks.
    """

    def __init__(self, value_serializers: Sequence[ValueSerializer]) -> None:
        self._value_serializers = value_serializers
        # The ids of the values that the writer is in, and the steps into them. After
        # an error they tell where it was.
        self._open: set[int] = set()
        self._path: list[tuple[str, Any] | None] = []

    def write(self, value: Any) -> str:
        """Return the JSON text of a value."""
        try:
            return json.dumps(
                self._plain(value, _ITEM),
                allow_nan=False,
                check_circular=False,
                separators=(",", ":"),
            )
        except RecursionError as error:
            raise self._refused("this is nested too deep for Python") from error

    # Not cut into more functions: each level of a value costs a frame for each of them,
    # and Python limits the number of frames.
    def _plain(self, value: Any, entries: str) -> Any:
        """Return what JSON has for a value.

        Args:
            value: The value.
            entries: How a step to an entry of the value reads, if it is a dict.
        """
        cls = type(value)
        if value is None or cls is bool:
            return value
        if cls is str:
            if value.isascii() or not _SPLIT_CHARACTER.search(value):
                return value
        elif cls is int:
            if value.bit_length() <= _BITS_FOR_EVERY_PROCESS or _is_decimal(value):
                return value
        elif cls is float:
            if isfinite(value):
                return value
            raise self._refused(
                f"float {value!r} is no number, and JSON has none for it"
            )
        if id(value) in self._open:
            raise self._refused(f"{cls.__qualname__} contains itself")
        path = self._path
        self._open.add(id(value))
        path.append(None)
        plain: Any
        if cls is list:
            plain = []
            for index, item in enumerate(value):
                path[-1] = _ITEM, index
                plain.append(self._plain(item, _ITEM))
        elif cls is dict and _has_plain_keys(value):
            plain = {}
            for key, item in value.items():
                path[-1] = entries, key
                plain[key] = self._plain(item, _entries_of(entries, key))
        elif cls is dict:
            plain = {_SERIALIZER: python_types.DICT, "value": self._pairs(value)}
        else:
            name, content, entries = self._represent(value)
            plain = {_SERIALIZER: name, "value": self._plain(content, entries)}
        path.pop()
        self._open.discard(id(value))
        return plain

    def _pairs(self, value: dict[Any, Any]) -> list[Any]:
        plain = []
        for index, (key, item) in enumerate(value.items()):
            self._path[-1] = _KEY, index
            plain_key = self._plain(key, _ITEM)
            self._path[-1] = _ITEM, key
            plain.append([plain_key, self._plain(item, _ITEM)])
        return plain

    def _represent(self, value: Any) -> tuple[str, Any, str]:
        """Return the name of a serializer, its output, and how steps into it read."""
        cls = type(value)
        if cls is int:
            return python_types.INT, hex(value), _ITEM
        if cls is str:
            return python_types.STR, _SPLIT_CHARACTER.split(value), _ITEM
        try:
            for serializer in self._value_serializers:
                if serializer.can_serialize_value(value):
                    name = self._unmistakable_name(serializer)
                    content = serializer.serialize_value(value)
                    if type(serializer) in _OWN_SERIALIZERS:
                        break
                    return name, content, _ITEM
            else:
                name, content = python_types.represent(value)
        except SerializationError as error:
            raise self._refused(str(error)) from error
        # In the order in which the published releases wrote them.
        return name, dict(sorted(content.items())), _PART

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

    def _refused(self, problem: str) -> SerializationError:
        """Return the error for the value that the writer has come to."""
        places = [_step_text(*step) for step in self._path if step]
        places = [place for place in places if place]
        if len(places) > _MOST_SHOWN_STEPS:
            half = _MOST_SHOWN_STEPS // 2
            places = [*places[:half], " ... ", *places[-half:]]
        # Attributes of the value itself need no name for the value in front.
        if places and places[0].startswith("."):
            places[0] = places[0][1:]
        else:
            places.insert(0, "value")
        return SerializationError(f"{''.join(places)}: {problem}")


def _is_decimal(value: int) -> bool:
    """Tell if this process writes a long number in decimal, and others read it."""
    try:
        return value.bit_length() <= _MOST_BITS and bool(repr(value))
    except ValueError:
        return False  # This process allows fewer digits.


def _has_plain_keys(value: dict[Any, Any]) -> bool:
    return (
        set(map(type, value)) <= {str}
        and _SERIALIZER not in value
        and not any(map(_SPLIT_CHARACTER.search, value))
    )


def _entries_of(kind: str, key: str) -> str:
    """Return how steps to the entries of an entry read."""
    # The content that a value returns of itself reads like its attributes.
    is_state = kind == _PART and key in ("attributes", "serialized")
    return _ATTRIBUTE if is_state else _ITEM


def _step_text(kind: str, step: Any) -> str:
    if kind == _ITEM:
        return f"[{_shown(step)}]"
    if kind == _ATTRIBUTE:
        return f".{step}"
    if kind == _KEY:
        return f"(key {step})"
    # Parts of a representation are not seen, but the arguments of an exception.
    return ".args" if step == "args" else ""


def _shown(step: Any) -> str:
    try:
        text = repr(step)
    except Exception:
        text = f"<{type(step).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."
