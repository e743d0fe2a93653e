"""Representations of values that a format lacks by values that it has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import namedtuple
from functools import lru_cache

from ..exceptions import SerializationError
from ..modules import reading_data
from ._classes import (
    attributes_of,
    class_names,
    field,
    find_class,
    require_class,
    required_class_names,
    set_attributes,
)
from ._exceptions import (
    arguments_and_attributes,
    base_names,
    find_exception_class,
    is_initialised_by_python,
    make_exception,
)
from .serializer import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ExceptionSerializer",
    "SerializableValue",
    "SerializableValueSerializer",
    "TupleSerializer",
    "ValueSerializer",
]


class ValueSerializer(ABC):
    """Represent values of some types by values of simpler types.

    A `JsonSerializer` is taught a type by appending an instance to its
    `value_serializers`:

        class DateSerializer(ValueSerializer):
            def can_serialize_value(self, value):
                return isinstance(value, datetime.date)

            def serialize_value(self, value):
                return value.isoformat()

            def deserialize_value(self, representation):
                return datetime.date.fromisoformat(representation)

    The name of the class is written beside the representation, and identifies the
    serializer that reads it.
    """

    @abstractmethod
    def can_serialize_value(self, value: Any) -> bool:
        """Tell if this serializer is for a value.

        Args:
            value: The value.

        Returns:
            `True` if this serializer can represent the value.
        """

    @abstractmethod
    def serialize_value(self, value: Any) -> Any:
        """Represent a value.

        Args:
            value: A value that `can_serialize_value()` accepted.

        Returns:
            A representation of simpler types. Values in it are serialized in turn.
        """

    @abstractmethod
    def deserialize_value(self, representation: Any) -> Any:
        """Give a value back.

        Args:
            representation: What `serialize_value()` returned.

        Returns:
            The value.
        """


class ExceptionSerializer(ValueSerializer):
    """Represent exceptions by their class, their arguments and their attributes.

    An exception whose class cannot be imported comes back as one of a class of the
    same name, made for it, that inherits the nearest base that can be imported. The
    traceback, the cause and the context are left out.
    """

    def can_serialize_value(self, value: Any) -> bool:
        """Accept exceptions."""
        return isinstance(value, BaseException)

    def serialize_value(self, value: Any) -> Any:
        """Represent an exception."""
        cls = type(value)
        args, attributes = arguments_and_attributes(value)
        representation: dict[str, Any] = {"args": args, **class_names(cls)}
        if attributes or is_initialised_by_python(cls):
            # Tells the reader not to call an `__init__` that may want other arguments.
            representation["attributes"] = attributes
        bases = base_names(cls)
        if bases:
            representation["bases"] = bases
        return representation

    def deserialize_value(self, representation: Any) -> Any:
        """Give an exception back."""
        args = field(representation, "args", list)
        bases: list[Any] = []
        if "bases" in representation:
            bases = field(representation, "bases", list)
        cls, is_original = find_exception_class(representation, bases)
        attributes: dict[str, Any] = {}
        if "attributes" in representation:
            attributes = field(representation, "attributes", dict)
        elif is_original:
            try:
                return cls(*args)
            except Exception:
                pass  # Written by a release that did not store attributes: the best is
                # an exception without them.
        exception = make_exception(cls, args)
        set_attributes(exception, attributes)
        return exception


class SerializableValueSerializer(ValueSerializer):
    """Represent a `SerializableValue` by what its own methods return."""

    def can_serialize_value(self, value: Any) -> bool:
        """Accept instances of subclasses of `SerializableValue`."""
        return isinstance(value, SerializableValue)

    def serialize_value(self, value: Any) -> Any:
        """Represent a value."""
        return {
            "serialized": value.serialized(),
            **required_class_names(type(value)),
        }

    def deserialize_value(self, representation: Any) -> Any:
        """Give a value back."""
        cls: Any = require_class(
            field(representation, "type", str),
            field(representation, "module", str),
            SerializableValue,
        )
        if "serialized" not in representation:
            raise SerializationError(f"There is no content for {cls.__qualname__}.")
        with reading_data():
            return cls.deserialize(representation["serialized"])


class TupleSerializer(ValueSerializer):
    """Represent tuples and named tuples by their items.

    A named tuple whose class cannot be imported comes back as one of a class of the
    same name with the same fields.
    """

    def can_serialize_value(self, value: Any) -> bool:
        """Accept tuples and named tuples."""
        return type(value) is tuple or _is_named_tuple_class(type(value))

    def serialize_value(self, value: Any) -> Any:
        """Represent a tuple."""
        items = list(tuple.__iter__(value))
        if type(value) is tuple:
            return {"items": items, "type": "tuple"}
        names = class_names(type(value))
        representation: dict[str, Any] = {
            "fields": list(type(value)._fields),
            "items": items,
            "module": names["module"],
            "name": names["type"],
            "type": "namedtuple",
        }
        attributes = attributes_of(value)
        if attributes:
            representation["attributes"] = attributes
        return representation

    def deserialize_value(self, representation: Any) -> Any:
        """Give a tuple back."""
        items = field(representation, "items", list)
        kind = field(representation, "type", str)
        if kind == "tuple":
            return tuple(items)
        if kind != "namedtuple":
            raise SerializationError(f"There is no tuple of type {kind!r}.")
        fields = tuple(field(representation, "fields", list))
        cls = _find_named_tuple_class(
            field(representation, "name", str),
            field(representation, "module", str),
            fields,
        )
        if len(items) != len(fields):
            raise SerializationError(
                f"{cls.__qualname__} has {len(fields)} fields, the data {len(items)}."
            )
        # As `_make` of a named tuple does, whatever arguments its class wants.
        value = tuple.__new__(cls, items)
        if "attributes" in representation:
            set_attributes(value, field(representation, "attributes", dict))
        return value


def _is_named_tuple_class(cls: type) -> bool:
    fields = getattr(cls, "_fields", None)
    return (
        issubclass(cls, tuple)
        and isinstance(fields, tuple)
        and all(isinstance(name, str) for name in fields)
        and hasattr(cls, "_make")
        # An enum may inherit a named tuple; its members are no tuples to make.
        and not hasattr(cls, "__members__")
    )


def _find_named_tuple_class(
    name: str, module_name: str, fields: tuple[Any, ...]
) -> type[tuple[Any, ...]]:
    try:
        cls = find_class(name, module_name, tuple)
    except SerializationError:
        cls = None
    if cls is not None and getattr(cls, "_fields", None) == fields:
        return cls
    try:
        return _make_named_tuple_class(name, module_name, fields)
    except (TypeError, ValueError) as error:
        raise SerializationError(f"No named tuple can be made: {error}") from error


@lru_cache(maxsize=256)
def _make_named_tuple_class(
    name: str, module_name: str, fields: tuple[Any, ...]
) -> type[tuple[Any, ...]]:
    make: Any = namedtuple
    # Fields that were renamed once, like `_1`, are given these names again.
    made: Any = make(name.rpartition(".")[2], fields, module=module_name, rename=True)
    if made._fields != fields:
        raise ValueError(f"{fields!r} are no names of fields")
    cls: type[tuple[Any, ...]] = made
    return cls
