"""Classes whose instances are written and read, and what it means to be the same."""

from __future__ import annotations

import enum
from collections import OrderedDict, namedtuple
from typing import Any, NamedTuple

from bandsaw.serialization import SerializableValue


class Point(NamedTuple):
    x: Any
    y: Any


class Labelled(namedtuple("Labelled", ["value"])):
    """A named tuple that wants other arguments, and has attributes."""

    def __new__(cls, value: Any, label: Any) -> Labelled:
        made = super().__new__(cls, value)
        made.label = label
        return made

    def __getnewargs__(self) -> Any:
        return self.value, self.label


Renamed = namedtuple("Renamed", ["a", "_1"], rename=True)


class Color(enum.Enum):
    RED = (255, 0, 0)
    CRIMSON = RED
    GREEN = (0, 255, 0)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    EXECUTE = 4


class Corner(Point, enum.Enum):
    ORIGIN = (0, 0)


class Name(str):
    pass


class Count(int):
    pass


class Ratio(float):
    pass


class Stack(list):
    __slots__ = ("limit",)


class Couple(tuple):
    def __new__(cls, both: Any) -> Couple:
        return tuple.__new__(cls, (both, both))

    def __getnewargs__(self) -> Any:
        return (self[0],)


class Table(dict):
    def __init__(self, title: Any) -> None:
        super().__init__()
        self.title = title


class Ordered(OrderedDict):
    pass


class Place(SerializableValue):
    def __init__(self, **values: Any) -> None:
        self.values = values

    def __repr__(self) -> str:
        return f"Place({self.values!r})"

    def serialized(self) -> dict[str, Any]:
        return self.values

    @classmethod
    def deserialize(cls, values: dict[str, Any]) -> Place:
        return cls(**values)


class Outer:
    class Inner(SerializableValue):
        def serialized(self) -> None:
            return None

        @classmethod
        def deserialize(cls, values: None) -> Outer.Inner:
            return cls()

    class InnerError(ValueError):
        pass


class PlainError(Exception):
    pass


class CodeError(Exception):
    """An exception that cannot be made of its `args`."""

    def __init__(self, code: Any, reason: Any) -> None:
        super().__init__(f"failed with a code: {type(code).__name__}")
        self.code = code
        self.reason = reason


class SilentError(Exception):
    """An exception that passes nothing on to its base, and sets no attributes."""

    def __init__(self, message: str) -> None:
        super().__init__()


class SlotError(KeyError):
    __slots__ = ("key",)

    def __init__(self, key: Any, *, default: Any = None) -> None:
        super().__init__("no such key")
        self.key = key


class DiskError(OSError):
    def __init__(self, path: str) -> None:
        super().__init__(5, "broken", path)
        self.path = path


def local_error(*args: Any) -> LookupError:
    """An exception of a class that cannot be imported."""

    class LocalError(LookupError):
        pass

    return LocalError(*args)


def with_attributes(value: Any, **attributes: Any) -> Any:
    for name, attribute in attributes.items():
        setattr(value, name, attribute)
    return value


def nested(levels: int, wrap: Any) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = wrap(value)
    return value


def description(value: Any) -> Any:
    """Describe a value so that equal descriptions mean: equal, and of equal types."""
    return [type(value), *_content(value), _attributes(value)]


def _content(value: Any) -> list[Any]:
    if isinstance(value, enum.Enum):
        return [value.value]
    if isinstance(value, (float, complex)):
        # Other than `==` it tells zeros apart, and finds NaN equal.
        return [value.__repr__()]
    if isinstance(value, dict):
        # As a list, since the order matters.
        return [[description(k), description(v)] for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [description(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(repr(description(item)) for item in value)
    if isinstance(value, BaseException):
        return [description(value.args)]
    if isinstance(value, (Place, Outer.Inner)):
        return []
    return [value]


def _attributes(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return None
    attributes = dict(getattr(value, "__dict__", {}))
    for name in ("limit", "key", "filename"):
        if hasattr(value, name):
            attributes[name] = getattr(value, name)
    return {name: description(attribute) for name, attribute in attributes.items()}
