"""The format of a cache entry, and its verification.

An entry is one run of bytes:

    what the serializer wrote | record | padding | buffers | footer

It begins with the bytes of the serializer, so that it can be read by that alone.
The record, a JSON document, describes the call whose result it is. Large buffers stand
at multiples of 64 bytes, so that they can be used where they are mapped. The footer, a
line of fixed length, has the fingerprints of the arguments and of the code, and a
checksum of all but the buffers, whose own are in the record.
"""

from __future__ import annotations

from ..exceptions import DamagedEntryError
from ..fingerprint.digests import blob
from ..runtime.hashing import sha256
from ..runtime.json_text import loads, make_dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence, Union

    Content = Union[bytes, memoryview]

# magic, arguments, code, time of writing, size of the value, size of the record,
# whether there are buffers, checksum
_MAGIC = b"\n#bandsaw-cache 1 "
_CODE = len(_MAGIC) + 65
_CREATED = _CODE + 65
_VALUE_SIZE = _CREATED + 17
_RECORD_SIZE = _VALUE_SIZE + 17
_BUFFERS = _RECORD_SIZE + 17
_CHECKSUM = _BUFFERS + 2
_FOOTER_SIZE = _CHECKSUM + 65

_WITH_BUFFERS, _WITHOUT_BUFFERS = b"b", b"-"

_ALIGNMENT = 64

_dumps = make_dumps()

# What the record begins with if the task has changed arguments in place: their names.
# Most records are not read when their result is used.
_CHANGED = "changed_arguments"
_CHANGED_BEGIN = f'{{"{_CHANGED}": '.encode("ascii")


class Entry:
    """An entry that is whole.

    Args:
        content: All its bytes.

    Attributes:
        content: All its bytes.
        value: What the serializer wrote.

    Raises:
        DamagedEntryError: If the checksum or the size does not fit.
    """

    __slots__ = ("_footer", "content", "value")

    def __init__(self, content: Content) -> None:
        self.content = content
        self._footer = footer = bytes(content[-_FOOTER_SIZE:])
        try:
            self.value = content[: int(footer[_VALUE_SIZE:_RECORD_SIZE], 16)]
        except ValueError:
            raise DamagedEntryError("its last line is damaged") from None
        if self.has_buffers:
            checksum = sha256(content[: self._record_end])
            checksum.update(footer[:_CHECKSUM])
        else:
            checksum = sha256(content[: _CHECKSUM - _FOOTER_SIZE])
        if footer[_CHECKSUM:] != f"{checksum.hexdigest()}\n".encode():
            raise DamagedEntryError("its checksum does not fit")
        if self.has_buffers:
            offset, length, _ = self.record["buffers"][-1]
            if offset + length != len(content) - _FOOTER_SIZE:
                raise DamagedEntryError("it is not as long as it was")

    @property
    def has_buffers(self) -> bool:
        """Whether there are bytes that `verify` alone checks."""
        return self._footer[_BUFFERS : _CHECKSUM - 1] == _WITH_BUFFERS

    @property
    def _record_end(self) -> int:
        try:
            size = int(self._footer[_RECORD_SIZE:_BUFFERS], 16)
        except ValueError:
            raise DamagedEntryError("its last line is damaged") from None
        return len(self.value) + size

    @property
    def checksum(self) -> str:
        """The checksum of all but the buffers, whose own it covers, in hex digits."""
        return self._footer[_CHECKSUM:-1].decode("ascii")

    @property
    def arguments(self) -> str:
        """The fingerprint of the significant arguments, in hex digits."""
        return self._footer[len(_MAGIC) : _CODE - 1].decode("ascii")

    @property
    def code(self) -> str:
        """The fingerprint of the code and of the environment, in hex digits."""
        return self._footer[_CODE : _CREATED - 1].decode("ascii")

    @property
    def created(self) -> float:
        """The time when the entry was written, in seconds since the epoch."""
        return int(self._footer[_CREATED:_VALUE_SIZE], 16) / 1000

    @property
    def record(self) -> dict[str, Any]:
        """The description of the call whose result the entry is."""
        text = bytes(self.content[len(self.value) : self._record_end])
        record: dict[str, Any] = loads(text.decode("utf-8"))
        return record

    @property
    def changed_arguments(self) -> tuple[str, ...]:
        """The names of the arguments that the task has changed in place."""
        begin = len(self.value)
        head = bytes(self.content[begin : begin + len(_CHANGED_BEGIN)])
        return tuple(self.record[_CHANGED]) if head == _CHANGED_BEGIN else ()

    @property
    def buffers(self) -> Sequence[memoryview]:
        """The bytes that the serializer left out, which only `verify` checks."""
        if not self.has_buffers:
            return ()
        view = memoryview(self.content)
        table = self.record["buffers"]
        return [view[offset : offset + size] for offset, size, _ in table]

    def verify(self) -> None:
        """Check also what is not looked at when the entry is used.

        Raises:
            DamagedEntryError: If it was changed.
        """
        if not self.has_buffers:
            return
        view = memoryview(self.content)
        for offset, size, digest in self.record["buffers"]:
            if _digest(view[offset : offset + size]) != digest:
                raise DamagedEntryError(f"its {size} bytes at {offset} were changed")


