"""By which names things are found again, and scripts that have none."""

from __future__ import annotations

import collections
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bandsaw.exceptions import NotMovableError
from bandsaw.modules import (
    allow_imports,
    get_loaded_module_name_by_path,
    get_module_name_by_path,
    import_object,
    imports_allowed,
    object_as_import,
)
from tests.workflows import MOVING, Workflow


class Outer:
    class Inner:
        def method(self) -> None:
            """A class with a dotted name."""


def local() -> Any:
    def inside() -> None:
        """Cannot be imported."""

    return inside


@pytest.mark.parametrize(
    ("obj", "name", "module"),
    [
        (collections.OrderedDict, "OrderedDict", "collections"),
        (Outer.Inner, "Outer.Inner", __name__),
        (Outer.Inner.method, "Outer.Inner.method", __name__),
        (local(), "local.<locals>.inside", __name__),
        (len, "len", "builtins"),
        (int, "int", "builtins"),
    ],
)
def test_an_object_knows_its_names(obj: Any, name: str, module: str) -> None:
    assert object_as_import(obj) == (name, module)


def test_what_has_no_name_is_refused() -> None:
    with pytest.raises(TypeError, match="int object 3 has no name"):
        object_as_import(3)


def test_an_object_is_imported_by_its_names() -> None:
    assert import_object("Outer.Inner", __name__) is Outer.Inner
    assert import_object("join", "os.path") is os.path.join


def test_importing_what_is_not_there_fails() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_object("a", "there_is_no_such_module")
    with pytest.raises(AttributeError, match="when it is imported"):
        import_object("missing", __name__)


def test_a_local_object_can_not_be_imported_and_says_so() -> None:
    with pytest.raises(NotMovableError, match="local to a function"):
        import_object(*object_as_import(local()))


def test_a_loaded_module_is_found_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_of_a_test.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = str(tmp_path / "module_of_a_test.py")

    assert get_loaded_module_name_by_path(path) is None

    __import__("module_of_a_test")
    assert get_loaded_module_name_by_path(path) == "module_of_a_test"

    (tmp_path / "link.py").symlink_to(path)
    linked = str(tmp_path / "link.py")
    assert get_loaded_module_name_by_path(linked) == "module_of_a_test"


def test_a_file_is_named_below_the_longest_entry_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "deep" / "er")])

    def name_of(path: str) -> Any:
        return get_module_name_by_path(str(tmp_path / path))

    assert name_of("a.py") == "a"
    assert name_of("deep/a.py") == "deep.a"
    assert name_of("deep/er/a.py") == "a"
    assert name_of("train-model.py") == "train-model"
    assert name_of("a.b.py") is None
    assert name_of(".hidden/a.py") is None
    assert name_of("a") is None
    assert name_of("../elsewhere.py") is None


def test_imports_are_allowed_inside_of_the_block_only() -> None:
    assert not imports_allowed()
    with allow_imports():
        assert imports_allowed()
    assert not imports_allowed()


# A script that calls a task in a child; says what came back, or why there is nothing.
SCRIPT = """
import os
import bandsaw

class Value:
    pass

@bandsaw.task
def make():
    return os.getpid(), Value()

@bandsaw.task(chain="here")
def stay():
    return os.getpid(), Value()

def main():
    pid, value = stay()
    print(pid == os.getpid(), type(value) is Value)
    try:
        pid, value = make()
        print(pid != os.getpid(), type(value) is Value)
    except TypeError as error:
        print(type(error).__name__, str(error).partition(": ")[0])

"""
GUARDED = SCRIPT + 'if __name__ == "__main__":\n    main()\n'

HERE = "True True\n"
MOVED = HERE + "True True\n"
NOT_MOVED = HERE + (
    "NotMovableError Task {}.make cannot be moved to another interpreter\n"
)


def run(workflow: Workflow, *arguments: str, **options: Any) -> str:
    completed = workflow.python(*arguments, **options)
    return completed.stdout + completed.stderr


