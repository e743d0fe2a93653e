"""Environments on this machine: each is made once, published whole, and kept.

Below `BANDSAW_HOME` an environment is a directory, and a link to it whose name is the
digest of its content. The scripts of an environment contain its path, so it cannot be
moved; instead, the link appears when the environment is complete.
"""

from __future__ import annotations

import os
import time

from ..exceptions import EnvironmentBuildError, UntrustedDirectoryError
from ..runtime.contexts import contextmanager, nullcontext
from ..runtime.fork import call_in_child
from ..runtime.home import ENVIRONMENT_RECORD, home_directory, make_directory
from ..runtime.json_text import loads
from ..runtime.path_trust import check_home
from ..runtime.temporary import open_private
from ..stores.locks import locks_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, Iterator

    from ..stores.locks import Waiting

_ENVIRONMENTS, _LOCKS = "environments", ".locks"

# How long to wait for another process that makes the same environment, in seconds.
_LONGEST_WAIT = 2 * 3600.0

# How often the use of an environment is recorded, in seconds.
_NOTE_USE_AFTER = 3600.0

# What the threads of this process build
_building: set[str] = set()
call_in_child(_building.clear)


class Installation:
    """An environment on this machine.

    Args:
        link: The path under which it was published.

    Attributes:
        path: The path under which it was published.
        facts: Its record: `label`, `digest`, `python`, `platform`, `packages`,
            `created`, `lock`, `tool`.
        last_use: The time of its last use, to the hour, in seconds since the epoch.

    Raises:
        OSError: If it does not exist.
        ValueError: If it is damaged.
    """

    def __init__(self, link: str) -> None:
        self.path = link
        with open(os.path.join(link, ENVIRONMENT_RECORD), encoding="utf-8") as file:
            self.facts: dict[str, Any] = loads(file.read())
            self.last_use = os.fstat(file.fileno()).st_mtime

    @property
    def label(self) -> str:
        """The label of the environment."""
        return str(self.facts["label"])

    @property
    def digest(self) -> str:
        """The digest of its content, as hex digits."""
        return os.path.basename(self.path)

    @property
    def executable(self) -> str:
        """Its interpreter."""
        return executable_of(self.path)

    @property
    def works(self) -> bool:
        """Whether its interpreter exists, whose Python may have been removed."""
        return os.path.exists(self.executable)

    @property
    def size(self) -> int:
        """The size of its files in bytes, with those that it shares with others."""
        return size_of(os.path.realpath(self.path))

    def remove(self) -> bool:
        """Remove it, and tell if it still existed."""
        return _withdraw(self.path)


def size_of(directory: str) -> int:
    """Return the size of the files in a directory, in bytes.

    Args:
        directory: The directory, which may change meanwhile.
    """
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue  # Another process is removing it.
    return total


def _withdraw(link: str) -> bool:
    """Remove an environment, and tell if it existed."""
    directory = os.path.realpath(link)
    try:
        os.unlink(link)  # First, so that no process finds half of it.
    except FileNotFoundError:
        return False
    _remove(directory)
    return True


def executable_of(path: str) -> str:
    """Return the path of the interpreter of an environment.

    Args:
        path: The path of the environment.
    """
    return os.path.join(path, "bin", "python")


def environments_directory() -> str:
    """Return the directory of all environments, which only the user may write.

    Raises:
        UntrustedDirectoryError: If another user could have written there.
        EnvironmentBuildError: If it cannot be made.
    """
    directory = _made_directory()
    check_home(home_directory(), directory, UntrustedDirectoryError)
    return directory


def _made_directory() -> str:
    """Return the directory of all environments, whose path was not checked."""
    directory = os.path.join(home_directory(), _ENVIRONMENTS)
    try:
        make_directory(_ENVIRONMENTS)
        status = os.lstat(directory)
    except OSError as error:
        raise EnvironmentBuildError(
            f"Environments cannot be kept in {directory}: {error}. The environment "
            "variable BANDSAW_HOME names another place."
        ) from error
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UntrustedDirectoryError(
            f"{directory} could have been written by another user. Remove it, or let "
            "the environment variable BANDSAW_HOME name another directory."
        )
    return directory


def look(digest: str) -> Installation | None:
    """Return an environment without recording a use of it, `None` if it is absent.

    Args:
        digest: The digest of its content.
    """
    try:
        return Installation(os.path.join(environments_directory(), digest))
    except (OSError, ValueError):
        return None


def find(digest: str) -> str | None:
    """Return the path of an environment to use it, `None` if it is absent or broken.

    The use is recorded.

    Args:
        digest: The digest of its content.

    Raises:
        UntrustedDirectoryError: If another user could have written there.
    """
    path = os.path.join(_made_directory(), digest)
    record = os.path.join(path, ENVIRONMENT_RECORD)
    executable = executable_of(path)
    try:
        used = os.stat(record).st_mtime
        os.stat(executable)  # Its Python may have been removed.
    except OSError:
        return None
    # The path of the interpreter leads through all that others must not change.
    check_home(home_directory(), os.path.dirname(executable), UntrustedDirectoryError)
    if time.time() - used > _NOTE_USE_AFTER:
        try:
            os.utime(record)
        except OSError:
            pass  # A home that can only be read is not pruned either.
    return path


