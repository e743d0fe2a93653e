"""Large buffers, which serializers hand over instead of copying them."""

from __future__ import annotations

import io
from typing import Any, Sequence

import pytest

from bandsaw import JsonSerializer, PickleSerializer
from bandsaw.exceptions import SerializationError


def taken_apart(value: Any) -> tuple[bytes, Sequence[memoryview]]:
    stream = io.BytesIO()
    buffers = PickleSerializer().serialize_with_buffers(value, stream)
    return stream.getvalue(), buffers


def put_together(content: bytes, buffers: Sequence[memoryview]) -> Any:
    copies = [memoryview(bytearray(buffer)) for buffer in buffers]
    return PickleSerializer().deserialize_with_buffers(content, copies)


def arrays() -> list[Any]:
    numpy = pytest.importorskip("numpy")
    numbers = numpy.arange(120_000.0)
    table = numbers.reshape(400, 300)
    return [
        numbers,
        table,
        table.T,
        numpy.asfortranarray(table),
        table[::2, ::3],
        numbers.astype(">f8"),
        numbers.astype("c16"),
        numbers > 5,
        numbers.astype("i8").astype("M8[ms]"),
        numbers.astype("i8").astype("m8[s]")[::2],
        numbers.astype("S10"),
    ]


@pytest.mark.parametrize("index", range(11))
def test_large_arrays_are_handed_over(index: int) -> None:
    import numpy

    array = arrays()[index]
    content, buffers = taken_apart({"array": array})
    found = put_together(content, buffers)["array"]

    assert len(content) < 1000
    assert [buffer.nbytes for buffer in buffers] == [array.nbytes]
    assert found.dtype == array.dtype
    assert numpy.array_equal(found, array)
    assert found.flags.writeable


def test_small_arrays_and_objects_stay_where_they_are() -> None:
    numpy = pytest.importorskip("numpy")
    values = [numpy.arange(10), numpy.array([None, "a"]), numpy.zeros((0, 5))]
    content, buffers = taken_apart(values)

    assert buffers == []
    assert [list(array) for array in put_together(content, [])] == [
        list(array) for array in values
    ]


def test_a_frame_comes_back() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "number": range(50_000),
            "time": pandas.date_range("2020", periods=50_000, freq="s"),
            "text": ["x"] * 50_000,
        }
    )
    content, buffers = taken_apart(frame)

    assert len(buffers) >= 2
    pandas.testing.assert_frame_equal(put_together(content, buffers), frame)


def test_what_cannot_be_pickled_is_named() -> None:
    with pytest.raises(SerializationError, match="cannot be pickled"):
        taken_apart(lambda: None)


def test_json_hands_nothing_over() -> None:
    stream = io.BytesIO()

    assert JsonSerializer().serialize_with_buffers([1, 2], stream) == ()
    assert JsonSerializer().deserialize_with_buffers(stream.getvalue(), ()) == [1, 2]
