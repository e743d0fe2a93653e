"""Interpreters: their Python, their search path and their environment."""

from __future__ import annotations

import io
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from bandsaw.advices._moving import imports_of
from bandsaw.exceptions import ConfigurationError
from bandsaw.interpreter import Interpreter, is_own_source, own_source_directories
from bandsaw.serialization import JsonSerializer, PickleSerializer
from tests.workflows import Workflow


def test_by_default_it_is_the_interpreter_of_this_process() -> None:
    interpreter = Interpreter()
    assert interpreter.executable == sys.executable
    assert interpreter.path == tuple(sys.path)
    assert interpreter.environment == {}
    assert interpreter.is_this_python


def test_the_path_is_the_one_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter = Interpreter()
    monkeypatch.syspath_prepend("/added/later")
    assert interpreter.path[0] == "/added/later"


def test_it_may_be_given_paths() -> None:
    interpreter = Interpreter(
        path=[Path("/a"), "/b"],  # type: ignore[list-item]
        executable=Path("/usr/bin/python3"),  # type: ignore[arg-type]
    )
    assert interpreter.path == ("/a", "/b")
    assert interpreter.executable == "/usr/bin/python3"
    assert not interpreter.is_this_python
    assert interpreter.import_path() == ("/a", "/b")


def test_one_text_is_no_list_of_paths() -> None:
    with pytest.raises(ConfigurationError, match=r"a list of directories .* not 'src'"):
        Interpreter(path="src")


def test_a_variable_of_the_environment_is_a_text() -> None:
    wrong: Any = 3
    with pytest.raises(ConfigurationError, match="a text as the value of A, and not 3"):
        Interpreter().set_environment(A=wrong)


def test_the_environment_is_replaced_and_returned_as_a_copy() -> None:
    interpreter = Interpreter().set_environment(A="1", self="2")
    assert interpreter.environment == {"A": "1", "self": "2"}

    interpreter.environment["B"] = "3"
    assert interpreter.environment == {"A": "1", "self": "2"}

    assert interpreter.set_environment(C="4") is interpreter
    assert interpreter.environment == {"C": "4"}


@pytest.mark.parametrize("serializer", [PickleSerializer(), JsonSerializer()])
@pytest.mark.parametrize(
    "interpreter",
    [
        Interpreter(),
        Interpreter(path=["/a", "/b"], executable="/usr/bin/python3").set_environment(
            A="ä"
        ),
    ],
)
def test_it_can_be_serialized(serializer: Any, interpreter: Interpreter) -> None:
    stream = io.BytesIO()
    serializer.serialize(interpreter, stream)
    stream.seek(0)
    read = serializer.deserialize(stream)
    assert read == interpreter
    assert hash(read) == hash(interpreter)
    assert read.environment == interpreter.environment


def test_equal_interpreters_are_the_same_in_everything() -> None:
    one = Interpreter(path=["/a"], executable="/p")
    assert one == Interpreter(path=("/a",), executable="/p")
    assert one != Interpreter(path=["/b"], executable="/p")
    assert one != Interpreter(path=["/a"], executable="/q")
    assert Interpreter() != Interpreter().set_environment(A="1")
    assert Interpreter() != "python"
    assert eval(repr(one)) == one


def test_another_python_gets_the_users_own_directories_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = sysconfig.get_paths()
    (tmp_path / "link").symlink_to(paths["purelib"])
    # Spelled as it is, for the case that there are links in it.
    linked_library = os.path.dirname(os.__file__)
    monkeypatch.setattr(
        sys,
        "path",
        [
            str(tmp_path),
            "relative",
            "",
            *paths.values(),
            linked_library,
            os.path.join(paths["stdlib"], "lib-dynload"),
            str(tmp_path / "link"),
            str(tmp_path / "venv" / "lib" / "python3.9" / "site-packages"),
            "/usr/lib/python3/dist-packages",
        ],
    )
    own = (str(tmp_path), os.path.abspath("relative"), os.getcwd())
    found = Interpreter(executable="/another/python").import_path()

    assert found[:3] == own
    # What is left are directories for programs and data.
    assert {paths["scripts"], paths["data"]} >= set(found[3:]) - {paths["include"]}
    assert Interpreter().import_path() == tuple(map(os.path.abspath, sys.path))


def test_the_library_and_installed_packages_are_not_the_users_own() -> None:
    assert not is_own_source(os.__file__)
    assert not is_own_source(os.path.abspath(pytest.__file__))
    zipped = "python{}{}.zip".format(*sys.version_info)
    stdlib = sysconfig.get_paths()["stdlib"]
    assert own_source_directories([os.path.join(stdlib, "..", zipped)]) == ()
    assert is_own_source(os.path.abspath(__file__))


