"""The two steps of a build: choosing packages, and making an environment of them."""

from __future__ import annotations

import email.parser
import glob
import json
import os
import pathlib
import re
import zipfile
from collections import namedtuple
from functools import partial

from ..exceptions import EnvironmentBuildError
from .commands import Commands
from .credentials import with_credentials, without_credentials
from .installations import size_of
from .lock_file import Package, Section
from .requirements import is_same_version, normalized, unsatisfied
from .status import BuildStatus, WaitStatus as WaitStatus, logger
from .tools import choose_tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from .requirements import Project
    from .specification import Specification
    from .tools import Tool

    class Wheel(NamedTuple):
        """A wheel that was built of a project on this machine.

        Attributes:
            project: The text of the project.
            name: The normalized name of its distribution.
            version: Its version.
            extras: The names of the extras that are asked for.
            requires: Its requirements, sorted.
            requirement: A requirement for this very wheel.
        """

        project: str
        name: str
        version: str
        extras: list[str]
        requires: list[str]
        requirement: str

else:
    Wheel = namedtuple("Wheel", "project name version extras requires requirement")


_BROUGHT_BY_VENV = {"pip", "setuptools"}


def choose(specification: Specification, scratch: str) -> Section:
    """Choose packages that satisfy a specification.

    Args:
        specification: The specification.
        scratch: A private directory for temporary files.

    Returns:
        The packages, to be locked.

    Raises:
        EnvironmentBuildError: If no packages satisfy it.
    """
    requirements = specification.requirements
    if not (requirements.lines or requirements.projects):
        return Section.of(requirements.shown, [], {})
    with BuildStatus(specification.label, "has its packages chosen") as status:
        directory = os.path.join(scratch, "environment")
        tool = _tool(specification, directory, scratch, status)
        wheels = _wheels(specification, tool)
        packages = tool.choose(
            [*requirements.lines, *(wheel.requirement for wheel in wheels)],
            requirements.constraints,
        )
    built = {wheel.name for wheel in wheels}
    _warn_of_sources(specification, built.union(package.name for package in packages))
    return Section.of(
        requirements.shown,
        [package for package in packages if package.name not in built],
        {wheel.project: wheel.requires for wheel in wheels},
    )


def _warn_of_sources(specification: Specification, chosen: set[str]) -> None:
    """Warn of sources of packages that were not chosen: their names may be wrong."""
    unused = specification.index.sources.keys() - chosen
    if unused:
        logger.warning(
            "Environment %r: sources= names %s, which it has no package of.",
            specification.label,
            ", ".join(sorted(unused)),
        )


def make(
    specification: Specification, section: Section, directory: str, scratch: str
) -> str:
    """Make an environment.

    Args:
        specification: The specification.
        section: The packages that were chosen for it.
        directory: The directory to be made.
        scratch: A private directory for temporary files.

    Returns:
        The name of the tool that made it.

    Raises:
        EnvironmentBuildError: If it cannot be made.
        EnvironmentLockError: If a project requires a package that is not locked.
    """
    projects = len(specification.requirements.projects)
    measure = partial(_progress, directory, section, projects)
    with BuildStatus(specification.label, "is there", measure) as status:
        tool = _tool(specification, directory, scratch, status)
        tool.make()
        wheels = _wheels(specification, tool)
        for wheel in wheels:
            _check_project(specification, section, wheel)
        tool.install(
            _with_credentials(specification, section),
            [wheel.requirement for wheel in wheels],
        )
        _check_installed(specification, section, wheels, tool.installed())
        _redact_sources(directory)
    return tool.name


def _progress(directory: str, section: Section, projects: int) -> str:
    """Return how much of an environment is there, in a few words."""
    packages = os.path.join(glob.escape(directory), "lib", "python*", "site-packages")
    found = glob.glob(os.path.join(packages, "*.dist-info"))
    names = {normalized(os.path.basename(path).partition("-")[0]) for path in found}
    total = len(section.packages) + projects
    # What venv brings is not asked for.
    done = min(total, len(names - (_BROUGHT_BY_VENV - section.packages.keys())))
    size = size_of(directory) / 1e6
    return f"{done} packages done, {total - done} left, {size:.0f} MB"


