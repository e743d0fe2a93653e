"""Every exception of bandsaw, and subclasses of it, through each serializer."""

from __future__ import annotations

import io
from typing import Any

import pytest

from bandsaw import JsonSerializer, PickleSerializer, exceptions
from bandsaw.modules import allow_imports

CLASSES = [
    value
    for value in vars(exceptions).values()
    if isinstance(value, type) and issubclass(value, BaseException)
]

# What is kept outside of `__dict__`
_NATIVE_ATTRIBUTES = ("errno", "strerror", "filename", "filename2", "name", "path")


def subclass(base: Any) -> Any:
    """Make a class whose instances cannot be made of their `args`."""

    def initialise(self: Any, code: int, *, reason: str) -> None:
        base.__init__(self, f"failed with {code}")
        self.reason = reason

    return type(
        f"Own{base.__name__}", (base,), {"__init__": initialise, "__module__": __name__}
    )


# Where a user's class can be imported
_OWN = {cls: subclass(cls) for cls in CLASSES}
globals().update({cls.__name__: cls for cls in _OWN.values()})


def examples(cls: Any) -> list[Any]:
    unknown = type("UnknownError", (cls,), {"__module__": "not_importable"})
    changed = cls("changed")
    for name in _NATIVE_ATTRIBUTES:
        if hasattr(changed, name):
            setattr(changed, name, 7 if name == "errno" else f"the {name}")
    changed.note = ["attribute"]
    return [
        cls(),
        cls("text"),
        cls(2, "no such file", "/path"),
        changed,
        _OWN[cls](5, reason="own"),
        unknown("unknown", 3),
        subclass(unknown)(6, reason="unknown"),
    ]


def facts(exception: Any) -> Any:
    return (
        type(exception).__name__,
        exception.args,
        str(exception),
        vars(exception),
        [getattr(exception, name, None) for name in _NATIVE_ATTRIBUTES],
    )


@pytest.mark.parametrize("serializer", [JsonSerializer, PickleSerializer])
@pytest.mark.parametrize("cls", CLASSES)
def test_an_exception_comes_back_as_it_was(cls: Any, serializer: Any) -> None:
    for exception in examples(cls):
        stream = io.BytesIO()
        serializer().serialize(exception, stream)
        stream.seek(0)

        # As in a session: only there JSON finds out that a module is missing.
        with allow_imports():
            back = serializer().deserialize(stream)

        assert facts(back) == facts(exception)
        assert isinstance(back, cls)
        if type(exception) in (cls, _OWN[cls]):
            assert type(back) is type(exception)