def test_the_environment_of_another_python_leads_to_nothing_of_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = sysconfig.get_paths()["purelib"]
    monkeypatch.setenv("PYTHONHOME", sys.prefix)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([library, str(tmp_path)]))
    monkeypatch.setenv("OTHER", "kept")
    other = Interpreter(executable="/another/python").process_environment()
    same = Interpreter().process_environment()

    assert "PYTHONHOME" not in other
    assert other["PYTHONPATH"] == str(tmp_path)
    assert other["OTHER"] == "kept"
    assert same == dict(os.environ)

    monkeypatch.setenv("PYTHONPATH", library)
    assert "PYTHONPATH" not in Interpreter(executable="/x").process_environment()


def test_an_explicit_path_comes_first_in_the_child(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.write(
        {
            "chosen.py": "PLACE = 'beside the script'",
            "first/.keep": "",
            "second/chosen.py": "PLACE = 'second'",
            "installed/chosen.py": "PLACE = 'installed'",
        }
    )
    completed = workflow.run(
        """
        import bandsaw

        @bandsaw.task
        def choose():
            import chosen
            return chosen.PLACE

        if __name__ == "__main__":
            print(choose())
        """,
        config="""
        import os
        import bandsaw
        from bandsaw.advices.subprocess import SubprocessAdvice

        configuration = bandsaw.Configuration().add_advice_chain(
            SubprocessAdvice(interpreter=bandsaw.Interpreter(path=["first", "second"]))
        )
        """,
        environment={"PYTHONPATH": str(tmp_path / "installed")},
    )
    assert completed.stdout == "second\n"


FLAGS_OF_A_CHILD = """
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bandsaw

@bandsaw.task
def facts():
    import warnings

    filters = [tuple(map(str, parts)) for parts in warnings.filters]
    return tuple(sys.flags), sys.warnoptions, sys._xoptions, filters

if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = sys.argv[1]
    here, there = facts.__wrapped__(), facts()
    print(here == there or (here, there))
    print(there[1])
"""


@pytest.mark.parametrize(
    "options",
    [
        ["-O"],
        ["-OO", "-B"],
        ["-X", "utf8"],
        ["-X", "dev"],
        ["-X", "dev", "-X", "utf8=0", "-bb", "-W", "error"],
        ["-W", "error", "-Wignore::DeprecationWarning"],
        ["-I", "-W", "error"],
        ["-E", "-s"],
    ],
    ids=" ".join,
)
def test_a_child_of_this_python_has_its_options(
    workflow: Workflow, options: list[str]
) -> None:
    warnings = "once::UserWarning,default"
    workflow.write_script(FLAGS_OF_A_CHILD)
    completed = workflow.python(
        *options, "workflow.py", warnings, environment={"PYTHONWARNINGS": warnings}
    )
    assert completed.stdout.splitlines()[0] == "True"
    assert completed.stderr == ""


@pytest.mark.skipif(
    sys.version_info < (3, 10), reason="Python does not keep its command line"
)
def test_a_child_takes_the_filters_of_its_environment_from_there(
    workflow: Workflow,
) -> None:
    workflow.write_script(FLAGS_OF_A_CHILD)
    completed = workflow.python(
        *("-W", "once", "workflow.py", "ignore"),
        environment={"PYTHONWARNINGS": "default"},
    )
    assert completed.stdout.splitlines()[1] == "['ignore', 'once']"


def test_another_python_is_started_without_options() -> None:
    assert Interpreter(executable="/another/python").command() == ["/another/python"]


def test_what_can_be_imported_is_found_out_again_when_something_has_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interpreter = Interpreter()
    assert imports_of(interpreter) is imports_of(interpreter)
    assert interpreter.has_the_same_modules

    monkeypatch.setattr(sys, "path", ["relative", *sys.path])
    assert imports_of(interpreter).path[0] == os.path.abspath("relative")
    monkeypatch.chdir(tmp_path)
    assert imports_of(interpreter).path[0] == str(tmp_path / "relative")
    interpreter.set_environment(PYTHONPATH="/more")
    assert not interpreter.has_the_same_modules
    interpreter.set_environment()
    assert interpreter.has_the_same_modules
    interpreter.executable = "/another/python"
    assert sysconfig.get_paths()["purelib"] not in imports_of(interpreter).path


def test_an_interpreter_of_another_class_is_asked_each_time() -> None:
    class Growing(Interpreter):
        entries: tuple[str, ...] = ()

        def import_path(self) -> tuple[str, ...]:
            Growing.entries += ("/entry",)
            return Growing.entries

    interpreter = Growing()
    assert imports_of(interpreter).path == ("/entry",)
    assert imports_of(interpreter).path == ("/entry", "/entry")
