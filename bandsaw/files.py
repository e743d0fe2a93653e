"""Files as arguments of tasks, identified by what is in them."""

from __future__ import annotations

import os

from .exceptions import UnreadableFileError
from .fingerprint.digests import BLOCK_SIZE, digest_blocks
from .runtime.file_cache import cached_facts
from .serialization import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

# Changes with the way in which content is hashed.
_KIND = "content-1"

# A file that is written all the time has no content that could be identified.
_MOST_TRIES = 3


class File(SerializableValue):
    """A file that is an input of a task, identified by its content.

    A path alone says nothing of what is in the file: a cache would answer from a result
    for the old content. It is used like a path:

        @bandsaw.task
        def count_lines(file):
            with open(file) as stream:
                return len(stream.readlines())

        count_lines(bandsaw.File("data.csv"))

    The content is read again only when size, time of change or inode are different.

    Args:
        path: The path of the file. A relative one is made absolute.

    Attributes:
        path: The absolute path.
    """

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))

    def open(self, mode: str = "r", **options: Any) -> IO[Any]:
        """Open the file.

        Args:
            mode: The mode, as of the built-in `open`.
            **options: More of its keyword arguments.
        """
        return open(self.path, mode, **options)

    def read_bytes(self) -> bytes:
        """Return the content."""
        with open(self.path, "rb") as file:
            return file.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the content as text.

        Args:
            encoding: The encoding of the text.
        """
        with open(self.path, encoding=encoding) as file:
            return file.read()

    def digest(self) -> str:
        """Return what stands for the content.

        Returns:
            Hex digits: a SHA-256 of blocks of the content, and of their digests.

        Raises:
            UnreadableFileError: If there is no such file, if it cannot be read, or if
                it is being changed all the time.
        """
        try:
            for _ in range(_MOST_TRIES):
                before = self._status()
                digest: str = cached_facts(_KIND, self.path, before, self._compute)
                after = self._status()
                if (before.st_size, before.st_mtime_ns, before.st_ino) == (
                    after.st_size,
                    after.st_mtime_ns,
                    after.st_ino,
                ):
                    return digest
        except OSError as error:
            raise UnreadableFileError(
                f"The file {self.path} cannot be identified by its content: "
                f"{error.strerror or error}."
            ) from error
        raise UnreadableFileError(
            f"The file {self.path} is being changed while it is read. Wait until it is "
            "complete."
        )

    def _status(self) -> os.stat_result:
        import stat

        status = os.stat(self.path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(None, "It is no regular file. Pass the files in a directory")
        return status

    def _compute(self) -> str:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size

            def read(number: int) -> bytes:
                return os.pread(descriptor, BLOCK_SIZE, number * BLOCK_SIZE)

            content = digest_blocks(max(1, -(-size // BLOCK_SIZE)), read)
        finally:
            os.close(descriptor)
        return f"{size}:{content.hex()}"

    def __fingerprint__(self) -> str:
        return self.digest()

    def __fspath__(self) -> str:
        return self.path

    def serialized(self) -> dict[str, Any]:
        """Return what a serializer writes of the file: where it is."""
        return {"path": self.path}

    @classmethod
    def deserialize(cls, values: dict[str, Any]) -> File:
        """Make a file of what a serializer has read."""
        return cls(values["path"])

    def __reduce__(self) -> Any:
        return File, (self.path,)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, File):
            return NotImplemented
        return self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"File({self.path!r})"
