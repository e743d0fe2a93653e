"""Serializers write values to streams and give them back.

`PickleSerializer` is the default. `JsonSerializer`, `SignedSerializer` and what only
they need are loaded when they are asked for.
"""

from __future__ import annotations

from ._serializable_value import SerializableValue
from .pickle import PickleSerializer
from .serializer import Serializer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

    from . import json as json
    from . import values as values
    from .json import JsonSerializer
    from .signed import SignedSerializer

__all__ = [
    "JsonSerializer",
    "PickleSerializer",
    "SerializableValue",
    "Serializer",
    "SignedSerializer",
]

_LAZY_MODULES = ("json", "signed", "values")


def __getattr__(name: str) -> Any:
    if name == "JsonSerializer":
        from .json import JsonSerializer

        return JsonSerializer
    if name == "SignedSerializer":
        from .signed import SignedSerializer

        return SignedSerializer
    if name in _LAZY_MODULES:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__, *_LAZY_MODULES})
