"""The ids that are made from fingerprints, and when they need not be made early."""

from __future__ import annotations

from typing import Any

import pytest

from bandsaw.fingerprint import argument_tokens, fingerprint_of_tokens, is_immutable
from tests.workflows import Workflow


def digits_of(**arguments: Any) -> str:
    found = fingerprint_of_tokens(argument_tokens(arguments))
    assert isinstance(found, bytes)
    return found.hex()


def test_the_format_has_not_changed() -> None:
    # All caches would be lost.
    assert digits_of(x=1).startswith("8b405523d7514b49")
    digits = digits_of(a=[1, "b", {"c": (None, 2.5)}], d={1, 2})
    assert digits.startswith("d2944b5fd579279b")


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, None, "a", b"a", 1j, ..., range(3), (), (1, ("a",)), frozenset("a")],
)
def test_what_cannot_change_is_immutable(value: Any) -> None:
    assert is_immutable(value)


class MyInt(int):
    pass


class MyTuple(tuple):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    "value", [[], {}, set(), bytearray(), (1, ([],)), MyInt(1), MyTuple(), object()]
)
def test_what_may_change_is_not_immutable(value: Any) -> None:
    assert not is_immutable(value)


def test_no_library_is_imported_that_the_user_does_not_use(workflow: Workflow) -> None:
    code = (
        "import sys, bandsaw.fingerprint as f;"
        "f.fingerprint([1, {'a': object}, ValueError('x')]);"
        "libraries = {'numpy', 'pandas', 'polars', 'torch', 'scipy'};"
        "print(sorted(libraries & set(sys.modules)))"
    )

    assert workflow.python("-c", code).stdout == "[]\n"
