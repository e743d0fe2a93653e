"""Serializers, which write values to streams and read them back.

`PickleSerializer` is the default. All serializers, `Opaque` and what only they need are
loaded when they are asked for.
"""

from __future__ import annotations

from ..runtime.lazy import load_on_access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import json as json, pickle as pickle, values as values
    from .json import JsonSerializer
    from .opaque import Opaque
    from .pickle import PickleSerializer
    from .serializer import SerializableValue, Serializer
    from .signed import SignedSerializer

__all__ = [
    "JsonSerializer",
    "Opaque",
    "PickleSerializer",
    "SerializableValue",
    "Serializer",
    "SignedSerializer",
]

__getattr__, __dir__ = load_on_access(
    __name__,
    "json",
    "opaque",
    "pickle",
    "recipients",
    "serializer",
    "signed",
    "values",
    JsonSerializer="json",
    Opaque="opaque",
    PickleSerializer="pickle",
    SerializableValue="serializer",
    Serializer="serializer",
    SignedSerializer="signed",
)
