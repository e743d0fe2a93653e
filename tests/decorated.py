"""Functions of a module that tests decorate, pickle and send to other processes."""

from __future__ import annotations

import functools
import os
from typing import Any, Callable

import bandsaw


def doubling(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that is well-behaved."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return 2 * function(*args, **kwargs)

    return wrapper


HERE = {"config": "tests.decorated_config"}
ADVISED = {"config": "tests.decorated_config", "chain": "advised"}


@bandsaw.task(**ADVISED)
def add(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


@bandsaw.task(**HERE)
def process() -> int:
    return os.getpid()


@doubling
@bandsaw.task(**ADVISED)
def decorated_above(a: int) -> int:
    return a + 1


@bandsaw.task(**ADVISED)
@doubling
def decorated_below(a: int) -> int:
    return a + 1


@functools.lru_cache(maxsize=None)
@bandsaw.task(**ADVISED)
def remembered(a: int) -> Any:
    return [a]


@bandsaw.task(**ADVISED)
def rebound(n: int) -> Any:
    return "first", n


first_rebound = rebound


def rebound(n: int) -> Any:  # type: ignore[no-redef]
    return "second", n


class Methods:
    def __init__(self, value: int) -> None:
        self.value = value

    @bandsaw.task(**ADVISED)
    def plus(self, other: int) -> int:
        """Add to the value."""
        return self.value + other

    @bandsaw.task(**ADVISED)
    async def later(self, other: int) -> int:
        return self.value + other

    @doubling
    @bandsaw.task(**ADVISED)
    def decorated_above(self, other: int) -> int:
        return self.value + other

    @bandsaw.task(**ADVISED)
    @bandsaw.task(**ADVISED)
    def advised_twice(self, other: int) -> int:
        return self.value + other

    @bandsaw.task(**ADVISED)
    @staticmethod
    @bandsaw.task(**ADVISED)
    def static_advised_twice(a: int) -> int:
        return a + 1

    @staticmethod
    @bandsaw.task(**ADVISED)
    def static_above(a: int) -> int:
        return a + 1

    @bandsaw.task(**ADVISED)
    @staticmethod
    def static_below(a: int) -> int:
        return a + 1

    @classmethod
    @bandsaw.task(**ADVISED)
    def class_above(cls, a: int) -> Any:
        return cls, a

    @bandsaw.task(**ADVISED)
    @classmethod
    def class_below(cls, a: int) -> Any:
        return cls, a

    @property
    @bandsaw.task(**ADVISED)
    def twice(self) -> int:
        return 2 * self.value

    @functools.cached_property
    @bandsaw.task(**ADVISED)
    def thrice(self) -> int:
        return 3 * self.value


class Derived(Methods):
    @bandsaw.task(**ADVISED)
    def plus(self, other: int) -> int:
        return super().plus(other) * 10
