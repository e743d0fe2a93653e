"""The file `bandsaw.lock`, which says what exactly environments hold.

It is JSON for people: they review and commit it. Each environment has a section for
each platform that it was used on. What it holds are names, versions and hashes, never
the address or the credentials of an index.
"""

from __future__ import annotations

import json
import os

from ..exceptions import EnvironmentLockError
from .requirements import normalized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from .requirements import Requirements

#: What the file is called.
FILE_NAME = "bandsaw.lock"

_VERSION = 1
_ABOUT = (
    "What the environments of this project hold, by environment and platform. Written "
    "by bandsaw; renewed by `python -m bandsaw env lock --upgrade`."
)


class Package:
    """A package that was chosen for an environment.

    Args:
        name: The name of its distribution.
        version: Its version, `None` if only its URL says what it is.
        hashes: The hashes of its files, like ``sha256:...``; none for what a version
            control system names.
        url: Where it comes from, `None` for an index.
    """

    def __init__(
        self,
        name: str,
        version: str | None,
        hashes: Sequence[str] = (),
        url: str | None = None,
    ) -> None:
        self.name = normalized(name)
        self.version = version
        self.hashes = sorted(hashes)
        self.url = url

    def to_json(self) -> dict[str, Any]:
        """Return what is written of the package."""
        facts = {"version": self.version, "url": self.url, "hashes": self.hashes}
        return {name: value for name, value in facts.items() if value}

    @classmethod
    def from_json(cls, name: str, facts: dict[str, Any]) -> Package:
        """Make a package of what was read."""
        return cls(
            name, facts.get("version"), facts.get("hashes", ()), facts.get("url")
        )

    def __str__(self) -> str:
        if self.url is not None:
            return f"{self.name} @ {self.url}"
        return f"{self.name}=={self.version}"


class Section:
    """What an environment holds on one platform.

    Args:
        requirements: What it was asked to hold, as text.
        packages: What was chosen, without the projects of this machine.
        projects: What those want to have: requirements by the text of the project.
    """

    def __init__(
        self,
        requirements: Sequence[str],
        packages: Sequence[Package],
        projects: dict[str, list[str]],
    ) -> None:
        self.requirements = list(requirements)
        self.packages = {package.name: package for package in packages}
        self.projects = projects

    def to_json(self) -> dict[str, Any]:
        """Return what is written of the section."""
        return {
            "requirements": self.requirements,
            "projects": self.projects,
            "packages": {
                name: self.packages[name].to_json() for name in sorted(self.packages)
            },
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Section:
        """Make a section of what was read."""
        packages = [Package.from_json(*item) for item in facts["packages"].items()]
        return cls(facts["requirements"], packages, facts["projects"])


class LockFile:
    """A lock file.

    Args:
        path: Where it is, or will be.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def section(self, label: str, platform: str) -> Section | None:
        """Return what an environment holds on a platform.

        Args:
            label: What the environment is called.
            platform: The platform.

        Returns:
            The section, `None` if there is none yet.

        Raises:
            EnvironmentLockError: If the file cannot be read.
        """
        facts = self._read().get(label, {}).get(platform)
        if facts is None:
            return None
        try:
            section = Section.from_json(facts)
        except (AttributeError, KeyError, TypeError) as error:
            raise self._damaged(error) from error
        for package in section.packages.values():
            # Only what is fetched by an address may do without: a commit is one.
            if package.url is None and not (package.version and package.hashes):
                raise self._damaged(f"{package} has no hash")
        return section

    def put(self, label: str, platform: str, section: Section) -> None:
        """Write what an environment holds on a platform, and keep all else.

        Args:
            label: What the environment is called.
            platform: The platform.
            section: What it holds.

        Raises:
            EnvironmentLockError: If the file cannot be written.
        """
        environments = self._read()
        environments.setdefault(label, {})[platform] = section.to_json()
        self._write(environments)

    def drop(self, label: str, platform: str | None = None) -> bool:
        """Remove what was chosen for an environment, and tell if there was something.

        Args:
            label: What the environment is called.
            platform: The platform; left out, all of them.
        """
        environments = self._read()
        if platform is None:
            was_there = environments.pop(label, None) is not None
        else:
            was_there = environments.get(label, {}).pop(platform, None) is not None
        if was_there:
            self._write(environments)
        return was_there

    def labels(self) -> list[str]:
        """Return what the environments with a section are called."""
        return sorted(self._read())

    def _read(self) -> dict[str, Any]:
        try:
            with open(self.path, encoding="utf-8") as file:
                content = json.load(file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error
        version = content.get("version") if isinstance(content, dict) else None
        if version != _VERSION:
            raise self._damaged(f"it has version {version}, not {_VERSION}")
        environments = content.get("environments")
        if not isinstance(environments, dict) or not all(
            isinstance(sections, dict) for sections in environments.values()
        ):
            raise self._damaged("it does not list environments")
        return dict(environments)

    def _write(self, environments: dict[str, Any]) -> None:
        content = {
            "about": _ABOUT,
            "version": _VERSION,
            "environments": environments,
        }
        path = os.path.realpath(self.path)  # A link to it stays one.
        beside = f"{path}.{os.urandom(8).hex()}"
        try:
            # It is the user's own file, with the permissions of any other.
            with open(beside, "x", encoding="utf-8") as file:
                json.dump(content, file, indent=2, sort_keys=True, ensure_ascii=False)
                file.write("\n")
            os.replace(beside, path)
        except OSError as error:
            try:
                os.unlink(beside)
            except OSError:
                pass  # It was not made.
            raise EnvironmentLockError(
                f"The lock file {self.path} cannot be written: {error}. "
                "Environment(lock=...) names another place."
            ) from error

    def _damaged(self, reason: object) -> EnvironmentLockError:
        return EnvironmentLockError(
            f"The lock file {self.path} cannot be read: {reason}. Take it from your "
            "version control, or remove it to lock anew."
        )


def check(
    section: Section,
    requirements: Requirements,
    python_version: str,
    label: str,
    path: str,
) -> None:
    """Refuse what was chosen for other requirements, unless it satisfies these.

    Args:
        section: What was chosen.
        requirements: The requirements.
        python_version: The version of the Python it is for.
        label: What the environment is called.
        path: The path of the lock file.

    Raises:
        EnvironmentLockError: If it does not satisfy them; shows the difference.
    """
    before, now = section.requirements, requirements.shown
    if before == now:
        return
    unsatisfied = requirements.unsatisfied(section.packages, python_version, before)
    texts = {project.text for project in requirements.projects}
    unsatisfied += [
        f"{text} (not locked)" for text in sorted(texts - section.projects.keys())
    ]
    if not unsatisfied:
        return
    lines = [f"  - {text}" for text in before if text not in now]
    lines += [f"  + {text}" for text in now if text not in before]
    lines += [f"  not satisfied: {text}" for text in unsatisfied]
    raise outdated(label, path, lines)


def outdated(label: str, path: str, lines: Sequence[str]) -> EnvironmentLockError:
    """Return the error that a lock does not satisfy what is asked for any more.

    Args:
        label: What the environment is called.
        path: The path of the lock file.
        lines: What differs.
    """
    difference = "\n".join(lines)
    return EnvironmentLockError(
        f"{path} does not satisfy the requirements of environment {label!r} any more:\n"
        f"{difference}\nTake the change back, or lock anew with `python -m bandsaw env "
        "lock --upgrade`."
    )
