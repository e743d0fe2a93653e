"""Import the module of a task for a command, and tell what its import makes anew.

A script makes values from its command line and from the environment. A command has
others, so that the same code may make other values here.
"""

from __future__ import annotations

import ast
import os
import sys
from importlib import import_module
from importlib.util import find_spec

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType, TracebackType
    from typing import Iterable, Sequence


def import_as_script(name: str, words: Sequence[str]) -> ModuleType:
    """Import a module with the command line of a script.

    Args:
        name: The name of the module.
        words: The command line, without the name of the script.

    Raises:
        ClickException: If the import fails or ends the process. It names the value that
            was being made.
        ImportError: If there is no such module.
        ValueError: If this is no name of a module.
    """
    before = sys.argv
    spec = find_spec(name)
    path = None if spec is None else spec.origin
    sys.argv = [path or name, *words]
    try:
        return import_module(name)
    except ImportError:
        raise
    except (Exception, SystemExit) as error:
        raise click.ClickException(_text_of_failure(name, path, error)) from error
    finally:
        sys.argv = before


def _text_of_failure(name: str, path: str | None, error: BaseException) -> str:
    text = f"{name} cannot be imported here: {type(error).__name__}: {error}."
    line = _line_in(path, error.__traceback__)
    for names, statement, source in _assignments(path or ""):
        if statement.lineno <= line <= (statement.end_lineno or 0):
            made = ", ".join(f"{name}.{one}" for one in names)
            text += f" That was to make {made}:\n  {source}"
    return (
        f"{text}\nIn the script it may have another command line, which --argv gives, "
        "or another environment."
    )


def _line_in(path: str | None, traceback: TracebackType | None) -> int:
    line = 0
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == path and code.co_name == "<module>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def made_at_import(names: Iterable[str]) -> dict[str, str]:
    """Return which values are made by calls while their modules are imported.

    Args:
        names: The names of values, like ``"package.module.args.rate"``.

    Returns:
        The names of the variables that hold them, and how they get their values.
    """
    found: dict[str, str] = {}
    for name in names:
        module = name
        while module and module not in sys.modules:
            module = module.rpartition(".")[0]
        path = getattr(sys.modules.get(module), "__file__", None)
        variable = name[len(module) + 1 :].partition(".")[0]
        for targets, statement, source in _assignments(path or ""):
            if variable in targets and not _is_literal(statement):
                found[f"{module}.{variable}"] = source
    return found


def _assignments(path: str) -> list[tuple[list[str], ast.stmt, str]]:
    """Return the assignments of a module: the names, the statement and its source."""
    if not os.path.isfile(path):
        return []
    with open(path, "rb") as file:
        content = file.read()
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return []
    text = content.decode("utf-8", "replace")
    found: list[tuple[list[str], ast.stmt, str]] = []
    for statement in ast.walk(tree):
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = getattr(statement, "targets", None) or [statement.target]  # type: ignore[union-attr]
            names = [
                node.id
                for target in targets
                for node in ast.walk(target)
                if isinstance(node, ast.Name)
            ]
            source = ast.get_source_segment(text, statement) or ""
            found.append((names, statement, source))
    return found


def _is_literal(statement: ast.stmt) -> bool:
    value = getattr(statement, "value", None)
    return value is None or not any(
        isinstance(node, (ast.Call, ast.Name, ast.Attribute))
        for node in ast.walk(value)
    )
