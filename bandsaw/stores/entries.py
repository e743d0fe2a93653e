"""What an entry of the cache consists of, and how it is checked.

An entry is one run of bytes::

    what the serializer wrote | record | padding | buffers | footer

It begins with the bytes of the serializer, so that whoever knows only that can read it.
The record, a JSON document, says what the entry is the result of. Large buffers stand
at multiples of 64 bytes, so that they can be used where they are mapped. The footer, a
line of fixed length, says which call and which code the entry belongs to, and has a
checksum of all but the buffers, whose own are in the record.
"""

from __future__ import annotations

from hashlib import sha256

from ..exceptions import DamagedEntryError
from ..fingerprint.buffers import blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

    Content = Union[bytes, memoryview]

# magic, key, code, time of writing, size of the value, size of the record, checksum
_MAGIC = b"\n#bandsaw-cache 1 "
_CODE = len(_MAGIC) + 65
_CREATED = _CODE + 65
_VALUE_SIZE = _CREATED + 17
_RECORD_SIZE = _VALUE_SIZE + 17
_CHECKSUM = _RECORD_SIZE + 17
_FOOTER_SIZE = _CHECKSUM + 65

_ALIGNMENT = 64


class Entry:
    """An entry that is whole.

    Args:
        content: All its bytes.

    Attributes:
        content: All its bytes.
        value: What the serializer wrote.
    """

    __slots__ = ("_footer", "content", "value")

    def __init__(self, content: Content) -> None:
        self.content = content
        self._footer = bytes(content[-_FOOTER_SIZE:])
        self.value = content[: int(self._footer[_VALUE_SIZE:_RECORD_SIZE], 16)]

    @property
    def key(self) -> str:
        """The fingerprint of the arguments, in hex digits."""
        return self._footer[len(_MAGIC) : _CODE - 1].decode("ascii")

    @property
    def code(self) -> str:
        """The fingerprint of the code, in hex digits."""
        return self._footer[_CODE : _CREATED - 1].decode("ascii")

    @property
    def created(self) -> float:
        """When the entry was written, in seconds since the epoch."""
        return int(self._footer[_CREATED:_VALUE_SIZE], 16) / 1000

    @property
    def record(self) -> Dict[str, Any]:
        """What the entry is the result of."""
        import json

        start = len(self.value)
        end = start + int(self._footer[_RECORD_SIZE:_CHECKSUM], 16)
        record: Dict[str, Any] = json.loads(bytes(self.content[start:end]))
        return record

    @property
    def buffers(self) -> List[memoryview]:
        """What the serializer left out. These bytes are checked by `verify` only."""
        if not self._has_buffers:
            return []
        view = memoryview(self.content)
        return [
            view[offset : offset + size] for offset, size, _ in self.record["buffers"]
        ]

    @property
    def _has_buffers(self) -> bool:
        return self._end < len(self.content) - _FOOTER_SIZE

    @property
    def _end(self) -> int:
        return len(self.value) + int(self._footer[_RECORD_SIZE:_CHECKSUM], 16)

    def check(self) -> None:
        """Compare the checksum, and the size.

        Raises:
            DamagedEntryError: If something does not fit.
        """
        footer, content = self._footer, self.content
        if self._has_buffers:
            checksum = sha256(content[: self._end])
            checksum.update(footer[:_CHECKSUM])
        else:
            checksum = sha256(content[: _CHECKSUM - _FOOTER_SIZE])
        if checksum.hexdigest().encode("ascii") != footer[_CHECKSUM:-1]:
            raise DamagedEntryError("its checksum does not fit")
        if self._has_buffers:
            offset, size, _ = self.record["buffers"][-1]
            if offset + size != len(content) - _FOOTER_SIZE:
                raise DamagedEntryError("it is not as long as it was")


