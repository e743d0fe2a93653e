from __future__ import annotations

import io
from typing import Any, Iterator

import pytest
from hypothesis import given, strategies as st

from bandsaw.io import BytearrayGeneratorToStream, read_stream_to_generator

CHUNKS = st.lists(st.binary(max_size=20), max_size=10)


@given(CHUNKS, st.integers(min_value=1, max_value=50))
def test_each_read_is_filled_until_the_end(chunks: list[bytes], size: int) -> None:
    expected = b"".join(chunks)
    stream = BytearrayGeneratorToStream(iter(chunks))

    parts = list(iter(lambda: stream.read(size), b""))

    assert b"".join(parts) == expected
    assert all(len(part) == size for part in parts[:-1])


@given(CHUNKS, st.integers(min_value=1, max_value=30))
def test_stream_and_generator_are_inverse(chunks: list[bytes], size: int) -> None:
    stream = BytearrayGeneratorToStream(iter(chunks))

    parts = list(read_stream_to_generator(stream, size))

    assert b"".join(parts) == b"".join(chunks)
    assert all(0 < len(part) <= size for part in parts)


@given(CHUNKS)
def test_peeking_takes_nothing(chunks: list[bytes]) -> None:
    stream = BytearrayGeneratorToStream(iter(chunks))
    parts = []

    while stream.peek():
        peeked = stream.peek(1)
        parts.append(stream.read(len(peeked)))
        assert parts[-1] == peeked

    assert b"".join(parts) == b"".join(chunks)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_chunks_may_be_of_any_type_of_bytes(kind: Any) -> None:
    stream = BytearrayGeneratorToStream(kind(chunk) for chunk in (b"ab", b"", b"c"))

    assert stream.read() == b"abc"


def test_an_empty_chunk_is_not_the_end() -> None:
    stream = BytearrayGeneratorToStream(iter([b"", b"a", b"", b"", b"b", b""]))

    assert stream.read(1) == b"a"
    assert stream.read(1) == b"b"
    assert stream.read(1) == b""


def test_chunks_are_asked_for_when_they_are_needed() -> None:
    asked: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            asked.append(number)
            yield b"ab"

    stream = BytearrayGeneratorToStream(chunks())

    assert asked == []
    assert stream.read(2) == b"ab"
    assert asked == [0]


def test_it_is_a_raw_stream_to_the_standard_library() -> None:
    stream = BytearrayGeneratorToStream(iter([b"one\ntw", b"o\n"]))

    assert stream.readable()
    assert not stream.writable()
    assert not stream.seekable()
    assert io.BufferedReader(stream).readlines() == [b"one\n", b"two\n"]


def test_a_stream_is_read_in_chunks_of_the_buffer_size() -> None:
    parts = list(read_stream_to_generator(io.BytesIO(b"x" * 20), 8))

    assert parts == [b"x" * 8, b"x" * 8, b"x" * 4]


def test_the_buffer_size_is_8192_by_default() -> None:
    assert len(next(read_stream_to_generator(io.BytesIO(b"x" * 10_000)))) == 8192


def test_a_buffer_size_that_is_not_positive_is_an_error() -> None:
    with pytest.raises(ValueError, match="positive"):
        next(read_stream_to_generator(io.BytesIO(b"x"), 0))


def test_nothing_to_read_now_is_not_taken_for_the_end() -> None:
    class Waiting(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> None:
            return None

    with pytest.raises(BlockingIOError):
        next(read_stream_to_generator(Waiting()))  # type: ignore[arg-type]