def with_changed_arguments(
    record: dict[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """Return the record of a call whose task has changed arguments in place.

    Args:
        record: What is known of the call besides.
        names: The names of the arguments.
    """
    return {_CHANGED: [*names], **record}


def pack(
    value: Content,
    buffers: Sequence[memoryview],
    record: dict[str, Any],
    arguments: str,
    code: str,
    created: float,
) -> list[Content]:
    """Lay out an entry.

    Args:
        value: What the serializer wrote.
        buffers: The buffers that it left out.
        record: What the entry is the result of, plain data that JSON knows.
        arguments: The fingerprint of the significant arguments, in hex digits.
        code: The fingerprint of the code and of the environment, in hex digits.
        created: The time, in seconds since the epoch.

    Returns:
        The pieces, to be written one after the other. Buffers are not copied.
    """
    pieces: list[Content] = []
    text = _dumps(record).encode("ascii")
    if buffers:
        # Where the buffers are depends on how long the record is that says so.
        start, room = len(value), len(text) + 128 * len(buffers) + 64
        table, pieces = _lay_out_buffers(start + room, buffers)
        text = _dumps({**record, "buffers": table}).encode("ascii").ljust(room)
    footer = b"%b%b %b %016x %016x %016x %b " % (
        _MAGIC,
        arguments.encode("ascii"),
        code.encode("ascii"),
        round(created * 1000),
        len(value),
        len(text),
        _WITH_BUFFERS if buffers else _WITHOUT_BUFFERS,
    )
    checksum = sha256(value)
    checksum.update(text)
    checksum.update(footer)
    line = footer + checksum.hexdigest().encode("ascii") + b"\n"
    return [value, text, *pieces, line]


def _lay_out_buffers(
    position: int, buffers: Sequence[memoryview]
) -> tuple[list[list[Any]], list[Content]]:
    """Return the offset, size and digest of each buffer, and the buffers with padding.

    Args:
        position: Where the first of them may begin.
        buffers: The buffers.
    """
    table: list[list[Any]] = []
    pieces: list[Content] = []
    for buffer in buffers:
        padding = -position % _ALIGNMENT
        table.append([position + padding, buffer.nbytes, _digest(buffer)])
        pieces += [bytes(padding), buffer]
        position += padding + buffer.nbytes
    return table, pieces


def _digest(buffer: memoryview) -> str:
    return sha256(blob(b"B", buffer)).hexdigest()


def has_footer(content: Content) -> bool:
    """Tell, before anything is checked, if this is an entry.

    Args:
        content: What a store has for a name. Without a footer, it was put there by
            hand, or by a published release.
    """
    footer = content if type(content) is bytes else bytes(content[-_FOOTER_SIZE:])
    return footer.startswith(_MAGIC, max(0, len(footer) - _FOOTER_SIZE))


def is_torn(content: Content) -> bool:
    """Tell if something without a footer was an entry, as far as that can be seen.

    Args:
        content: What a store has for a name.
    """
    return _MAGIC in bytes(content[-2 * _FOOTER_SIZE :])


def is_cut(content: Content) -> bool:
    """Tell if the end of something without a footer is missing, as far as can be seen.

    Args:
        content: What a store has for a name. What pickle has written ends in a dot.
    """
    is_pickled = bytes(content[:1]) == b"\x80"
    return len(content) == 0 or (is_pickled and bytes(content[-1:]) != b".")