def alone(
    name: str, wait: float = _LONGEST_WAIT, waiting: Waiting | None = None
) -> ContextManager[bool]:
    """Lock a name below `BANDSAW_HOME` across the processes of this machine.

    Args:
        name: The name.
        wait: How long to wait for the lock, in seconds.
        waiting: A context manager around the wait, which gives a function that is
            called now and then meanwhile.

    Returns:
        A context manager, which gives `False` if the lock was not released in time.
    """
    locks = locks_of(os.path.join(environments_directory(), _LOCKS))
    # A process that holds the lock of a cache entry may need an environment. The tilde
    # sorts after all names of a cache, as the order of locks demands.
    return locks.alone(f"~{name}", wait, waiting)


def _name_of_build(digest: str) -> str:
    return f"environment/{digest}"


def builder_of(digest: str) -> str | None:
    """Name the other process that builds something, for users.

    Args:
        digest: The digest of what is built.

    Returns:
        The process, `None` if it is this one.
    """
    if digest in _building:
        return None
    for name in os.listdir(environments_directory()):
        parts = name.split("-")
        if parts[:2] == [digest, "scratch"] and len(parts) == 4:
            return f"process {parts[2]}"
    return "another process"


@contextmanager
def building(digest: str, label: str, waiting: Waiting | None) -> Iterator[str]:
    """Lock a build across the processes of this machine.

    Args:
        digest: The digest of what is built.
        label: The label of the environment.
        waiting: A context manager around the wait for another process, which gives a
            function that is called now and then meanwhile.

    Yields:
        A private directory for temporary files.

    Raises:
        EnvironmentBuildError: If another process takes too long, or if files cannot be
            written.
    """
    with alone(_name_of_build(digest), waiting=waiting) as is_alone:
        if not is_alone:
            raise EnvironmentBuildError(
                f"Environment {label!r}: another process has been making it for "
                f"{_LONGEST_WAIT:g} seconds."
            )
        parent = environments_directory()
        remove_left_overs(digest)
        # It tells other processes which one they wait for.
        name = f"{digest}-scratch-{os.getpid()}-{os.urandom(4).hex()}"
        scratch = os.path.join(parent, name)
        _building.add(digest)
        try:
            os.mkdir(scratch, 0o700)
            yield scratch
        except OSError as error:
            raise EnvironmentBuildError(
                f"Environment {label!r} cannot be made in {parent}: {error}"
            ) from error
        finally:
            _building.discard(digest)
            _remove(scratch)


def make(
    digest: str,
    label: str,
    waiting: Waiting | None,
    fill: Callable[[str, str], dict[str, Any]],
) -> str:
    """Make an environment, unless another process makes it meanwhile.

    Args:
        digest: The digest of its content.
        label: Its label.
        waiting: A context manager around the wait for that one, which gives a function
            that is called now and then meanwhile.
        fill: Called with the directory to be filled and a private directory for
            temporary files; returns the record of the environment.

    Returns:
        The path of the environment.

    Raises:
        EnvironmentBuildError: If it cannot be made. Nothing is left of it.
    """
    import json

    link = os.path.join(environments_directory(), digest)
    with building(digest, label, waiting) as scratch:
        if find(digest) is not None:
            return link
        _withdraw(link)  # An existing one is broken.
        directory = f"{link}-{os.urandom(4).hex()}"
        try:
            facts = fill(directory, scratch)
            record = {**facts, "label": label, "digest": digest, "created": time.time()}
            path = os.path.join(directory, ENVIRONMENT_RECORD)
            with open(path, "w", encoding="utf-8", opener=open_private) as file:
                json.dump(record, file, indent=2)
            _link(os.path.basename(directory), link)
        except BaseException:
            _remove(directory)
            raise
    return link


def _is_published(parent: str, name: str) -> bool:
    """Tell if a directory is the target of the link of its environment."""
    digest = name.partition("-")[0]
    try:
        return os.readlink(os.path.join(parent, digest)) == name
    except OSError:
        return False


def _remove(path: str) -> None:
    if os.path.islink(path):
        os.unlink(path)
    else:
        # Most processes only look environments up.
        import shutil

        shutil.rmtree(path, ignore_errors=True)


def _link(target: str, link: str) -> None:
    beside = f"{link}-link-{os.urandom(4).hex()}"
    os.symlink(target, beside)
    os.replace(beside, link)


def kept() -> list[Installation]:
    """Return all environments that are kept, the least recently used ones first."""
    parent = environments_directory()
    found = [
        look(name)
        for name in sorted(os.listdir(parent))
        if "-" not in name and os.path.islink(os.path.join(parent, name))
    ]
    return sorted(
        # Another process may have just removed one.
        (one for one in found if one is not None),
        key=lambda one: one.last_use,
    )


def remove_left_overs(mine: str | None = None) -> int:
    """Remove the files of builds that were killed, and count them.

    Args:
        mine: The digest of a build whose lock the caller holds.
    """
    parent = environments_directory()
    count = 0
    for name in os.listdir(parent):
        digest, dash, _ = name.partition("-")
        if not dash or _is_published(parent, name):
            continue
        holding = (
            nullcontext(True) if digest == mine else alone(_name_of_build(digest), 0)
        )
        with holding as is_alone:
            # Another process may have published it in the meantime.
            if is_alone and not _is_published(parent, name):
                _remove(os.path.join(parent, name))
                count += 1
    return count
