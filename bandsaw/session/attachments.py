"""The files that belong to a session."""

from __future__ import annotations

import itertools
import os
from _collections_abc import Mapping

from ..exceptions import InvalidSessionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO, Any, Iterator
    from zipfile import ZipFile

    _Base = Mapping[str, "Attachment"]
else:
    _Base = Mapping

DIRECTORY = "attachments/"

#: From this size on, in bytes, a zip file needs other entries. It may still grow.
LARGE = 1 << 30

# What file systems allow, in bytes.
_LONGEST_NAME = 255


class Attachment:
    """A file that belongs to a session."""

    def open(self) -> IO[bytes]:
        """Open the file.

        Returns:
            A binary stream for reading; the caller closes it.
        """
        raise NotImplementedError

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        raise NotImplementedError


class _FileAttachment(Attachment):
    """An attachment that is a file on this machine."""

    def __init__(self, path: str) -> None:
        self._path = path

    def open(self) -> IO[bytes]:
        return open(self._path, "rb")

    @property
    def size(self) -> int:
        return os.stat(self._path).st_size


class _ZipAttachment(Attachment):
    """An attachment that is a member of a zip file."""

    def __init__(self, zip_file: ZipFile, member: str) -> None:
        self._zip_file = zip_file
        self._member = member

    def open(self) -> IO[bytes]:
        return self._zip_file.open(self._member)

    @property
    def size(self) -> int:
        return self._zip_file.getinfo(self._member).file_size


class Attachments(_Base):
    """The attachments of a session by their names, which are plain file names.

    Assign a path to add one:

        session.attachments["model.bin"] = directory / "model.bin"

    Args:
        zip_file: A saved session whose attachments are to be read.

    Raises:
        InvalidSessionError: If a member of the zip file leaves its place.
    """

    def __init__(self, zip_file: ZipFile | None = None) -> None:
        self._attachments: dict[str, Attachment] = {}
        if zip_file is not None:
            for member in zip_file.namelist():
                if member.startswith(DIRECTORY) and not member.endswith("/"):
                    name = attachment_name(member)
                    self._attachments[name] = _ZipAttachment(zip_file, member)

    def __setitem__(self, name: str, path: str | Path) -> None:
        """Add a file.

        Args:
            name: The name of the new attachment, a plain file name.
            path: Where the file is. It is read when the session is saved or tracked.

        Raises:
            TypeError: If the value is not a path.
            ValueError: If there is no such file, or the name is not a plain file name.
            KeyError: If there is an attachment of that name already.
        """
        if isinstance(path, os.PathLike):
            path = os.fspath(path)
        if not isinstance(path, str):
            raise TypeError(
                f"Invalid type for value of attachment {name!r}: {type(path)}, "
                "use a str or a Path."
            )
        if not _is_plain_file_name(name):
            raise ValueError(
                f"Attachment name {name!r} is not a plain file name of at most "
                f"{_LONGEST_NAME} bytes."
            )
        if not os.path.exists(path):
            raise ValueError(f"File does not exist: {path}")
        if not os.path.isfile(path):
            raise ValueError(f"Path is not a file: {path}")
        if name in self._attachments:
            raise KeyError(f"Attachment {name!r} does already exist")
        self._attachments[name] = _FileAttachment(os.path.abspath(path))

    def add(self, name: str, path: str | Path) -> None:
        """Add a file under the first of its names that is free.

        Two advices of one class in a chain use the same name: the second
        ``session.log`` becomes ``session-2.log``.

        Args:
            name: The name of the new attachment, if no other has it.
            path: Where the file is.

        Raises:
            TypeError: If the value is not a path.
            ValueError: If there is no such file, or the name is not a plain file name.
        """
        stem, extension = os.path.splitext(name)
        free_name = name
        for number in itertools.count(2):
            if free_name not in self._attachments:
                break
            free_name = f"{stem}-{number}{extension}"
        self[free_name] = path

    def replaced_by(self, others: Mapping[str, Attachment]) -> Attachments:
        """Return these attachments, with others added or in their place.

        Args:
            others: The other attachments by name.
        """
        attachments = Attachments()
        attachments._attachments.update(self._attachments)
        attachments._attachments.update(others)
        return attachments

    def with_new(self, others: Mapping[str, Attachment], suffix: str) -> Attachments:
        """Return these attachments, and those of others that are not among them.

        Args:
            others: The other attachments by name.
            suffix: What their names get before their extensions.
        """
        new = {}
        for name, attachment in others.items():
            if self.get(name) is not attachment:
                stem, extension = os.path.splitext(name)
                new[f"{stem}-{suffix}{extension}"] = attachment
        return self.replaced_by(new)

    def __getitem__(self, name: str) -> Attachment:
        return self._attachments[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._attachments)

    def __len__(self) -> int:
        return len(self._attachments)

    def store(self, zip_file: ZipFile) -> None:
        """Write all attachments into a zip file, piece by piece.

        Args:
            zip_file: The zip file, open for writing.
        """
        from zipfile import ZipInfo

        for name, attachment in self._attachments.items():
            info, is_large = ZipInfo(DIRECTORY + name), attachment.size >= LARGE
            with zip_file.open(info, "w", force_zip64=is_large) as target:
                copy_attachment(attachment, target)

    def __repr__(self) -> str:
        return f"<Attachments {list(self._attachments)}>"


def copy_attachment(attachment: Attachment, target: IO[bytes]) -> None:
    """Write the content of an attachment into a stream, piece by piece.

    Args:
        attachment: The attachment.
        target: The stream.
    """
    # As that of the module `shutil`, which takes longer to import than most to copy.
    with attachment.open() as source:
        while content := source.read(1 << 20):
            target.write(content)


def attachment_name(member: str) -> str:
    """Return the name of the attachment that a member of a saved session holds.

    Args:
        member: The name of the member.

    Raises:
        InvalidSessionError: If it would leave the directory of the attachments.
    """
    name = member[len(DIRECTORY) :]
    if not _is_plain_file_name(name):
        raise InvalidSessionError(
            f"The saved session holds an attachment named {name!r}, which is not a "
            f"plain file name of at most {_LONGEST_NAME} bytes."
        )
    return name


def _is_plain_file_name(name: Any) -> bool:
    return (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and not any(character in name for character in "/\\\0")
        and len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME
    )
