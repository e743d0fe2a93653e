"""How packages are chosen for an environment, and how it is made of them."""

from __future__ import annotations

import os

from .commands import Commands
from .credentials import with_credentials
from .locks import Package, Section, outdated
from .progress import Progress
from .requirements import unsatisfied
from .tools import choose_tool
from .wheels import Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .specification import Specification
    from .tools import Tool


def choose(specification: Specification, scratch: str) -> Section:
    """Choose packages that satisfy what is asked for.

    Args:
        specification: What is asked for.
        scratch: A private directory for files that are needed meanwhile.

    Returns:
        The packages, to be locked.

    Raises:
        EnvironmentBuildError: If there are none that fit.
    """
    requirements = specification.requirements
    if not (requirements.lines or requirements.projects):
        return Section(requirements.shown, [], {})
    with Progress(specification.label, "has its packages chosen") as progress:
        directory = os.path.join(scratch, "environment")
        tool = _tool(specification, directory, scratch, progress)
        wheels = _wheels(specification, tool)
        packages = tool.choose(
            [*requirements.lines, *(wheel.requirement for wheel in wheels)],
            requirements.constraints,
        )
    built = {wheel.name for wheel in wheels}
    return Section(
        requirements.shown,
        [package for package in packages if package.name not in built],
        {wheel.project: wheel.requirements for wheel in wheels},
    )


def make(
    specification: Specification, section: Section, directory: str, scratch: str
) -> str:
    """Make an environment.

    Args:
        specification: What is asked for.
        section: What was chosen for that.
        directory: Where to make it.
        scratch: A private directory for files that are needed meanwhile.

    Returns:
        The name of the tool that has made it.

    Raises:
        EnvironmentBuildError: If it cannot be made.
        EnvironmentLockError: If a project wants to have what was not chosen for it.
    """
    with Progress(specification.label, "is there") as progress:
        tool = _tool(specification, directory, scratch, progress)
        tool.make()
        wheels = _wheels(specification, tool)
        for wheel in wheels:
            _check_project(specification, section, wheel)
        tool.install(
            _with_credentials(specification, section),
            [wheel.requirement for wheel in wheels],
        )
    return tool.name


def _tool(
    specification: Specification, directory: str, scratch: str, progress: Progress
) -> Tool:
    return choose_tool(
        Commands(specification.label, scratch, progress.show),
        specification.python,
        directory,
        scratch,
        specification.index,
    )


def _wheels(specification: Specification, tool: Tool) -> list[Wheel]:
    return [
        Wheel(tool.build(project.path), project.text, project.extras)
        for project in specification.requirements.projects
    ]


def _check_project(
    specification: Specification, section: Section, wheel: Wheel
) -> None:
    """Refuse a project that wants to have what was not chosen for it."""
    if section.projects.get(wheel.project, []) == wheel.requirements:
        return
    wrong = unsatisfied(
        wheel.requirements,
        section.packages,
        specification.python.version,
        wheel.extras,
    )
    if wrong:
        lines = [f"  {wheel.project}: {text}" for text in wrong]
        raise outdated(specification.label, specification.lock.path, lines)


def _with_credentials(specification: Specification, section: Section) -> list[Package]:
    """Return the packages; an address as it was given, not as it was written."""
    given = specification.requirements.lines
    return [
        package
        if package.url is None
        else Package(
            package.name,
            package.version,
            package.hashes,
            with_credentials(package.url, given),
        )
        for package in section.packages.values()
    ]
