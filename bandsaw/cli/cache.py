"""Commands that look into caches of results, and tidy them up."""

from __future__ import annotations

import ast
import contextlib
import difflib
import os
import shlex
import sys

import click

from ..exceptions import BandsawError, DamagedEntryError
from ..stores import LocalStore
from ..stores.entries import Entry, has_footer, is_cut, is_torn
from ..stores.pruning import parse_age, parse_size, prune
from ..stores.results import ResultStore
from .imports import import_as_script, made_at_import
from .printing import age_text, show_json, show_table, size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from ..stores import Item

_DIRECTORY = click.Path(exists=True, file_okay=False)

directory_argument = click.argument("directory", type=_DIRECTORY)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Answer as JSON, for other programs."
)


@click.group()
def cache() -> None:
    """Look into a cache of results."""


@cache.command("list")
@directory_argument
@click.option("--entries", is_flag=True, help="A line for each entry, not each task.")
@json_option
def list_entries(directory: str, entries: bool, as_json: bool) -> None:
    """List the tasks whose results are kept: sizes, ages, hits."""
    store = _open(directory)
    found = [_described(store, item) for item in _items(store)]
    rows = found if entries else _by_task(found)
    if as_json:
        show_json(rows)
        return
    show_table(
        ["task", "name", "entries", "size", "written", "used", "hits"],
        [
            [
                str(row["task"] or "?"),
                row["name"],
                str(row["entries"]),
                size_text(row["size"]),
                age_text(row["written"]),
                age_text(row["used"]),
                str(row["hits"]),
            ]
            for row in rows
        ],
    )


@cache.command()
@directory_argument
@click.argument("name")
@json_option
def show(directory: str, name: str, as_json: bool) -> None:
    """Show what is known of an entry, e.g. TASK_ID/EXECUTION_ID, or of a task's."""
    store = _open(directory)
    found = [
        {**_described(store, item), **_record(store, item.name)}
        for item in _items(store)
        if item.name == name or item.name.startswith(f"{name}/")
    ]
    if not found:
        found = [
            entry
            for entry in (
                {**_described(store, item), **_record(store, item.name)}
                for item in _items(store)
            )
            if entry["task"] == name
        ]
    if not found:
        raise click.ClickException(f"There is no entry {name} in {directory}.")
    if as_json:
        show_json(found)
        return
    for entry in found:
        rows = [[key, _fact_text(key, entry[key])] for key in sorted(entry)]
        arguments = rows.pop([row[0] for row in rows].index("arguments"))
        show_table([entry["name"], ""], [row for row in rows if row[1]])
        if arguments[1]:
            click.echo(arguments[1])


@cache.command("prune")
@directory_argument
@click.option("--max-size", help="How much may stay, e.g. '10 GB'.")
@click.option("--max-age", help="How old a result may be, e.g. '30 days'.")
@json_option
def prune_entries(
    directory: str, max_size: str | None, max_age: str | None, as_json: bool
) -> None:
    """Remove results beyond these bounds, the least recently used ones first."""
    with _named_errors():
        pruned = prune(
            _open(directory),
            max_size=None if max_size is None else parse_size(max_size),
            max_age=None if max_age is None else parse_age(max_age),
        )
    _tell_removed(pruned.count, pruned.size, as_json)


