"""Commands that list connections, and say what works of one."""

from __future__ import annotations

import sys

import click

from ..advices.checking import check, declared_connections
from ..exceptions import BandsawError
from .cache import json_option
from .declared import load_configuration
from .environments import config_option
from .printing import show_json, show_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..advices.checking import Declared

# How wide the names of the steps are.
_WIDTH = 14


@click.group()
def connections() -> None:
    """Look at the connections of a configuration, and check what works."""


@connections.command("list")
@config_option
@json_option
def list_connections(config: str | None, as_json: bool) -> None:
    """List the connections that the configuration declares."""
    found = [
        {
            "name": one.name,
            "chain": one.chain,
            "python": one.python,
            "connection": repr(one.connection),
        }
        for one in _declared(config)
    ]
    if as_json:
        show_json(found)
        return
    columns = ["name", "chain", "python", "connection"]
    show_table(columns, [[one[column] for column in columns] for one in found])


@connections.command("check")
@click.argument("name", default="default")
@click.option("--chain", help="The chain with the connection, if several have one.")
@config_option
@json_option
def check_connection(
    name: str, chain: str | None, config: str | None, as_json: bool
) -> None:
    """Connect, and say step by step what works; by default the one called default.

    The status is 1 when a step fails, which is the last one then.
    """
    declared = _choose(_declared(config), name, chain)
    steps = []
    for step in check(declared, lambda text: click.echo(text, err=True)):
        steps.append(step)
        if not as_json:
            state = "ok" if step.is_passed else "failed"
            click.echo(f"{step.name:{_WIDTH}}{state:8}{step.text}".rstrip())
    is_passed = all(step.is_passed for step in steps)
    if as_json:
        show_json(
            {
                "name": declared.name,
                "passed": is_passed,
                "steps": [
                    {
                        "name": step.name,
                        "passed": step.is_passed,
                        "text": step.text,
                        **step.facts,
                    }
                    for step in steps
                ],
            }
        )
    if not is_passed:
        sys.exit(1)


def _declared(config: str | None) -> list[Declared]:
    try:
        configuration = load_configuration(config)
        return [] if configuration is None else declared_connections(configuration)
    except BandsawError as error:
        raise click.ClickException(str(error)) from error


def _choose(found: list[Declared], name: str, chain: str | None) -> Declared:
    named = [one for one in found if one.name == name and chain in (None, one.chain)]
    if len(named) == 1:
        return named[0]
    problem = "More than one connection is" if named else "No connection is"
    listed = "".join(f"\n  {one.name} in chain {one.chain}" for one in found)
    raise click.ClickException(
        f"{problem} called {name!r}:{listed or ' there is none'}"
    )
