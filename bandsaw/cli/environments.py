"""Commands that list, make and lock environments, and run others in them."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time

import click

from ..environments import installations
from ..environments.resolution import lock, lock_anew
from ..exceptions import BandsawError
from ..stores.pruning import parse_age, parse_size
from .cache import json_option
from .declared import choose, choose_one, known_environments
from .printing import age_text, show_json, show_table, size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from ..environments.lock_file import Section
    from .declared import Known

names_argument = click.argument("names", nargs=-1)
config_option = click.option(
    "--config", help="The configuration module; see get_configuration."
)
script_option = click.option(
    "--script",
    "scripts",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="A script whose metadata describes an environment.",
)


@click.group("env")
def environments() -> None:
    """Look at environments, make and lock them, and run commands in them."""


@environments.command("list")
@config_option
@script_option
@json_option
def list_environments(
    config: str | None, scripts: tuple[str, ...], as_json: bool
) -> None:
    """List the environments that are declared, and those that are kept."""
    with _named_errors():
        known = known_environments(config, scripts)
    if as_json:
        show_json([one.to_json() for one in known])
        return
    show_table(
        ["name", "state", "python", "packages", "size", "made", "used"],
        [
            [
                one.label,
                one.state,
                one.python,
                str(len(one.packages)),
                *_facts_of_kept(one),
            ]
            for one in known
        ],
    )


def _facts_of_kept(one: Known) -> list[str]:
    kept = one.kept
    if kept is None:
        return ["", "", ""]
    return [
        size_text(kept.size),
        age_text(kept.facts["created"]),
        age_text(kept.last_use),
    ]


@environments.command()
@click.argument("name")
@config_option
@script_option
@json_option
def show(
    name: str, config: str | None, scripts: tuple[str, ...], as_json: bool
) -> None:
    """Show the requirements of an environment, its packages, and its path."""
    with _named_errors():
        found = [
            one.to_json() for one in choose(known_environments(config, scripts), [name])
        ]
    if as_json:
        show_json(found)
        return
    for facts in found:
        packages: dict[str, str] = facts.pop("packages")
        rows = [[key, _fact_text(key, value)] for key, value in facts.items()]
        show_table([facts["name"], ""], [row for row in rows if row[1]])
        show_table(["package", "version"], [list(item) for item in packages.items()])


def _fact_text(key: str, value: Any) -> str:
    if key == "size":
        return size_text(value)
    if key in ("made", "used"):
        return age_text(value)
    return ", ".join(value) if isinstance(value, list) else str(value or "")


@environments.command()
@names_argument
@config_option
@script_option
@json_option
def create(
    names: tuple[str, ...],
    config: str | None,
    scripts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make environments; all declared ones if none is named."""
    made = {}
    with _named_errors(), _shown_stages():
        for one in _declared(names, config, scripts):
            made[one.label] = one.executable()
    if as_json:
        show_json(made)
    else:
        for label, executable in made.items():
            click.echo(f"{label}: {executable}")


