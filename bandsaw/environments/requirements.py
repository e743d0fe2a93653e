"""What an environment is asked to hold: requirements, and projects of this machine."""

from __future__ import annotations

import hashlib
import os
import re

from ..exceptions import ConfigurationError
from .credentials import without_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Sequence

    from .locks import Package

# How a project on this machine is named, unlike a distribution: `./mylib[plot]`.
_PROJECT = re.compile(
    r"(?P<path>(?:\.{1,2}(?=[/\[]|$)|/|~/|file:).*?)(?P<extras>\[[^]]*\])?$"
)

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")

# The same with its name in front: `mylib[plot] @ file:///home/ada/mylib`.
_NAMED_PROJECT = re.compile(
    rf"{_NAME.pattern}\s*(?P<extras>\[[^]]*\])?\s*@\s*(?P<path>file:\S+)$"
)

# What belongs to no release of a project.
_NOT_OF_A_PROJECT = ("__pycache__", "build", "dist", "node_modules")


class Project:
    """A project on this machine that is built and installed, e.g. ``./mylib[plot]``.

    Args:
        text: How it was asked for.
        path: Where it is.
        extras: Its extras, in brackets, or nothing.
    """

    def __init__(self, text: str, path: str, extras: str) -> None:
        self.text = text
        self.path = path
        self.extras = extras

    @property
    def signature(self) -> tuple[Any, ...]:
        """What changes, if not always, when a file of the project does; quickly."""
        return tuple(
            (name, status.st_size, status.st_mtime_ns) for name, status in self._files()
        )

    def digest(self) -> str:
        """Return the SHA-256 of its files, as hex digits."""
        whole = hashlib.sha256()
        for name, _ in self._files():
            path = os.path.join(self.path, name) if name else self.path
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
            whole.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
        return whole.hexdigest()

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        if os.path.isfile(self.path):
            yield "", os.stat(self.path)  # A wheel, or the archive of a project
            return
        for parent, directories, names in os.walk(self.path):
            directories[:] = sorted(
                name for name in directories if _belongs(os.path.join(parent, name))
            )
            for name in sorted(names):
                path = os.path.join(parent, name)
                if not name.startswith(".") and os.path.isfile(path):
                    yield os.path.relpath(path, self.path), os.stat(path)


def _belongs(directory: str) -> bool:
    name = os.path.basename(directory)
    return not (
        name.startswith(".")
        or name in _NOT_OF_A_PROJECT
        or name.endswith(".egg-info")
        or os.path.exists(os.path.join(directory, "pyvenv.cfg"))
    )


