"""Large buffers that the sessions of several calls share: they are read once.

The first session that has one writes it into a file without a name. The others refer to
that file, whatever happens to the buffer meanwhile. A buffer is recognized as that of
the same array, so nothing has to be hashed.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from weakref import ref

from ..runtime.fork import Lock
from ..serialization.shared_memory import map_buffers, write_buffers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from ..serialization.buffers import Buffer

# Smaller buffers are copied: each file needs a descriptor.
_SMALLEST_SHARED = 1 << 18

# How many sessions may come without a buffer until one that only a single session has
# had is kept no longer.
_PATIENCE = 2

# How much is kept for a next session at most, and in how many files: each is open.
_MOST_KEPT = 1 << 30
_MOST_FILES = 64


class SharedBuffer:
    """The content of a buffer at the time when it was read, in a file without a name.

    Args:
        buffer: The buffer.

    Attributes:
        nbytes: The size in bytes.
        descriptor: The file.
        digest: The hash of the content, empty as long as it is not known.
        lock: Held while that is computed.
    """

    def __init__(self, buffer: memoryview) -> None:
        self.nbytes = buffer.nbytes
        self.digest = b""
        self.lock = Lock()
        self.descriptor = -1
        self.descriptor = write_buffers([buffer])
        self._content: memoryview | None = None

    @property
    def content(self) -> memoryview:
        """The content, which is only to be read."""
        if self._content is None:
            found: Any = map_buffers(self.descriptor, [self.nbytes], 1)[0]
            self._content = found
        return self._content

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class _Known:
    """The facts about a buffer.

    Args:
        array: The array that it belongs to.

    Attributes:
        shared: Its content, `None` if that is not kept.
        uses: How many sessions have had it.
        last: Which session was the last one.
    """

    __slots__ = ("_array", "last", "shared", "uses")

    def __init__(self, array: Any, forget: Any) -> None:
        self._array = ref(array, forget)
        self.shared: SharedBuffer | None = None
        self.uses = self.last = 0


def _forget(sharing: ref[Sharing], key: object, _: object) -> None:
    # What no array is left of can be no buffer again.
    found = sharing()
    if found is not None:
        found.forget(key)


class Sharing:
    """The large buffers of sessions that belong together, such as those of a map."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[object, _Known] = {}
        self._sessions = self._files = 0

    def look_up(self, buffers: Sequence[Buffer]) -> list[SharedBuffer | None]:
        """Return what sessions share of the buffers of the next one.

        Args:
            buffers: The buffers.

        Returns:
            The shared content of each; `None` for one that goes with its session.
        """
        with self._lock:
            self._sessions += 1
            found = [self._look_up(buffer) for buffer in buffers]
            self._let_go()
        return found

    def _look_up(self, buffer: Buffer) -> SharedBuffer | None:
        if not isinstance(buffer, memoryview) or buffer.nbytes < _SMALLEST_SHARED:
            return None
        array = buffer.obj
        numpy: Any = sys.modules.get("numpy")
        # Only of these it is known that a buffer of the same size is the same one.
        if (
            numpy is None
            or not isinstance(array, numpy.ndarray)
            or array.nbytes != buffer.nbytes
        ):
            return None
        key = id(array), buffer.format, buffer.shape, buffer.strides
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(array, partial(_forget, ref(self), key))
        known.uses += 1
        known.last = self._sessions
        if known.shared is None and self._files < _MOST_FILES:
            known.shared = SharedBuffer(buffer)
            self._files += 1
        return known.shared

    def forget(self, key: object) -> None:
        """Forget a buffer whose array is gone, in any thread.

        Args:
            key: What it is known by.
        """
        self._known.pop(key, None)

    def _let_go(self) -> None:
        """Keep no longer what will probably not be needed again."""
        size = 0
        self._files = 0
        kept = [one for one in list(self._known.values()) if one.shared is not None]
        for known in sorted(kept, key=lambda one: one.last, reverse=True):
            assert known.shared is not None
            size += known.shared.nbytes
            age = self._sessions - known.last
            if age and (size > _MOST_KEPT or (known.uses == 1 and age >= _PATIENCE)):
                known.shared = None
            else:
                self._files += 1
