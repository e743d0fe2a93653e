"""What an environment asks for on this machine: a Python, requirements, a lock file."""

from __future__ import annotations

import os
import pathlib

from .index import Index
from .locks import FILE_NAME, LockFile, check
from .pythons import find_python
from .requirements import Requirements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .environment import Environment
    from .locks import Section
    from .pythons import Python


class Specification:
    """What an environment asks for on this machine.

    Args:
        environment: The environment.

    Attributes:
        label: What the environment is called.
        python: Its Python.
        requirements: What it is asked to hold.
        index: Where packages come from.
        lock: Its lock file.

    Raises:
        PythonNotFoundError: If there is no such Python on this machine.
        ConfigurationError: If a file or a project is not there.
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
        self.index = Index(
            environment.index_url,
            [_link(link, place) for link in environment.find_links],
        )
        self.lock = LockFile(os.path.join(place, environment.lock or FILE_NAME))

    def locked(self) -> Section | None:
        """Return what is locked for it, `None` if nothing is yet.

        Raises:
            EnvironmentLockError: If that does not satisfy the requirements.
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
    # As an address, in which no character has a meaning to the tools.
    return pathlib.Path(os.path.join(place, os.path.expanduser(link))).as_uri()
