"""Saved sessions as they are sent over a channel, with a file for large buffers."""

from __future__ import annotations

import os

from ..session.frame_form import SessionFrames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from ..serialization.buffers import Buffer
    from .frames import Content


class Parcel:
    """A saved session, packed to be sent; a context manager around its file.

    Args:
        form: The session.
        directory: Where to make the file, see `write_buffers`.

    Attributes:
        head: The head of the frame.
        pieces: The pieces of its content.
        descriptor: The file that goes along, or `None`.
    """

    def __init__(self, form: SessionFrames, directory: str | None = None) -> None:
        self.head, self.pieces, buffers = form.pack()
        self.descriptor: int | None = None
        if buffers:
            from .shared_memory import write_buffers

            self.head["sizes"] = [buffer.nbytes for buffer in buffers]
            self.head["mapped"] = sum(isinstance(b, memoryview) for b in buffers)
            self.descriptor = write_buffers(buffers, directory)

    def close(self) -> None:
        """Close the file; again does no harm."""
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Parcel:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.close()


def open_parcel(
    head: dict[str, Any], content: Content, descriptor: int | None
) -> SessionFrames:
    """Unpack a saved session.

    Args:
        head: The head of the frame.
        content: Its content.
        descriptor: The file that came along. It is closed.

    Raises:
        InvalidSessionError: If something is missing.
    """
    buffers: Sequence[Buffer] = ()
    if descriptor is not None:
        from .shared_memory import map_buffers

        buffers = map_buffers(descriptor, head["sizes"], head["mapped"])
    return SessionFrames.unpack(head, content, buffers)
