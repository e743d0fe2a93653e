"""The contract of a store: bytes by name, each whole or absent."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..exceptions import keyword_only
from ..runtime.contexts import nullcontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ContextManager, Iterator, Sequence, Union

    Content = Union[bytes, memoryview]

_NO_PARTS = frozenset(("", ".", ".."))


class Item:
    """The facts that a store has about one of its names.

    Attributes:
        name: The name.
        size: The size in bytes.
        written: When it was written, in seconds since the epoch.
        used: When it was used the last time, or written.
        hits: How often it was used.
    """

    __slots__ = ("hits", "name", "size", "used", "written")

    @keyword_only("size", "written", "used", "hits")
    def __init__(
        self, name: str, *, size: int, written: float, used: float, hits: int
    ) -> None:
        self.name = name
        self.size = size
        self.written = written
        self.used = used
        self.hits = hits


class Store(ABC):
    """Keep bytes by name.

    A name looks like a relative path of two parts, ``task/execution``. What is kept
    under a name is whole or absent at any time, also when a writer is killed.
    """

    def signed(self) -> Store:
        """Return the store for what carries signatures, so others may write there."""
        return self

    @abstractmethod
    def read(self, name: str) -> Content | None:
        """Return what is kept under a name.

        Args:
            name: The name.

        Returns:
            The bytes, `None` if there are none. Large ones may be a private mapping of
            a file: writable, but changes are not seen elsewhere.

        Raises:
            OSError: If they cannot be read.
        """

    def may_have(self, name: str) -> bool:
        """Tell, sooner than `read` would, if there is nothing under a name.

        Args:
            name: The name.

        Returns:
            `False` only if there is nothing.
        """
        return True

    @abstractmethod
    def write(self, name: str, pieces: Sequence[Content]) -> None:
        """Keep bytes under a name, in place of what was there.

        Args:
            name: The name.
            pieces: The bytes, one piece after the other.

        Raises:
            OSError: If they cannot be written. What was there before is still there.
        """

    def write_dated(self, name: str, pieces: Sequence[Content], written: float) -> None:
        """Keep bytes under a name, and the time that shows later if they were changed.

        Args:
            name: The name.
            pieces: The bytes, one piece after the other.
            written: A time in seconds since the epoch, as exact as milliseconds.

        Raises:
            OSError: If they cannot be written. What was there before is still there.
        """
        self.write(name, pieces)

    def is_unchanged(self, content: Content, written: float) -> bool:
        """Tell, without comparing them, if bytes that were read are as written.

        Args:
            content: What `read` has returned.
            written: The time that was given when they were written.

        Returns:
            Whether they are; also `False` if that cannot be told.
        """
        return False

    def note_compared(self, name: str, content: Content, written: float) -> None:
        """Remember that bytes which were read have been compared, and are as written.

        Args:
            name: The name.
            content: What `read` has returned.
            written: The time that was given when they were written.
        """

    @abstractmethod
    def remove(self, name: str) -> bool:
        """Remove what is kept under a name; what is being read stays readable.

        Args:
            name: The name.

        Returns:
            Whether there was something.
        """

    @abstractmethod
    def items(self, prefix: str = "") -> Iterator[Item]:
        """Return what is kept, in no particular order.

        Args:
            prefix: How the names begin.
        """

    def note_use(self, name: str) -> None:
        """Remember that something was used, which decides what is removed first.

        Args:
            name: The name.
        """

    def clean(self) -> None:
        """Remove what writers that were killed have left."""

    def alone(self, name: str, wait: float) -> ContextManager[bool]:
        """Lock a name across the threads and processes of this machine.

        Args:
            name: The name.
            wait: How long to wait for the lock, in seconds.

        Returns:
            A context manager that gives `True` while the lock is held, and `False` when
            the wait took too long, could never have ended, or was cancelled.
        """
        return nullcontext(False)

    def location(self, name: str) -> str:
        """Return where a name is kept, the path of a file or another text.

        Args:
            name: The name.
        """
        return f"{name} in {self!r}"


def check_name(name: str) -> str:
    """Refuse a name that would lead out of its store.

    Args:
        name: The name.

    Returns:
        The name.

    Raises:
        ValueError: If it is not a relative path of plain parts.
    """
    if not _NO_PARTS.isdisjoint(name.split("/")) or "\0" in name:
        raise ValueError(f"{name!r} cannot be the name of an entry of a cache.")
    return name