def pack(
    value: Content,
    buffers: Sequence[memoryview],
    record: Mapping[str, Any],
    key: str,
    code: str,
    created: float,
) -> List[Content]:
    """Lay out an entry.

    Args:
        value: What the serializer wrote.
        buffers: The buffers that it left out.
        record: What the entry is the result of; plain data.
        key: The fingerprint of the arguments, in hex digits.
        code: The fingerprint of the code, in hex digits.
        created: The time, in seconds since the epoch.

    Returns:
        The pieces, to be written one after the other. Buffers are not copied.
    """
    import json

    pieces: List[Content] = []
    if buffers:
        text, pieces = _lay_out_buffers(len(value), buffers, record)
    else:
        text = json.dumps(record).encode("ascii")
    footer = b"%b%b %b %016x %016x %016x " % (
        _MAGIC,
        key.encode("ascii"),
        code.encode("ascii"),
        int(created * 1000),
        len(value),
        len(text),
    )
    checksum = sha256(value)
    checksum.update(text)
    checksum.update(footer)
    line = footer + checksum.hexdigest().encode("ascii") + b"\n"
    return [value, text, *pieces, line]


def _lay_out_buffers(
    start: int, buffers: Sequence[memoryview], record: Mapping[str, Any]
) -> Tuple[bytes, List[Content]]:
    """Return the record that says where the buffers are, and the buffers with padding.

    Where they are depends on how long the record is, so it is given room to spare.
    """
    import json

    room = len(json.dumps(record)) + 128 * len(buffers) + 64
    position = start + room
    table = []
    pieces: List[Content] = []
    for buffer in buffers:
        padding = -position % _ALIGNMENT
        table.append([position + padding, buffer.nbytes, _digest(buffer)])
        pieces += [bytes(padding), buffer]
        position += padding + buffer.nbytes
    text = json.dumps({**record, "buffers": table}).encode("ascii")
    return text.ljust(room), pieces


def _digest(buffer: memoryview) -> str:
    return sha256(blob(b"B", buffer)).hexdigest()


def find_entry(content: Content, key: str, code: str) -> Optional[Entry]:
    """Return the entry that was read, if it is the one that is looked for.

    Args:
        content: What a store has for a name.
        key: The fingerprint of the arguments, in hex digits.
        code: The fingerprint of the code, in hex digits.

    Returns:
        The entry; `None` if it belongs to another call, or to other code.

    Raises:
        DamagedEntryError: If it is damaged.
    """
    footer = bytes(content[-_FOOTER_SIZE : -_FOOTER_SIZE + _CREATED])
    if footer != b"%b%b %b " % (_MAGIC, key.encode("ascii"), code.encode("ascii")):
        return None
    return read_entry(content)


def is_entry(content: Content) -> bool:
    """Tell if there is a footer; if not, somebody has put the file there by hand.

    Args:
        content: What a store has for a name.
    """
    return bytes(content[-_FOOTER_SIZE : -_FOOTER_SIZE + len(_MAGIC)]) == _MAGIC


def read_entry(content: Content) -> Entry:
    """Check an entry that has a footer.

    Args:
        content: What a store has for a name.

    Returns:
        The entry.

    Raises:
        DamagedEntryError: If it is damaged.
    """
    try:
        entry = Entry(content)
        entry.check()
    except DamagedEntryError:
        raise
    except (ValueError, LookupError, TypeError) as error:
        raise DamagedEntryError(f"it cannot be made sense of: {error}") from error
    return entry


def verify_entry(content: Content) -> Entry:
    """Check everything of an entry, also what is not looked at when it is used.

    Args:
        content: What a store has for a name.

    Returns:
        The entry.

    Raises:
        DamagedEntryError: If it is damaged.
    """
    entry = read_entry(content)
    if entry._has_buffers:
        for offset, size, digest in entry.record["buffers"]:
            if _digest(memoryview(content)[offset : offset + size]) != digest:
                raise DamagedEntryError(f"its {size} bytes at {offset} were changed")
    return entry
