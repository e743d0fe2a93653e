"""The modules of the package, and what each imports, read from their source."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import Iterator, NamedTuple

PACKAGE = Path(__file__).parent.parent / "bandsaw"


class Import(NamedTuple):
    """One module that imports another one."""

    importer: str
    imported: str
    late: bool
    for_types: bool
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line}-{self.imported}"


def _modules() -> dict[str, Path]:
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = ("bandsaw", *file.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def statements(
    tree: ast.AST, late: bool = False, for_types: bool = False
) -> Iterator[tuple[ast.AST, bool, bool]]:
    """Yield all nodes, whether they run late, and whether for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        yield node, late, for_types
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            negated = isinstance(node.test, ast.UnaryOp)
            for branch, typed in (node.body, not negated), (node.orelse, negated):
                yield from statements(ast.Module(branch, []), late, for_types or typed)
        else:
            yield from statements(node, late or is_function, for_types)


def is_late_module(node: ast.AST) -> bool:
    """Tell if an expression makes a module that is imported when it is used."""
    return isinstance(node, ast.Call) and ast.dump(node.func).startswith(
        "Name(id='LateModule'"
    )


def imported_names(node: ast.AST, module: str) -> list[str]:
    """Return the full names that a statement of a module imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if is_late_module(node):
        return [ast.literal_eval(node.args[0])]  # type: ignore[attr-defined]
    if not isinstance(node, ast.ImportFrom):
        return []
    start = node.module or ""
    if node.level:
        above = node.level - (MODULES[module].name == "__init__.py")
        parts = module.split(".")
        start = ".".join(parts[: len(parts) - above] + [start] * bool(start))
    full = [f"{start}.{alias.name}" for alias in node.names]
    return [name if name in MODULES else start for name in full]


@lru_cache(maxsize=None)
def import_graph() -> tuple[Import, ...]:
    """Return every import of one module of the package by another one.

    Read when a test asks for it, and not by every process that collects tests.
    """
    return tuple(_imports())


def _imports() -> Iterator[Import]:
    for module, file in MODULES.items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node, late, for_types in statements(tree):
            for name in imported_names(node, module):
                if name.split(".")[0] == "bandsaw":
                    line: int = node.lineno  # type: ignore[attr-defined]
                    late = late or is_late_module(node)
                    yield Import(module, name, late, for_types, line)


MODULES = _modules()
