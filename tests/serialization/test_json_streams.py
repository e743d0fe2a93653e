from __future__ import annotations

import io
import json
import os
import subprocess
import sys
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


READERS = {
    "seek": io.BytesIO,
    "peek": lambda data: io.BufferedReader(io.BytesIO(data), 16),
    "generator": in_chunks,
    "buffered generator": lambda data: io.BufferedReader(in_chunks(data), 5),
    "bytes": OnlyRead,
    "older temporary file": OlderTemporaryFile,
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


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_values_are_read_one_after_another(reader: Any) -> None:
    stream = io.BytesIO()
    serializer = JsonSerializer()
    separator = b" " if reader is OnlyRead else b""
    for value in VALUES:
        serializer.serialize(value, stream)
        stream.write(separator)
    rest = reader(stream.getvalue() + b"rest")

    assert [serializer.deserialize(rest) for _ in VALUES] == VALUES
    assert rest.read(100).lstrip() == b"rest"


@pytest.mark.parametrize("size", [4090, 4093, 4094, 4095, 4096, 4097, 20000])
def test_a_value_may_be_longer_than_what_is_read_at_once(size: int) -> None:
    value = ["\\" * (size // 2), "x" * size, '"']
    stream = io.BytesIO(json.dumps(value).encode() + b"rest")

    assert JsonSerializer().deserialize(stream) == value
    assert stream.read() == b"rest"


@pytest.mark.parametrize("rest", [b"end", b"e5x", b".", b"-1", b"e+", b"+", b" 2", b""])
@pytest.mark.parametrize("value", [0, 1, 1.5, 1e100])
def test_what_follows_a_number_is_left_alone(value: Any, rest: bytes) -> None:
    if rest == b"e5x" and value != 1e100:
        rest = b"ex"
    stream = io.BytesIO(json.dumps(value).encode() + rest)

    assert JsonSerializer().deserialize(stream) == value
    assert stream.read() == rest


def test_a_number_that_runs_into_other_data_is_an_error_if_that_can_not_be_left() -> (
    None
):
    with pytest.raises(SerializationError, match="without a separator"):
        JsonSerializer().deserialize(OnlyRead(b"1[2]"))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"1e", b"1e+"])
def test_the_same_at_the_end_of_such_a_stream(data: bytes) -> None:
    for reader in (OnlyRead, lambda data: io.BufferedReader(io.BytesIO(data))):
        with pytest.raises(SerializationError, match="without a separator"):
            JsonSerializer().deserialize(reader(data))  # type: ignore[arg-type]


def test_numbers_stay_apart_in_a_stream_that_does_not_know_its_position() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb", 0) as target:
        JsonSerializer().serialize(1, target)
        JsonSerializer().serialize(2, target)
        target.close()

        assert JsonSerializer().deserialize(source) == 1
        assert JsonSerializer().deserialize(source) == 2


def test_a_value_is_read_from_a_pipe_that_stays_open() -> None:
    command = "import sys; print('[1, 2]', end='', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert JsonSerializer().deserialize(process.stdout) == [1, 2]
        finally:
            process.stdin.close()


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
        b"[" * 150 + b"}" * 150,
        b"[" * 150 + b"1 2" + b"]" * 150,
        b'{"a":' * 150 + b"1," + b"}" * 150,
        b'{"a":' * 150 + b"{1:2}" + b"}" * 150,
        b'{"a":' * 150 + b'{"b"}' + b"}" * 150,
        b"[" * 150 + b"NaN" + b"]" * 150,
    ],
)
def test_what_is_not_one_whole_value_is_an_error(data: bytes) -> None:
    for reader in READERS.values():
        with pytest.raises(SerializationError):
            JsonSerializer().deserialize(reader(data))


def test_deep_json_of_others_is_read_with_its_spaces() -> None:
    levels = 150
    data = b"[ " * levels + b' "a" , { "b" : { } , "c" : [ ] } ' + b" ] " * levels

    value = JsonSerializer().deserialize(io.BytesIO(data))

    for _ in range(levels - 1):
        (value,) = value
    assert value == ["a", {"b": {}, "c": []}]
