"""The lock file `bandsaw.lock`: the exact packages of environments.

It is JSON that people review and commit. Each environment has a section for each
platform on which it was used, with names, versions and hashes, and never with the URL
or the credentials of an index.
"""

from __future__ import annotations

import os
from collections import namedtuple

from ..exceptions import EnvironmentLockError
from ..runtime.json_text import loads
from .requirements import normalized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple, Sequence

    from .requirements import Requirements

    class _Package(NamedTuple):
        name: str
        version: str | None
        hashes: Sequence[str] = ()
        url: str | None = None

    class _Section(NamedTuple):
        requirements: list[str]
        packages: dict[str, Package]
        projects: dict[str, list[str]]

else:
    _Package = namedtuple("_Package", "name version hashes url", defaults=((), None))
    _Section = namedtuple("_Section", "requirements packages projects")

#: The name of the file.
FILE_NAME = "bandsaw.lock"

_VERSION = 1
_ABOUT = (
    "What the environments of this project hold, by environment and platform. Written "
    "by bandsaw; renewed by `python -m bandsaw env lock --upgrade`."
)


class Package(_Package):
    """A package that was chosen for an environment.

    Attributes:
        name: The normalized name of its distribution.
        version: Its version, `None` if only its URL determines it.
        hashes: The hashes of its files, like ``sha256:...``; none for a package from a
            version control system.
        url: Its URL, `None` for a package from an index.
    """

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return the package as the lock file has it."""
        facts = {
            "version": self.version,
            "url": self.url,
            "hashes": sorted(self.hashes),
        }
        return {name: value for name, value in facts.items() if value}

    @classmethod
    def from_json(cls, name: str, facts: dict[str, Any]) -> Package:
        """Make a package of what the lock file has."""
        hashes = sorted(_texts(facts.get("hashes", [])))
        for fact in "version", "url":
            _texts([facts[fact]] if fact in facts else [])
        return cls(normalized(name), facts.get("version"), hashes, facts.get("url"))

    def __str__(self) -> str:
        if self.url is not None:
            return f"{self.name} @ {self.url}"
        return f"{self.name}=={self.version}"


class Section(_Section):
    """The content of an environment on one platform.

    Attributes:
        requirements: The requirements for which it was chosen, as they are shown.
        packages: The packages by name, without the projects on this machine.
        projects: The requirements of these by the text of the project.
    """

    __slots__ = ()

    @classmethod
    def of(
        cls,
        requirements: Sequence[str],
        packages: Sequence[Package],
        projects: dict[str, list[str]],
    ) -> Section:
        """Make a section of a sequence of packages."""
        by_name = {package.name: package for package in packages}
        return cls(list(requirements), by_name, projects)

    def to_json(self) -> dict[str, Any]:
        """Return the section as the lock file has it."""
        return {
            "requirements": self.requirements,
            "projects": self.projects,
            "packages": {
                name: self.packages[name].to_json() for name in sorted(self.packages)
            },
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Section:
        """Make a section of what the lock file has."""
        packages = [Package.from_json(*item) for item in facts["packages"].items()]
        projects = {name: _texts(texts) for name, texts in facts["projects"].items()}
        return cls.of(_texts(facts["requirements"]), packages, projects)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"{value!r} is no list of texts")
    return value


class LockFile:
    """A lock file.

    Args:
        path: Its path; the file need not exist yet.

    Attributes:
        path: Its path.
        is_foreign: Whether another tool writes it.
        addresses: Requirements with the URLs of its packages as they have to be
            fetched, with their credentials.
    """

    is_foreign = False
    addresses: Sequence[str] = ()
    _how_to_renew = "`python -m bandsaw env lock --upgrade`"

    def __init__(self, path: str) -> None:
        self.path = path

    def section(self, label: str, platform: str) -> Section | None:
        """Return the section of an environment on a platform.

        Args:
            label: The label of the environment.
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
            # Only a URL may do without: a commit is a hash.
            if package.url is None and not (package.version and package.hashes):
                raise self._damaged(f"{package} has no hash")
        return section

    def sections(self, label: str) -> dict[str, Any]:
        """Return the sections of an environment by platform, as the file has them.

        Args:
            label: The label of the environment.

        Raises:
            EnvironmentLockError: If the file cannot be read.
        """
        return dict(self._read().get(label, {}))

    def put(self, label: str, platform: str, section: Section) -> None:
        """Write the section of an environment on a platform, and keep all others.

        Args:
            label: The label of the environment.
            platform: The platform.
            section: The section.

        Raises:
            EnvironmentLockError: If the file cannot be written.
        """
        environments = self._read()
        environments.setdefault(label, {})[platform] = section.to_json()
        self._write(environments)

    def check(
        self,
        section: Section,
        requirements: Requirements,
        python_version: str,
        label: str,
    ) -> None:
        """Refuse a section of other requirements, unless it satisfies these.

        Args:
            section: The section.
            requirements: The requirements.
            python_version: The version of the environment's Python.
            label: The label of the environment.

        Raises:
            EnvironmentLockError: If it does not satisfy them; shows the difference.
            MissingExtraError: If packaging, which compares them, is not installed.
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
        raise self.outdated(label, lines)

    def outdated(self, label: str, lines: Sequence[str]) -> EnvironmentLockError:
        """Return the error that the file does not satisfy requirements any more.

        Args:
            label: The label of the environment.
            lines: The differences.
        """
        difference = "\n".join(lines)
        return EnvironmentLockError(
            f"{self.path} does not satisfy the requirements of environment {label!r} "
            f"any more:\n{difference}\nTake the change back, or lock anew with "
            f"{self._how_to_renew}."
        )

    def _read(self) -> dict[str, Any]:
        try:
            with open(self.path, encoding="utf-8") as file:
                content = loads(file.read())
        except FileNotFoundError:
            return {}
        except (OSError, RecursionError, ValueError) as error:
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
        import json

        content = {
            "about": _ABOUT,
            "version": _VERSION,
            "environments": environments,
        }
        path = os.path.realpath(self.path)  # A link to the file stays a link.
        beside = f"{path}.{os.urandom(8).hex()}"
        try:
            # The file is the user's own, with the permissions of any other file.
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


class SentLockFile(LockFile):
    """The part of a lock file on another machine that is about one environment.

    Args:
        path: The path of the file there.
        label: The label of the environment.
        sections: The sections of the environment by platform, as the file has them.
    """

    def __init__(self, path: str, label: str, sections: dict[str, Any]) -> None:
        super().__init__(path)
        self._environments = {label: dict(sections)}

    def _read(self) -> dict[str, Any]:
        return self._environments

    def _write(self, environments: dict[str, Any]) -> None:
        self._environments = environments
