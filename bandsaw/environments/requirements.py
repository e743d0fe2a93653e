"""The requirements of an environment: distributions, and projects on this machine."""

from __future__ import annotations

import os
import re
from collections import namedtuple

from ..exceptions import ConfigurationError, MissingExtraError
from .credentials import without_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, NamedTuple, Sequence

    from .lock_file import Package

    class _Project(NamedTuple):
        text: str
        path: str
        extras: str

else:
    _Project = namedtuple("_Project", "text path extras")

# A project on this machine is written as a path: `./mylib[plot]`. Patterns are compiled
# when they are needed: `re` remembers them.
_PROJECT = r"(?P<path>(?:\.{1,2}(?=[/\[]|$)|/|~/|file:).*?)(?P<extras>\[[^]]*\])?$"

# Or with its name: `mylib[plot] @ file:///home/ada/mylib`.
_NAMED_PROJECT = r"[\w.-]+\s*(?P<extras>\[[^]]*\])?\s*@\s*(?P<path>file:\S+)$"

# The options of a file with requirements that name indexes
_INDEX = r"(?P<option>-i|--index-url|--pypi-url|--extra-index-url)[ =]*(?P<url>\S+)$"

# Directories that are no part of a release of the project.
_NOT_RELEASED = ("__pycache__", "build", "dist", "node_modules")


