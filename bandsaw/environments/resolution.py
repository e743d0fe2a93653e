"""The resolution of an environment: its exact content, locked and found again."""

from __future__ import annotations

import os

from ..runtime.fork import call_at_reset
from ..runtime.functions import partial
from ..runtime.hashing import sha256
from ..runtime.json_text import make_dumps
from . import installations
from .requirements import Requirements, files_of
from .specification import Specification

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ContextManager

    from .environment import Environment
    from .lock_file import LockFile, Section
    from .status import WaitStatus

_encode = make_dumps(sort_keys=True)


class Resolution:
    """The exact content of an environment.

    Args:
        specification: The specification.
        section: The packages that were chosen for it.

    Attributes:
        specification: The specification.
        section: The packages that were chosen for it.
        digest: The digest of the content, as hex digits.
        identity: The platform, the packages and the projects, separated by commas;
            results of environments with different identities are different results.
    """

    def __init__(self, specification: Specification, section: Section) -> None:
        self.specification = specification
        self.section = section
        self._projects = {
            project.text: project.digest()
            for project in specification.requirements.projects
        }
        self.digest = _digest(
            specification.python.exact_platform,
            specification.requirements.shown,
            section.to_json(),
            self._projects,
        )
        packages = sorted(map(str, section.packages.values()))
        projects = [
            f"{text} {digest}" for text, digest in sorted(self._projects.items())
        ]
        platform = specification.python.platform
        self.identity = ", ".join([platform, *packages, *projects])

    @property
    def facts(self) -> dict[str, Any]:
        """The facts about the environment that are recorded, as plain data."""
        python = self.specification.python
        return {
            "name": self.specification.label,
            "python": python.version,
            "platform": python.platform,
            "packages": {
                name: package.version or package.url
                for name, package in sorted(self.section.packages.items())
            },
            "projects": self._projects,
        }

    def executable(self) -> str:
        """Return the path of its interpreter, making the environment if it is absent.

        Raises:
            EnvironmentBuildError: If it cannot be made.
        """
        path = installations.find(self.digest)
        if path is None:
            label = self.specification.label
            waiting = _waiting(self.digest, label)
            path = installations.make(self.digest, label, waiting, self._fill)
        return installations.executable_of(path)

    def _fill(self, directory: str, scratch: str) -> dict[str, Any]:
        # Late, since most processes only find an existing environment.
        from . import making

        tool = making.make(self.specification, self.section, directory, scratch)
        return {**self.facts, "tool": tool, "lock": self.specification.lock.path}


def lock(specification: Specification) -> Section:
    """Choose packages and lock them, unless another process does so meanwhile.

    Args:
        specification: The specification of the environment.

    Returns:
        The packages.
    """
    with _alone_with(specification) as scratch:
        return specification.locked() or _choose(specification, scratch)


def lock_anew(specification: Specification) -> Section:
    """Choose packages and lock them in place of those that are locked.

    Args:
        specification: The specification of the environment.

    Returns:
        The packages.
    """
    with _alone_with(specification) as scratch:
        return _choose(specification, scratch)


def _alone_with(specification: Specification) -> ContextManager[str]:
    label = specification.label
    digest = _digest(specification.lock.path, label, specification.python.platform)
    return installations.building(digest, label, _waiting(digest, label))


def _waiting(digest: str, label: str) -> WaitStatus:
    from . import making

    return making.WaitStatus(label, partial(installations.builder_of, digest))


def _choose(specification: Specification, scratch: str) -> Section:
    from . import making

    section = making.choose(specification, scratch)
    with alone_with(specification.lock):
        specification.lock.put(
            specification.label, specification.python.platform, section
        )
    return section


def alone_with(lock: LockFile) -> ContextManager[bool]:
    """Lock a lock file: another environment may be locked at the same time.

    Args:
        lock: The lock file.
    """
    return installations.alone(f"lock/{_digest(lock.path)}")


def _digest(*parts: Any) -> str:
    return sha256(_encode(parts).encode("utf-8")).hexdigest()[:32]


class Sources:
    """The files on which the content of an environment depends, and their state.

    Args:
        environment: The environment, of which nothing was read yet.
    """

    def __init__(self, environment: Environment) -> None:
        self._files = files_of(
            environment.requirements_file, environment.constraints, environment.place
        )
        self._before = self._statuses()

    def note(self, requirements: Requirements, lock: LockFile) -> None:
        """Note the state when the content is known.

        Args:
            requirements: The requirements, as they were read.
            lock: The lock file.
        """
        self._requirements, self._lock = requirements, lock.path
        # Requirements that were changed meanwhile are seen the next time; the lock file
        # may have been written by this process.
        self._state = (self._before, *self._others())

    @property
    def are_as_noted(self) -> bool:
        """Whether nothing has changed since."""
        return self._state == (self._statuses(), *self._others())

    def _statuses(self) -> list[Any]:
        return [_status(path) for path in self._files]

    def _others(self) -> tuple[Any, ...]:
        projects = self._requirements.projects
        return _status(self._lock), tuple(project.signature for project in projects)


class _Known:
    """A resolution, and the state of the files on which it depends."""

    def __init__(self, environment: Environment) -> None:
        self._sources = Sources(environment)
        specification = Specification(environment)
        section = specification.locked() or lock(specification)
        self.resolution = Resolution(specification, section)
        self._sources.note(specification.requirements, specification.lock)
        self._path = os.environ.get("PATH")

    @property
    def is_current(self) -> bool:
        """Whether nothing has changed since."""
        return (
            self._path == os.environ.get("PATH")
            and os.path.exists(self.resolution.specification.python.executable)
            and self._sources.are_as_noted
        )


def _status(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


_known: dict[tuple[Environment, str], _Known] = {}
call_at_reset(_known.clear)


def resolve(environment: Environment) -> Resolution:
    """Return the exact content of an environment, locking it if it is not yet.

    Args:
        environment: The environment.
    """
    key = (environment, environment.place)
    known = _known.get(key)
    if known is None or not known.is_current:
        known = _known[key] = _Known(environment)
    return known.resolution
