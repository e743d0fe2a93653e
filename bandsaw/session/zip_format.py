"""A saved session as a zip file, written and read piece by piece."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import struct
import zipfile
import zlib

from ..exceptions import InvalidSessionError, NotMovableError
from ..serialization.buffers import blocks_of
from .attachments import DIRECTORY, LARGE, copy_attachment
from .saved_format import (
    CAPTURED,
    CONTEXT,
    DEFINITIONS,
    EXECUTION,
    FIRST_LOOK,
    MODERATOR,
    RESULT,
    RUN,
    SESSION,
    SIGNATURE,
    TASK,
    SavedFormat,
    SessionReader,
    SessionWriter,
    unwritable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Collection, Iterator, Mapping, Sequence

    from ..distribution.cells import Definitions
    from ..execution import Execution
    from ..serialization import Serializer
    from ..serialization.buffers import Buffer
    from .attachments import Attachment

# What the module `zipfile` raises when bytes are missing or are not what it expects.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,
    ValueError,
)

# The end of a zip file up to its comment; of interest is the number of its members.
_END = struct.Struct("<10xH10x")


# How much is read at once.
_PIECE = 1 << 20


class SessionFile(SavedFormat):
    """A saved session as a zip file in a stream, for readers that know nothing of it.

    Args:
        stream: The binary stream. For writing it need not be seekable.
    """

    required = frozenset((RUN, TASK, EXECUTION, CONTEXT, RESULT, MODERATOR))
    required_changes = frozenset((CONTEXT, RESULT, MODERATOR))
    requires_ids = True
    run_of_recipient = None

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, serializer: Serializer | None) -> SessionWriter:
        """Return a writer, which begins where the stream stands."""
        return _Writer(self._stream, serializer)

    def clear(self) -> None:
        """Truncate the stream."""
        self._stream.seek(0)
        self._stream.truncate()

    def read(self) -> SessionReader:
        """Return a reader of a seekable stream."""
        return _Reader(self._stream)

    def peek(self, members: Collection[str]) -> dict[str, bytes]:
        """Return the content of some members, nothing if this is no zip file."""
        try:
            with _refusing("This is no session"), zipfile.ZipFile(self._stream) as file:
                there = set(file.namelist()).intersection(members)
                return {name: _read_member(file, name) for name in there}
        except InvalidSessionError:
            return {}  # Reading it says what is wrong.

    def digests(self) -> list[list[str]]:
        """Return the name and the SHA-256 of each member but the signature."""
        import shutil

        digests = []
        refusing = _refusing("The saved session is damaged")
        with refusing, zipfile.ZipFile(self._stream) as file:
            for name in file.namelist():
                if name != SIGNATURE:
                    with _open_member(file, name) as source:
                        digest = _Digest()
                        shutil.copyfileobj(source, digest, _PIECE)
                        digests.append([name, digest.hexdigest()])
        return digests


@contextlib.contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Raise the errors of `zipfile` about damage as an `InvalidSessionError`.

    Args:
        what: The sentence that it is the reason of.
    """
    try:
        yield
    except _BROKEN as error:
        raise InvalidSessionError(f"{what}: {error}") from error
    except OSError as error:
        # A place before the beginning of a file, not the failure of a disk
        if error.errno != errno.EINVAL:
            raise
        raise InvalidSessionError(f"{what}: {error}") from error


# How a session is written, and how other programs write zip files.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _open_member(file: zipfile.ZipFile, member: str) -> IO[bytes]:
    method = file.getinfo(member).compress_type
    if method not in _METHODS:
        # A few bytes of the others unpack to gigabytes before that is noticed.
        raise zipfile.BadZipFile(f"its compression method {method} is not supported")
    return file.open(member)


def _read_whole(source: IO[bytes]) -> bytes:
    """Read a member to its end, where its checksum is compared.

    Piece by piece, as `read()` without a size unpacks also what is beyond the size that
    the zip file tells of the member.
    """
    return b"".join(iter(lambda: source.read(_PIECE), b""))


def _read_member(file: zipfile.ZipFile, member: str) -> bytes:
    with _open_member(file, member) as source:
        return _read_whole(source)


