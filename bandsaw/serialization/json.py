"""The serializer for JSON, which other programs can read."""

from __future__ import annotations

from typing import IO, Any

from ..exceptions import SerializationError
from . import _python_types as python_types
from ._json_reader import read_json
from ._json_writer import SERIALIZER, JsonWriter
from .serializer import Serializer
from .values import (
    ExceptionSerializer,
    SerializableValueSerializer,
    TupleSerializer,
    ValueSerializer,
)


class JsonSerializer(Serializer):
    """A `Serializer` that writes compact JSON.

    What it writes it gives back equal and of the same type; what it cannot give back
    it refuses to write. Beyond what JSON has it knows tuples and named tuples,
    exceptions, `SerializableValue`s, enums, dicts with any keys, and subclasses of the
    types that JSON has. Further types are taught by appending to `value_serializers`.

    Reading JSON runs no code but of exceptions, enums and `SerializableValue`s, and of
    the value serializers. It imports no module, unless a session is being restored.

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
                type. The message names the place, like ``args[0]['a'][3]: set``.
        """
        text = JsonWriter(self.value_serializers).write(value)
        if text[0] in "-0123456789" and not _is_at_start(stream):
            # Two numbers without a space between them would be one.
            text = " " + text
        stream.write(text.encode("ascii"))

    def deserialize(self, stream: IO[bytes]) -> Any:
        """Read the next value from a stream, and leave the rest of the stream alone.

        Args:
            stream: The binary stream that the value was written to.

        Returns:
            The value.

        Raises:
            SerializationError: If there is no whole value, or one that cannot be
                given back here. It says "Unknown serializer" when the value was
                written by a value serializer that this object does not have.
        """
        return read_json(stream, self._revive)

    def _revive(self, entries: dict[str, Any]) -> Any:
        """Give the value back that an object of the JSON represents."""
        if SERIALIZER not in entries:
            return entries
        name = entries[SERIALIZER]
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
