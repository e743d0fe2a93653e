"""When and how often the files of a store were used.

What is known of a file is in one beside it, which is as long as the file has answered
calls, and as old as its last use. It is written late, many uses at a time: a hit must
not cost a write.
"""

from __future__ import annotations

import atexit
import os
import time
import weakref

from ..runtime.fork import Lock, call_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

PREFIX = ".uses-"

# Uses are written this often at most, in seconds.
_INTERVAL = 60.0

# So many names are remembered until then.
_MOST_NAMES = 10_000


class Uses:
    """The uses of the files below a directory.

    Args:
        root: The directory.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = Lock()
        self._begin_anew()
        _all.add(self)
        call_in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        # What its parent remembers, the parent writes.
        self._hits: dict[str, int] = {}
        self._written = time.monotonic()

    def note(self, name: str) -> None:
        """Remember that a file was used.

        Args:
            name: Its path below the root.
        """
        hits = self._hits
        hits[name] = hits.get(name, 0) + 1
        if time.monotonic() - self._written > _INTERVAL or len(hits) > _MOST_NAMES:
            self.write()

    def forget(self, name: str) -> None:
        """Forget the uses of a file that is removed.

        Args:
            name: Its path below the root.
        """
        self._hits.pop(name, None)
        try:
            os.unlink(beside(f"{self._root}/{name}"))
        except OSError:
            pass  # There were none.

    def write(self) -> None:
        """Write down what is remembered, as far as that is possible."""
        with self._lock:
            hits, self._hits = self._hits, {}
            self._written = time.monotonic()
        for name, count in hits.items():
            path = f"{self._root}/{name}"
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
            try:
                if not os.path.exists(path):
                    continue
                descriptor = os.open(beside(path), flags | os.O_CLOEXEC, 0o600)
                try:
                    os.write(descriptor, b"." * count)
                finally:
                    os.close(descriptor)
            except OSError:
                pass  # It matters only for the choice of what is removed first.

    def of(self, name: str) -> tuple[float, int]:
        """Return when a file was used the last time, and how often.

        Args:
            name: Its path below the root.

        Returns:
            Seconds since the epoch, 0 for never, and a number.
        """
        pending = self._hits.get(name, 0)
        try:
            status = os.lstat(beside(f"{self._root}/{name}"))
        except OSError:
            return (time.time() if pending else 0.0), pending
        used = time.time() if pending else status.st_mtime
        return used, status.st_size + pending


def is_orphan(path: str) -> bool:
    """Tell if a file tells of the uses of one that is gone.

    Args:
        path: The path of any file.
    """
    directory, _, name = path.rpartition("/")
    if not name.startswith(PREFIX):
        return False
    return not os.path.lexists(f"{directory}/{name[len(PREFIX) :]}")


def beside(path: str) -> str:
    """Return the path of the file that tells of the uses of another one.

    Args:
        path: The path of the other one.
    """
    directory, _, name = path.rpartition("/")
    return f"{directory}/{PREFIX}{name}"


_all: weakref.WeakSet[Uses] = weakref.WeakSet()


@atexit.register
def _write_all() -> None:
    for uses in list(_all):
        uses.write()
