"""Large buffers are hashed block by block, in threads."""

from __future__ import annotations

import hashlib

import pytest

from bandsaw.fingerprint.digests import BLOCK_SIZE, blob, digest_blocks


def test_every_block_is_read_once_and_counts_in_its_place() -> None:
    read = []

    def block(number: int) -> bytes:
        read.append(number)
        return b"%d" % number

    leaves = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(50))

    assert digest_blocks(50, block) == hashlib.sha256(b"tree50:" + leaves).digest()
    assert sorted(read) == list(range(50))


def test_an_error_while_reading_a_block_is_raised() -> None:
    def block(number: int) -> bytes:
        if number == 30:
            raise ZeroDivisionError
        return b""

    with pytest.raises(ZeroDivisionError):
        digest_blocks(50, block)


@pytest.mark.parametrize("size", [0, 1, 200, 201, BLOCK_SIZE, BLOCK_SIZE + 1])
def test_any_kind_of_buffer_gives_the_same_token(size: int) -> None:
    content = bytes(size)

    assert blob(b"B", memoryview(content)) == blob(b"B", content)
    assert blob(b"B", bytearray(content)) == blob(b"B", content)
    assert len(blob(b"B", content)) <= 256