@environments.command("lock")
@names_argument
@click.option("--upgrade", is_flag=True, help="Choose locked packages anew.")
@config_option
@script_option
@json_option
def lock_environments(
    names: tuple[str, ...],
    upgrade: bool,
    config: str | None,
    scripts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Choose packages and lock them, for all declared environments if none is named.

    Locked packages stay, and must satisfy the requirements; with --upgrade they are
    chosen anew. A pylock.toml is another tool's, and only compared with them.
    """
    changes: dict[str, list[str]] = {}
    with _named_errors(), _shown_stages():
        for one in _declared(names, config, scripts):
            if one.specification is None:
                raise click.ClickException(one.problem)
            if one.specification.lock.is_foreign:
                if one.problem:
                    raise click.ClickException(one.problem)
                path = one.specification.lock.path
                changes[one.label] = [f"{path} is another tool's, which renews it"]
                continue
            if upgrade:
                section = lock_anew(one.specification)
            else:
                section = lock(one.specification)
            changes[one.label] = _changes(one.section, section)
    if as_json:
        show_json(changes)
        return
    for label, lines in changes.items():
        click.echo(f"{label}: {'' if lines else 'nothing has changed'}".rstrip())
        for line in lines:
            click.echo(f"  {line}")


def _changes(before: Section | None, after: Section) -> list[str]:
    old = {} if before is None else before.packages
    lines = []
    for name in sorted({*old, *after.packages}):
        texts = [
            "" if package is None else str(package.version or package.url)
            for package in (old.get(name), after.packages.get(name))
        ]
        if texts[0] != texts[1]:
            lines.append(f"{name} {texts[0] or 'absent'} -> {texts[1] or 'absent'}")
    return lines


@environments.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@config_option
@script_option
def run(
    name: str,
    command: tuple[str, ...],
    config: str | None,
    scripts: tuple[str, ...],
) -> None:
    """Run a COMMAND in an environment, which is made if it is absent.

    Write `--` before a command with options of its own.
    """
    with _named_errors(), _shown_stages():
        executable = choose_one(known_environments(config, scripts), name).executable()
    directory = os.path.dirname(executable)
    variables = dict(os.environ, VIRTUAL_ENV=os.path.dirname(directory))
    for variable in "PYTHONHOME", "__PYVENV_LAUNCHER__":
        variables.pop(variable, None)
    variables["PATH"] = os.pathsep.join([directory, variables.get("PATH", os.defpath)])
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these signals, and the command would inherit that.
    for number in signal.SIGPIPE, signal.SIGXFSZ:
        signal.signal(number, signal.SIG_DFL)
    try:
        # It replaces this process, so streams, signals and the status are its own.
        os.execvpe(command[0], command, variables)
    except OSError as error:
        reason = error.strerror
        click.echo(f"Error: {command[0]} cannot be run: {reason}", err=True)
        # As in a shell: 127 for a command that does not exist.
        exists = not isinstance(error, (FileNotFoundError, NotADirectoryError))
        sys.exit(126 if exists else 127)


@environments.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(names: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Remove environments; the lock stays, and makes the same ones again."""
    with _named_errors():
        known = known_environments()
        chosen = [one.kept for one in choose(known, names) if one.kept is not None]
    if chosen and not yes:
        subject = ", ".join(kept.label for kept in chosen)
        click.confirm(f"Remove {subject}?", abort=True)
    _tell_removed([(kept.size, kept.remove()) for kept in chosen], as_json)


@environments.command()
@click.option("--max-size", help="How much may stay, e.g. '10 GB'.")
@click.option("--max-age", help="How long ago the last use may be, e.g. '30 days'.")
@json_option
def prune(max_size: str | None, max_age: str | None, as_json: bool) -> None:
    """Remove environments beyond these bounds, the least recently used ones first.

    Files of builds that were killed are removed in any case.
    """
    with _named_errors():
        largest = None if max_size is None else parse_size(max_size)
        oldest = None if max_age is None else time.time() - parse_age(max_age)
        left_over = installations.remove_left_overs()
        kept = [(one, one.size) for one in installations.kept()]
    total = sum(size for _, size in kept)
    removed = []
    for one, size in kept:
        is_too_old = oldest is not None and one.last_use < oldest
        if is_too_old or (largest is not None and total > largest):
            removed.append((size, one.remove()))
            total -= size
    if left_over and not as_json:
        click.echo(f"Removed {left_over} left-overs of builds that were killed.")
    _tell_removed(removed, as_json)


def _tell_removed(removed: list[tuple[int, bool]], as_json: bool) -> None:
    sizes = [size for size, is_removed in removed if is_removed]
    if as_json:
        show_json({"removed": len(sizes), "size": sum(sizes)})
    else:
        click.echo(f"Removed {len(sizes)} environments, {size_text(sum(sizes))}.")


def _declared(
    names: tuple[str, ...], config: str | None, scripts: tuple[str, ...]
) -> list[Known]:
    """Return the declared environments of these names, or all."""
    known = known_environments(config, scripts)
    declared = [one for one in known if one.environment is not None]
    if not declared:
        raise click.ClickException(
            "No environment is declared: there is no configuration with one, and no "
            "--script."
        )
    return choose(declared, names) if names else declared


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except BandsawError as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def _shown_stages() -> Iterator[None]:
    """Show the stages of a build on standard error, where no terminal shows them."""
    logger = logging.getLogger("bandsaw.environments")
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
