"""Find the directories above a path that other users may change.

A user who may change a directory can replace what is below it. A copy of this module
lies beside the bootstrap of an archive and runs before anything of bandsaw can be
imported, so it knows the standard library only.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    _Kind = Callable[[str, os.stat_result, os.stat_result], "Weakness | None"]

# Of what this process was warned.
_warned_of: set[str] = set()
if __package__:
    from .fork import call_at_reset

    call_at_reset(_warned_of.clear)

_ANOTHER_HOME = "let the environment variable BANDSAW_HOME name another directory"

# As many as Linux follows.
_MOST_LINKS = 40


class Weakness:
    """A directory that others may change.

    Args:
        path: Its path, without links.
        who: Who else may change it, the beginning of a sentence.
        is_open: Whether every user may.
        right: What `chmod` is told to take that right away; `None` if it cannot.
    """

    __slots__ = ("is_open", "path", "right", "who")

    def __init__(self, path: str, who: str, is_open: bool, right: str | None) -> None:
        self.path = path
        self.who = who
        self.is_open = is_open
        self.right = right


def weaknesses_above(path: str) -> list[Weakness]:
    """Return the directories through which a path leads and that others may change.

    The last directory itself is not among them. A link leads through the directories
    above it, and through those that its target names.

    Args:
        path: The absolute path of a directory.

    Raises:
        OSError: If the path cannot be followed.
    """
    return _weaknesses(path, _opening, _sharing)


def check_path(
    path: str, what: str, otherwise: str, error: type[OSError] = PermissionError
) -> None:
    """Refuse a path that everybody may change, and warn once of one that others may.

    Args:
        path: The absolute path.
        what: What it is the path of, for the message.
        otherwise: What to do when the right cannot be taken away, for the message.
        error: What is raised.

    Raises:
        PermissionError: If everybody may change it, of the class that was asked for.
        OSError: If it cannot be followed.
    """
    for weakness in weaknesses_above(path):
        problem = _problem(weakness, what, otherwise)
        if weakness.is_open:
            raise error(problem)
        if problem not in _warned_of:
            import warnings

            _warned_of.add(problem)
            warnings.warn(problem, RuntimeWarning, stacklevel=3)


def check_home(home: str, path: str, error: type[OSError] = PermissionError) -> None:
    """Check the path of something that is kept below `BANDSAW_HOME`.

    Args:
        home: The directory that `BANDSAW_HOME` names.
        path: The absolute path of what is kept there.
        error: What is raised.

    Raises:
        PermissionError: If everybody may change it, of the class that was asked for.
        OSError: If it cannot be followed.
    """
    check_path(path, f"what is kept in {home}", _ANOTHER_HOME, error)


def refuse_open_path(path: str) -> None:
    """Refuse a path to code of this process that everybody may change.

    The process that has started this one has warned of what others may change.

    Args:
        path: The absolute path.

    Raises:
        PermissionError: If everybody may change it.
        OSError: If it cannot be followed.
    """
    for weakness in _weaknesses(path, _opening):
        raise PermissionError(_problem(weakness, path, _ANOTHER_HOME))


def how_to_mend(right: str | None, path: str, otherwise: str) -> str:
    """Return what a message says to do about a directory that others may change.

    Args:
        right: What `chmod` is told to take that right away; `None` if it cannot.
        path: The path of the directory.
        otherwise: What else can be done.
    """
    if right is None:
        how = f"{otherwise[0].upper()}{otherwise[1:]}"
    else:
        how = f"Take that right away with 'chmod {right} {path}', or {otherwise}"
    return f"A user who can write there can run code here. {how}."


def _problem(weakness: Weakness, what: str, otherwise: str) -> str:
    return (
        f"{weakness.who} the directory {weakness.path}, which is above {what}. "
        f"{how_to_mend(weakness.right, weakness.path, otherwise)}"
    )


def _weaknesses(path: str, *kinds: _Kind) -> list[Weakness]:
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
        for kind in kinds:
            weakness = kind(directory, status, entry)
            if weakness is not None:
                found[directory] = weakness
                break
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


def _opening(
    directory: str, status: os.stat_result, entry: os.stat_result
) -> Weakness | None:
    """Tell if everybody may put something in the place of an entry of a directory."""
    if not status.st_mode & stat.S_IWOTH:
        return None
    # With a sticky bit, only its owner and that of the directory may replace an entry.
    if not status.st_mode & stat.S_ISVTX:
        return Weakness(directory, "Everybody may write to", True, "o-w")
    is_theirs = not _is_trusted(entry) and entry.st_uid != status.st_uid
    if stat.S_ISLNK(entry.st_mode) and is_theirs:
        return Weakness(directory, "Another user has put a link into", True, None)
    return None


def _sharing(
    directory: str, status: os.stat_result, entry: os.stat_result
) -> Weakness | None:
    """Tell who else may put something in the place of an entry of a directory."""
    if not _is_trusted(status):
        who = f"Another user (with the id {status.st_uid}) owns"
        return Weakness(directory, who, False, None)
    is_shared = status.st_mode & stat.S_IWGRP and not status.st_mode & stat.S_ISVTX
    if is_shared and not _is_group_of_one(status.st_gid):
        return Weakness(directory, "A group may write to", False, "g-w")
    return None


def _is_trusted(status: os.stat_result) -> bool:
    # Root is trusted on every machine.
    return status.st_uid in (os.getuid(), 0)


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
