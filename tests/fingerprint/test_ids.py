"""The ids that are made from fingerprints, and when they need not be made early."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from bandsaw.fingerprint import execution_id, fingerprint_arguments, is_immutable
from bandsaw.identifier import ID_LENGTH


def test_an_execution_id_is_the_beginning_of_the_fingerprint() -> None:
    identifier = execution_id({"x": 1})

    assert len(identifier) == ID_LENGTH
    assert fingerprint_arguments({"x": 1}).hex().startswith(identifier)


def test_the_format_has_not_changed() -> None:
    # Everybody's cache would be lost.
    assert execution_id({"x": 1}) == "8b405523d7514b49"
    assert (
        execution_id({"a": [1, "b", {"c": (None, 2.5)}], "d": {1, 2}})
        == "d2944b5fd579279b"
    )


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, None, "a", b"a", 1j, ..., range(3), (), (1, ("a",)), frozenset("a")],
)
def test_what_nobody_can_change_is_immutable(value: Any) -> None:
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


def test_no_library_is_imported_that_the_user_does_not_use() -> None:
    code = (
        "import sys, bandsaw.fingerprint as f;"
        "f.fingerprint([1, {'a': object}, ValueError('x')]);"
        "libraries = {'numpy', 'pandas', 'polars', 'torch', 'scipy'};"
        "print(sorted(libraries & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True
    )

    assert answer.stdout.decode().strip() == "[]"