class Requirements:
    """Everything that an environment is asked to hold.

    Args:
        requirements: Requirements and projects, as text.
        requirements_file: A file with more of them, `None` if there is none.
        constraints: Requirements that count for what others want to have; or a file
            with them.
        directory: Where relative paths begin.

    Attributes:
        lines: The requirements for distributions.
        projects: The projects on this machine.
        constraints: The constraints.

    Raises:
        ConfigurationError: If a file or a project is not there.
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
        for text in requirements:
            self._add(text.strip(), directory)
        if requirements_file is not None:
            for line in _lines_of(requirements_file, directory):
                if line.is_constraint:
                    self.constraints.append(line.text)
                else:
                    self._add(line.text, line.directory)
        for text in constraints:
            if _is_path(text):
                self._add_constraints(text, directory)
            else:
                self.constraints.append(_checked(text.strip()))

    def _add_constraints(self, name: str, directory: str) -> None:
        for line in _lines_of(name, directory):
            self.constraints.append(line.text)

    def _add(self, text: str, directory: str) -> None:
        match = _PROJECT.match(text) or _NAMED_PROJECT.match(text)
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
        before: Sequence[str] = (),
    ) -> list[str]:
        """Return the requirements that packages do not satisfy, and why.

        Args:
            packages: The packages by their normalized names.
            python_version: The version of the Python that they are for.
            before: What these were chosen for, as it is shown. They satisfy that.
        """
        lines = [text for text in self.lines if without_credentials(text) not in before]
        wanted = unsatisfied(lines, packages, python_version)
        extras: dict[str, set[str]] = {}
        for text in before:
            if _NAME.match(text):
                extras.setdefault(name_of(text), set()).update(_extras_of(text))
        for text in lines:
            # What an extra wants to have, only its package knows.
            for extra in _extras_of(text) - extras.get(name_of(text), set()):
                wanted.append(f"{without_credentials(text)} ({extra} is not locked)")
        return wanted + unsatisfied(
            self.constraints, packages, python_version, are_wanted=False
        )


def _checked(text: str) -> str:
    """Return a requirement, which may not bring others or options along."""
    if text.startswith("-") or "\n" in text or re.search(r"\s--\w", text):
        raise ConfigurationError(
            f"{without_credentials(text)!r} is no requirement: options have no place "
            "here. An index is given as Environment(index_url=...) or find_links=[...]."
        )
    return text


def _extras_of(requirement: str) -> set[str]:
    match = re.match(rf"{_NAME.pattern}\s*\[([^]]*)\]", requirement)
    names = match.group(1).split(",") if match is not None else []
    return {normalized(name.strip()) for name in names}


def _is_path(text: str) -> bool:
    """Tell if a constraint names a file instead of being one."""
    if text.startswith(("./", "../", "/", "~/")):
        return True
    return not re.search(r"[<>=!~@]", text) and (
        os.sep in text or text.endswith((".txt", ".in"))
    )


def files_of(
    requirements_file: str | None, constraints: Sequence[str], directory: str
) -> list[str]:
    """Return the paths of the files that say what an environment is asked to hold.

    Args:
        requirements_file: The file with requirements.
        constraints: The constraints, of which some may be files.
        directory: Where relative paths begin.
    """
    named = [] if requirements_file is None else [requirements_file]
    named += [text for text in constraints if _is_path(text)]
    files: list[str] = []
    for name in named:
        for _ in _lines_of(name, directory, files):
            pass
    return files


class _Line:
    """A requirement in a file, with the directory of its file."""

    def __init__(self, text: str, directory: str, is_constraint: bool) -> None:
        self.text = text
        self.directory = directory
        self.is_constraint = is_constraint


def _lines_of(
    name: str,
    directory: str,
    seen: list[str] | None = None,
    is_constraint: bool = False,
) -> Iterator[_Line]:
    """Yield the requirements in a file, and in those that it names."""
    path = os.path.join(directory, os.path.expanduser(name))
    seen = [] if seen is None else seen
    real = os.path.realpath(path)  # In a circle, there is always another way to it.
    if real in seen:
        return
    seen.append(real)
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The file {name!r} of requirements cannot be read: {error}"
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
        elif text.startswith("-"):
            raise ConfigurationError(
                f"{path}: the option {text.split()[0]!r} is not understood. An index "
                "is given as Environment(index_url=...) or find_links=[...], and a "
                "project on this machine by its path."
            )
        else:
            # What is locked has hashes of its own.
            text = re.sub(r"\s+--hash[= ]\S+", "", text)
            yield _Line(_checked(text), place, is_constraint)


def normalized(name: str) -> str:
    """Return the one spelling of a distribution's name.

    Args:
        name: The name.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """Return the normalized name of the distribution that a requirement asks for.

    Args:
        requirement: The requirement.

    Raises:
        ConfigurationError: If it does not begin with a name.
    """
    match = _NAME.match(requirement)
    if match is None:
        raise ConfigurationError(
            f"{requirement!r} is no requirement. Give one like 'numpy >=1.20', or a "
            "path like './mylib'."
        )
    return normalized(match.group())


def unsatisfied(
    texts: Sequence[str],
    packages: dict[str, Package],
    python_version: str,
    extras: Sequence[str] = (),
    are_wanted: bool = True,
) -> list[str]:
    """Return the requirements that packages do not satisfy, and why.

    Args:
        texts: The requirements.
        packages: The packages by their normalized names.
        python_version: The version of the Python that they are for.
        extras: The extras of the project whose requirements these are.
        are_wanted: Whether the packages have to be there at all.
    """
    wrong = []
    for text in texts:
        reason = _compare(text, packages, python_version, extras, are_wanted)
        if reason is not None:
            wrong.append(f"{without_credentials(text)} ({reason})")
    return wrong


def _compare(
    text: str,
    packages: dict[str, Package],
    python_version: str,
    extras: Sequence[str],
    is_wanted: bool,
) -> str | None:
    """Say why packages do not satisfy a requirement, `None` if they do."""
    package = packages.get(name_of(text))
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        return "cannot be compared without bandsaw[environments]"
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ConfigurationError(f"{text!r} is no requirement: {error}") from error
    where = {
        "python_version": ".".join(python_version.split(".")[:2]),
        "python_full_version": python_version,
    }
    marker = requirement.marker
    if marker is not None and not any(
        marker.evaluate({**where, "extra": extra}) for extra in (*extras, "")
    ):
        return None
    if package is None:
        return "not locked" if is_wanted else None
    if requirement.url is not None:
        is_same = package.url == without_credentials(requirement.url)
    else:
        is_same = package.version is not None and requirement.specifier.contains(
            package.version, prereleases=True
        )
    return None if is_same else f"locked is {package}"
