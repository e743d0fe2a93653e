"""Where environments are kept, each made once and published whole.

Below `BANDSAW_HOME` an environment is a directory, and a link to it that is named by
what the environment is made of. The scripts of an environment hold its path, so it
cannot be moved; the link is what appears at once, when all is done.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time

from ..exceptions import EnvironmentBuildError, UntrustedDirectoryError
from ..runtime.home import home_directory
from ..runtime.temporary import open_private
from ..stores.locks import locks_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, Iterator

_RECORD = "bandsaw-environment.json"
_LOCKS = ".locks"

# How long to wait for somebody else who makes the same environment, in seconds.
_LONGEST_WAIT = 2 * 3600.0

# How often it is noted that an environment is used, in seconds.
_NOTE_USE_AFTER = 3600.0


class KeptEnvironment:
    """An environment that is there.

    Args:
        link: The path under which it was published.

    Attributes:
        path: The path under which it was published.
        facts: What was written down of it: `label`, `digest`, `python`, `platform`,
            `packages`, `created`, `lock`, `tool`.
        last_use: When it was used last, to the hour, in seconds since the epoch.

    Raises:
        OSError: If it is not there.
        ValueError: If it is damaged.
    """

    def __init__(self, link: str) -> None:
        self.path = link
        with open(os.path.join(link, _RECORD), encoding="utf-8") as file:
            self.facts: dict[str, Any] = json.load(file)
            self.last_use = os.fstat(file.fileno()).st_mtime

    @property
    def label(self) -> str:
        """What the environment is called."""
        return str(self.facts["label"])

    @property
    def digest(self) -> str:
        """What it is made of, as hex digits."""
        return os.path.basename(self.path)

    @property
    def executable(self) -> str:
        """Its interpreter."""
        return executable_of(self.path)

    @property
    def works(self) -> bool:
        """Whether its interpreter is there, whose Python may have been removed."""
        return os.path.exists(self.executable)

    @property
    def size(self) -> int:
        """The bytes of its files, those that it shares with others included."""
        total = 0
        for parent, _, names in os.walk(os.path.realpath(self.path)):
            for name in names:
                try:
                    total += os.lstat(os.path.join(parent, name)).st_size
                except FileNotFoundError:
                    continue  # Somebody else is removing it.
        return total

    def remove(self) -> bool:
        """Remove it, and tell if nobody else has done so before."""
        return _withdraw(self.path)


def _withdraw(link: str) -> bool:
    """Remove an environment, and tell if it was there."""
    directory = os.path.realpath(link)
    try:
        os.unlink(link)  # From now on nobody finds half of it.
    except FileNotFoundError:
        return False
    shutil.rmtree(directory, ignore_errors=True)
    return True


def executable_of(path: str) -> str:
    """Return the path of the interpreter of an environment.

    Args:
        path: The path of the environment.
    """
    return os.path.join(path, "bin", "python")


def environments_directory() -> str:
    """Return the directory of all environments, which only the user can write.

    Raises:
        UntrustedDirectoryError: If somebody else could have written there.
        EnvironmentBuildError: If it cannot be made.
    """
    directory = os.path.join(home_directory(), "environments")
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        status = os.lstat(directory)
    except OSError as error:
        raise EnvironmentBuildError(
            f"Environments cannot be kept in {directory}: {error}. The environment "
            "variable BANDSAW_HOME names another place."
        ) from error
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UntrustedDirectoryError(
            f"{directory} could have been written by somebody else. Remove it, or let "
            "the environment variable BANDSAW_HOME name another directory."
        )
    return directory


def look(digest: str) -> KeptEnvironment | None:
    """Return an environment, `None` if it is not there; that is no use of it.

    Args:
        digest: What it is made of.
    """
    try:
        return KeptEnvironment(os.path.join(environments_directory(), digest))
    except (OSError, ValueError):
        return None


def find(digest: str) -> str | None:
    """Return the path of an environment, `None` if it is not there or does not work.

    It is used from now on, which is noted.

    Args:
        digest: What it is made of.
    """
    path = os.path.join(environments_directory(), digest)
    record = os.path.join(path, _RECORD)
    try:
        used = os.stat(record).st_mtime
        os.stat(executable_of(path))  # Its Python may have been removed.
    except OSError:
        return None
    if time.time() - used > _NOTE_USE_AFTER:
        try:
            os.utime(record)
        except OSError:
            pass  # A home that can only be read is never cleaned up either.
    return path


def alone(name: str, wait: float = _LONGEST_WAIT) -> ContextManager[bool]:
    """Be the only one on this machine who deals with a name below `BANDSAW_HOME`.

    Args:
        name: The name.
        wait: How long to wait for somebody else, in seconds.

    Returns:
        A context manager, which gives `False` if somebody else took too long.
    """
    locks = locks_of(os.path.join(environments_directory(), _LOCKS))
    # A call that computes a result under the lock of a cache may need an environment.
    # The tilde comes after all names that a cache has, as the order of locks demands.
    return locks.alone(f"~{name}", wait)


def _name_of_build(digest: str) -> str:
    return f"environment/{digest}"


@contextlib.contextmanager
def building(digest: str, label: str) -> Iterator[str]:
    """Be the only one on this machine who builds something.

    Args:
        digest: What it is made of.
        label: What it is called.

    Yields:
        A private directory for files that are needed meanwhile.

    Raises:
        EnvironmentBuildError: If somebody else takes too long, or if there is no place
            for files.
    """
    with alone(_name_of_build(digest)) as is_alone:
        if not is_alone:
            raise EnvironmentBuildError(
                f"Environment {label!r}: somebody else has been making it for "
                f"{_LONGEST_WAIT:g} seconds."
            )
        parent = environments_directory()
        remove_left_overs(digest)
        scratch = os.path.join(parent, f"{digest}-scratch-{os.urandom(4).hex()}")
        try:
            os.mkdir(scratch, 0o700)
            yield scratch
        except OSError as error:
            raise EnvironmentBuildError(
                f"Environment {label!r} cannot be made in {parent}: {error}"
            ) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def make(digest: str, label: str, fill: Callable[[str, str], dict[str, Any]]) -> str:
    """Make an environment, unless somebody else does so meanwhile.

    Args:
        digest: What it is made of.
        label: What it is called.
        fill: Fills the directory that is its first argument, with the help of the
            private directory that is its second, and returns what is written down.

    Returns:
        The path of the environment.

    Raises:
        EnvironmentBuildError: If it cannot be made. Nothing is left of it.
    """
    link = os.path.join(environments_directory(), digest)
    with building(digest, label) as scratch:
        if find(digest) is not None:
            return link
        _withdraw(link)  # One that is there does not work any more.
        directory = f"{link}-{os.urandom(4).hex()}"
        try:
            facts = fill(directory, scratch)
            record = {**facts, "label": label, "digest": digest, "created": time.time()}
            path = os.path.join(directory, _RECORD)
            with open(path, "w", encoding="utf-8", opener=open_private) as file:
                json.dump(record, file, indent=2)
            _link(os.path.basename(directory), link)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
    return link


def _is_published(parent: str, name: str) -> bool:
    """Tell if a directory is the one that a link leads to."""
    digest = name.partition("-")[0]
    try:
        return os.readlink(os.path.join(parent, digest)) == name
    except OSError:
        return False


def _remove(path: str) -> None:
    if os.path.islink(path):
        os.unlink(path)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _link(target: str, link: str) -> None:
    beside = f"{link}-link-{os.urandom(4).hex()}"
    os.symlink(target, beside)
    os.replace(beside, link)


def kept() -> list[KeptEnvironment]:
    """Return all environments that are there, the least recently used ones first."""
    parent = environments_directory()
    found = [
        look(name)
        for name in sorted(os.listdir(parent))
        if "-" not in name and os.path.islink(os.path.join(parent, name))
    ]
    return sorted(
        # Somebody else may have just removed one.
        (environment for environment in found if environment is not None),
        key=lambda environment: environment.last_use,
    )


def remove_left_overs(mine: str | None = None) -> int:
    """Remove what builds have left over that were killed, and count it.

    Args:
        mine: What the caller is alone with.
    """
    parent = environments_directory()
    count = 0
    for name in os.listdir(parent):
        digest, dash, _ = name.partition("-")
        if not dash or _is_published(parent, name):
            continue
        with contextlib.ExitStack() as stack:
            is_alone = digest == mine or stack.enter_context(
                alone(_name_of_build(digest), 0)
            )
            # Somebody may have published it in the meantime.
            if is_alone and not _is_published(parent, name):
                _remove(os.path.join(parent, name))
                count += 1
    return count
