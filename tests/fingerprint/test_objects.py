"""Identity of objects, functions and classes, and how users define their own."""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import sys
import types
from collections import namedtuple
from pathlib import Path
from typing import Any, Callable

import pytest

from bandsaw.exceptions import UnstableValueError
from bandsaw.fingerprint import fingerprint, register_fingerprint
from tests.workflows import Workflow


class Plain:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Other(Plain):
    pass


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Shade(enum.IntEnum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int
    hidden: int = dataclasses.field(default=0, compare=False)


class Squares:
    def __init__(self, side: int) -> None:
        self.side = side
        self.size = side

    @functools.cached_property
    def area(self) -> int:
        return self.side**2


def function(a: int, b: int = 2) -> int:
    return a + b


def other_function(a: int, b: int = 2) -> int:
    return a + b


def make_adder(number: int) -> Callable[[int], int]:
    return lambda other: other + number


def make_countdown(end: int) -> Callable[[int], int]:
    def countdown(start: int) -> int:
        return countdown(start - 1) if start > end else end

    return countdown


def make_class(limit: int) -> Any:
    class Local:
        bound = limit

        def method(self) -> Any:
            return __class__, self.bound  # type: ignore[name-defined]

    return Local


def test_objects_differ_by_class_and_attributes() -> None:
    values = [
        Plain(),
        Plain(a=1),
        Plain(a=2),
        Plain(b=1),
        Plain(a=1, b=1),
        Other(a=1),
        {"a": 1},
        Point(1),
        Point(2),
        Point(1, 5),
        Color.RED,
        Color.BLUE,
        Shade.RED,
        1,
        "RED",
    ]

    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(Plain(b=2, a=1)) == fingerprint(Plain(a=1, b=2))


def test_what_a_property_has_computed_does_not_count() -> None:
    looked_at = Squares(2)
    assert looked_at.area == 4

    assert fingerprint(looked_at) == fingerprint(Squares(2))
    assert fingerprint(looked_at) != fingerprint(Squares(3))


def test_named_tuples_differ_from_tuples_and_from_each_other() -> None:
    first = namedtuple("first", "a b")
    second = namedtuple("second", "a b")
    again = namedtuple("first", "a b")  # type: ignore[name-match]

    assert fingerprint(first(1, 2)) != fingerprint((1, 2))
    assert fingerprint(first(1, 2)) != fingerprint(second(1, 2))
    assert fingerprint(first(1, 2)) == fingerprint(again(1, 2))


def test_attrs_classes_are_told_apart_by_their_attributes() -> None:
    attr = pytest.importorskip("attr", reason="needs attrs")
    kind = attr.make_class("Attributes", ["a"], slots=True, hash=True, cache_hash=True)
    looked_at = kind(1)
    hash(looked_at)

    assert fingerprint(looked_at) == fingerprint(kind(1))
    assert fingerprint(looked_at) != fingerprint(kind(2))


def test_exceptions_differ_by_class_args_and_attributes() -> None:
    noted = ValueError("a")
    noted.code = 1  # type: ignore[attr-defined]
    values = [ValueError("a"), ValueError("b"), TypeError("a"), ValueError(), noted]

    assert len({fingerprint(value) for value in values}) == len(values)


def test_the_traceback_of_an_exception_does_not_count() -> None:
    try:
        raise ValueError("a")
    except ValueError as error:
        raised = error

    assert fingerprint(raised) == fingerprint(ValueError("a"))


def test_named_functions_and_classes_count_by_name() -> None:
    values = [function, other_function, Plain, Other, len, functools.partial]

    assert len({fingerprint(value) for value in values}) == len(values)


def test_local_functions_count_by_code_and_captured_values() -> None:
    values: list[Any] = [
        make_adder(1),
        make_adder(2),
        lambda other: other,
        lambda other: other + 1,
        lambda other=1: other,
        lambda other=2: other,
        make_countdown(1),
        make_countdown(2),
    ]

    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(make_adder(1)) == fingerprint(make_adder(1))
    assert fingerprint(make_countdown(1)) == fingerprint(make_countdown(1))


def test_local_classes_count_by_what_they_hold() -> None:
    assert fingerprint(make_class(1)) == fingerprint(make_class(1))
    assert fingerprint(make_class(1)) != fingerprint(make_class(2))
    assert fingerprint(make_class(1)()) == fingerprint(make_class(1)())
    assert fingerprint(make_class(1)()) != fingerprint(make_class(2)())


def test_local_enumerations_count_by_their_members() -> None:
    def make(value: int) -> Any:
        class Local(enum.Enum):
            A = value

        return Local.A

    assert fingerprint(make(1)) == fingerprint(make(1))
    assert fingerprint(make(1)) != fingerprint(make(2))


def test_partial_functions_differ_by_function_and_arguments() -> None:
    partial = functools.partial
    values = [
        partial(function),
        partial(other_function),
        partial(function, 1),
        partial(function, a=1),
        partial(function, b=1),
    ]

    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(partial(function, a=1, b=2)) == fingerprint(
        partial(function, b=2, a=1)
    )


@pytest.mark.parametrize("first", ["folded", "plain"])
def test_equal_code_from_other_words_does_not_share_an_identity(
    workflow: Workflow, first: str
) -> None:
    # Compiled to the same instructions, on the same line.
    workflow.write(
        {
            "folded.py": "def make():\n    return lambda: 1 + 1\n",
            "plain.py": "def make():\n    return lambda: 2\n",
        },
    )
    code = """
import sys
import folded, plain
from bandsaw.fingerprint.code.source import form_of

form_of(sys.modules[sys.argv[1]].make())
print(form_of(folded.make()) == form_of(plain.make()))
"""
    assert workflow.python("-c", code, first).stdout == "False\n"


def test_bound_methods_differ_by_their_object() -> None:
    assert fingerprint(Plain(a=1).__init__) != fingerprint(Plain(a=2).__init__)  # type: ignore[misc]
    assert fingerprint([1].append) != fingerprint([2].append)


class Connection:
    def __init__(self, url: str) -> None:
        self.url = url
        self.handle = object()


class ChildConnection(Connection):
    pass


class Described(Connection):
    def __fingerprint__(self) -> object:
        return {"url": self.url}


def test_a_method_gives_an_identity() -> None:
    assert fingerprint(Described("a")) == fingerprint(Described("a"))
    assert fingerprint(Described("a")) != fingerprint(Described("b"))
    assert fingerprint(Described("a")) != fingerprint({"url": "a"})


def test_a_registered_function_gives_an_identity() -> None:
    with pytest.raises(UnstableValueError):
        fingerprint(Connection("a"))

    register_fingerprint(Connection, lambda connection: connection.url)

    assert fingerprint(Connection("a")) == fingerprint(Connection("a"))
    assert fingerprint(Connection("a")) != fingerprint(Connection("b"))


def test_a_registered_function_counts_for_subclasses() -> None:
    register_fingerprint(Connection, lambda connection: connection.url)

    assert fingerprint(ChildConnection("a")) == fingerprint(ChildConnection("a"))
    assert fingerprint(ChildConnection("a")) != fingerprint(Connection("a"))


def test_the_nearest_class_says_what_stands_for_a_value() -> None:
    register_fingerprint(Connection, lambda connection: 1)

    assert fingerprint(Described("a")) != fingerprint(Described("b"))

    register_fingerprint(Described, lambda connection: 1)

    assert fingerprint(Described("a")) == fingerprint(Described("b"))


def test_what_the_user_registers_goes_before_what_is_built_in() -> None:
    before = fingerprint(Color.RED)
    register_fingerprint(Color, lambda color: 1)

    assert fingerprint(Color.RED) == fingerprint(Color.BLUE) != before


@pytest.mark.parametrize("kind", [int, str, list, dict, type(None)])
def test_the_identity_of_basic_types_is_fixed(kind: Any) -> None:
    with pytest.raises(TypeError, match="are fixed"):
        register_fingerprint(kind, repr)


def test_only_functions_for_classes_can_be_registered() -> None:
    with pytest.raises(TypeError, match="Only the values of a class"):
        register_fingerprint(5, repr)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="cannot be called"):
        register_fingerprint(Plain, 5)  # type: ignore[arg-type]


def test_a_failing_method_fails_as_it_does() -> None:
    class Failing:
        def __fingerprint__(self) -> object:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fingerprint(Failing())


def test_modules_count_by_their_names() -> None:
    import json
    import math

    def make(module: Any) -> Any:
        return lambda x: module.dumps(x)

    values = [json, math, {"xp": json}, [math], make(json), make(math)]

    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(make(json)) == fingerprint(values[4])
    with pytest.raises(UnstableValueError, match="does not refer to it"):
        fingerprint(types.ModuleType("json"))


def test_an_installed_module_counts_by_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for version in ("1.0", "2.0"):
        place = tmp_path / version / "site-packages"
        place.mkdir(parents=True)
        (place / "versioned_module.py").write_text(f"__version__ = {version!r}\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(place))
            found.add(fingerprint(importlib.import_module("versioned_module")))
        del sys.modules["versioned_module"]

    assert len(found) == 2