@cache.command()
@directory_argument
@click.argument("task", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def clear(directory: str, task: str | None, yes: bool, as_json: bool) -> None:
    """Remove all results, or those of a TASK: its id, or its name."""
    store = _open(directory)
    chosen, others = [], set()
    for item in _items(store):
        name = None if task is None else _described(store, item)["task"]
        if name == task or item.name.startswith(f"{task}/"):
            chosen.append(item)
        else:
            others.add(name or item.name.partition("/")[0])
    if task is not None and not chosen:
        nearest = difflib.get_close_matches(task, sorted(others), 1, 0.0)
        hint = f" The nearest one is {nearest[0]}." if nearest else ""
        raise click.ClickException(f"There is no task {task} in {directory}.{hint}")
    if chosen and not yes:
        subject = f"{len(chosen)} results" if task is None else f"those of {task}"
        click.confirm(f"Remove {subject} from {directory}?", abort=True)
    size = sum(item.size for item in chosen if store.remove(item.name))
    prune(store)
    if task is None:
        store.remove_unfinished()
        for item in list(store.items()):
            store.remove(item.name)
    _tell_removed(len(chosen), size, as_json)


@cache.command()
@directory_argument
@click.option("--remove", is_flag=True, help="Remove what is damaged.")
@json_option
def verify(directory: str, remove: bool, as_json: bool) -> None:
    """Check every entry against its checksums; ends with 1 if one is damaged.

    Files without a checksum were put there by hand, or by a published release. They
    are damaged if they are empty, or if the end of a pickled value is missing.
    """
    store = _open(directory)
    damaged, unreadable, unchecked = [], [], []
    count = 0
    for item in _items(store):
        count += 1
        try:
            content = store.read(item.name)
            if content is not None and not has_footer(content):
                if is_torn(content):
                    raise DamagedEntryError("its last line is not whole")
                if is_cut(content):
                    raise DamagedEntryError("its end is missing")
                unchecked.append(item.name)
            elif content is not None:
                Entry(content).verify()
        except DamagedEntryError as error:
            damaged.append({"name": item.name, "problem": str(error)})
            if remove:
                store.remove(item.name)
        except OSError as error:
            unreadable.append({"name": item.name, "problem": str(error)})
    if as_json:
        show_json(
            {
                "entries": count,
                "damaged": damaged,
                "unreadable": unreadable,
                "unchecked": unchecked,
            }
        )
    else:
        for entry in damaged + unreadable:
            click.echo(f"{entry['name']}: {entry['problem']}")
        for name in unchecked:
            click.echo(f"{name}: it has no checksum")
        apart = f", {len(unchecked)} without a checksum" if unchecked else ""
        click.echo(f"{count} entries, {len(damaged)} of them damaged{apart}.")
    if damaged or unreadable:
        sys.exit(1)


@cache.command(context_settings={"ignore_unknown_options": True})
@click.argument("task")
@click.argument("arguments", nargs=-1)
@click.option("--config", help="The configuration module; see get_configuration.")
@click.option("--argv", default="", help="The command line of the script, one text.")
@json_option
def why(
    task: str,
    arguments: tuple[str, ...],
    config: str | None,
    argv: str,
    as_json: bool,
) -> None:
    """Say why a call is answered from the cache, or why it is not.

    TASK is a module and the name of a task in it, like `project.train:fit`. ARGUMENTS
    are Python literals; one that is none is taken as text. NAME=VALUE gives a keyword
    argument. Values that the module makes from the command line or the environment are
    the same as in the script with the same --argv and environment.
    """
    if config is not None:
        os.environ["BANDSAW_CONFIG_MODULE"] = config
    sys.path.insert(0, os.getcwd())
    function = _find_task(task, shlex.split(argv))
    args, kwargs = _parse_arguments(arguments)
    with _named_errors():
        explanation = function.explain(*args, **kwargs)
    changed = [one.name for one in explanation.differences if one.kind == "code"]
    made = made_at_import(changed)
    if as_json:
        show_json({**explanation.to_json(), "made_at_import": made})
        return
    click.echo(str(explanation))
    if made:
        words = f"the command line {argv!r}" if argv else "no command line"
        click.echo(f"Made while the module is imported, here with {words} (--argv):")
        for name in sorted(made):
            click.echo(f"- {name}, by {made[name]}")


def _open(directory: str) -> LocalStore:
    # Nothing of what is read here is run, so it does not matter who has written it.
    return LocalStore(directory).signed()


def _find_task(name: str, argv: list[str]) -> Any:
    module_name, _, path = name.partition(":")
    try:
        found: Any = import_as_script(module_name, argv)
        for part in path.split("."):
            found = getattr(found, part)
    except (AttributeError, ImportError, ValueError) as error:
        raise click.ClickException(
            f"{name} refers to no task: {error}. Write it like module:function."
        ) from error
    if not hasattr(found, "bandsaw_task"):
        raise click.ClickException(f"{name} is no task: it has no @bandsaw.task.")
    return found


def _parse_arguments(
    arguments: tuple[str, ...],
) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and name.isidentifier():
            kwargs[name] = _literal(value)
        else:
            args.append(_literal(argument))
    return args, kwargs


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def _items(store: LocalStore) -> list[Item]:
    return sorted(ResultStore(store).items(), key=lambda item: item.name)


def _record(store: LocalStore, name: str) -> dict[str, Any]:
    """Return what is written down in an entry, nothing if it cannot be read."""
    entry = ResultStore(store).entry(name)
    if entry is None:
        return {}
    return {**entry.record, "key": entry.arguments, "code": entry.code}


def _described(store: LocalStore, item: Item) -> dict[str, Any]:
    record = _record(store, item.name)
    return {
        "task": record.get("task"),
        "name": item.name,
        "entries": 1,
        "size": item.size,
        "written": item.written,
        "used": item.used,
        "hits": item.hits,
        "arguments": record.get("arguments", {}),
    }


def _by_task(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    tasks: dict[str, dict[str, Any]] = {}
    for described in found:
        name = described["name"].partition("/")[0]
        entry = {key: described[key] for key in described if key != "arguments"}
        task = tasks.setdefault(name, {**entry, "name": name, "entries": 0, "size": 0})
        task["task"] = task["task"] or entry["task"]
        task["entries"] += 1
        task["size"] += entry["size"]
        task["written"] = max(task["written"], entry["written"])
        task["used"] = max(task["used"], entry["used"])
        if task["entries"] > 1:
            task["hits"] += entry["hits"]
    return list(tasks.values())


def _fact_text(key: str, value: Any) -> str:
    if key == "size":
        return size_text(value)
    if key in ("written", "used"):
        return age_text(value)
    if key == "arguments":
        return "\n".join(f"{name} = {text}" for name, (_, text) in value.items())
    if key == "packages":
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return "" if value is None else str(value)


def _tell_removed(count: int, size: int, as_json: bool) -> None:
    if as_json:
        show_json({"removed": count, "size": size})
    else:
        click.echo(f"Removed {count} results, {size_text(size)}.")


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Let errors of ours end a command with their message instead of a traceback."""
    try:
        yield
    except (BandsawError, TypeError) as error:
        raise click.ClickException(str(error)) from error
