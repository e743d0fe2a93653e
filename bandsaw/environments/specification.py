"""The specification of an environment on this machine, with every path resolved."""

from __future__ import annotations

import os
from collections import namedtuple

from .credentials import netrc_line, without_user
from .lock_file import FILE_NAME, LockFile
from .pylock import PylockFile, is_pylock
from .pythons import find_python
from .requirements import Requirements, normalized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, NamedTuple, Sequence

    from .environment import Environment
    from .lock_file import Section
    from .pythons import Python

    class _Index(NamedTuple):
        url: str | None
        find_links: list[str]
        extra_urls: list[str]
        sources: dict[str, str]

else:
    _Index = namedtuple("_Index", "url find_links extra_urls sources")


class Index(_Index):
    """Sources of packages, in addition to the user's settings of uv or pip.

    Attributes:
        url: The URL of an index in place of the default one, with its credentials.
        find_links: URLs of directories or pages with files of packages.
        extra_urls: The URLs of indexes that are searched before that one.
        sources: The URLs of the only indexes of some packages, by normalized names.
    """

    __slots__ = ()

    @classmethod
    def of(
        cls,
        url: str | None,
        find_links: Sequence[str],
        place: str,
        extra_urls: Sequence[str] = (),
        sources: Iterable[tuple[str, str]] = (),
    ) -> Index:
        """Return what was given, with the paths of directories as URLs.

        Args:
            url: The URL of the index.
            find_links: URLs of directories or pages, and paths.
            place: The directory in which relative paths begin.
            extra_urls: The URLs of further indexes.
            sources: The names of packages, and the URLs of their indexes.
        """
        return cls(
            url,
            [_link(link, place) for link in find_links],
            list(extra_urls),
            {normalized(name): address for name, address in sources},
        )

    @property
    def options(self) -> list[str]:
        """The lines of a requirements file that name these places."""
        lines = [] if self.url is None else [f"--index-url {self.url}"]
        lines += [f"--extra-index-url {url}" for url in self.extra_urls]
        return lines + [f"--find-links {link}" for link in self.find_links]

    def without_extras(self) -> Index:
        """Return the same places without further indexes."""
        return self._replace(extra_urls=[])

    def only(self, url: str) -> Index:
        """Return one index alone.

        Args:
            url: Its URL.
        """
        return Index(url, [], [], {})

    def anonymous(self) -> tuple[Index, list[str]]:
        """Return the same places without credentials, and these as lines of a netrc.

        Credentials that a netrc file cannot express stay in the URL.
        """
        lines: list[str] = []

        def anonymous(url: str) -> str:
            line = netrc_line(url) if "@" in url else None
            if line is None:
                return url
            lines.append(line)
            return without_user(url)

        places = Index(
            None if self.url is None else anonymous(self.url),
            [*map(anonymous, self.find_links)],
            [*map(anonymous, self.extra_urls)],
            {name: anonymous(url) for name, url in self.sources.items()},
        )
        return places, lines


class Specification:
    """The specification of an environment on this machine.

    Args:
        environment: The environment.

    Attributes:
        label: The label of the environment.
        python: Its Python.
        requirements: Its requirements.
        index: Where its packages come from.
        lock: Its lock file.

    Raises:
        PythonNotFoundError: If this machine has no such Python.
        ConfigurationError: If a file or a project does not exist.
    """

    def __init__(self, environment: Environment) -> None:
        place = environment.place
        self.label = environment.label
        self.python: Python = find_python(environment.python, place)
        self.requirements = Requirements(
            environment.requirements,
            environment.requirements_file,
            environment.constraints,
            place,
        )
        self.index = index_of(environment, self.requirements, place)
        paths = [project.path for project in self.requirements.projects]
        self.lock = lock_file_of(environment, self.python, paths)

    def locked(self) -> Section | None:
        """Return the locked section, `None` if there is none yet.

        Raises:
            EnvironmentLockError: If it does not satisfy the requirements.
        """
        section = self.lock.section(self.label, self.python.platform)
        if section is not None:
            self.lock.check(section, self.requirements, self.python.version, self.label)
        return section


def lock_file_of(
    environment: Environment, python: Python | None, projects: Sequence[str]
) -> LockFile:
    """Return the lock file of an environment.

    Args:
        environment: The environment.
        python: Its Python, `None` if it is on another machine.
        projects: The paths of the projects that it requires.
    """
    path = os.path.join(environment.place, environment.lock or FILE_NAME)
    return PylockFile(path, python, projects) if is_pylock(path) else LockFile(path)


def index_of(environment: Environment, requirements: Requirements, place: str) -> Index:
    """Return where the packages of an environment come from.

    Args:
        environment: The environment.
        requirements: Its requirements; a file of them may name indexes, too.
        place: The directory in which relative paths begin.
    """
    url = environment.index_url
    if url is None and requirements.index_urls:
        url = requirements.index_urls[-1]
    extra_urls = [*environment.extra_index_urls, *requirements.extra_index_urls]
    return Index.of(url, environment.find_links, place, extra_urls, environment.sources)


def _link(link: str, place: str) -> str:
    if "://" in link:
        return link
    # Most specifications name no file.
    import pathlib

    # A URL, in which no character has a special meaning to the tools.
    return pathlib.Path(os.path.join(place, os.path.expanduser(link))).as_uri()
