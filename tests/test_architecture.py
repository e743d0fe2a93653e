"""Holds the table of floors: who may know whom."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator

import pytest

from tests.interpreters import with_the_newest_python_only

pytestmark = with_the_newest_python_only

PACKAGE = Path(__file__).parent.parent / "bandsaw"

# From the top to the ground. A name stands for a module or for a whole package.
ROOMS = {
    "front": ["bandsaw", "__main__", "advice", "cli"],
    "users": ["decorator", "_asking", "_coroutines", "futures"],
    "advices": ["advices"],
    "engine": [
        "session",
        "_session_parts",
        "_freezing",
        "_chained",
        "_exchange",
        "_versions",
        "runner",
    ],
    "wings": ["transports", "environments", "stores", "tracking", "distribution"],
    "values": [
        "tasks",
        "execution",
        "result",
        "context",
        "run",
        "attachments",
        "interpreter",
        "config",
        "timestamps",
        "files",
        "fingerprint",
        "_walk",
        "_session_file",
        "reporting",
        "_session_frames",
        "_session_members",
    ],
    "ground": [
        "_advice",
        # What runs in an archive before anything else can be imported
        "_archive_main",
        "_bootstrap",
        "_cancellation",
        "_lazy",
        "_lifeline",
        "_memory_limit",
        "_methods",
        "_relay",
        "_temporary",
        "extensions",
        "exceptions",
        "serialization",
        "identifier",
        "modules",
        "inventory",
        "remembered",
        "io",
        "infos",
        "datetime",
        "user",
    ],
}

# The floors that a floor may know, itself included.
KNOWS = {
    "front": {"front", "users", "advices", "engine", "wings", "values", "ground"},
    "users": {"users", "advices", "engine", "wings", "values", "ground"},
    # The recipe that moves sessions knows the engine, and no other advice does.
    "advices": {"advices", "wings", "values", "ground"},
    "engine": {"engine", "wings", "values", "ground"},
    "wings": {"wings", "values", "ground"},
    "values": {"values", "ground"},
    "ground": {"ground"},
}
KNOWS_MORE = {"bandsaw.advices.remote": {"engine"}}

# The main module of an archive imports the runner where it is unpacked, never here.
ELSEWHERE = {("bandsaw._archive_main", "bandsaw.runner")}

FLOORS = {room: floor for floor, rooms in ROOMS.items() for room in rooms}


# What users may not have.
EXTRAS = {
    "click",
    "fsspec",
    "multimeter",
    "numpy",
    "rich",
    "sklearn",
    "typing_extensions",
}


def floor_of(module: str) -> str:
    """The floor of a module, given by its full name."""
    room = module.split(".")[1] if "." in module else module
    assert room in FLOORS, f"Say in {Path(__file__).name} on which floor {room} stands."
    return FLOORS[room]


def modules() -> dict[str, Path]:
    """Every module of the package with its file."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = ("bandsaw", *file.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules()


def imported_by(module: str, tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The modules of the package that a syntax tree imports, wherever it does."""
    is_package = MODULES[module].name == "__init__.py"
    for node in statements(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                above = node.level - is_package
                parts = module.split(".")
                start = ".".join(parts[: len(parts) - above] + [start] * bool(start))
            names = [
                full if full in MODULES else start
                for full in (f"{start}.{alias.name}" for alias in node.names)
            ]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "bandsaw" and (module, name) not in ELSEWHERE:
                yield name, node.lineno


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield from statements(other)
                yield other
            continue
        yield node
        yield from statements(node)


GRAPH: dict[str, list[tuple[str, int]]] = {
    module: list(imported_by(module, ast.parse(file.read_text(encoding="utf-8"))))
    for module, file in MODULES.items()
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_floor_may_know(module: str) -> None:
    floor = floor_of(module)
    allowed = KNOWS[floor] | KNOWS_MORE.get(module, set())

    upward = [
        f"{MODULES[module]}:{line} imports {imported} ({floor_of(imported)})"
        for imported, line in GRAPH[module]
        if floor_of(imported) not in allowed
    ]

    assert upward == [], f"The floor '{floor}' must not know these."


def test_no_circle_of_imports_not_even_with_late_ones() -> None:
    finished: set[str] = set()

    def follow(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in finished:
            for imported, _ in GRAPH.get(module, []):
                if imported != module:
                    follow(imported, (*path, module))
            finished.add(module)

    for module in GRAPH:
        follow(module, ())


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_fits_on_400_lines_and_says_what_it_is(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")

    lines = text.count("\n")
    assert lines < 400, "This is probably two modules."
    assert (ast.get_docstring(ast.parse(text)) or "").split("\n")[0].endswith(".")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_does_not_need_more_than_the_standard_library(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    # Only what runs when the module is imported counts; functions may use an extra.
    foreign = {
        name.split(".")[0]
        for statement in at_import(tree)
        for name in imported_names(statement)
    } & {
        "click",
        "fsspec",
        "multimeter",
        "numpy",
        "rich",
        "typing_extensions",
        "sklearn",
    }

    # Nothing imports the command line but `python -m bandsaw`.
    assert foreign <= ({"click", "rich"} if ".cli" in module else set())


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements that run when a module is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from at_import(node)


def imported_names(statement: ast.AST) -> list[str]:
    """What an absolute import names."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom) and not statement.level:
        return [statement.module or ""]
    return []
