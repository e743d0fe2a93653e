"""The dependencies of a project, as its file `pyproject.toml` has them."""

from __future__ import annotations

import re
from collections import namedtuple

from ..exceptions import ConfigurationError
from .requirements import name_of, normalized, toml_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, NamedTuple, Sequence

    class ProjectFacts(NamedTuple):
        """The needs of a project.

        Attributes:
            name: Its name with those of the groups and extras, `None` without a name.
            python: The Pythons that it requires, `None` if it does not say.
            requirements: The requirements.
        """

        name: str | None
        python: str | None
        requirements: list[str]

else:
    ProjectFacts = namedtuple("ProjectFacts", "name python requirements")


def read_project(
    path: str, groups: Sequence[str], extras: Sequence[str]
) -> ProjectFacts:
    """Read the dependencies of a project, with those of groups and extras.

    Args:
        path: The path of its file.
        groups: The names of dependency groups.
        extras: The names of its extras.

    Raises:
        ConfigurationError: If the file cannot be read, or has no such group or extra.

    References:
        PEP 621 and PEP 735
    """
    reader = toml_reader(f"The project {path}")
    try:
        with open(path, encoding="utf-8") as file:
            content = reader.loads(file.read())
        return _facts_of(content, groups, extras)
    except (AttributeError, OSError, TypeError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"The project {path} cannot be read: {error}") from (
            error
        )


def _facts_of(
    content: dict[str, Any], groups: Sequence[str], extras: Sequence[str]
) -> ProjectFacts:
    project = content.get("project", {})
    if "dependencies" in project.get("dynamic", ()):
        raise ValueError("its dependencies are dynamic, known to its build only")
    name = project.get("name")
    own = None if name is None else normalized(name)
    tables = {
        "extra": _by_name(project.get("optional-dependencies", {})),
        "group": _by_name(content.get("dependency-groups", {})),
    }
    requirements = list(project.get("dependencies", []))
    for kind, wanted in ("extra", extras), ("group", groups):
        for one in wanted:
            requirements += _of(kind, one, tables, own, ())
    if not all(isinstance(text, str) for text in requirements):
        raise TypeError(f"{requirements!r} are no requirements")
    if name is not None:
        name += f"[{','.join(extras)}]" if extras else ""
        name += f":{','.join(groups)}" if groups else ""
    return ProjectFacts(name, project.get("requires-python"), requirements)


def _by_name(table: dict[str, Any]) -> dict[str, Any]:
    return {normalized(name): content for name, content in table.items()}


def _of(
    kind: str,
    wanted: str,
    tables: dict[str, dict[str, Any]],
    own: str | None,
    above: tuple[tuple[str, str], ...],
) -> Iterator[str]:
    """Yield the requirements of a group or extra, with those that it includes."""
    key = kind, normalized(wanted)
    if key[1] not in tables[kind]:
        known = ", ".join(sorted(tables[kind])) or "none"
        raise ValueError(f"it has no {kind} {wanted!r}; there is {known}")
    if key in above:
        raise ValueError(f"its {kind} {wanted!r} includes itself")
    for item in tables[kind][key[1]]:
        if isinstance(item, dict):
            yield from _of(kind, item["include-group"], tables, own, (*above, key))
        elif own is not None and name_of(item) == own:
            # An extra that is made of others
            for part in re.findall(r"[\w.-]+", _extras_in(item)):
                yield from _of("extra", part, tables, own, (*above, key))
        else:
            yield item


def _extras_in(requirement: str) -> str:
    match = re.search(r"\[([^]]*)\]", requirement)
    return "" if match is None else match.group(1)
