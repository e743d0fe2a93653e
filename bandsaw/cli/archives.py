"""Commands that look at the code that was unpacked for other interpreters."""

from __future__ import annotations

import os

import click

from ..distribution.bootstrap import find_archives, sort_archives
from ..exceptions import BandsawError
from ..stores.pruning import parse_age, parse_size
from .cache import json_option
from .printing import age_text, show_json, show_table, size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What the first digits of an id say is enough for a person.
_DIGITS = 12


@click.group()
def archives() -> None:
    """Look at the code that was unpacked for other interpreters."""


@archives.command("list")
@json_option
def list_archives(as_json: bool) -> None:
    """List the archives, the least recently used one first."""
    found: list[dict[str, Any]] = [
        {
            "id": os.path.basename(archive.path),
            "path": archive.path,
            "files": archive.count,
            "size": archive.size,
            "used": archive.last_use,
        }
        for archive in find_archives()
    ]
    if as_json:
        show_json(found)
        return
    show_table(
        ["id", "files", "size", "used"],
        [
            [
                archive["id"][:_DIGITS],
                str(archive["files"]),
                size_text(archive["size"]),
                age_text(archive["used"]),
            ]
            for archive in found
        ],
    )


@archives.command()
@click.option("--max-size", help="How much may stay, e.g. '100 MB'.")
@click.option("--max-age", help="How long ago the last use may be, e.g. '7 days'.")
@click.option("--all", "also_used", is_flag=True, help="Also what was used today.")
@json_option
def prune(
    max_size: str | None, max_age: str | None, also_used: bool, as_json: bool
) -> None:
    """Remove archives beyond these bounds, the least recently used ones first.

    What was used within a day stays, because a process may run from it. With --all it
    goes, too; by itself, that removes all there are.
    """
    if max_size is None and max_age is None and also_used:
        max_size = "0"
    bounds: dict[str, Any] = {}
    try:
        if max_size is not None:
            bounds["largest"] = parse_size(max_size)
        if max_age is not None:
            bounds["kept"] = parse_age(max_age)
    except BandsawError as error:
        raise click.ClickException(str(error)) from error
    if also_used:
        bounds["in_use"] = -1
    removed, kept = sort_archives(**bounds)
    size = sum(archive.size for archive in removed)
    if as_json:
        reasons = {os.path.basename(archive.path): reason for archive, reason in kept}
        show_json({"removed": len(removed), "size": size, "kept": reasons})
        return
    click.echo(f"Removed {len(removed)} archives, {size_text(size)}.")
    for archive, reason in kept:
        click.echo(f"Kept {os.path.basename(archive.path)[:_DIGITS]}: {reason}.")
