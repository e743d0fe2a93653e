"""The commands of ``bandsaw``, which need the extra ``bandsaw[cli]``."""

from __future__ import annotations

import click

from .. import __version__
from .archives import archives
from .cache import cache
from .connections import connections
from .environments import environments

__all__ = ["main"]


@click.group()
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Look at what bandsaw keeps, and tidy it up."""


main.add_command(archives)
main.add_command(cache)
main.add_command(connections)
main.add_command(environments)
