"""The saved form of a session: a zip of members, written and read piece by piece."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import zipfile
import zlib

from .attachments import DIRECTORY, Attachments, attachment_name
from .exceptions import (
    BandsawError,
    InvalidSessionError,
    NotMovableError,
    SerializationError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Iterator, List

    from .serialization import Serializer

SESSION = "session.json"
RUN = "run.json"
TASK = "task.dat"
EXECUTION = "execution.dat"
CONTEXT = "context.dat"
RESULT = "result.dat"
MODERATOR = "moderator.dat"
# Where the exception of a result comes from, as text; only in a runner's answer.
TRACEBACK = "traceback.txt"

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

_MEMBERS = frozenset(
    (SESSION, RUN, TASK, EXECUTION, CONTEXT, RESULT, MODERATOR, TRACEBACK)
)


class SessionWriter:
    """Writes the members of a session.

    Args:
        stream: Where to write them. It needs not be seekable.
        serializer: What writes the values.
    """

    def __init__(self, stream: IO[bytes], serializer: Serializer) -> None:
        self.zip_file = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED)
        self._serializer = serializer

    def write_json(self, member: str, value: Any) -> None:
        """Write a member of plain data."""
        self.zip_file.writestr(zipfile.ZipInfo(member), json.dumps(value))

    def write_value(self, member: str, value: Any) -> None:
        """Write a member that is a value.

        Raises:
            SerializationError: If the serializer cannot write it.
        """
        # Its size is known only afterwards, and the stream may not be seekable.
        with self.zip_file.open(
            zipfile.ZipInfo(member), "w", force_zip64=True
        ) as target:
            try:
                self._serializer.serialize(value, target)
            except Exception as error:
                if isinstance(error, (NotMovableError, OSError)):
                    raise
                raise SerializationError(
                    f"The {_part(member)} of the session cannot be written by "
                    f"{type(self._serializer).__name__}: {_text(error)}"
                ) from error

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        # After a failure nothing is worth finishing; closing a zip file whose member is
        # still open would hide the failure behind another one.
        if error is None:
            self.zip_file.close()
        else:
            self.zip_file.fp = None


class SessionReader:
    """Reads the members of a session and refuses what is not one.

    Args:
        stream: What to read from, seekable.

    Raises:
        InvalidSessionError: If the stream does not hold a session.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        try:
            self.zip_file = zipfile.ZipFile(stream)
        except _BROKEN as error:
            raise InvalidSessionError(
                f"The stream does not hold a whole session: {error}"
            ) from error
        names = self.zip_file.namelist()
        if len(names) != self._announced_members(stream):
            raise InvalidSessionError(
                "The stream does not hold a whole session: its directory is damaged."
            )
        if len(set(names)) != len(names):
            raise InvalidSessionError("The saved session holds a member twice.")
        self.members = frozenset(names)
        #: The names of the attachments.
        self.attachments: List[str] = []
        for name in names:
            if name == DIRECTORY and self.zip_file.getinfo(name).file_size == 0:
                continue
            if name.startswith(DIRECTORY):
                self.attachments.append(attachment_name(name))
            elif name not in _MEMBERS:
                raise InvalidSessionError(
                    f"The saved session holds {name!r}, which is no part of a session."
                )
        if SESSION not in self.members:
            raise InvalidSessionError(
                f"The stream does not hold a session: {SESSION} is missing."
            )

    def read_json(self, member: str) -> Any:
        """Read a member of plain data."""
        content = self._read(member)
        try:
            return json.loads(content.decode("utf-8"))
        except ValueError as error:
            raise InvalidSessionError(
                f"{member} of the saved session is not JSON: {error}"
            ) from error

    def read_value(self, member: str, serializer: Serializer) -> Any:
        """Read a member that is a value.

        Raises:
            SerializationError: If the serializer cannot read it.
        """
        content = self._read(member)
        try:
            return serializer.deserialize(io.BytesIO(content))
        except Exception as error:
            if isinstance(error, BandsawError) and not isinstance(
                error, SerializationError
            ):
                raise
            raise SerializationError(
                f"The {_part(member)} of the session cannot be read by "
                f"{type(serializer).__name__}: {_text(error)}"
            ) from error

    def extract_attachments(self, directory: str) -> Attachments:
        """Copy the attachments into files, piece by piece.

        Args:
            directory: Where to make a directory for the files.
        """
        import shutil
        from tempfile import mkdtemp

        directory = mkdtemp(prefix="attachments-", dir=directory)
        attachments = Attachments()
        for name in self.attachments:
            path = os.path.join(directory, name)
            with self._open(DIRECTORY + name) as source, open(path, "xb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            attachments[name] = path
        return attachments

    def _announced_members(self, stream: IO[bytes]) -> int:
        """Return how many members the end of the file says that there are.

        The module `zipfile` reads as many as it finds, so a damaged directory would
        just make attachments disappear.
        """
        stream.seek(-_END.size - len(self.zip_file.comment), os.SEEK_END)
        count: int = _END.unpack(stream.read(_END.size))[0]
        return count

    def _read(self, member: str) -> bytes:
        # As a whole: the checksum of a member is compared only when its end is read.
        with self._open(member) as source:
            return source.read()

    @contextlib.contextmanager
    def _open(self, member: str) -> Iterator[IO[bytes]]:
        try:
            with self.zip_file.open(member) as source:
                yield source
        except KeyError as error:
            raise InvalidSessionError(
                f"{member} of the saved session is missing."
            ) from error
        except _BROKEN as error:
            raise InvalidSessionError(
                f"{member} of the saved session is damaged: {error}"
            ) from error


def _text(error: Exception) -> str:
    text = str(error)
    if isinstance(error, SerializationError):
        return text
    return f"{type(error).__name__}: {text}"


def _part(member: str) -> str:
    return "step" if member == MODERATOR else member.partition(".")[0]
