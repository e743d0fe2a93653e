"""A directory for large buffers that both ends of a connection may share.

The caller makes private directories, one on shared memory and one where the other
temporary files are, and writes a random probe into each. It names the probes to the
server at the far end, which reads and removes those that it finds. An answer with the
same content tells that both ends have the same directory, and may write there; that of
another machine, of a container that has no part in it, or of another user does not.

What is removed there belongs to the caller, and to the server only when the caller is
dead.
"""

from __future__ import annotations

import os
import stat

from ..runtime.contexts import suppress
from ..runtime.temporary import TemporaryDirectory, open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

# Where Linux keeps files in memory.
_SHARED_MEMORY = "/dev/shm"

_PROBE = "probe"
_PROBE_SIZE = 32


class OfferedDirectories:
    """The directories that a caller offers to the far end of a connection.

    Args:
        parent_directory: Where the other temporary files are.
    """

    def __init__(self, parent_directory: str) -> None:
        self._probes: list[tuple[TemporaryDirectory, str]] = []
        for place in (_SHARED_MEMORY, parent_directory):
            with suppress(OSError):  # The other one will do, or none.
                if place == parent_directory:
                    os.makedirs(place, exist_ok=True)
                directory = TemporaryDirectory(place, "shared-")
                content = os.urandom(_PROBE_SIZE)
                path = os.path.join(directory.path, _PROBE)
                with open(path, "wb", opener=open_private) as file:
                    file.write(content)
                self._probes.append((directory, content.hex()))

    @property
    def paths(self) -> list[str]:
        """The directories."""
        return [directory.path for directory, _ in self._probes]

    def choose(self, found: Sequence[str]) -> str | None:
        """Choose the first one that the far end has, too, and remove the others.

        Args:
            found: What `read_probe` has returned there for each of them.

        Returns:
            Its path, `None` if the far end has none of them.
        """
        chosen = None
        rest, self._probes = self._probes, []
        for (directory, content), answer in zip(rest, found):
            if chosen is None and answer == content:
                chosen = directory.path
                self._probes.append((directory, content))
        for directory, _ in rest:
            if directory.path != chosen:
                directory.remove()
        return chosen

    def remove(self) -> None:
        """Remove all of them; idempotent."""
        rest, self._probes = self._probes, []
        for directory, _ in rest:
            directory.remove()


def read_probe(directory: str) -> str:
    """Read and remove the probe of a directory that the other end offers.

    Args:
        directory: The directory.

    Returns:
        Its content in hexadecimal digits; empty if there is none that only this user
        can have written, or if nothing can be removed there.
    """
    path = os.path.join(directory, _PROBE)
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        parent = os.lstat(directory)
        if not stat.S_ISDIR(parent.st_mode) or parent.st_mode & 0o077:
            return ""
        descriptor = os.open(path, flags)
        try:
            status = os.fstat(descriptor)
            if {parent.st_uid, status.st_uid} != {os.geteuid()}:
                return ""
            content = os.read(descriptor, _PROBE_SIZE + 1)
        finally:
            os.close(descriptor)
        os.unlink(path)
    except OSError:
        return ""
    return content.hex()
