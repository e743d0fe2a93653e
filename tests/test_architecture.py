"""Holds the one order of imports, and what belongs into the root of the repository."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.modules import MODULES, Import, import_graph

ROOT = Path(__file__).parent.parent

# From the top down. Each package and module imports only what stands behind it.
_ROOMS = """
    __main__ testing cli bandsaw
    decorator futures advices
    tracking timestamps files runner transports
    connections reporting extensions advice
    environments stores session
    tasks execution result context fingerprint
    distribution interpreter config chain identifier serialization
    infos run user datetime io modules methods exceptions
    runtime
"""
ORDER = _ROOMS.split()

# What only type checkers follow may lead up from a room to another one.
UP_FOR_TYPES = {
    "chain": {"advice", "config", "extensions"},
    "config": {"advice", "extensions"},
    "execution": {"tasks"},
    "extensions": {"reporting"},
    "session": {"environments", "extensions", "reporting"},
    "tasks": {"advice"},
}

# Runs in an archive only, where the runner lies beside it.
NEVER_IMPORTED = "bandsaw.distribution.archive_main"

_KNOWN_FILES = """
    .ci .gitignore CONTRIBUTING.md LICENSE README.md SECURITY.md bandsaw benchmarks docs
    examples mkdocs.yml pyproject.toml tests tox.ini
"""


def room_of(module: str) -> str:
    """The module or package of the root that a module is, or belongs to."""
    return module.split(".")[1] if "." in module else module


@pytest.fixture(name="imports")
def _imports() -> list[Import]:
    return [found for found in import_graph() if found.importer != NEVER_IMPORTED]


def leads_down(found: Import) -> bool:
    """Tell if an import leads to the same room or to one further down."""
    above, below = room_of(found.importer), room_of(found.imported)
    if found.for_types and below in UP_FOR_TYPES.get(above, ()):
        return True
    return ORDER.index(above) <= ORDER.index(below)


def test_every_import_leads_down(imports: list[Import]) -> None:
    assert [str(found) for found in imports if not leads_down(found)] == []


def test_an_underscored_module_is_imported_in_its_own_package_only(
    imports: list[Import],
) -> None:
    private = [found for found in imports if "._" in found.imported]

    assert [
        str(found)
        for found in private
        if not found.importer.startswith(found.imported.rpartition("._")[0])
        and found.imported != "bandsaw.__main__"
    ] == []


def test_no_circle_of_imports_not_even_with_late_ones(
    imports: list[Import],
) -> None:
    below: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in imports:
        if not found.for_types and found.importer != found.imported:
            below[found.importer].add(found.imported)

    while True:
        grounded = {module for module, imported in below.items() if not imported}
        if not grounded:
            break
        below = {m: i - grounded for m, i in below.items() if m not in grounded}

    assert below == {}, "These import each other."


def test_late_imports_are_few(imports: list[Import]) -> None:
    # Each is for speed or for an extra.
    late = {(i.importer, i.imported) for i in imports if i.late and not i.for_types}

    assert len(late) <= 50


def test_no_module_of_ours_is_found_by_its_name() -> None:
    by_name = re.compile(r"""sys\.modules(\.get\(|\[)f?["'](bandsaw|\{__)""")

    assert [
        module
        for module, file in MODULES.items()
        if by_name.search(file.read_text(encoding="utf-8"))
    ] == []


def test_the_root_of_the_repository_holds_known_files_only() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=str(ROOT), stdout=subprocess.PIPE, check=False
    )
    if listed.returncode:
        pytest.skip("this is no checkout")

    names = {path.split("/")[0] for path in listed.stdout.decode().splitlines()}

    assert names <= set(_KNOWN_FILES.split())


def test_a_module_says_in_its_first_line_what_it_is() -> None:
    first_lines = {
        module: (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "")
        for module, file in MODULES.items()
    }

    assert [
        module
        for module, text in first_lines.items()
        if not text.split("\n")[0].endswith(".")
    ] == []
