"""Adds a file to a session under the first of its names that is free."""

from __future__ import annotations

import itertools
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session import Session


def attach(session: Session, name: str, path: str) -> None:
    """Add a file to the attachments of a session.

    Two advices of one class in a chain use the same name: the second ``session.log``
    becomes ``session-2.log``.

    Args:
        session: The session that the file belongs to.
        name: The name of the attachment, if no other has it.
        path: Where the file is.
    """
    stem, extension = os.path.splitext(name)
    free_name = name
    for number in itertools.count(2):
        if free_name not in session.attachments:
            break
        free_name = f"{stem}-{number}{extension}"
    session.attachments[free_name] = path
