"""Find the files of an archive where it was unpacked before.

To build an archive takes long, only to learn its name. So the states of its files are
kept beside the unpacked archives, in a file for each project that holds the states and
the name. An edit changes the size, the inode or a time of a file: of those times one
is set by the system alone, to the time of the edit. It may be the same for two edits
within the precision of the clock, so states of files that were changed just now are
never kept.
"""

from __future__ import annotations

import os
import sys
import time

from ..runtime.hashing import sha256
from ..runtime.temporary import open_private
from .bootstrap import archives_directory, is_unpacked, note_use

# A file that was changed just now may be changed again without a change of its times.
_YOUNG_NS = 2 * 10**9

# How long what is kept of a project may stay unchanged, in seconds.
_KEPT = 90 * 24 * 60 * 60

_SUFFIX = ".files"


class State:
    """The state of all files of an archive.

    Args:
        files: The names of the files in the archive.
        record: The path of the file that may hold the state.
        text: The state itself.
        is_settled: Whether each later change of the files changes the state.
    """

    __slots__ = ("files", "is_settled", "record", "text")

    def __init__(
        self, files: list[str], record: str, text: bytes, is_settled: bool
    ) -> None:
        self.files = files
        self.record = record
        self.text = text
        self.is_settled = is_settled


def state_of(files: dict[str, str], texts: dict[str, str], maker: str) -> State | None:
    """Return the state of the files of an archive.

    Args:
        files: Their paths by their names in the archive.
        texts: What else is in it: files of these names with these texts.
        maker: The path of the module that makes the archive of them.

    Returns:
        The state, `None` if there is one that cannot be told, of a zip file's member.
    """
    now = time.time_ns()
    newest = 0
    facts = []
    try:
        for name, path in sorted((*files.items(), ("", maker))):
            status = os.stat(path)
            newest = max(newest, status.st_mtime_ns, status.st_ctime_ns)
            facts.append(
                (
                    name,
                    path,
                    status.st_size,
                    status.st_mtime_ns,
                    status.st_ctime_ns,
                    status.st_ino,
                    status.st_dev,
                )
            )
        parent = archives_directory()
    except OSError:
        return None
    # Two projects that have the same number by chance only drive each other out.
    project = sorted({(n.partition("/")[0], _root(n, p)) for n, p in files.items()})
    digest = sha256(repr((texts, project)).encode("utf-8")).hexdigest()
    return State(
        [*files, *texts],
        os.path.join(parent, digest[:8] + _SUFFIX),
        repr((sys.version, texts, facts)).encode("utf-8"),
        now - newest > _YOUNG_NS,
    )


def _root(name: str, path: str) -> str:
    """Return the entry of the search path where a file is found by its name."""
    return path[: -len(name)] if path.endswith(name) else path


def find_unpacked(state: State | None) -> str | None:
    """Return the directory with the content of files, if it was unpacked before.

    Args:
        state: The state of the files.

    Raises:
        PermissionError: If another user could have written there.
    """
    if state is None:
        return None
    try:
        descriptor = os.open(state.record, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            return None
        text, _, digest = file.read().rpartition(b"\n")
    if text != state.text:
        return None
    directory = os.path.join(os.path.dirname(state.record), digest.decode("ascii"))
    if not is_unpacked(directory):
        return None
    for name in state.files:
        # Programs that clean up remove old files and leave directories.
        if not os.path.isfile(f"{directory}/{name}"):
            return None
    note_use(directory)
    return directory


def remember_unpacked(state: State | None, directory: str) -> None:
    """Keep where the content of files was unpacked.

    Args:
        state: The state of the files, from before their content was read.
        directory: The directory.
    """
    if state is None or not state.is_settled:
        return
    beside = f"{state.record}.{os.urandom(8).hex()}"
    try:
        if not os.path.exists(state.record):
            _remove_unused(os.path.dirname(state.record))
        with open(beside, "xb", opener=open_private) as file:
            file.write(state.text + b"\n" + os.path.basename(directory).encode())
        os.replace(beside, state.record)
    except OSError:
        try:
            os.unlink(beside)
        except OSError:
            pass  # The next process builds the archive once more.


def _remove_unused(parent: str) -> None:
    with os.scandir(parent) as entries:
        for entry in entries:
            is_record = _SUFFIX in entry.name
            if is_record and time.time() - entry.stat().st_mtime > _KEPT:
                os.unlink(entry.path)
