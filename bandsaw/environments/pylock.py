"""Lock files of other tools, `pylock.toml`, which are read and never written.

References:
    PEP 751
"""

from __future__ import annotations

import os
import re

from ..exceptions import EnvironmentLockError, MissingExtraError
from .credentials import without_credentials
from .lock_file import LockFile, Package, Section
from .requirements import name_of, toml_reader, unsatisfied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Sequence

    from .pythons import Python
    from .requirements import Requirements

# How markers spell implementations, which their own names do not tell.
_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}


# The hashes that both tools check.
_KINDS = ("sha256", "sha384", "sha512")


def is_pylock(path: str) -> bool:
    """Tell if a path has the name of such a lock file.

    Args:
        path: The path.
    """
    name = os.path.basename(path)
    return re.match(r"pylock(\.[^.]+)?\.toml$", name) is not None


class PylockFile(LockFile):
    """A lock file of another tool.

    Args:
        path: Its path.
        python: The Python of the environment, `None` if it is on another machine.
        projects: The paths of the projects that the environment itself requires.
    """

    is_foreign = True
    _how_to_renew = "the tool that has written it"

    def __init__(
        self, path: str, python: Python | None = None, projects: Sequence[str] = ()
    ) -> None:
        super().__init__(path)
        self._python = python
        self._projects = {*map(os.path.realpath, projects)}

    def section(self, label: str, platform: str) -> Section:
        """Return what the file lists for the Python.

        Args:
            label: The label of the environment.
            platform: The platform.

        Raises:
            EnvironmentLockError: If the file cannot be read, does not support the
                Python, or lists what cannot be installed.
            MissingExtraError: If packaging, which reads it, is missing or too old.
        """
        assert self._python is not None
        lock = self._parsed()
        where = _marker_environment(self._python)
        self._check_python(lock.requires_python, label)
        environments = lock.environments or ()
        if environments and not any(one.evaluate(where) for one in environments):
            raise self._unsupported(label, " or ".join(map(str, environments)))
        # No extra, and the groups that the file itself names.
        where.update(
            extras=frozenset(), dependency_groups=frozenset(lock.default_groups or ())
        )
        packages: dict[str, Package] = {}
        self.addresses: list[str] = []
        for listed in lock.packages:
            if listed.marker and not listed.marker.evaluate(where, context="lock_file"):
                continue
            self._check_python(listed.requires_python, label, listed.name)
            if listed.name in packages:
                raise self._damaged(f"it lists {listed.name} twice for this Python")
            package = self._package_of(listed)
            if package is not None:
                packages[listed.name] = package
        return Section.of([], [*packages.values()], {})

    def sections(self, label: str) -> dict[str, Any]:
        """Refuse to send the file to another machine, which has no packaging.

        Args:
            label: The label of the environment.
        """
        raise EnvironmentLockError(
            f"Environment {label!r} cannot be made on another machine of {self.path}, "
            "which is read for the Pythons of this machine only. Leave lock=... out "
            "there, so that bandsaw.lock is used."
        )

    def put(self, label: str, platform: str, section: Section) -> None:
        """Refuse to write the file.

        Args:
            label: The label of the environment.
            platform: The platform.
            section: The section.
        """
        raise EnvironmentLockError(
            f"{self.path}, the lock of environment {label!r}, is another tool's: "
            "lock anew with that tool."
        )

    def check(
        self,
        section: Section,
        requirements: Requirements,
        python_version: str,
        label: str,
    ) -> None:
        """Refuse the file unless it satisfies the requirements.

        The file does not tell which extras of a package it was made for, so these
        are not compared. Projects are, when they are built.

        Args:
            section: What the file lists.
            requirements: The requirements.
            python_version: The version of the environment's Python.
            label: The label of the environment.

        Raises:
            EnvironmentLockError: If it does not satisfy them; shows which.
        """
        packages = section.packages
        limits = [one for one in requirements.constraints if name_of(one) in packages]
        wrong = unsatisfied([*requirements.lines, *limits], packages, python_version)
        if wrong:
            raise self.outdated(label, [f"  not satisfied: {text}" for text in wrong])

    def _parsed(self) -> Any:
        try:
            from packaging.pylock import Pylock, PylockValidationError
        except ImportError:
            raise MissingExtraError(
                f"The lock file {self.path} is read by packaging 26 or newer only. "
                "Install bandsaw[environments], and renew an older one with `pip "
                "install --upgrade packaging`."
            ) from None
        reader = toml_reader(f"The lock file {self.path}")
        try:
            with open(self.path, encoding="utf-8") as file:
                return Pylock.from_dict(reader.loads(file.read()))
        except (OSError, ValueError, PylockValidationError) as error:
            raise self._damaged(error) from error

    def _package_of(self, listed: Any) -> Package | None:
        """Return a package, `None` for a project that is required anyway."""
        version = None if listed.version is None else str(listed.version)
        if listed.directory is not None:
            path = os.path.join(os.path.dirname(self.path), listed.directory.path)
            if os.path.realpath(path) in self._projects:
                return None
            raise EnvironmentLockError(
                f"{self.path} lists {listed.name} as the directory "
                f"{listed.directory.path}, which it has no hash of. Give it as "
                "Environment(requirements=['./...']), or leave it out of the file, as "
                "`uv export --no-emit-project` does."
            )
        if listed.vcs is not None:
            source = listed.vcs
            url = f"{source.type}+{self._url_of(source)}@{source.commit_id}"
            hashes = []
        else:
            source = listed.archive or self._file_of(listed)
            url = self._url_of(source)
            hashes = [
                f"{kind}:{source.hashes[kind]}"
                for kind in _KINDS
                if kind in source.hashes
            ]
            if not hashes:
                raise self._damaged(f"{listed.name} has no hash of {', '.join(_KINDS)}")
        subdirectory = getattr(source, "subdirectory", None)
        if subdirectory:
            url += f"#subdirectory={subdirectory}"
        self.addresses.append(f"{listed.name} @ {url}")
        return Package(listed.name, version, sorted(hashes), without_credentials(url))

    def _file_of(self, listed: Any) -> Any:
        """Return the wheel that fits the Python best, else the source archive."""
        from packaging.utils import parse_wheel_filename

        assert self._python is not None
        ranks = {tag: rank for rank, tag in enumerate(_tags(self._python))}
        fitting = []
        for number, wheel in enumerate(listed.wheels or ()):
            name = wheel.name or os.path.basename(self._url_of(wheel).split("?")[0])
            tags = parse_wheel_filename(_unquoted(name))[3]
            known = [ranks[tag] for tag in tags if tag in ranks]
            if known:
                fitting.append((min(known), number))
        if fitting:
            return listed.wheels[min(fitting)[1]]
        if listed.sdist is not None:
            return listed.sdist
        raise EnvironmentLockError(
            f"{self.path} lists no file of {listed.name} that fits "
            f"{self._python.platform}: lock for that platform, too, with the tool that "
            "has written it."
        )

    def _url_of(self, source: Any) -> str:
        # The path takes precedence, since the file lies beside the lock.
        if source.path:
            # Most files name no other ones beside them.
            from pathlib import Path

            directory = os.path.dirname(os.path.abspath(self.path))
            return Path(os.path.join(directory, source.path)).as_uri()
        return str(source.url)

    def _check_python(self, required: Any, label: str, name: str = "") -> None:
        assert self._python is not None
        if required and not required.contains(self._python.version, prereleases=True):
            raise self._unsupported(label, f"Python {required}", name)

    def _unsupported(
        self, label: str, required: str, name: str = ""
    ) -> EnvironmentLockError:
        assert self._python is not None
        package = f" for {name}" if name else ""
        return EnvironmentLockError(
            f"{self.path} does not support the Python {self._python.version} of "
            f"environment {label!r}: it requires {required}{package}. Choose another "
            "Python, or lock for this one with the tool that has written the file."
        )

    def _damaged(self, reason: object) -> EnvironmentLockError:
        return EnvironmentLockError(
            f"The lock file {self.path} cannot be read: {reason}. It is another "
            "tool's: write it with that tool, or take it from your version control."
        )


def _marker_environment(python: Python) -> dict[str, Any]:
    """Return the values of markers for a Python of this machine."""
    from packaging.markers import default_environment

    return {
        **default_environment(),
        "implementation_name": python.implementation,
        "implementation_version": python.version,
        "platform_python_implementation": _IMPLEMENTATIONS.get(
            python.implementation, python.implementation
        ),
        "python_full_version": python.version,
        "python_version": ".".join(python.version.split(".")[:2]),
    }


def _tags(python: Python) -> Iterator[Any]:
    """Yield the tags of wheels for a Python of this machine, the best first."""
    from packaging.tags import compatible_tags, cpython_tags, platform_tags

    major, minor = map(int, python.version.split(".")[:2])
    platforms = list(platform_tags())
    interpreter = None
    if python.implementation == "cpython":
        interpreter = f"cp{major}{minor}"
        yield from cpython_tags((major, minor), [interpreter], platforms)
    yield from compatible_tags((major, minor), interpreter, platforms)


def _unquoted(name: str) -> str:
    from urllib.parse import unquote

    return unquote(name)
