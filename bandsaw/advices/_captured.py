"""Keeps what a session writes to its standard streams as attachments."""

from __future__ import annotations

import contextlib
import os

from ..runtime.temporary import open_private
from ._attach import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Callable, Iterator

    from ..session import Session


@contextlib.contextmanager
def captured(session: Session) -> Iterator[Callable[[str, str], None]]:
    """Give what takes the output of a session, and attach it at the end.

    Args:
        session: The session.
    """
    files: dict[str, IO[str]] = {}
    with contextlib.ExitStack() as stack:

        def take(stream: str, text: str) -> None:
            if stream not in files:
                path = os.path.join(session.temp_dir, f"{os.urandom(8).hex()}.txt")
                files[stream] = stack.enter_context(
                    open(path, "w", encoding="utf-8", opener=open_private)
                )
            files[stream].write(text)

        yield take
    for stream, file in sorted(files.items(), reverse=True):
        attach(session, f"{stream}.txt", file.name)
