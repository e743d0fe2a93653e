"""JSON for what only Python has: keys, enums, subclasses, long numbers, odd text.

These come last, after the value serializers of a `JsonSerializer`. Their names have a
dot, so that no class of a user can have the same.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, Flag
from typing import Any, Callable

from ..exceptions import SerializationError
from ._classes import (
    attributes_of,
    field,
    native_base,
    require_class,
    required_class_names,
    set_attributes,
)

DICT = "bandsaw.dict"
ENUM = "bandsaw.enum"
INT = "bandsaw.int"
STR = "bandsaw.str"
SUBCLASS = "bandsaw.subclass"

# The base types of subclasses, the more special ones first.
_BASES: dict[str, type] = {
    cls.__name__: cls for cls in (OrderedDict, dict, list, tuple, str, int, float)
}


def represent(value: Any) -> tuple[str, Any]:
    """Represent an enum, or an instance of a subclass of a type that JSON knows.

    Args:
        value: A value that no value serializer has accepted.

    Returns:
        The name of this kind of representation, and the representation.

    Raises:
        SerializationError: If the value cannot be given back equal and of its type.
    """
    cls = type(value)
    if isinstance(value, Enum):
        return ENUM, {**_represent_enum(value), **required_class_names(cls)}
    for name, base in _BASES.items():
        if issubclass(cls, base):
            return SUBCLASS, _represent_subclass(value, name, base)
    raise SerializationError(
        f"{cls.__qualname__} is not something that JSON can hold, and no value "
        "serializer takes it"
    )


def _represent_enum(value: Enum) -> dict[str, Any]:
    if isinstance(value, Flag):
        # Combined ones have no name, or one that another Python does not understand.
        return {"value": value._value_}
    if type(value).__members__.get(value._name_) is not value:
        raise SerializationError(f"{value!r} is not a member of its enum")
    return {"name": value._name_}


def _represent_subclass(value: Any, name: str, base: type) -> dict[str, Any]:
    cls = type(value)
    content = _content(value, base)
    representation = {"base": name, "value": content}
    attributes = attributes_of(value)
    if attributes:
        representation["attributes"] = attributes
    if cls is base:
        return representation
    if native_base(cls) is not base:
        raise SerializationError(
            f"{cls.__qualname__} is written in C, and may hold more than a {name}"
        )
    equals: Any = base.__eq__
    if not equals(_make(cls, base, content), value):
        raise SerializationError(f"{cls.__qualname__} does not equal its copy")
    return {**representation, **required_class_names(cls)}


def _content(value: Any, base: type) -> Any:
    """Return the content of an instance of a subclass, in plain types."""
    if base is OrderedDict:
        return dict(OrderedDict.items(value))
    if base is dict:
        return dict.copy(value)
    if base is list:
        return list.copy(value)
    if base is tuple:
        return list(tuple.__iter__(value))
    if base is str:
        return str.__str__(value)
    if base is int:
        return int.__pos__(value)
    return float.__pos__(value)


def _make(cls: type[Any], base: type[Any], content: Any) -> Any:
    """Make an instance of a subclass without calling its `__new__` or `__init__`."""
    if base in (dict, OrderedDict):
        made = base.__new__(cls)
        for key, item in content.items():
            base.__setitem__(made, key, item)
        return made
    if base is list:
        made = list.__new__(cls)
        list.extend(made, content)
        return made
    return base.__new__(cls, content)


def _read_enum(representation: Any) -> Any:
    cls: Any = _read_class(representation, Enum)
    try:
        if issubclass(cls, Flag):
            return cls(field(representation, "value", int))
        return cls.__members__[field(representation, "name", str)]
    except (KeyError, ValueError) as error:
        raise SerializationError(
            f"{cls.__qualname__} has no such member: {error}"
        ) from error


def _read_subclass(representation: Any) -> Any:
    name = field(representation, "base", str)
    base = _BASES.get(name)
    if base is None:
        raise SerializationError(f"There are no values based on {name!r}.")
    content = field(representation, "value", type(_content(base(), base)))
    cls = _read_class(representation, base) if "type" in representation else base
    if issubclass(cls, Enum):
        raise SerializationError(f"{cls.__qualname__} is an enum.")
    if native_base(cls) is not base:
        raise SerializationError(f"{cls.__qualname__} is no plain subclass of {name}.")
    made = _make(cls, base, content)
    if "attributes" in representation:
        set_attributes(made, field(representation, "attributes", dict))
    return made


def _read_class(representation: Any, base: type) -> type:
    return require_class(
        field(representation, "type", str),
        field(representation, "module", str),
        base,
    )


def _read_dict(representation: Any) -> dict[Any, Any]:
    try:
        return dict(representation)
    except (TypeError, ValueError) as error:
        raise SerializationError(f"The data is damaged: not a dict: {error}") from error


def _read_int(representation: Any) -> int:
    try:
        return int(representation, 16)
    except (TypeError, ValueError) as error:
        raise SerializationError(f"The data is damaged: no number: {error}") from error


def _read_str(representation: Any) -> str:
    try:
        parts: list[str] = representation
        return "".join(parts)
    except TypeError as error:
        raise SerializationError(f"The data is damaged: not a text: {error}") from error


_READERS: dict[str, Callable[[Any], Any]] = {
    DICT: _read_dict,
    ENUM: _read_enum,
    INT: _read_int,
    STR: _read_str,
    SUBCLASS: _read_subclass,
}


def reader(name: object) -> Callable[[Any], Any] | None:
    """Find what gives back the values of one kind of representation.

    Args:
        name: The name of the kind.

    Returns:
        A function from a representation to the value; `None` for an unknown name.
    """
    return _READERS.get(name) if isinstance(name, str) else None
