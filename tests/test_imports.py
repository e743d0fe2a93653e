"""What importing the library costs: these modules, and no others."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.modules import MODULES, imported_names, statements
from tests.workflows import ROOT, Workflow

# Every interpreter that starts as usual has these.
ALWAYS_THERE = {
    "abc",
    "codecs",
    "genericpath",
    "io",
    "ntpath",
    "os",
    "os.path",
    "posixpath",
    "stat",
}

# Cheap, or what the path of a plain call needs.
WHEN_DECORATING = {
    "atexit",
    "bandsaw_config",
    "collections",
    "collections.abc",
    "contextlib",
    "contextvars",
    "copyreg",
    "functools",
    "heapq",
    "importlib",
    "importlib.machinery",
    "itertools",
    "keyword",
    "operator",
    "reprlib",
    "struct",
    "threading",
    "types",
    "warnings",
    "weakref",
}

# A child starts anew for each session, and none of these is needed to continue one.
# (The pathlib of some Pythons imports urllib, the zipfile of 3.9 typing.)
NOT_IN_A_RUNNER = {
    "asyncio",
    "ctypes",
    "dataclasses",
    "email",
    "hashlib",
    "http",
    "inspect",
    "json",
    "logging",
    "multiprocessing",
    "socket",
    "ssl",
    "subprocess",
    "typing",
    "unittest",
    "uuid",
}


def imported_by(code: str, directory: Path) -> set[str]:
    """The modules that an interpreter imports for some code.

    Without what `site` imports: a file in site-packages may import anything.
    """
    program = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(directory)!r}]
before = set(sys.modules)
{code}
new = sorted(set(sys.modules) - before)
import ast
import json
print(json.dumps(new))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    output = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        check=True,
        stdout=subprocess.PIPE,
        env=environment,
    ).stdout
    return {
        name
        for name in json.loads(output)
        # Private parts, in C for example, are counted with the module.
        if not any(part.startswith("_") for part in name.split("."))
        and name.split(".")[0] != "bandsaw"
    } - ALWAYS_THERE


def test_importing_and_decorating_import_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "bandsaw_config.py").write_text(
        "import bandsaw\nconfiguration = bandsaw.Configuration()\n"
    )
    code = "import bandsaw\n@bandsaw.task\ndef f(x):\n    return x\n"

    assert imported_by(code, tmp_path) - WHEN_DECORATING == set()


def test_the_runner_imports_the_standard_library_only_and_little_of_it(
    tmp_path: Path,
) -> None:
    # Nothing else is on the path there.
    imported = imported_by("import bandsaw.runner", tmp_path)

    unwanted = NOT_IN_A_RUNNER - (
        {"typing"} if sys.version_info[:2] == (3, 9) else set()
    )
    assert imported & unwanted == set()


def test_keeping_and_moving_results_imports_no_json_before_it_is_needed(
    tmp_path: Path,
) -> None:
    code = "import bandsaw.advices.cache, bandsaw.advices.subprocess"

    assert "json" not in imported_by(code, tmp_path)


def test_importing_does_nothing_but_import(workflow: Workflow) -> None:
    code = """
import bandsaw, os, sys, threading
assert threading.active_count() == 1
assert "logging" not in sys.modules or not sys.modules["logging"].getLogger().handlers
"""
    home = Path(os.environ["BANDSAW_HOME"])
    before = set(home.rglob("*"))

    workflow.python("-c", code)

    assert set(home.rglob("*")) == before
    assert list(workflow.directory.iterdir()) == []


# Nothing imports the command line but `python -m bandsaw`.
EXTRAS = {
    "click",
    "fsspec",
    "multimeter",
    "numpy",
    "packaging",
    "rich",
    "sklearn",
    "typing_extensions",
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_needs_the_standard_library_only_to_be_imported(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    at_import = {
        name.split(".")[0]
        for node, late, for_types in statements(tree)
        if not late and not for_types
        for name in imported_names(node, module)
    }

    allowed = {"click", "rich"} if ".cli" in module else set()
    assert at_import & EXTRAS <= allowed
