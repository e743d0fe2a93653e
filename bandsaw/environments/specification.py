"""The specification of an environment on this machine, with every path resolved."""

from __future__ import annotations

import os
from collections import namedtuple

from .credentials import netrc_line, without_user
from .lock_file import FILE_NAME, LockFile, check
from .pythons import find_python
from .requirements import Requirements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple, Sequence

    from .environment import Environment
    from .lock_file import Section
    from .pythons import Python

    class _Index(NamedTuple):
        url: str | None
        find_links: list[str]

else:
    _Index = namedtuple("_Index", "url find_links")


class Index(_Index):
    """Where packages come from, in addition to the user's settings of uv or pip.

    Attributes:
        url: The URL of an index in place of the default one, with its credentials.
        find_links: URLs of directories or pages with files of packages.
    """

    __slots__ = ()

    @classmethod
    def of(cls, url: str | None, find_links: Sequence[str], place: str) -> Index:
        """Return what was given, with the paths of directories as URLs.

        Args:
            url: The URL of the index.
            find_links: URLs of directories or pages, and paths.
            place: The directory in which relative paths begin.
        """
        return cls(url, [_link(link, place) for link in find_links])

    @property
    def options(self) -> list[str]:
        """The lines of a requirements file that name these places."""
        lines = [] if self.url is None else [f"--index-url {self.url}"]
        return lines + [f"--find-links {link}" for link in self.find_links]

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

        url = None if self.url is None else anonymous(self.url)
        return Index(url, [anonymous(link) for link in self.find_links]), lines


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
        self.index = Index.of(environment.index_url, environment.find_links, place)
        self.lock = LockFile(os.path.join(place, environment.lock or FILE_NAME))

    def locked(self) -> Section | None:
        """Return the locked section, `None` if there is none yet.

        Raises:
            EnvironmentLockError: If it does not satisfy the requirements.
        """
        section = self.lock.section(self.label, self.python.platform)
        if section is not None:
            check(
                section,
                self.requirements,
                self.python.version,
                self.label,
                self.lock.path,
            )
        return section


def _link(link: str, place: str) -> str:
    if "://" in link:
        return link
    # Most specifications name no file.
    import pathlib

    # A URL, in which no character has a special meaning to the tools.
    return pathlib.Path(os.path.join(place, os.path.expanduser(link))).as_uri()
