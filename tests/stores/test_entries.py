"""The format of an entry, and what is found when it was changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bandsaw.exceptions import DamagedEntryError
from bandsaw.stores.entries import Entry, has_footer, is_torn, pack

KEY, CODE = "a" * 64, "b" * 64
RECORD = {"task": "module.task", "arguments": {"x": ["0123", "1"]}}
LARGE = (b"\x01" * 100_000, b"\x02" * 70_001)


def packed(value: bytes, *buffers: bytes, **record: Any) -> bytes:
    views = [memoryview(buffer) for buffer in buffers]
    return b"".join(pack(value, views, {**RECORD, **record}, KEY, CODE, 1234.5))


@pytest.mark.parametrize("value", [b"", b"value", b"\n#bandsaw-cache 1 "])
@pytest.mark.parametrize("buffers", [(), LARGE[:1], LARGE])
@pytest.mark.parametrize("view", [False, True])
def test_an_entry_gives_back_what_was_packed(
    value: bytes, buffers: tuple[bytes, ...], view: bool
) -> None:
    content: bytes | memoryview = packed(value, *buffers)
    assert content[: len(value)] == value
    entry = Entry(memoryview(content) if view else content)
    entry.verify()

    assert bytes(entry.value) == value
    assert [bytes(buffer) for buffer in entry.buffers] == list(buffers)
    assert (entry.arguments, entry.code, entry.created) == (KEY, CODE, 1234.5)
    record = dict(entry.record)
    record.pop("buffers", None)
    assert record == RECORD


def test_buffers_are_aligned() -> None:
    content = packed(b"value", *LARGE)
    offsets = [offset for offset, _, _ in Entry(content).record["buffers"]]

    assert [offset % 64 for offset in offsets] == [0, 0]


def test_what_was_put_there_by_hand_has_no_footer() -> None:
    assert has_footer(packed(b"value"))
    assert not has_footer(b"a pickle that was put there by hand")


@pytest.mark.parametrize("view", [False, True])
def test_only_what_ends_like_an_entry_is_a_torn_one(view: bool) -> None:
    kind = memoryview if view else bytes
    entry = packed(b"value")

    assert is_torn(kind(entry[:-1]))
    assert is_torn(kind(entry + b"x" * 100))
    # A file that was put there by hand may speak of entries.
    assert not is_torn(kind(entry + b"x" * 500))


@pytest.mark.parametrize("buffers", [(), LARGE])
def test_a_changed_byte_is_found(buffers: tuple[bytes, ...]) -> None:
    content = packed(b"value", *buffers)
    small = len(packed(b"value"))
    # Everything but the inside of the buffers, byte by byte
    positions = [*range(small), *range(len(content) - small, len(content))]
    missed: list[int] = []
    for position in positions:
        changed = bytearray(content)
        changed[position] ^= 1
        if not is_refused(bytes(changed)):
            missed.append(position)

    padding = {i for i in missed if content[i] == 0 and buffers}
    assert set(missed) <= padding


@pytest.mark.parametrize("buffers", [(), LARGE])
def test_bytes_that_were_put_before_the_last_line_are_found(
    buffers: tuple[bytes, ...],
) -> None:
    content = packed(b"value", *buffers)
    last_line = content.rfind(b"\n#")

    assert is_refused(content[:last_line] + b"x" + content[last_line:])


def is_refused(content: bytes) -> bool:
    if not has_footer(content):
        return True
    try:
        entry = Entry(content)
        entry.verify()
    except DamagedEntryError:
        return True
    return (entry.arguments, entry.code) != (KEY, CODE)


@pytest.mark.parametrize("buffers", [(), LARGE])
def test_a_torn_entry_is_found(buffers: tuple[bytes, ...]) -> None:
    content = packed(b"value", *buffers)
    step = max(1, len(content) // 500)

    for length in range(0, len(content), step):
        assert is_refused(content[:length])
        # A part in the middle was never written.
        hole = content[:length] + bytes(len(content) - length)
        assert is_refused(hole)


def test_a_changed_buffer_is_found_when_all_is_verified() -> None:
    content = bytearray(packed(b"value", *LARGE))
    offset = Entry(bytes(content)).record["buffers"][1][0]
    content[offset + 5] ^= 1
    entry = Entry(bytes(content))

    with pytest.raises(DamagedEntryError, match=f"70001 bytes at {offset}"):
        entry.verify()


def test_the_record_is_a_json_document_behind_the_value() -> None:
    content = packed(b"value", text="ü\n")
    text = content[5 : content.index(b"\n#bandsaw-cache 1 ")]

    assert json.loads(text.decode("ascii"))["text"] == "ü\n"
