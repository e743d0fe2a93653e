"""Finds the directories above a path that other users may change.

A user who may change a directory can replace what is below it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Weakness(NamedTuple):
        """A directory that others may change.

        Attributes:
            path: Its path, without links.
            who: Who else may change it, the beginning of a sentence.
            is_open: Whether every user may.
            right: What `chmod` is told to take that right away; `None` if it cannot.
        """

        path: str
        who: str
        is_open: bool
        right: str | None

else:
    # The module `typing` is too slow to import.
    Weakness = namedtuple("Weakness", "path who is_open right")

# As many as Linux follows.
_MOST_LINKS = 40


def weaknesses_above(path: str) -> list[Weakness]:
    """Return the directories through which a path leads and that others may change.

    The last directory itself is not among them. A link leads through the directories
    above it, and through those that its target names.

    Args:
        path: The absolute path of a directory.

    Raises:
        OSError: If the path cannot be followed.
    """
    found: dict[str, Weakness] = {}
    directory, status = "/", os.lstat("/")
    rest = path.split("/")[::-1]
    links = 0
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            directory = os.path.dirname(directory)
            status = os.lstat(directory)
            continue
        below = os.path.join(directory, part)
        entry = os.lstat(below)
        weakness = _weakness(directory, status, entry)
        if weakness is not None:
            found[directory] = weakness
        if stat.S_ISLNK(entry.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(below)
            rest += target.split("/")[::-1]
            if target.startswith("/"):
                directory, status = "/", os.lstat("/")
        else:
            directory, status = below, entry
    return list(found.values())


def _weakness(
    directory: str, status: os.stat_result, entry: os.stat_result
) -> Weakness | None:
    """Tell who else may put something in the place of an entry of a directory."""
    # Root is trusted on every machine.
    trusted = (os.getuid(), 0)
    # Then only its owner and that of the directory may replace an entry.
    is_sticky = bool(status.st_mode & stat.S_ISVTX)
    if status.st_mode & stat.S_IWOTH and not is_sticky:
        return Weakness(directory, "Everybody may write to", True, "o-w")
    if status.st_uid not in trusted:
        who = f"Another user (with the id {status.st_uid}) owns"
        return Weakness(directory, who, False, None)
    if status.st_mode & stat.S_IWOTH:
        if stat.S_ISLNK(entry.st_mode) and entry.st_uid not in trusted:
            who = "Another user has put a link into"
            return Weakness(directory, who, True, None)
        return None
    is_shared = status.st_mode & stat.S_IWGRP and not is_sticky
    if is_shared and not _is_group_of_one(status.st_gid):
        return Weakness(directory, "A group may write to", False, "g-w")
    return None


def _is_group_of_one(number: int) -> bool:
    """Tell if a group is the one that many systems make for each user alone."""
    import grp
    import pwd

    try:
        group = grp.getgrgid(number)
        user = pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    is_own = group.gr_name == user.pw_name and user.pw_gid == number
    return is_own and set(group.gr_mem) <= {user.pw_name}
