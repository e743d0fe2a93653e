"""Functions and classes that stored bytes name. Changing one changes what they mean."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import bandsaw


def double(value: Any, **options: Any) -> Any:
    return {"doubled": value * 2, **options}


def fail(code: int) -> None:
    raise CodeError(code, reason=("no", "reason"))


def small(x: int) -> Any:
    return {"x": x, "squares": (1, 4, x * x)}


def large(size: int) -> Any:
    return Samples(bytes(range(256)) * (size // 256))


def arrays(size: int) -> Any:
    import numpy

    numbers = numpy.arange(size) % 7
    return {
        "plain": numbers,
        "times": numbers.astype("M8[s]"),
        "strided": numpy.column_stack((numbers, numbers))[:, 0],
    }


def name_file(path: str) -> Any:
    return bandsaw.File(path)


def give_back(value: Any) -> Any:
    return value


def take(value: Any) -> str:
    return f"taken: {type(value).__name__}"


class Samples:
    """Hands its content over to pickle as a buffer, as arrays do."""

    def __init__(self, content: Any) -> None:
        self.content = bytes(content)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if protocol < 5:
            return Samples, (self.content,)
        return Samples, (pickle.PickleBuffer(self.content),)


class Counter:
    """A class with a task."""

    def __init__(self, start: int) -> None:
        self.start = start

    @bandsaw.task(config="tests.stored.with_pickle")
    def add(self, number: int) -> int:
        return self.start + number


@bandsaw.task(config="tests.stored.with_pickle")
def decorated(x: int) -> int:
    return x


class Point(NamedTuple):
    x: Any
    y: Any


class CodeError(Exception):
    """An exception that cannot be made of its `args`."""

    def __init__(self, code: Any, reason: Any) -> None:
        super().__init__(f"failed with the code {code}")
        self.code = code
        self.reason = reason


class SessionError(bandsaw.exceptions.InterpreterError):
    """An exception that a user derives from one of bandsaw."""
