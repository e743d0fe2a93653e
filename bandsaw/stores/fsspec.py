"""A store wherever fsspec leads: in a bucket, on a server, in memory."""

from __future__ import annotations

import contextlib
import os
import re
from hashlib import sha256

from ..exceptions import DamagedEntryError, MissingExtraError, keyword_only
from ..runtime.home import home_directory
from .base import Item, Store, check_name
from .entries import Entry, has_footer
from .local import LocalStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, ContextManager, Iterator, Sequence

    from .base import Content

_WRITING = ".writing-"


class FsspecStore(Store):
    """Keep bytes at any URL that fsspec knows, with a copy on this machine.

    What was read or written once is answered from the copy. Needs the extra
    ``bandsaw[fsspec]``, and for most kinds of URL another package, which fsspec names.

    Args:
        url: The URL of a directory, e.g. ``"s3://bucket/cache"``.
        copy: The directory of the copy. By default one below `BANDSAW_HOME` that is
            named by a hash of the URL.
        **options: What fsspec is told, credentials for example.

    Raises:
        MissingExtraError: If fsspec is not installed.
    """

    @keyword_only("copy")
    def __init__(
        self, url: str, *, copy: str | Path | None = None, **options: Any
    ) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise MissingExtraError(
                "A cache at a URL needs fsspec. Install bandsaw[fsspec]."
            ) from error
        self._url = url
        self._files, root = url_to_fs(url, **options)
        self._root = root.rstrip("/")
        if copy is None:
            digest = sha256(url.encode("utf-8")).hexdigest()[:32]
            copy = os.path.join(home_directory(), "copies", digest)
        self._copy = LocalStore(copy)

    def read(self, name: str) -> Content | None:
        """Return what is kept under a name, from the copy if it is there.

        What is received is compared with its checksums before it is kept.
        """
        content = self._copy.read(name)
        if content is not None:
            return content
        with _errors_of_a_disk():
            try:
                far: bytes = self._files.cat_file(self._path(name))
            except (FileNotFoundError, NotADirectoryError):
                return None
            has_checksums = has_footer(far)
            is_part = not has_checksums and len(far) != self._files.size(
                self._path(name)
            )
        if is_part:
            raise DamagedEntryError("only a part of it was received")
        entry = Entry(far) if has_checksums else None
        if entry is not None:
            entry.verify()
        with contextlib.suppress(OSError):
            if entry is not None and entry.has_buffers:
                self._copy.write_dated(name, [far], entry.created)
            else:
                self._copy.write(name, [far])
            return self._copy.read(name)
        return far

    def write(self, name: str, pieces: Sequence[Content]) -> None:
        """Write the bytes at the URL, and into the copy."""
        self._write_far(name, pieces)
        with contextlib.suppress(OSError):
            self._copy.write(name, pieces)

    def write_dated(self, name: str, pieces: Sequence[Content], written: float) -> None:
        """Write the bytes at the URL, and give the file of the copy the time."""
        self._write_far(name, pieces)
        with contextlib.suppress(OSError):
            self._copy.write_dated(name, pieces, written)

    def is_unchanged(self, content: Content, written: float) -> bool:
        """Tell if a file of the copy has the time that it was given."""
        return self._copy.is_unchanged(content, written)

    def note_compared(self, name: str, content: Content, written: float) -> None:
        """Give a file of the copy its time again, or remember it in this process."""
        self._copy.note_compared(name, content, written)

    def _write_far(self, name: str, pieces: Sequence[Content]) -> None:
        path = self._path(check_name(name))
        # An object store shows an object when it is whole. A file system has to be
        # told to.
        beside = f"{os.path.dirname(path)}/{_WRITING}{os.urandom(8).hex()}"
        with _errors_of_a_disk():
            self._files.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                with self._files.open(beside, "wb") as file:
                    for piece in pieces:
                        file.write(piece)
                self._files.mv(beside, path)
            except BaseException:
                with contextlib.suppress(Exception):
                    self._files.rm_file(beside)
                raise

    def remove(self, name: str) -> bool:
        """Remove the bytes at the URL, and from the copy."""
        self._copy.remove(name)
        with _errors_of_a_disk():
            try:
                self._files.rm_file(self._path(name))
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def items(self, prefix: str = "") -> Iterator[Item]:
        """Return what is at the URL; uses are those of this machine."""
        with _errors_of_a_disk():
            self._files.invalidate_cache()
            try:
                found = self._files.find(self._root, detail=True)
            except FileNotFoundError:
                return
        known = {item.name: item for item in self._copy.items(prefix)}
        for path, info in found.items():
            name = path[len(self._root) :].lstrip("/")
            if not name.startswith(prefix) or f"/{_WRITING}" in f"/{name}":
                continue
            written = _written(info)
            copied = known.get(name)
            used = written if copied is None else max(written, copied.used)
            hits = 0 if copied is None else copied.hits
            size = int(info.get("size") or 0)
            yield Item(name, size=size, written=written, used=used, hits=hits)

    def note_use(self, name: str) -> None:
        """Remember that something was used on this machine."""
        self._copy.note_use(name)

    def clean(self) -> None:
        """Clean the copy."""
        self._copy.clean()

    def alone(self, name: str, wait: float) -> ContextManager[bool]:
        """Lock a name across the threads and processes of this machine."""
        return self._copy.alone(name, wait)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def __repr__(self) -> str:
        # A URL may hold a password.
        return f"FsspecStore({re.sub('//[^/@]*@', '//', self._url)!r})"


def _written(info: Any) -> float:
    """Return the time that a file system gives, under one of many names."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = info.get(key)
        if value is not None:
            stamp = getattr(value, "timestamp", None)
            return float(value if stamp is None else stamp())
    return 0.0


@contextlib.contextmanager
def _errors_of_a_disk() -> Iterator[None]:
    """Give whatever a client library raises the name that callers expect."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
