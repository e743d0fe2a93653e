"""The environment that a script declares in its comments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bandsaw.environments import Environment
from bandsaw.environments.inline import InlineEnvironment, read_environment
from bandsaw.exceptions import ConfigurationError, MissingExtraError
from tests.environments.test_tasks import HEAD
from tests.environments.wheels import PackageIndex
from tests.interpreters import python, with_the_newest_python_only
from tests.workflows import Workflow

SCRIPT = """
# /// script
# dependencies = ["alpha<2"]
# [tool.bandsaw]
# index-url = "INDEX"
# ///
"""


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Read the environment that a script asks for."""
    if sys.version_info < (3, 11):
        pytest.importorskip("tomli")

    def read(content: str, encoding: str = "utf-8") -> Environment:
        path = tmp_path / "workflow.py"
        path.write_bytes(content.encode(encoding))
        return read_environment(str(path), name="workflow")

    return read


def test_metadata_say_everything(read: Any) -> None:
    environment = read(
        """#!/usr/bin/env python
# /// other
# requires-python = "2"
# ///

# /// script
# requires-python = ">=3.8,<3.10"
# dependencies = [
#   "numpy <2",  # Not yet
#
#   "./mylib[plot]",
# ]
#
# [tool.bandsaw]
# constraints = ["six<2"]
# find-links = ["./wheels"]
# index-url = "https://host/simple"
# lock = "my.lock"
# [tool.other]
# anything = 1
# ///

print("hello")
"""
    )
    assert environment == Environment(
        ">=3.8,<3.10",
        ["numpy <2", "./mylib[plot]"],
        constraints=["six<2"],
        find_links=["./wheels"],
        index_url="https://host/simple",
        lock="my.lock",
        name="workflow",
    )


def test_a_script_is_read_in_its_own_encoding(read: Any) -> None:
    environment = read(
        "# -*- coding: latin-1 -*-\n# /// script\n# dependencies = ['./b\xfccher']\n"
        "# ///\n",
        encoding="latin-1",
    )
    assert environment.requirements == ("./b\xfccher",)
    assert read("\ufeff# /// script\r\n# dependencies = ['a']\r\n# ///\r\n")


def test_nothing_in_it_is_just_this_python(read: Any) -> None:
    assert read("# /// script\n#\n# ///\n") == Environment(name="workflow")


BLOCK = "# /// script\n# dependencies = []\n# ///\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("print()", "no block"),
        ("", "no block"),
        ("# /// script\n# dependencies = []\n", "no block"),
        (f"{BLOCK}\n{BLOCK}", "more than one block"),
        ("# /// script\n# dependencies = [\n# ///\n", "is not TOML"),
        ("# /// script\n# a = 1\n# a = 2\n# ///\n", "is not TOML"),
        ("# /// script\n# tool = 1\n# ///\n", "table tool.bandsaw"),
        ("# /// script\n# tool.bandsaw = 1\n# ///\n", "table tool.bandsaw"),
        ("# /// script\n# [tool.bandsaw]\n# index = 'a'\n# ///\n", "knows constraints"),
        ("# /// script\n# dependencies = 'a'\n# ///\n", "requirements='a'"),
        ("# /// script\n# dependencies = [7]\n# ///\n", "requirements=7"),
        ("# /// script\n# requires-python = 3.8\n# ///\n", "python=3.8"),
        ("# coding: no-such\n# /// script\n# ///\n", "cannot be read"),
    ],
)
def test_metadata_that_make_no_sense_are_named_with_their_file(
    read: Any, content: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"workflow.py(?s:.)*{message}"):
        read(content)


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent.py cannot be read"):
        read_environment(str(tmp_path / "absent.py"), name="absent")


def test_a_missing_reader_of_toml_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", None)
    path = tmp_path / "workflow.py"
    path.write_text(BLOCK)
    with pytest.raises(MissingExtraError, match=r"bandsaw\[environments\]"):
        read_environment(str(path), name="workflow")


def test_a_file_is_read_on_first_use_only(tmp_path: Path) -> None:
    path, name, directory = str(tmp_path / "absent.py"), "absent", str(tmp_path)
    inline = InlineEnvironment(path, name=name, directory=directory)
    other = InlineEnvironment(path, name=name, directory=directory)
    assert inline == other
    assert hash(inline) == hash(other)
    assert inline != "inline"
    assert "absent.py" in repr(inline)
    with pytest.raises(ConfigurationError):
        _ = inline.environment


def run(workflow: Workflow, index: PackageIndex) -> str:
    script = (
        SCRIPT.replace("INDEX", index.url())
        + HEAD
        + """
import other

@bandsaw.task(environment="inline", chain="moving")
def version():
    import alpha
    return alpha.version, sys.version_info[:2] == here()

@bandsaw.task
def here():
    return sys.version_info[:2]

if __name__ == "__main__":
    print(*version(), other.version())
"""
    )
    other = (
        SCRIPT.replace("INDEX", index.url()).replace("alpha<2", "alpha>=2")
        + "import bandsaw\n@bandsaw.task(environment='inline')\ndef version():\n"
        "    import alpha\n    return alpha.version\n"
    )
    workflow.write({"other.py": other})
    return workflow.output(
        script,
        config="""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(start_ahead=False), name="moving")
""",
    )


def test_a_script_and_a_module_have_environments_of_their_own(
    read: Any, workflow: Workflow, index: PackageIndex, project: Path
) -> None:
    assert run(workflow, index) == "1.0 True 2.0\n"
    lock = (project / "bandsaw.lock").read_text()
    assert '"workflow": {' in lock
    assert '"other": {' in lock


@with_the_newest_python_only
def test_the_far_end_needs_no_reader_of_toml(
    read: Any, workflow: Workflow, index: PackageIndex
) -> None:
    python("3.8")  # It has none.
    script = SCRIPT.replace("INDEX", index.url()).replace(
        "# [tool", '# requires-python = "==3.8.*"\n# [tool'
    )
    completed = workflow.run(
        script
        + """
import sys
import bandsaw

@bandsaw.task(environment="inline")
def version():
    import alpha
    return alpha.version, sys.version_info[:2]

if __name__ == "__main__":
    print(version())
""",
        config="import bandsaw\nconfiguration = bandsaw.Configuration()\n",
    )
    assert completed.stdout == "('1.0', (3, 8))\n"