class Project(_Project):
    """A project on this machine that is built and installed, e.g. ``./mylib[plot]``.

    Attributes:
        text: The requirement as it was written.
        path: The path of the project.
        extras: Its extras in brackets, or an empty text.
    """

    __slots__ = ()

    @property
    def signature(self) -> tuple[Any, ...]:
        """Sizes and times of the files, which nearly always change with the content."""
        return tuple(
            (name, status.st_size, status.st_mtime_ns) for name, status in self._files()
        )

    def digest(self) -> str:
        """Return the SHA-256 of its files, as hex digits."""
        # Most environments come from no such files.
        from hashlib import sha256

        whole = sha256()
        for name, _ in self._files():
            path = os.path.join(self.path, name) if name else self.path
            with open(path, "rb") as file:
                content = sha256(file.read()).hexdigest()
            whole.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
        return whole.hexdigest()

    def contents(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield the names, modes and contents of its files; one alone has no name."""
        for name, status in self._files():
            path = os.path.join(self.path, name) if name else self.path
            with open(path, "rb") as file:
                yield name, status.st_mode & 0o777, file.read()

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        if os.path.isfile(self.path):
            yield "", os.stat(self.path)  # A wheel, or the archive of a project
            return
        for parent, directories, names in os.walk(self.path):
            directories[:] = sorted(
                name for name in directories if _is_released(os.path.join(parent, name))
            )
            for name in sorted(names):
                path = os.path.join(parent, name)
                if not name.startswith(".") and os.path.isfile(path):
                    yield os.path.relpath(path, self.path), os.stat(path)


def _is_released(directory: str) -> bool:
    name = os.path.basename(directory)
    return not (
        name.startswith(".")
        or name in _NOT_RELEASED
        or name.endswith(".egg-info")
        or os.path.exists(os.path.join(directory, "pyvenv.cfg"))
    )


class Requirements:
    """All requirements of an environment.

    Args:
        requirements: Requirements and projects, as text.
        requirements_file: A file with more of them, `None` if there is none.
        constraints: Requirements that apply only to what other requirements bring in;
            or a file with them.
        directory: The directory in which relative paths begin.

    Attributes:
        lines: The requirements for distributions.
        projects: The projects on this machine.
        constraints: The constraints.
        index_urls: The URLs of the indexes that the file names in place of the usual
            one; the last one counts.
        extra_index_urls: The URLs of those that it names in addition.

    Raises:
        ConfigurationError: If a file or a project does not exist.
    """

    def __init__(
        self,
        requirements: Sequence[str],
        requirements_file: str | None,
        constraints: Sequence[str],
        directory: str,
    ) -> None:
        self.lines: list[str] = []
        self.projects: list[Project] = []
        self.constraints: list[str] = []
        self.index_urls: list[str] = []
        self.extra_index_urls: list[str] = []
        for text in requirements:
            self._add(text.strip(), directory)
        if requirements_file is not None:
            for text, place, is_constraint in _lines_of(requirements_file, directory):
                if self._is_index(text):
                    continue
                if is_constraint:
                    self.constraints.append(text)
                else:
                    self._add(text, place)
        for text in constraints:
            if _is_path(text):
                lines = [line for line, _, _ in _lines_of(text, directory)]
                self.constraints += [one for one in lines if not self._is_index(one)]
            else:
                self.constraints.append(_checked(text.strip()))

    def _is_index(self, text: str) -> bool:
        """Keep the index that a line of a file names, and tell if it does."""
        option = re.match(_INDEX, text)
        if option is None:
            return False
        is_extra = option.group("option") == "--extra-index-url"
        urls = self.extra_index_urls if is_extra else self.index_urls
        urls.append(option.group("url").strip("'\""))
        return True

    def _add(self, text: str, directory: str) -> None:
        match = re.match(_PROJECT, text) or re.match(_NAMED_PROJECT, text)
        if match is None:
            self.lines.append(_checked(text))
            return
        path = match.group("path")
        if path.startswith("file:"):
            from urllib.parse import unquote, urlsplit

            path = unquote(urlsplit(path).path)
        path = os.path.normpath(os.path.join(directory, os.path.expanduser(path)))
        if not os.path.exists(path):
            raise ConfigurationError(
                f"There is no project {text!r}: {path} does not exist. A relative path "
                "begins in the directory of the configuration's file."
            )
        self.projects.append(Project(text, path, match.group("extras") or ""))

    @property
    def shown(self) -> list[str]:
        """All of them as they may be written down, without credentials."""
        return [
            *sorted(map(without_credentials, self.lines)),
            *sorted(project.text for project in self.projects),
            *(
                f"{without_credentials(text)} (constraint)"
                for text in sorted(self.constraints)
            ),
        ]

    def unsatisfied(
        self,
        packages: dict[str, Package],
        python_version: str,
        before: Sequence[str],
    ) -> list[str]:
        """Return the requirements that packages do not satisfy, and why.

        Args:
            packages: The packages by their normalized names.
            python_version: The version of the environment's Python.
            before: The shown requirements that the packages were chosen for, and
                satisfy.
        """
        lines = [text for text in self.lines if without_credentials(text) not in before]
        wanted = unsatisfied(lines, packages, python_version)
        extras: dict[str, set[str]] = {}
        for text in before:
            try:
                name, locked = _name_and_extras(text)
            except ConfigurationError:
                continue  # A project or a constraint, which have no extras.
            extras.setdefault(name, set()).update(locked)
        for text in lines:
            # The requirements of an extra are known to its package only.
            name, needed = _name_and_extras(text)
            for extra in sorted(needed - extras.get(name, set())):
                wanted.append(f"{without_credentials(text)} ({extra} is not locked)")
        constraints = [
            text for text in self.constraints if _name_and_extras(text)[0] in packages
        ]
        return wanted + unsatisfied(constraints, packages, python_version)


def _checked(text: str) -> str:
    """Return a requirement, which may not bring others or options along."""
    if text.startswith("-") or "\n" in text or re.search(r"\s--\w", text):
        raise ConfigurationError(
            f"{without_credentials(text)!r} is no requirement: options have no place "
            "here. An index is given as Environment(index_url=...), "
            "extra_index_urls=[...] or find_links=[...]."
        )
    return text


def _is_path(text: str) -> bool:
    """Tell if a constraint is the path of a file with constraints."""
    if text.startswith(("./", "../", "/", "~/")):
        return True
    return not re.search(r"[<>=!~@]", text) and (
        os.sep in text or text.endswith((".txt", ".in"))
    )


def files_of(
    requirements_file: str | None, constraints: Sequence[str], directory: str
) -> list[str]:
    """Return the paths of the files with the requirements of an environment.

    Args:
        requirements_file: The file with requirements.
        constraints: The constraints, some of which may be files.
        directory: The directory in which relative paths begin.
    """
    named = [] if requirements_file is None else [requirements_file]
    named += [text for text in constraints if _is_path(text)]
    files: list[str] = []
    for name in named:
        for _ in _lines_of(name, directory, files):
            pass
    return files


def _lines_of(
    name: str,
    directory: str,
    seen: list[str] | None = None,
    is_constraint: bool = False,
) -> Iterator[tuple[str, str, bool]]:
    """Yield the requirements in a file, and in the files that it names.

    Each comes with the directory of its file, and whether it is a constraint.
    """
    path = os.path.join(directory, os.path.expanduser(name))
    seen = [] if seen is None else seen
    real = os.path.realpath(path)  # A circle has always another path to the file.
    if real in seen:
        return
    seen.append(real)
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            without_credentials(
                f"The file {name!r} of requirements cannot be read: {error}"
            )
        ) from error
    place = os.path.dirname(path)
    for line in re.sub(r"\\\r?\n", " ", content).splitlines():
        text = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not text:
            continue
        nested = re.match(r"--?([rc])(?:equirement|onstraint)?[ =]*(\S.*)$", text)
        if nested is not None:
            yield from _lines_of(
                nested.group(2).strip("'\""),
                place,
                seen,
                is_constraint or nested.group(1) == "c",
            )
        elif re.match(_INDEX, text):
            yield text, place, is_constraint
        elif text.startswith("-"):
            option = without_credentials(text.split()[0])
            raise ConfigurationError(
                f"{path}: the option {option!r} is not understood. An index "
                "is given as Environment(index_url=...) or find_links=[...], and a "
                "project on this machine by its path."
            )
        else:
            # The lock has hashes of its own.
            text = re.sub(r"\s+--hash[= ]\S+", "", text)
            yield _checked(text), place, is_constraint


def normalized(name: str) -> str:
    """Return the one spelling of a distribution's name, as PEP 503 defines it.

    Not by packaging, since pip makes environments without the extra, too.

    Args:
        name: The name.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def unsatisfied(
    texts: Sequence[str],
    packages: dict[str, Package],
    python_version: str,
    extras: Sequence[str] = (),
) -> list[str]:
    """Return the requirements that packages do not satisfy, and why.

    Args:
        texts: The requirements.
        packages: The packages by their normalized names.
        python_version: The version of the environment's Python.
        extras: The extras of the project that has these requirements.
    """
    wrong = []
    for text in texts:
        reason = _compare(text, packages, python_version, extras)
        if reason is not None:
            wrong.append(f"{without_credentials(text)} ({reason})")
    return wrong


def _compare(
    text: str,
    packages: dict[str, Package],
    python_version: str,
    extras: Sequence[str],
) -> str | None:
    """Return why packages do not satisfy a requirement, `None` if they do."""
    requirement = _parsed(text)
    where = {
        "python_version": ".".join(python_version.split(".")[:2]),
        "python_full_version": python_version,
    }
    marker = requirement.marker
    if marker is not None and not any(
        marker.evaluate({**where, "extra": extra}) for extra in (*extras, "")
    ):
        return None
    package = packages.get(normalized(requirement.name))
    if package is None:
        return "not locked"
    if requirement.url is not None:
        is_same = package.url == without_credentials(requirement.url)
    else:
        is_same = package.version is not None and requirement.specifier.contains(
            package.version, prereleases=True
        )
    return None if is_same else f"locked is {package}"


def is_same_version(one: str, other: str) -> bool:
    """Tell if two texts are the same version, which may be written in several ways.

    Args:
        one: A version.
        other: Another one.

    Raises:
        MissingExtraError: If they differ, and packaging is not installed.
    """
    if one == other:
        return True
    try:
        from packaging.version import InvalidVersion, Version
    except ImportError:
        raise _missing(f"Version {one}") from None
    try:
        return bool(Version(one) == Version(other))
    except InvalidVersion:
        return False


def _missing(subject: str) -> MissingExtraError:
    return MissingExtraError(
        f"{subject} can be compared with the lock file by packaging only. Install "
        "bandsaw[environments]."
    )


def _name_and_extras(text: str) -> tuple[str, set[str]]:
    """Return the normalized names of a requirement and of its extras."""
    requirement = _parsed(text)
    return normalized(requirement.name), set(map(normalized, requirement.extras))


def name_of(text: str) -> str | None:
    """Return the normalized name of a requirement, `None` if it has none.

    Not by packaging, since pip makes environments without the extra, too.

    Args:
        text: The requirement.
    """
    match = re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(?![\w.:/-])", text)
    return None if match is None else normalized(match.group(1))


def _parsed(text: str) -> Any:
    """Return a requirement as packaging represents it."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        raise _missing(f"The requirement {without_credentials(text)!r}") from None
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        reason = without_credentials(f"{text!r} is no requirement: {error}")
        raise ConfigurationError(reason) from None


def toml_reader(subject: str) -> Any:
    """Return a module that reads TOML.

    Args:
        subject: The first words of the error.

    Raises:
        MissingExtraError: If there is none, before Python 3.11.
    """
    try:
        import tomllib

        return tomllib
    except ImportError:
        pass
    try:
        import tomli

        return tomli
    except ImportError:
        raise MissingExtraError(
            f"{subject} needs tomli on this Python. Install bandsaw[environments]."
        ) from None
