"""A saved session as members in memory, to be sent as frames: no copies, no zip."""

from __future__ import annotations

import mmap
import os
from io import BytesIO

from ._session_members import SavedForm, SessionReader, SessionWriter
from .attachments import DIRECTORY, Attachments
from .exceptions import InvalidSessionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple, Union

    from .attachments import Attachment
    from .serialization import Serializer

    Content = Union[bytes, memoryview]
    Member = Tuple[Content, Sequence[memoryview]]

# A larger attachment is handed over as a mapping of its file.
_LARGE_ATTACHMENT = 1 << 16


class SessionFrames(SavedForm):
    """A saved session as members in memory.

    Attributes:
        members: The content of each member by its name, and the buffers beside it.
    """

    def __init__(self) -> None:
        self.members: Dict[str, Member] = {}

    def write(self, serializer: Optional[Serializer]) -> SessionWriter:
        """Return a writer, which adds to the members."""
        return _Writer(self.members, serializer)

    def clear(self) -> None:
        """Forget all members."""
        self.members.clear()

    def read(self) -> SessionReader:
        """Return a reader."""
        return _Reader(self.members)

    def peek(self, members: Collection[str]) -> Dict[str, bytes]:
        """Return the content of those of the members that are there."""
        return {
            name: bytes(self.members[name][0])
            for name in members
            if name in self.members
        }

    def pack(self) -> Tuple[List[Content], List[memoryview]]:
        """Lay out the members for a frame.

        Returns:
            The pieces of the frame, and the buffers that go beside it.
        """
        lines = []
        pieces: List[Content] = [b""]
        buffers: List[memoryview] = []
        for name, (content, apart) in self.members.items():
            lines.append(f"{len(content)} {len(apart)} {name}\n")
            pieces.append(content)
            buffers.extend(apart)
        table = "".join(lines).encode("utf-8")
        pieces[0] = b"%d\n%b" % (len(table), table)
        return pieces, buffers

    @classmethod
    def unpack(
        cls, content: Content, buffers: Sequence[memoryview] = ()
    ) -> SessionFrames:
        """Find the members in a frame.

        Args:
            content: The frame.
            buffers: The buffers that came beside it.

        Raises:
            InvalidSessionError: If the frame holds something else.
        """
        form = cls()
        view = memoryview(content)
        try:
            size, _, _ = bytes(view[:20]).partition(b"\n")
            start = len(size) + 1
            end = start + int(size)
            used = 0
            for line in bytes(view[start:end]).decode("utf-8").splitlines():
                length, count, name = line.split(" ", 2)
                if name in form.members:
                    raise ValueError("a member is there twice")
                apart = buffers[used : used + int(count)]
                form.members[name] = (view[end : end + int(length)], apart)
                used += int(count)
                end += int(length)
            if end != len(view) or used != len(buffers):
                raise ValueError("a part of it is missing")
        except ValueError as error:
            raise InvalidSessionError(
                f"The frame does not hold a whole session: {error}"
            ) from error
        return form


class _Writer(SessionWriter):
    def __init__(
        self, members: Dict[str, Member], serializer: Optional[Serializer]
    ) -> None:
        super().__init__(serializer)
        self._members = members

    def write_bytes(self, member: str, content: bytes) -> None:
        self._members[member] = (content, ())

    def _serialize(self, member: str, value: Any, serializer: Serializer) -> None:
        stream = BytesIO()
        buffers = serializer.serialize_with_buffers(value, stream)
        self._members[member] = (stream.getbuffer(), buffers)

    def write_attachment(self, name: str, attachment: Attachment) -> None:
        with attachment.open() as file:
            if attachment.size < _LARGE_ATTACHMENT:
                self._members[DIRECTORY + name] = (file.read(), ())
                return
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._members[DIRECTORY + name] = (b"", [memoryview(mapped)])


class _Reader(SessionReader):
    def __init__(self, members: Dict[str, Member]) -> None:
        super().__init__(members)
        self._contents = members

    def _read(self, member: str) -> bytes:
        self._require(member)
        return bytes(self._contents[member][0])

    def _deserialize(self, member: str, serializer: Serializer) -> Any:
        return serializer.deserialize_with_buffers(*self._contents[member])

    def extract_attachments(self, directory: str) -> Attachments:
        """Write the attachments into files."""
        from tempfile import mkdtemp

        directory = mkdtemp(prefix="attachments-", dir=directory)
        attachments = Attachments()
        for name in self.attachments:
            path = os.path.join(directory, name)
            content, buffers = self._contents[DIRECTORY + name]
            with open(path, "xb") as target:
                target.writelines((content, *buffers))
            attachments[name] = path
        return attachments