def _tool(
    specification: Specification, directory: str, scratch: str, status: BuildStatus
) -> Tool:
    return choose_tool(
        Commands(specification.label, scratch, status.show),
        specification.python,
        directory,
        scratch,
        specification.index,
    )


def _wheels(specification: Specification, tool: Tool) -> list[Wheel]:
    return [
        read_wheel(tool.build(project.path), project)
        for project in specification.requirements.projects
    ]


def read_wheel(path: str, project: Project) -> Wheel:
    """Read the metadata of a wheel.

    Args:
        path: The path of its file.
        project: The project of which it was built.

    Raises:
        EnvironmentBuildError: If it is not a wheel.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (
                name
                for name in archive.namelist()
                if re.match(r"[^/]+\.dist-info/METADATA$", name)
            )
            text = archive.read(name).decode("utf-8")
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise EnvironmentBuildError(
            f"The project {project.text!r} was built into a file that is no wheel: "
            f"{error}"
        ) from error
    metadata = email.parser.Parser().parsestr(text, headersonly=True)
    name = normalized(metadata["Name"])
    return Wheel(
        project.text,
        name,
        metadata["Version"],
        [part for part in re.split(r"[\[\],\s]+", project.extras) if part],
        sorted(metadata.get_all("Requires-Dist") or []),
        f"{name}{project.extras} @ {pathlib.Path(path).as_uri()}",
    )


def _check_project(
    specification: Specification, section: Section, wheel: Wheel
) -> None:
    """Refuse a project that requires a package that is not locked."""
    if section.projects.get(wheel.project, []) == wheel.requires:
        return
    wrong = unsatisfied(
        wheel.requires,
        section.packages,
        specification.python.version,
        wheel.extras,
    )
    if wrong:
        lines = [f"  {wheel.project}: {text}" for text in wrong]
        raise specification.lock.outdated(specification.label, lines)


def _check_installed(
    specification: Specification,
    section: Section,
    wheels: list[Wheel],
    installed: dict[str, str],
) -> None:
    """Refuse an environment without the packages that are locked for it."""
    wanted = {name: package.version for name, package in section.packages.items()}
    wanted.update((wheel.name, wheel.version) for wheel in wheels)
    wrong = [
        f"{name} {version or ''}".rstrip() + f" (found {installed.get(name, 'none')})"
        for name, version in sorted(wanted.items())
        if name not in installed
        or not (version is None or is_same_version(version, installed[name]))
    ]
    if wrong:
        raise EnvironmentBuildError(
            f"Environment {specification.label!r} does not hold the packages that are "
            f"locked in {specification.lock.path}, although its tool reported success:"
            + "".join(f"\n  {text}" for text in wrong)
        )


def _redact_sources(directory: str) -> None:
    """Remove tokens from the URLs that the tools write beside packages."""
    packages = os.path.join(glob.escape(directory), "lib", "python*", "site-packages")
    for path in glob.glob(os.path.join(packages, "*.dist-info", "direct_url.json")):
        with open(path, encoding="utf-8") as file:
            facts = json.load(file)
        url = without_credentials(facts["url"])
        if url != facts["url"]:
            os.unlink(path)  # It could be linked to the cache of a tool.
            with open(path, "w", encoding="utf-8") as file:
                json.dump({**facts, "url": url}, file)


def _with_credentials(specification: Specification, section: Section) -> list[Package]:
    """Return the packages, with the URLs as they were given instead of as locked."""
    given = [*specification.requirements.lines, *specification.lock.addresses]
    return [
        package
        if package.url is None
        else package._replace(url=with_credentials(package.url, given))
        for package in section.packages.values()
    ]
