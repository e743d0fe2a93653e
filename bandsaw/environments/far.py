"""Environments that are made at the far end of a connection.

The caller reads the requirements, its lock file and its projects, and sends them. At
the far end `make` finds a Python, chooses packages unless some are locked for that
platform, and makes the environment, as for an environment of that machine. What was
chosen comes back into the caller's lock file.
"""

from __future__ import annotations

import os
import pathlib

from .. import exceptions
from ..exceptions import BandsawError, EnvironmentLockError, ProtocolError
from ..interpreter import Interpreter
from ..runtime.temporary import TemporaryDirectory
from .lock_file import LockFile, Section, SentLockFile
from .pythons import find_python
from .requirements import Project, Requirements
from .resolution import Resolution, Sources, alone_with, lock
from .specification import Index, Specification, index_of, lock_file_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .environment import Environment

    # Calls `make` at the far end.
    Ask = Callable[[dict[str, Any]], dict[str, Any]]

# How often it is begun anew when other processes lock other packages meanwhile.
_MOST_ATTEMPTS = 10


class FarEnvironment:
    """An environment at a far end, as its caller knows it.

    Args:
        environment: The environment.
        name: What the far end is called in an error.
        ask: Calls `make` there.

    Attributes:
        interpreter: Its interpreter there.
        identity: The platform, the packages and the projects, separated by commas.
        facts: The facts about it that are recorded, as plain data.

    Raises:
        BandsawError: If it cannot be made there.
    """

    def __init__(self, environment: Environment, name: str, ask: Ask) -> None:
        self._sources = Sources(environment)
        place = environment.place
        requirements = Requirements(
            environment.requirements,
            environment.requirements_file,
            environment.constraints,
            place,
        )
        lock_file = lock_file_of(environment, None, ())
        for _ in range(_MOST_ATTEMPTS):
            answer = ask(_description(environment, requirements, lock_file))
            if "error" in answer:
                raise _error_of(name, *answer["error"])
            if _keep(lock_file, environment.label, answer):
                break
        else:
            raise EnvironmentLockError(
                f"Behind the {name}: environment {environment.label!r} holds other "
                f"packages than {lock_file.path} names."
            )
        self.interpreter = Interpreter(path=(), executable=answer["executable"])
        self.identity: str = answer["identity"]
        self.facts: dict[str, Any] = answer["facts"]
        self._sources.note(requirements, lock_file)

    @property
    def is_current(self) -> bool:
        """Whether nothing has changed here since it was made."""
        return self._sources.are_as_noted

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FarEnvironment):
            return NotImplemented
        return (self.interpreter, self.facts) == (other.interpreter, other.facts)

    def __hash__(self) -> int:
        return hash(self.interpreter)


def _description(
    environment: Environment, requirements: Requirements, lock_file: LockFile
) -> dict[str, Any]:
    """Return all that the far end has to know, as plain data."""
    index = index_of(environment, requirements, environment.place)
    return {
        "label": environment.label,
        "python": environment.python,
        "place": environment.place,
        "requirements": requirements.lines,
        "constraints": requirements.constraints,
        "projects": [
            (project.text, os.path.basename(project.path), project.extras, files)
            for project in requirements.projects
            for files in [list(project.contents())]
        ],
        "index_url": index.url,
        "find_links": environment.find_links,
        "extra_index_urls": index.extra_urls,
        "sources": environment.sources,
        "lock": lock_file.path,
        "sections": lock_file.sections(environment.label),
    }


def _keep(lock_file: LockFile, label: str, answer: dict[str, Any]) -> bool:
    """Keep what was chosen, and tell if no other process has chosen otherwise."""
    section = Section.from_json(answer["section"])
    with alone_with(lock_file):
        known = lock_file.section(label, answer["platform"])
        if known is None:
            lock_file.put(label, answer["platform"], section)
    return known is None or known == section


def _error_of(name: str, kind: str, text: str) -> BandsawError:
    found = getattr(exceptions, kind, None)
    if not (isinstance(found, type) and issubclass(found, BandsawError)):
        return ProtocolError(f"The {name} answers with {kind!r}: {text}")
    return found(f"Behind the {name}: {text}")


def make(description: dict[str, Any]) -> dict[str, Any]:
    """Make an environment on this machine that is described by another one.

    Args:
        description: What that one has sent.

    Returns:
        Where it is and what it holds, or the error, as plain data.
    """
    directory = TemporaryDirectory(None, "projects-")
    try:
        specification = _SentSpecification(description, directory.path)
        section = specification.locked() or lock(specification)
        resolution = Resolution(specification, section)
        return {
            "executable": resolution.executable(),
            "platform": specification.python.platform,
            "section": section.to_json(),
            "identity": resolution.identity,
            "facts": resolution.facts,
        }
    except BandsawError as error:
        return {"error": (type(error).__name__, str(error))}
    finally:
        directory.remove()


class _SentSpecification(Specification):
    """The specification of an environment that another machine has described.

    Args:
        description: What that machine has sent.
        directory: Where to put the projects.
    """

    def __init__(self, description: dict[str, Any], directory: str) -> None:
        place = description["place"]
        self.label = description["label"]
        self.python = find_python(description["python"], place)
        self.requirements = Requirements(description["requirements"], None, (), place)
        self.requirements.constraints += description["constraints"]
        for number, (text, name, extras, files) in enumerate(description["projects"]):
            path = os.path.join(directory, str(number), name)
            _write_files(path, files)
            self.requirements.projects.append(Project(text, path, extras))
        self.index = Index.of(
            description["index_url"],
            description["find_links"],
            place,
            description["extra_index_urls"],
            description["sources"],
        )
        self.lock = SentLockFile(
            description["lock"], self.label, description["sections"]
        )


def _write_files(directory: str, files: list[tuple[str, int, bytes]]) -> None:
    for name, mode, content in files:
        path = pathlib.Path(os.path.join(directory, name) if name else directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
