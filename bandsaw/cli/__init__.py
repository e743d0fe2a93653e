"""The commands of ``python -m bandsaw``, which need the extra ``bandsaw[cli]``."""

from __future__ import annotations

import click

from .archives import archives
from .cache import cache
from .connections import connections
from .environments import environments

__all__ = ["main"]


@click.group()
def main() -> None:
    """Look at what bandsaw keeps, and tidy it up."""


main.add_command(archives)
main.add_command(cache)
main.add_command(connections)
main.add_command(environments)
