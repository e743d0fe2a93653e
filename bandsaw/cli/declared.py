"""The environments of a command: those that are declared, and those that are kept."""

from __future__ import annotations

import os
import sys

import click

from ..config import CONFIGURATION_MODULE_DEFAULT, get_configuration
from ..environments import Environment, installations
from ..environments.inline import read_environment
from ..environments.resolution import Resolution
from ..environments.specification import Specification
from ..exceptions import BandsawError
from ..modules import get_module_name_by_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Sequence

    from ..config import Configuration
    from ..environments.installations import Installation
    from ..environments.lock_file import Section


class Known:
    """An environment to which a command can apply.

    Args:
        label: Its label.
        environment: Its declaration, `None` for one that is only kept.
        kept: Its installation, `None` if it was not made.

    Attributes:
        specification: Its specification on this machine, `None` if that is unknown.
        section: Its packages as locked, `None` if they are not.
        problem: The reason why it cannot be made, empty if it can.
    """

    def __init__(
        self,
        label: str,
        environment: Environment | None = None,
        kept: Installation | None = None,
    ) -> None:
        self.label = label
        self.environment = environment
        self.kept = kept
        self.specification: Specification | None = None
        self.section: Section | None = None
        self.problem = ""
        if environment is not None:
            self._look(environment)

    def _look(self, environment: Environment) -> None:
        """Look its lock and its installation up, making nothing."""
        try:
            self.specification = Specification(environment)
            platform = self.specification.python.platform
            self.section = self.specification.lock.section(self.label, platform)
            self.specification.locked()
        except BandsawError as error:
            self.problem = str(error)
        if self.specification is None or self.section is None or self.problem:
            return
        resolution = Resolution(self.specification, self.section)
        self.kept = installations.look(resolution.digest)

    @property
    def state(self) -> str:
        """Its state in a word or two."""
        if self.kept is not None:
            return "made" if self.kept.works else "broken"
        if self.problem:
            return "out of date" if self.section is not None else "impossible"
        return "locked" if self.section is not None else "not locked"

    @property
    def python(self) -> str:
        """The version of its Python."""
        if self.kept is not None:
            return str(self.kept.facts["python"])
        return "" if self.specification is None else self.specification.python.version

    @property
    def packages(self) -> dict[str, str]:
        """The versions of its packages by name."""
        if self.section is not None:
            found = self.section.packages.items()
            return {name: str(one.version or one.url) for name, one in found}
        return dict(self.kept.facts["packages"]) if self.kept is not None else {}

    def executable(self) -> str:
        """Return the path of its interpreter, which is made if it is absent."""
        if self.environment is not None:
            return self.environment.interpreter().executable
        assert self.kept is not None
        path = installations.find(self.kept.digest)
        if path is None:
            raise click.ClickException(
                f"Environment {self.label!r} does not work any more: its Python "
                f"{self.python} was removed. It is not declared here, so it cannot be "
                "made again."
            )
        return installations.executable_of(path)

    def __str__(self) -> str:
        return self.label if self.kept is None else f"{self.label} ({self.kept.digest})"

    def to_json(self) -> dict[str, Any]:
        """Return all that is known about it."""
        specification, kept = self.specification, self.kept
        facts: dict[str, Any] = {
            "name": self.label,
            "state": self.state,
            "python": self.python,
            "base": specification.python.executable if specification else None,
            "interpreter": None if kept is None else kept.executable,
            "packages": self.packages,
            "requirements": specification.requirements.shown if specification else [],
            "lock": specification.lock.path if specification else None,
            "problem": self.problem,
        }
        if kept is not None:
            facts.update(
                id=kept.digest,
                path=kept.path,
                size=kept.size,
                made=kept.facts["created"],
                used=kept.last_use,
                tool=kept.facts["tool"],
            )
            facts["lock"] = facts["lock"] or kept.facts["lock"]
        return facts


def known_environments(
    config: str | None = None, scripts: Sequence[str] = ()
) -> list[Known]:
    """Return the declared environments and the kept ones.

    Args:
        config: The configuration module that declares some; by default the one of
            `get_configuration`, if it exists.
        scripts: Scripts with an environment in their metadata.

    Returns:
        First those that are declared, then those that are only kept.
    """
    declared: dict[str, Environment] = {}
    for environment in _declared(config, scripts):
        other = declared.setdefault(environment.label, environment)
        if other != environment:
            raise click.ClickException(
                f"Two environments are called {environment.label!r}."
            )
    found = [Known(label, environment) for label, environment in declared.items()]
    paths = {one.kept.path for one in found if one.kept is not None}
    for kept in installations.kept():
        if kept.path not in paths:
            found.append(Known(kept.label, kept=kept))
    return found


def _declared(config: str | None, scripts: Sequence[str]) -> Iterator[Environment]:
    configuration = load_configuration(config)
    if configuration is not None:
        directory = configuration.directory
        for chain in list(configuration.chains.values()):
            for advice in chain.advices:
                interpreters = getattr(advice, "interpreters", {})
                for one in interpreters.values():
                    if isinstance(one, Environment):
                        yield one.at(directory)
        module = sys.modules[configuration.module_name]
        for value in list(vars(module).values()):
            if isinstance(value, Environment):
                yield value.at(directory)
    for script in scripts:
        path = os.path.abspath(script)
        name = get_module_name_by_path(path) or os.path.basename(path)
        environment = read_environment(path, name=name)
        yield environment if configuration is None else environment.at(directory)


def load_configuration(name: str | None) -> Configuration | None:
    """Return the configuration of a command, found from the working directory.

    Args:
        name: The name of its module; by default that of `get_configuration`.

    Returns:
        The configuration; `None` if there is none, and none was named.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return get_configuration(name)
    except ModuleNotFoundError as error:
        if name is None and error.name == CONFIGURATION_MODULE_DEFAULT:
            return None  # The kept environments can be listed without it.
        raise _cannot_be_loaded(error) from error
    except (LookupError, TypeError) as error:
        raise _cannot_be_loaded(error) from error


def _cannot_be_loaded(error: Exception) -> click.ClickException:
    return click.ClickException(f"The configuration cannot be loaded: {error}")


def choose(known: Sequence[Known], names: Sequence[str]) -> list[Known]:
    """Return the environments that are named.

    Args:
        known: All of them.
        names: Labels, or unambiguous beginnings of labels or ids. A label names all
            environments of that label: one is kept when its lock has changed.
    """
    return [one for name in names for one in _named(known, name)]


def choose_one(known: Sequence[Known], name: str) -> Known:
    """Return the environment that is named, preferring the declared one.

    Args:
        known: All of them.
        name: A label, or an unambiguous beginning of a label or an id.
    """
    found = _named(known, name)
    declared = [one for one in found if one.environment is not None]
    if len(declared or found) > 1:
        raise _not_one("More than one environment is", name, found)
    return (declared or found)[0]


def _named(known: Sequence[Known], name: str) -> list[Known]:
    exact = [one for one in known if one.label == name]
    if exact:
        return exact
    found = [
        one
        for one in known
        if one.label.startswith(name)
        or (one.kept is not None and one.kept.digest.startswith(name))
    ]
    if len({one.label for one in found}) == 1:
        return found
    if found:
        raise _not_one("More than one environment is", name, found)
    raise _not_one("No environment is", name, known)


def _not_one(problem: str, name: str, there: Sequence[Known]) -> click.ClickException:
    listed = "".join(f"\n  {one}" for one in there)
    return click.ClickException(
        f"{problem} called {name!r}:{listed or ' there is none'}"
    )
