"""The price of importing the library: these modules, and no others."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

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
    "contextvars",
    "itertools",
    "types",
    "weakref",
}

# What the tutorial configures, with the log of each session.
TUTORIAL = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.timestamps import TimestampsExtension
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension

configuration = bandsaw.Configuration()
configuration.add_extension(TimestampsExtension())
configuration.add_extension(TrackerExtension(FileSystemBackend("tracking")))
configuration.add_advice_chain(
    LoggingAdvice(), CachingAdvice("cache"), SubprocessAdvice()
)
"""

WHEN_CONFIGURING = {"__future__", "bandsaw_config", "itertools", "types"}

OWN_WHEN_CONFIGURING = {
    "bandsaw",
    "bandsaw.advice",
    "bandsaw.advices",
    "bandsaw.advices._choices",
    "bandsaw.advices.cache",
    "bandsaw.advices.log",
    "bandsaw.advices.remote",
    "bandsaw.advices.subprocess",
    "bandsaw.chain",
    "bandsaw.config",
    "bandsaw.datetime",
    "bandsaw.exceptions",
    "bandsaw.extensions",
    "bandsaw.runtime",
    "bandsaw.runtime.caller_warnings",
    "bandsaw.runtime.fork",
    "bandsaw.runtime.lazy",
    "bandsaw.runtime.registries",
    "bandsaw.runtime.stand_ins",
    "bandsaw.runtime.temporary",
    "bandsaw.serialization",
    "bandsaw.timestamps",
    "bandsaw.tracking",
    "bandsaw.tracking.backend",
    "bandsaw.tracking.filesystem",
    "bandsaw.tracking.tracker",
}

# Where the path of a script is relative, it is asked for at once.
if sys.version_info < (3, 9):
    WHEN_CONFIGURING |= WHEN_DECORATING
    OWN_WHEN_CONFIGURING |= {
        "bandsaw.modules",
        "bandsaw.runtime.contexts",
        "bandsaw.runtime.functions",
        "bandsaw.runtime.home",
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

# To look an environment up takes less than to import these, which are to make one.
NOT_TO_LOOK_UP = {"glob", "hashlib", "pathlib", "shutil", "subprocess", "urllib"}

# What the advices before the one that moves a session, and trackers, do in its caller
IN_NO_CHILD = NOT_IN_A_RUNNER - {"socket"} | {
    "bandsaw.advices._cached_calls",
    "bandsaw.advices._cached_task",
    "bandsaw.advices._logged",
    "bandsaw.advices._moving",
    "bandsaw.serialization._torches",
    "bandsaw.stores.results",
    "bandsaw.tracking.directory",
    "bandsaw.tracking.telling",
    "datetime",
    "pathlib",
    "re",
    "tempfile",
    "zipfile",
}


def all_imported_by(code: str, directory: Path) -> set[str]:
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
    output = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    return set(json.loads(output))


def imported_by(code: str, directory: Path) -> set[str]:
    """The public modules among them that are not the library's own."""
    return {
        name
        for name in all_imported_by(code, directory)
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


def test_an_environment_is_looked_up_without_what_it_is_made_with(
    tmp_path: Path,
) -> None:
    imported = imported_by("import bandsaw.environments.resolution", tmp_path)

    assert imported & NOT_TO_LOOK_UP == set()


def test_what_the_tutorial_configures_imports_these_modules_only(
    tmp_path: Path,
) -> None:
    (tmp_path / "bandsaw_config.py").write_text(TUTORIAL)

    imported = all_imported_by("import bandsaw_config", tmp_path)

    own = {name for name in imported if name.split(".")[0] == "bandsaw"}
    assert own - OWN_WHEN_CONFIGURING == set()
    assert {
        name for name in imported - own if not name.startswith("_")
    } - ALWAYS_THERE - WHEN_CONFIGURING == set()


def test_a_child_imports_no_work_of_the_advices_that_moved_a_session(
    workflow: Workflow,
) -> None:
    script = """
    import bandsaw, sys

    @bandsaw.task
    def imported():
        return sorted(sys.modules)

    if __name__ == "__main__":
        print(*imported(), sep="\\n")
    """

    imported = set(workflow.run(script, config=TUTORIAL).stdout.split())
    # A virtual environment may import more in each of its interpreters.
    by_all = set(
        workflow.python("-c", "import sys; print(*sys.modules)").stdout.split()
    )

    assert "bandsaw.advices.subprocess" in imported
    assert imported & IN_NO_CHILD - by_all == set()


# What takes long to import, and is for what hardly a call needs
NOT_FOR_A_CALL = {
    "concurrent",
    "datetime",
    "hashlib",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "shutil",
    "subprocess",
    "tempfile",
    "typing",
    "urllib",
    "zipfile",
}


def test_a_logged_tracked_and_cached_call_imports_little(workflow: Workflow) -> None:
    script = """
    import sys
    import bandsaw

    @bandsaw.task
    def double(x):
        return 2 * x

    if __name__ == "__main__":
        double(21)
        print(*sys.modules, sep="\\n")
    """
    config = TUTORIAL.replace(", SubprocessAdvice()", "")

    imported = [set(workflow.run(script, config=config).stdout.split())]
    imported.append(set(workflow.run(script, config=config).stdout.split()))
    by_all = set(
        workflow.python("-c", "import sys; print(*sys.modules)").stdout.split()
    )

    assert imported[0] & NOT_FOR_A_CALL - by_all == set(), "The result is not there."
    assert imported[1] & NOT_FOR_A_CALL - by_all == set(), "It is in the cache."


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


def extras_imported_by(module: str) -> set[str]:
    """The extras that a module needs to be imported."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    at_import = {
        name.split(".")[0]
        for node, late, for_types in statements(tree)
        if not late and not for_types
        for name in imported_names(node, module)
    }
    return at_import & EXTRAS


def test_modules_need_the_standard_library_only_to_be_imported() -> None:
    extras = {
        module: extras_imported_by(module)
        - ({"click", "rich"} if ".cli" in module else set())
        for module in MODULES
    }

    assert {module: found for module, found in extras.items() if found} == {}
