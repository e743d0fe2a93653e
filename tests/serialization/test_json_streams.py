from __future__ import annotations

import io
import json
import os
from typing import Any

import pytest

from bandsaw.exceptions import SerializationError
from bandsaw.io import BytearrayGeneratorToStream
from bandsaw.serialization import JsonSerializer


class OnlyRead:
    """A stream that can neither seek nor peek, and counts what is taken."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)

    def seekable(self) -> bool:
        return False


class OlderTemporaryFile(OnlyRead):
    """A stream that can seek and does not say so, like those before Python 3.11."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.seek = self._stream.seek
        self.tell = self._stream.tell

    def __getattribute__(self, name: str) -> Any:
        if name == "seekable":
            raise AttributeError(name)
        return super().__getattribute__(name)


def in_chunks(data: bytes) -> BytearrayGeneratorToStream:
    return BytearrayGeneratorToStream(data[i : i + 3] for i in range(0, len(data), 3))


SEEKABLE = {
    "bytes": io.BytesIO,
    "buffered": lambda data: io.BufferedReader(io.BytesIO(data), 16),
    "older temporary file": OlderTemporaryFile,
}
OTHERS = {
    "generator": in_chunks,
    "buffered generator": lambda data: io.BufferedReader(in_chunks(data), 5),
    "only read": OnlyRead,
}

VALUES = [
    {"a": [1, {"b": 'quote " and \\ backslash'}]},
    "text",
    1,
    -1.5e300,
    2,
    -3,
    True,
    None,
    False,
    [],
    (),
    "\\",
    {"[": "]", "}": "{"},
    12345,
]


@pytest.mark.parametrize("reader", SEEKABLE.values(), ids=SEEKABLE)
def test_values_are_read_one_after_another(reader: Any) -> None:
    stream = io.BytesIO()
    serializer = JsonSerializer()
    for value in VALUES:
        serializer.serialize(value, stream)
    rest = reader(stream.getvalue() + b"rest")

    assert [serializer.deserialize(rest) for _ in VALUES] == VALUES
    assert rest.read(100) == b"rest"


@pytest.mark.parametrize("behind", [b"", b"rest", b" [", b"\xff\x00", "ä".encode()])
@pytest.mark.parametrize("text", ["[1]", ' \r\n\t{"a": ["b"]}', '"ä\U0001f600"'])
def test_a_stream_that_can_seek_is_left_behind_the_value(
    text: str, behind: bytes
) -> None:
    stream = io.BytesIO(b"before" + text.encode() + behind)
    stream.seek(len(b"before"))

    assert JsonSerializer().deserialize(stream) == json.loads(text)
    assert stream.read() == behind


@pytest.mark.parametrize("reader", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("behind", [b"", b" rest", b"\xff"])
def test_a_stream_that_cannot_seek_is_read_to_its_end(
    reader: Any, behind: bytes
) -> None:
    stream = reader(b'{"a": [1]}' + behind)

    assert JsonSerializer().deserialize(stream) == {"a": [1]}
    assert stream.read(1) == b""
    with pytest.raises(SerializationError, match="read to its end by the first value"):
        JsonSerializer().deserialize(stream)


@pytest.mark.parametrize("rest", [b"end", b"e5x", b".", b"-1", b"e+", b"+", b" 2", b""])
@pytest.mark.parametrize("value", [0, 1, 1.5, 1e100])
def test_what_follows_a_number_is_left_alone(value: Any, rest: bytes) -> None:
    if rest == b"e5x" and value != 1e100:
        rest = b"ex"
    stream = io.BytesIO(json.dumps(value).encode() + rest)

    assert JsonSerializer().deserialize(stream) == value
    assert stream.read() == rest


def test_numbers_stay_apart_in_a_stream_that_does_not_know_its_position() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb", 0) as target:
        JsonSerializer().serialize(1, target)
        JsonSerializer().serialize(2, target)
        target.close()

        assert source.read().split() == [b"1", b"2"]


def test_a_value_is_read_from_a_pipe() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source:
        with os.fdopen(write_end, "wb") as target:
            target.write(b"[1, 2]")

        assert JsonSerializer().deserialize(source) == [1, 2]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"[1",
        b'{"a":1',
        b'"abc',
        b'"abc\\',
        b"tru",
        b"-",
        b"[1,}",
        b"[1,]",
        b'{"a" 1}',
        b"trux",
        b"NaN",
        b"[NaN]",
        b"-Infinity",
        b'["\xff"]',
        b"\xff",
        b"]",
    ],
)
def test_what_is_not_one_whole_value_is_an_error(data: bytes) -> None:
    for reader in {**SEEKABLE, **OTHERS}.values():
        with pytest.raises(SerializationError):
            JsonSerializer().deserialize(reader(data))


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"[1,}", "line 1 column 4 (char 3)"),
        (b'{"a":1,\n"b" 2}', "line 2 column 5 (char 12)"),
        ('{"ä":1,"ö"'.encode() + b"\xff}", "line 1 column 11 (char 10)"),
    ],
)
def test_an_error_names_the_place_of_the_damage(data: bytes, place: str) -> None:
    with pytest.raises(SerializationError, match="not JSON") as caught:
        JsonSerializer().deserialize(io.BytesIO(data))

    assert place in str(caught.value)


def test_json_of_others_is_read_with_its_spaces() -> None:
    data = b' [ "a" ,\r\n { "b" : { } ,\t"c" : [ ] } ] '

    assert JsonSerializer().deserialize(io.BytesIO(data)) == ["a", {"b": {}, "c": []}]
