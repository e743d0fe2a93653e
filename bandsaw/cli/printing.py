"""Output of commands: JSON, a table in a terminal, or plain lines in a pipe."""

from __future__ import annotations

import json
import sys
import time

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

_UNITS = ("B", "kB", "MB", "GB", "TB")
_AGES = (
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
    (1, "second"),
)


def show_json(value: Any) -> None:
    """Print plain data for other programs.

    Args:
        value: The data.
    """
    click.echo(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: drawn on a terminal, separated by tabs elsewhere.

    Args:
        columns: The titles of the columns.
        rows: The texts of each row.
    """
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            click.echo("\t".join(row))
        return
    table = Table(*columns)
    for row in rows:
        # What users have named things is no markup.
        table.add_row(*map(Text, row))
    Console().print(table)


def size_text(size: float) -> str:
    """Return a number of bytes as a person reads it.

    Args:
        size: The number.
    """
    units = iter(_UNITS)
    unit = next(units)
    while size >= 1000 and unit != _UNITS[-1]:
        size /= 1000
        unit = next(units)
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def age_text(since: float) -> str:
    """Return how long ago something was, as a person reads it.

    Args:
        since: When it was, in seconds since the epoch.
    """
    age = max(0.0, time.time() - since)
    for seconds, unit in _AGES:
        if age >= seconds:
            number = int(age // seconds)
            return f"{number} {unit}{'s' * (number > 1)} ago"
    return "now"