@pytest.mark.parametrize(
    "name",
    [
        "workflow.py",
        "train-model.py",
        "with space.py",
        "größe.py",
        "it's.py",
        "a:b.py",
        "my.script.py",
    ],
)
def test_the_tasks_of_a_script_run_here_and_in_a_child(
    workflow: Workflow, name: str
) -> None:
    workflow.write({"bandsaw_config.py": MOVING, name: GUARDED})
    assert run(workflow, name) == MOVED


def test_a_script_that_is_started_by_a_link_to_it_is_found(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.write({"real/bandsaw_config.py": MOVING, "real/workflow.py": GUARDED})
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "run_it.py").symlink_to(tmp_path / "real" / "workflow.py")
    assert run(workflow, "links/run_it.py") == MOVED


def test_a_script_in_a_linked_directory_is_found(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.write({"real/bandsaw_config.py": MOVING, "real/workflow.py": GUARDED})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert run(workflow, "link/workflow.py") == MOVED


def test_a_module_that_is_started_with_m_is_found(workflow: Workflow) -> None:
    workflow.write({"bandsaw_config.py": MOVING, "workflow.py": GUARDED})
    assert run(workflow, "-m", "workflow") == MOVED


def test_a_package_that_is_started_with_m_is_found(workflow: Workflow) -> None:
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "package/__init__.py": "",
            "package/__main__.py": "from . import helper\n" + GUARDED,
            "package/helper.py": "",
        },
    )
    assert run(workflow, "-m", "package") == MOVED


def test_a_directory_that_is_started_is_found(workflow: Workflow) -> None:
    workflow.write({"job/bandsaw_config.py": MOVING, "job/__main__.py": GUARDED})
    assert run(workflow, "job") == MOVED


IN_ZIP_FILE = {
    "__main__.py": GUARDED
    + """
from package import helper

@bandsaw.task
def both():
    return helper.read(), own()

def own():
    return "main"

print(helper.read_there(), both()) if __name__ == "__main__" else None
""",
    "bandsaw_config.py": MOVING,
    "package/__init__.py": "",
    "package/helper.py": """
import pkgutil
import bandsaw

def read():
    return pkgutil.get_data("package", "data.txt").decode()

@bandsaw.task
def read_there():
    return read()
""",
    "package/data.txt": "of package",
    "my_main.py": "raise RuntimeError('this is another module')",
}


def test_a_zip_file_that_is_started_is_found_with_what_is_in_it(
    workflow: Workflow, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "my.pyz", "w") as archive:
        for name, text in IN_ZIP_FILE.items():
            archive.writestr(name, text)

    assert run(workflow, "my.pyz") == MOVED + "of package ('of package', 'main')\n"


def test_a_script_that_has_changed_its_directory_is_found(workflow: Workflow) -> None:
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "elsewhere/file": "",
            "workflow.py": "import os\n"
            + GUARDED.replace("    main()", "    os.chdir('elsewhere')\n    main()"),
        },
    )
    assert run(workflow, "workflow.py") == MOVED


def test_a_script_works_in_a_directory_that_was_removed(
    workflow: Workflow, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "workflow.py": "import os\n"
            + GUARDED.replace(
                "    main()",
                "    os.chdir('gone')\n    os.rmdir(os.getcwd())\n    main()",
            ),
        },
    )
    output = run(workflow, str(tmp_path / "workflow.py"))

    assert output == MOVED


def test_anything_may_be_in_the_search_path_and_among_the_arguments(
    workflow: Workflow,
) -> None:
    script = """
import pathlib
import sys
import bandsaw

@bandsaw.task
def arguments():
    return sys.argv[1:]

if __name__ == "__main__":
    sys.path[1:1] = [None, b"of-bytes", pathlib.Path("a-path"), 7]
    sys.argv[1:] = [None, b"bytes", pathlib.Path("a/path"), "text", 7]
    print(arguments())
"""
    workflow.write({"bandsaw_config.py": MOVING, "workflow.py": script})

    output = run(workflow, "workflow.py")

    assert output == "['None', 'bytes', 'a/path', 'text', '7']\n"


