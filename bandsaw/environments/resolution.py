"""How an environment becomes an interpreter: found, locked, made, and found again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from hashlib import sha256

from . import store
from .commands import Commands, without_credentials
from .locks import FILE_NAME, LockFile, Package, Section, check, outdated
from .progress import Progress
from .pythons import find_python
from .requirements import Requirements, files_of, unsatisfied
from .tools import Index, choose_tool
from .wheels import Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from .environment import Environment
    from .pythons import Python
    from .tools import Tool


class Resolution:
    """What exactly an environment holds.

    Args:
        environment: The environment.

    Attributes:
        label: What the environment is called.
        python: Its Python.
        section: The packages, as they are locked.
        digest: What it is made of, as hex digits.
    """

    def __init__(self, environment: Environment) -> None:
        place = environment.place
        self.label = environment.label
        self.python: Python = find_python(environment.python, place)
        self._index = Index(
            environment.index_url,
            [_link(link, place) for link in environment.find_links],
        )
        self._requirements = Requirements(
            environment.requirements,
            environment.requirements_file,
            environment.constraints,
            place,
        )
        self.lock = LockFile(os.path.join(place, environment.lock or FILE_NAME))
        self.section = self._locked() or self._lock()
        self._projects = {
            project.text: project.digest() for project in self._requirements.projects
        }
        self.digest = _digest(
            self.python.exact_platform,
            self._requirements.shown,
            self.section.to_json(),
            self._projects,
        )

    @property
    def identity(self) -> str:
        """What tells results that were computed in it from those of another one."""
        packages = [str(package) for package in self.section.packages.values()]
        return f"{self.python.platform} {_digest(sorted(packages), self._projects)}"

    @property
    def facts(self) -> Dict[str, Any]:
        """What is written down of the environment: plain data."""
        return {
            "name": self.label,
            "python": self.python.version,
            "platform": self.python.platform,
            "packages": {
                name: package.version or package.url
                for name, package in sorted(self.section.packages.items())
            },
            "projects": self._projects,
        }

    def executable(self) -> str:
        """Return the path of its interpreter, which is made if it is not there."""
        path = store.find(self.digest)
        if path is None:
            path = store.make(self.digest, self.label, self._fill)
        return store.executable_of(path)

    def _locked(self) -> Optional[Section]:
        section = self.lock.section(self.label, self.python.platform)
        if section is not None:
            check(
                section,
                self._requirements,
                self.python.version,
                self.label,
                self.lock.path,
            )
        return section

    def _lock(self) -> Section:
        """Choose packages, unless somebody else does so meanwhile, and lock them."""
        platform = self.python.platform
        with store.alone(f"choice/{_digest(self.lock.path, self.label, platform)}"):
            section = self._locked()
            if section is None:
                section = self.choose()
                with store.alone(f"lock/{_digest(self.lock.path)}"):
                    self.lock.put(self.label, platform, section)
            return section

    def choose(self) -> Section:
        """Choose packages anew, whatever is locked.

        Raises:
            EnvironmentBuildError: If there are no packages that fit.
        """
        requirements = self._requirements
        scratch = tempfile.mkdtemp(
            prefix=".scratch-", dir=store.environments_directory()
        )
        try:
            with Progress(self.label, "has its packages chosen") as progress:
                commands = Commands(self.label, scratch, progress.show)
                directory = os.path.join(scratch, "environment")
                tool = choose_tool(
                    commands, self.python, directory, scratch, self._index
                )
                if not (requirements.lines or requirements.projects):
                    return Section(requirements.shown, [], {})
                wheels = self._wheels(tool)
                packages = tool.choose(
                    [*requirements.lines, *(wheel.requirement for wheel in wheels)],
                    requirements.constraints,
                )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        built = {wheel.name for wheel in wheels}
        return Section(
            requirements.shown,
            [package for package in packages if package.name not in built],
            {wheel.project: wheel.requirements for wheel in wheels},
        )

    def _fill(self, directory: str, scratch: str) -> Dict[str, Any]:
        """Make the environment in a directory, and return what is written of it."""
        with Progress(self.label, "is there") as progress:
            commands = Commands(self.label, scratch, progress.show)
            tool = choose_tool(commands, self.python, directory, scratch, self._index)
            tool.make()
            wheels = self._wheels(tool)
            for wheel in wheels:
                self._check_project(wheel)
            tool.install(
                self._with_credentials(), [wheel.requirement for wheel in wheels]
            )
        return {**self.facts, "tool": tool.name, "lock": self.lock.path}

    def _wheels(self, tool: Tool) -> List[Wheel]:
        return [
            Wheel(tool.build(project.path), project.text, project.extras)
            for project in self._requirements.projects
        ]

    def _check_project(self, wheel: Wheel) -> None:
        """Refuse a project that wants to have what was not chosen for it."""
        before = self.section.projects.get(wheel.project, [])
        if before == wheel.requirements:
            return
        wrong = unsatisfied(
            wheel.requirements,
            self.section.packages,
            self.python.version,
            wheel.extras,
        )
        if wrong:
            lines = [f"  {wheel.project}: {text}" for text in wrong]
            raise outdated(self.label, self.lock.path, lines)

    def _with_credentials(self) -> List[Package]:
        """Return the packages; an address as it was given, not as it was written."""
        given = {}
        for line in self._requirements.lines:
            _, _, url = line.partition(" ; ")[0].partition("@ ")
            given[without_credentials(url.strip())] = url.strip()
        return [
            package
            if package.url is None
            else Package(
                package.name,
                package.version,
                package.hashes,
                given.get(package.url, package.url),
            )
            for package in self.section.packages.values()
        ]

    @property
    def signature(self) -> Tuple[Any, ...]:
        """What is different when a project has changed."""
        return tuple(project.signature for project in self._requirements.projects)


def _link(link: str, place: str) -> str:
    return link if "://" in link else os.path.join(place, os.path.expanduser(link))


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True)
    return sha256(text.encode("utf-8")).hexdigest()[:32]


class _Known:
    """A resolution, and the files that tell if it still holds."""

    def __init__(self, environment: Environment) -> None:
        place = environment.place
        self._files = files_of(
            environment.requirements_file, environment.constraints, place
        )
        before = self._statuses()
        self.resolution = Resolution(environment)
        # The resolution may have written the lock file itself.
        self._lock = self.resolution.lock.path
        self._state = (before, _status(self._lock), self.resolution.signature)
        self._path = os.environ.get("PATH")
        self._home = os.environ.get("BANDSAW_HOME")

    def _statuses(self) -> List[Any]:
        return [_status(path) for path in self._files]

    @property
    def is_current(self) -> bool:
        """Whether nothing has changed since."""
        return (
            self._path == os.environ.get("PATH")
            and self._home == os.environ.get("BANDSAW_HOME")
            and os.path.exists(self.resolution.python.executable)
            and self._state
            == (self._statuses(), _status(self._lock), self.resolution.signature)
        )


def _status(path: str) -> Optional[Tuple[int, int, int]]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


_known: Dict[Tuple[Environment, str], _Known] = {}


def resolve(environment: Environment) -> Resolution:
    """Return what exactly an environment holds, which is locked if it was not.

    Args:
        environment: The environment.
    """
    key = (environment, environment.place)
    known = _known.get(key)
    if known is None or not known.is_current:
        known = _known[key] = _Known(environment)
    return known.resolution


def reset() -> None:
    """Forget what was resolved; for tests."""
    _known.clear()
