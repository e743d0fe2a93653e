from __future__ import annotations

import io
import pickle
import pickletools
import sys
import threading
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given

from bandsaw.exceptions import SerializationError
from bandsaw.io import BytearrayGeneratorToStream
from bandsaw.serialization import PickleSerializer
from tests.serialization import samples
from tests.serialization.samples import CodeError, description, nested, with_attributes
from tests.strategies import SERIALIZED_VALUES, VALUES
from tests.workflows import Workflow


def round_trip(value: Any) -> Any:
    stream = io.BytesIO()
    PickleSerializer().serialize(value, stream)
    stream.seek(0)
    return PickleSerializer().deserialize(stream)


@given(SERIALIZED_VALUES | VALUES)
def test_every_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    assert description(round_trip(value)) == description(value)


def test_every_supported_python_can_read_it() -> None:
    stream = io.BytesIO()
    PickleSerializer().serialize({"a": (1, 2.5, "x", b"y")}, stream)

    protocol = max(
        opcode.proto for opcode, _, _ in pickletools.genops(stream.getvalue())
    )

    assert protocol <= 5


@pytest.mark.parametrize(
    "exception",
    [
        CodeError(1, ("a",)),
        samples.SilentError("x"),
        samples.SlotError("x"),
        samples.DiskError("/path"),
        samples.Outer.InnerError(1),
        with_attributes(samples.PlainError("x"), more=[1]),
        ImportError("no", name="module", path="path"),
        KeyError("x"),
    ],
    ids=lambda exception: type(exception).__name__,
)
def test_exceptions_come_back_whatever_arguments_they_want(
    exception: Exception,
) -> None:
    assert description(round_trip([exception])) == description([exception])


def test_an_exception_may_be_among_its_own_attributes() -> None:
    exception = CodeError(1, 2)
    exception.reason = [exception]

    back = round_trip(exception)

    assert back.reason[0] is back


def test_an_exception_that_says_how_it_is_pickled_is_asked() -> None:
    assert round_trip(OwnReduceError(1, 2)).other == "reduced"


class OwnReduceError(Exception):
    def __init__(self, code: Any, other: Any) -> None:
        super().__init__(code)
        self.other = other

    def __reduce__(self) -> Any:
        return OwnReduceError, (1, "reduced")


def test_an_exception_of_a_class_that_can_not_be_imported_has_its_nearest_base() -> (
    None
):
    back = round_trip(with_attributes(samples.local_error("gone"), code=5))

    assert isinstance(back, LookupError)
    assert type(back).__name__ == "LocalError"
    assert (back.args, back.code) == (("gone",), 5)


def test_an_exception_of_a_module_that_is_missing_here_has_its_nearest_base(
    workflow: Workflow,
) -> None:
    far_away = """
    class FarError(KeyError):
        def __init__(self, a, b):
            super().__init__(a)
            self.b = b
    """
    workflow.write({"far_away.py": far_away})
    program = (
        "import far_away; from bandsaw import PickleSerializer;"
        "stream = open('error', 'wb');"
        "PickleSerializer().serialize(far_away.FarError(1, 2), stream)"
    )
    workflow.python("-c", program)

    with (workflow.directory / "error").open("rb") as stream:
        back = PickleSerializer().deserialize(stream)

    assert isinstance(back, KeyError)
    assert type(back).__name__ == "FarError"
    assert (back.args, back.b) == ((1,), 2)


@pytest.mark.parametrize(
    "stream_of",
    [
        io.BytesIO,
        lambda data: io.BufferedReader(io.BytesIO(data), 16),
        lambda data: BytearrayGeneratorToStream(
            data[i : i + 3] for i in range(0, len(data), 3)
        ),
    ],
    ids=["seek", "peek", "generator"],
)
def test_a_value_leaves_the_rest_of_the_stream_alone(stream_of: Any) -> None:
    serializer = PickleSerializer()
    values = [{"a": [1, 2]}, None, "x" * 100_000, 5]
    target = io.BytesIO()
    for value in values:
        serializer.serialize(value, target)
    stream = stream_of(target.getvalue() + b"rest")

    assert [serializer.deserialize(stream) for _ in values] == values
    assert stream.read(100) == b"rest"


@pytest.mark.parametrize("levels", [5_000, 100_000])
def test_what_is_nested_too_deeply_is_a_clear_error_or_comes_back(levels: int) -> None:
    value = nested(levels, lambda inner: [inner])
    outcomes = []

    def work() -> None:
        try:
            back = round_trip(value)
        except SerializationError as error:
            outcomes.append("nested too deeply" in str(error))
        else:
            depth = 0
            while isinstance(back, list):
                (back,) = back
                depth += 1
            outcomes.append(depth == levels)

    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert outcomes == [True, True]


@pytest.mark.parametrize(
    "value", [lambda: 1, threading.Lock(), [sys]], ids=["lambda", "lock", "module"]
)
def test_what_can_not_be_pickled_is_refused_with_the_reason(value: Any) -> None:
    with pytest.raises(SerializationError, match=r"cannot be pickled: .*ickle"):
        round_trip(value)


def test_what_is_no_pickle_is_an_error_of_pickle() -> None:
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        PickleSerializer().deserialize(io.BytesIO(b""))


class Unreadable:
    def __reduce__(self) -> Any:
        return fail, ()


def fail() -> None:
    raise LookupError("unreadable")


def of_python_3_13(value: Any) -> bytes:
    """Pickle a value by names that older Pythons do not have."""
    return pickle.dumps(value, 0).replace(b"cpathlib\n", b"cpathlib._local\n")


def test_a_path_of_a_newer_python_is_read_with_buffers_too() -> None:
    path = PurePosixPath("/a")

    back = PickleSerializer().deserialize_with_buffers(of_python_3_13(path), ())

    assert description(back) == description(path)


def test_a_path_of_a_newer_python_is_not_the_unreadable_part() -> None:
    content = of_python_3_13([PurePosixPath("/a"), {"b": Unreadable()}])

    assert PickleSerializer().unreadable_part(content, ()) == "[1]['b']"


def test_the_place_of_what_cannot_be_pickled_is_named() -> None:
    value = {"rows": [1, [2, threading.Lock()]]}

    with pytest.raises(SerializationError, match=r"\(at \['rows'\]\[1\]\[1\]\)"):
        PickleSerializer().serialize(value, io.BytesIO())


def test_a_circle_with_something_that_cannot_be_pickled_has_an_end() -> None:
    circle: list[Any] = [threading.Lock()]
    circle.insert(0, circle)

    with pytest.raises(SerializationError, match=r"\(at \[1\]\)"):
        PickleSerializer().serialize(circle, io.BytesIO())