class _Digest(io.RawIOBase):
    """Compute the SHA-256 of what is written.

    Args:
        target: The stream that it goes on to, if there is one.
    """

    def __init__(self, target: IO[bytes] | None = None) -> None:
        from hashlib import sha256

        self._hash = sha256()
        self._target = target
        self.hexdigest = self._hash.hexdigest

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes."""
        self._hash.update(data)
        return len(data) if self._target is None else self._target.write(data)


@contextlib.contextmanager
def seekable(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """Give the stream itself, or what it holds as a temporary file.

    Args:
        stream: A binary stream.
    """
    if stream.seekable():
        yield stream
        return
    import shutil
    from tempfile import TemporaryFile

    with TemporaryFile(prefix="bandsaw-") as file:
        shutil.copyfileobj(stream, file, _PIECE)
        file.seek(0)
        yield file


class _Writer(SessionWriter):
    def __init__(self, stream: IO[bytes], serializer: Serializer | None) -> None:
        self.serializer = serializer
        self._zip_file = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED)
        # Only if the serializer signs: the stream cannot be read again.
        self._written: list[list[str]] = []
        self._signs = serializer is not None and serializer.signs

    def write_bytes(self, member: str, content: bytes) -> None:
        with self._open(member) as target:
            target.write(content)

    @contextlib.contextmanager
    def _open(self, member: str, force_zip64: bool = False) -> Iterator[IO[bytes]]:
        info = zipfile.ZipInfo(member)
        with self._zip_file.open(info, "w", force_zip64=force_zip64) as target:
            if not self._signs:
                yield target
                return
            digest = _Digest(target)
            yield digest  # type: ignore[misc]
            self._written.append([member, digest.hexdigest()])

    def _digests(self) -> list[list[str]]:
        return list(self._written)

    def write_header(self, header: Mapping[str, Any]) -> None:
        self.write_json(SESSION, header)

    def write_execution(self, execution: Execution | None) -> None:
        self.write_value(EXECUTION, execution)
        look = None if execution is None else execution.first_look_to_move()
        if look is not None:
            self.write_json(FIRST_LOOK, look)

    def write_step(self, step: int) -> None:
        self.write_value(MODERATOR, {"step": step})

    def write_value(self, member: str, value: Any) -> None:
        serializer = self.serializer
        assert serializer is not None
        try:
            # Its size is known only afterwards, and the stream may not be seekable.
            with self._open(member, force_zip64=True) as target:
                serializer.serialize(value, target)
        except (NotMovableError, OSError):
            raise
        except Exception as error:
            raise unwritable(member, serializer, error) from error

    def write_definitions(self, definitions: Definitions) -> None:
        self.write_bytes(DEFINITIONS, definitions.content)
        for number, buffer in enumerate(definitions.buffers):
            with self._open(f"{CAPTURED}{number}", force_zip64=True) as target:
                target.writelines(blocks_of(buffer))

    def write_attachment(self, name: str, attachment: Attachment) -> None:
        is_large = attachment.size >= LARGE
        with self._open(DIRECTORY + name, is_large) as target:
            copy_attachment(attachment, target)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        # After a failure nothing is worth finishing; closing a zip file whose member is
        # still open would hide the failure behind another one.
        if error is None:
            self._zip_file.close()
        else:
            self._zip_file.fp = None


class _Reader(SessionReader):
    def __init__(self, stream: IO[bytes]) -> None:
        with _refusing("The stream does not hold a whole session"):
            self._zip_file = zipfile.ZipFile(stream)
        names = self._zip_file.namelist()
        if len(names) != self._announced_members(stream):
            raise InvalidSessionError(
                "The stream does not hold a whole session: its directory is damaged."
            )
        if DIRECTORY in names and self._zip_file.getinfo(DIRECTORY).file_size == 0:
            names.remove(DIRECTORY)
        super().__init__(names)

    def _announced_members(self, stream: IO[bytes]) -> int:
        """Return the number of members according to the end of the file.

        The module `zipfile` reads as many as it finds, so a damaged directory would
        just make attachments disappear.
        """
        stream.seek(-_END.size - len(self._zip_file.comment), os.SEEK_END)
        count: int = _END.unpack(stream.read(_END.size))[0]
        return count

    def read_header(self) -> Any:
        return self.read_json(SESSION)

    def read_execution(self, task: Any, serializer: Serializer) -> Any:
        execution = self.read_value(EXECUTION, serializer)
        if FIRST_LOOK in self.members:
            values = self.read_json(FIRST_LOOK)
            try:
                execution.take_first_look(values)
            except ValueError as error:
                raise InvalidSessionError(
                    f"{FIRST_LOOK} of the saved session is damaged: {error}"
                ) from error
        return execution

    def read_step(self, serializer: Serializer) -> Any:
        return self.read_value(MODERATOR, serializer)["step"]

    def read_definitions(self) -> tuple[bytes, Sequence[Buffer]] | None:
        if DEFINITIONS not in self.members:
            return None
        buffers: list[Buffer] = []
        while f"{CAPTURED}{len(buffers)}" in self.members:
            content = self._read(f"{CAPTURED}{len(buffers)}")
            buffers.append(memoryview(content))
        return self._read(DEFINITIONS), buffers

    def _read(self, member: str) -> bytes:
        with self._open(member) as source:
            return _read_whole(source)

    def _deserialize(self, member: str, serializer: Serializer) -> Any:
        return serializer.deserialize(io.BytesIO(self._read(member)))

    def _unreadable_part(self, member: str, serializer: Serializer) -> str:
        return serializer.unreadable_part(self._read(member), ())

    def _copy_attachment(self, name: str, target: IO[bytes]) -> None:
        import shutil

        with self._open(DIRECTORY + name) as source:
            shutil.copyfileobj(source, target, _PIECE)

    @contextlib.contextmanager
    def _open(self, member: str) -> Iterator[IO[bytes]]:
        self._require(member)
        refusing = _refusing(f"{member} of the saved session is damaged")
        with refusing, _open_member(self._zip_file, member) as source:
            yield source
