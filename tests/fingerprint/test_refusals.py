"""Refusals of values without a stable identity, with the path that leads to them."""

from __future__ import annotations

import itertools
import socket
import sqlite3
import sys
import threading
import types
import unittest.mock
import weakref
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from bandsaw.exceptions import BandsawError, UnreadableFileError, UnstableValueError
from bandsaw.files import File
from bandsaw.fingerprint import (
    Unstable,
    argument_tokens,
    fingerprint,
    fingerprint_of_tokens,
    register_fingerprint,
)


class Holder:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class KnowsItsAddress:
    def __init__(self) -> None:
        self.me = id(self)


class PicklesItsDefaultText:
    def __reduce__(self) -> Any:
        return PicklesItsDefaultText, (object.__repr__(self),)


class IndexesByAddress:
    def __init__(self) -> None:
        part = [1]
        self.index = {id(part): part}


class Slotted:
    __slots__ = ("lock",)


def a_generator() -> Iterator[int]:
    yield 1


async def a_coroutine() -> None:
    pass


def weak_target() -> None:
    pass


UNSTABLE = [
    threading.Lock,
    threading.RLock,
    threading.Event,
    threading.local,
    a_generator,
    lambda: types.ModuleType("sys"),
    lambda: iter([1]),
    lambda: map(len, []),
    lambda: itertools.count(),
    lambda: weakref.ref(weak_target),
    lambda: weakref.proxy(weak_target),
    lambda: sys._getframe(),
    object,
    KnowsItsAddress,
    PicklesItsDefaultText,
    IndexesByAddress,
    # What looks at these makes more of them.
    unittest.mock.Mock,
    unittest.mock.MagicMock,
    lambda: unittest.mock.call(1),
]


@pytest.mark.parametrize("make", UNSTABLE)
def test_a_value_without_a_stable_identity_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(UnstableValueError, match=r"^value\[0\].* no stable identity"):
        fingerprint([make()])


def test_what_holds_on_to_the_system_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    connection = sqlite3.connect(str(path))
    with open(path, "rb") as binary, open(path) as text, socket.socket() as plug:
        for value in (binary, text, plug, connection):
            with pytest.raises(UnstableValueError):
                fingerprint(value)
    connection.close()


def test_a_view_that_was_released_is_refused() -> None:
    view = memoryview(b"gone")
    view.release()

    with pytest.raises(UnstableValueError, match="released"):
        fingerprint(view)


def test_a_coroutine_is_refused() -> None:
    coroutine = a_coroutine()

    with pytest.raises(UnstableValueError, match="coroutine has no stable identity"):
        fingerprint(coroutine)

    coroutine.close()


def test_the_message_names_the_path_and_says_what_to_do() -> None:
    connection = sqlite3.connect(":memory:")

    why = fingerprint_of_tokens(argument_tokens({"args": ({"conn": connection},)}))

    connection.close()
    assert isinstance(why, Unstable)
    error = why.error()
    message = str(error)
    assert message == why.reason
    assert message.startswith("args[0]['conn']: sqlite3.Connection has no stable")
    assert "register_fingerprint" in message
    assert "__fingerprint__" in message
    assert isinstance(error, BandsawError)
    assert isinstance(error, TypeError)


def closure_over(value: Any) -> Any:
    return lambda: value


def default_of(value: Any) -> Any:
    def function(argument: Any = value) -> Any:
        return argument

    return function


def slotted(lock: Any) -> Any:
    value = Slotted()
    value.lock = lock  # type: ignore[attr-defined]
    return value


@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda lock: lock, "x"),
        (lambda lock: [1, (2, lock)], "x[1][1]"),
        (lambda lock: {"a": 1, 2: lock}, "x{*} (of 2)"),
        (lambda lock: {10**5000: lock}, "x{*} (of a int)"),
        (lambda lock: {"long" * 100: lock, 2: 1}, "x{*} (of '" + 14 * "long" + "lon)"),
        (lambda lock: {lock: 1}, "x{*} (a key)"),
        (lambda lock: {lock}, "x{*}"),
        (lambda lock: Holder(a=Holder(lock=lock)), "x.a.lock"),
        (slotted, "x.lock"),
        (closure_over, "x.__closure__['value']"),
        (default_of, "x.__defaults__[0]"),
        (lambda lock: ValueError(lock), "x[0]"),
        (lambda lock: [[lock]] * 100, "x[0][0]"),
    ],
)
def test_every_kind_of_step_on_the_path_has_a_notation(wrap: Any, path: str) -> None:
    why = argument_tokens({"a": 1, "x": wrap(threading.Lock())})["x"]

    assert isinstance(why, Unstable)
    assert why.reason.startswith(f"{path}: ")


def test_the_error_of_the_pickling_is_the_cause() -> None:
    with pytest.raises(UnstableValueError) as caught:
        fingerprint(threading.Lock())

    assert isinstance(caught.value.__cause__, TypeError)


def test_the_error_of_a_value_that_knows_more_is_raised_itself(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="cannot be identified"):
        fingerprint([File(tmp_path / "absent")])


def test_a_function_that_only_stands_in_for_itself_is_refused() -> None:
    register_fingerprint(Holder, lambda value: Holder())

    with pytest.raises(UnstableValueError, match="never ends"):
        fingerprint(Holder())


class PicklesAsAName:
    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> str:
        return self.name


LEADS_BACK = PicklesAsAName("LEADS_BACK")


def test_a_name_that_does_not_refer_to_the_value_is_no_identity() -> None:
    assert fingerprint(LEADS_BACK) == fingerprint(LEADS_BACK)

    with pytest.raises(UnstableValueError, match="does not refer to it"):
        fingerprint(PicklesAsAName("LEADS_BACK"))
