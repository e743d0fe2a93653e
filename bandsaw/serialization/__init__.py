"""Serializers write values to streams and give them back.

`PickleSerializer` is the default. `JsonSerializer`, `SignedSerializer`, `Opaque` and
what only they need are loaded when they are asked for.
"""

from __future__ import annotations

from ._serializable_value import SerializableValue
from .pickle import PickleSerializer
from .serializer import Serializer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import json as json, values as values
    from .json import JsonSerializer
    from .opaque import Opaque
    from .signed import SignedSerializer

__all__ = [
    "JsonSerializer",
    "Opaque",
    "PickleSerializer",
    "SerializableValue",
    "Serializer",
    "SignedSerializer",
]

_LAZY_MODULES = ("json", "opaque", "signed", "values")
# The modules of what is loaded when it is asked for.
_LAZY_CLASSES = {
    "JsonSerializer": "json",
    "Opaque": "opaque",
    "SignedSerializer": "signed",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY_CLASSES:
        return getattr(import_module(f"{__name__}.{_LAZY_CLASSES[name]}"), name)
    if name in _LAZY_MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_LAZY_MODULES})