def test_no_module_is_made_to_load_itself(workflow: Workflow) -> None:
    script = """
import importlib.util
import sys
import types
import bandsaw

class Failing(types.ModuleType):
    def __getattribute__(self, name):
        raise ImportError("needs an extra")

@bandsaw.task
def work():
    return 1

if __name__ == "__main__":
    sys.modules["failing"] = Failing("failing")
    spec = importlib.util.find_spec("late")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    late = sys.modules["late"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(late)
    print(work())
"""
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "late.py": "print('loaded')\n",
            "workflow.py": script,
        },
    )
    assert run(workflow, "workflow.py") == "1\n"


NOT_IMPORTABLE = {
    "a script without .py": ("workflow", GUARDED, ["workflow"]),
    "python -c": ("unused", "", ["-c", GUARDED, "argument"]),
}


@pytest.mark.parametrize("kind", NOT_IMPORTABLE)
def test_the_tasks_of_what_cannot_be_imported_are_moved_by_their_source(
    workflow: Workflow, kind: str
) -> None:
    if kind == "python -c" and sys.version_info < (3, 10):
        pytest.skip("This Python does not tell the words that it was started with.")
    name, text, arguments = NOT_IMPORTABLE[kind]
    workflow.write({"bandsaw_config.py": MOVING, name: text})
    assert run(workflow, *arguments) == MOVED


def test_the_tasks_of_standard_input_run_here_and_say_that_they_can_not_be_moved(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.write({"bandsaw_config.py": MOVING})
    output = run(
        workflow, "-", input=GUARDED, environment={"PYTHONPATH": str(tmp_path)}
    )
    assert output == NOT_MOVED.format("__main__")


def test_the_tasks_of_a_prompt_are_moved_if_it_keeps_its_source(
    workflow: Workflow,
) -> None:
    workflow.write({"bandsaw_config.py": MOVING})
    typed = SCRIPT.replace("\n\n", "\n#\n").replace("#\ndef", "\ndef")
    typed = typed.replace("#\nclass", "\nclass").replace("#\n@", "\n@")
    completed = workflow.python("-i", "-q", "-", input=typed + "\nmain()\n")
    keeps_source = sys.version_info >= (3, 13)
    expected = MOVED if keeps_source else NOT_MOVED.format("__main__")
    assert completed.stdout == expected


def test_the_tasks_of_text_that_nothing_keeps_say_that_they_can_not_be_moved(
    workflow: Workflow,
) -> None:
    # A kernel puts a module of its own in the place of the one that was started, and
    # executes the cells in it. This one keeps no cells.
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "kernel.py": f"""
            import sys
            import types

            cells = {[SCRIPT, "main()"]!r}
            sys.modules["__main__"] = types.ModuleType("__main__")
            for number, cell in enumerate(cells):
                code = compile(cell, f"<cell {{number}}>", "exec")
                exec(code, sys.modules["__main__"].__dict__)
            """,
        },
    )
    assert run(workflow, "kernel.py") == NOT_MOVED.format("__main__")


def test_the_tasks_of_executed_text_run_here_and_say_that_they_can_not_be_moved(
    workflow: Workflow,
) -> None:
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "workflow.py": f"""
            space = {{"__name__": "executed"}}
            exec({SCRIPT!r}, space)
            space["main"]()
            """,
        },
    )
    assert run(workflow, "workflow.py") == NOT_MOVED.format("executed")


def test_a_module_can_be_moved_from_wherever_nothing_else_can(
    workflow: Workflow,
) -> None:
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "tasks.py": """
            import os
            import bandsaw

            class Value:
                pass

            @bandsaw.task
            def make(depth):
                return [os.getpid()] + (make(depth - 1) if depth else [])
            """,
        },
    )
    code = "import tasks, os; print(len({os.getpid(), *tasks.make(2)}))"
    assert run(workflow, "-c", code) == "4\n"


def test_a_script_may_have_the_name_of_a_module_that_bandsaw_does_not_need(
    workflow: Workflow,
) -> None:
    workflow.write({"bandsaw_config.py": MOVING, "tasks.py": GUARDED})
    assert run(workflow, "tasks.py") == MOVED
