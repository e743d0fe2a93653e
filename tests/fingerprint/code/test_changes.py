"""Edits that change the code of a task, and edits that do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fingerprint.code.projects import Edit, digests_of, write_project
from tests.interpreters import SUPPORTED, python
from tests.workflows import Workflow

FOR_LIST = "@dispatched.register\ndef _(x: list):\n    return 801\n"
FOR_TUPLE = "@dispatched.register(tuple)\ndef _(x):\n    return 802\n"

MUST_CHANGE: dict[str, Edit] = {
    "the body of the task": ("work.py", "sum(values)", "max(values)"),
    "an operator": ("work.py", "x < limit", "x <= limit"),
    "the order of statements": (
        "work.py",
        "add_three(x), nested([x])[0]",
        "nested([x])[0], add_three(x)",
    ),
    "the type of an exception": ("work.py", "raise ValueError", "raise TypeError"),
    "a text": ("work.py", '"too much"', '"too many"'),
    "a constant": ("work.py", "LIMIT = 10", "LIMIT = 11"),
    "the type of a constant": ("work.py", "LIMIT = 10", "LIMIT = 10.0"),
    "a value deep in a table": ("work.py", "{4, 5}", "{4, 6}"),
    "a value that is computed": ("work.py", 'float("2")', 'float("3")'),
    "a member of an enumeration": ("work.py", "RED = 1", "RED = 3"),
    "an argument of a partial": ("work.py", "factor=3", "factor=4"),
    "a lambda": ("work.py", "x * x", "x * x * x"),
    "what a closure holds": ("work.py", "make_adder(3)", "make_adder(4)"),
    "the code of a closure": ("work.py", "x + amount", "amount - x"),
    "a default value": ("work.py", "limit: int = LIMIT", "limit: int = 12"),
    "a function below a cache": ("work.py", "x + 100", "x + 101"),
    "a decorated function": ("work.py", "return x + 1\n", "return x + 2\n"),
    "a function that an object remembers": ("work.py", "x + 200", "x + 201"),
    "a function that was given to an object": ("work.py", "x + 300", "x + 301"),
    "a function that a decorator has put away": ("work.py", "x + 400", "x + 401"),
    "the class of an object around a function": (
        "decorating.py",
        "return self.function(x)",
        "return -self.function(x)",
    ),
    "an argument of a decorator": ("work.py", '"work"', '"play"'),
    "another decorator": ("work.py", '@logged("work")\n', ""),
    "the wrapper of a decorator": ("decorating.py", "[name]", "[name, 1]"),
    "a function in a nested function": ("work.py", "return tidy(y)", "return -tidy(y)"),
    "half of a circle": ("work.py", "return recursive(x)", "return recursive(x) + 1"),
    "which function is called": ("work.py", "import clean as", "import strip as"),
    "a helper of a helper": ("helpers.py", "abs(x)", "-abs(x)"),
    "the constant of a helper": ("helpers.py", "FACTOR = 2", "FACTOR = 3"),
    "the default value of a helper": ("helpers.py", "factor=FACTOR", "factor=9"),
    "a method": ("helpers.py", "self.prepare() + self.rate", "self.prepare()"),
    "a method of a base": ("helpers.py", "return self.start", "return self.start + 1"),
    "an attribute of a base": ("helpers.py", "start = 5", "start = 6"),
    "a property": ("helpers.py", "return 7", "return 8"),
    "a cached property": ("helpers.py", "return 500", "return 501"),
    "a method that dispatches": ("helpers.py", "return 600", "return 601"),
    "an object in a class": ("helpers.py", "(900)", "(901)"),
    "a method for a type": ("helpers.py", "return 601", "return 603"),
    "the type of a method": ("helpers.py", "x: bytes", "x: memoryview"),
    "a function that dispatches": ("helpers.py", "return 800", "return 803"),
    "a function for a type": ("helpers.py", "return 802", "return 804"),
    "the type of a function": ("helpers.py", "x: list", "x: dict"),
    "one type less": ("helpers.py", "@dispatched.register(tuple)\n", ""),
    "an object in a closure": ("holding.py", "Step(1)", "Step(5)"),
    "the class of that object": (
        "holding.py",
        "x * self.factor\n\n\nclass Sc",
        "x\n\n\nclass Sc",
    ),
    "the object of a method": ("holding.py", "Scaler(2)", "Scaler(5)"),
    "the dict of a method": ("holding.py", '{"a": 3}', '{"a": 5}'),
    "the object of a method in a table": ("holding.py", "Scaler(4)", "Scaler(5)"),
    "an object with slots": ("holding.py", "Settings(0.5)", "Settings(1.5)"),
    "state of another module": ("holding.py", "dict(a=1)", "dict(a=2)"),
    "a list in a class": ("holding.py", "[8, 16]", "[8, 32]"),
    "what getattr finds": ("holding.py", "x + 1000", "x - 1000"),
    "what a module shows": ("reexporting/implementation.py", "x + 1001", "x - 1001"),
    "a static method below an object": ("helpers.py", "return 700", "return 701"),
    "an attribute of a class": ("helpers.py", "size: int = 3", "size: int = 4"),
    "the bases of a class": (
        "helpers.py",
        "class Model(Base)",
        "class Model(Base, dict)",
    ),
    "a decorator of a method": ("helpers.py", "    @staticmethod\n", ""),
    "a constructor": ("helpers.py", "self.x = x", "self.x = -x"),
    "a constant of a package": ("package/settings.py", "OFFSET = 1", "OFFSET = 2"),
    "a function of a package": ("package/tools.py", "x + settings", "x - settings"),
    "what a package exports": ("package/__init__.py", "original as", "tool as"),
    "an exported function": ("package/tools.py", "return x - 1", "return x - 2"),
    "a module further down": ("package/deep/inner.py", "x + START", "x - START"),
    "a name by a star": ("starred.py", "x ** 2", "x ** 3"),
    "what is imported when it runs": ("lazy.py", "below(x) +", "below(x) -"),
    "what that uses": ("lazy.py", "return 3 * x", "return -x"),
    "a constant of it": ("lazy.py", "AMOUNT = 4", "AMOUNT = 5"),
    "a module in a package of it": ("lazy_package/module.py", "return x", "return 2*x"),
}
MUST_NOT_CHANGE: dict[str, Edit] = {
    "nothing": ("work.py", "LIMIT = 10", "LIMIT = 10"),
    "a comment": ("work.py", "# A comment", "# A better comment"),
    "another comment": ("helpers.py", "return abs(x)", "return abs(x)  # positive"),
    "the docstring of the task": ("work.py", '"""Does it all."""', '"""All of it."""'),
    "no docstring": ("work.py", '    """Does it all."""\n', ""),
    "the docstring of a class": ("helpers.py", '"""A model."""', '"""Models."""'),
    "the docstring of the module": ("work.py", '"""The tasks."""', '"""Tasks."""'),
    "an annotation": ("work.py", "x: int, limit: int", "x: 'float', limit"),
    "what is returned": ("work.py", ") -> int:", ") -> 'float':"),
    "the annotation of an attribute": ("helpers.py", "size: int", "size: float"),
    "blank lines": ("work.py", "def task(", "\n\n\n\ndef task("),
    "an indentation": (
        "work.py",
        "        return sum(values)",
        "            return sum(values)",
    ),
    "parentheses": ("work.py", "if x < limit:", "if (x < limit):"),
    "line breaks": (
        "work.py",
        "[tidy(x), helpers",
        "[\n        tidy(x),\n        helpers",
    ),
    "another comma": ("work.py", "inner.deep(x)]", "inner.deep(x),]"),
    "quotes": ("work.py", '"too much"', "'too much'"),
    "a number written otherwise": ("work.py", "LIMIT = 10", "LIMIT = 0xA"),
    "the order in a table": (
        "work.py",
        '{"a": [1, 2], "b": (3, {4, 5})}',
        '{"b": (3, {5, 4}), "a": [1, 2]}',
    ),
    "a function that is not reached": ("work.py", "return UNUSED", "return 1 + UNUSED"),
    "a constant that is not reached": ("work.py", "UNUSED = 1", "UNUSED = 2"),
    "a class that is not reached": ("work.py", "    value = 1", "    value = 2"),
    "an unreached function elsewhere": (
        "helpers.py",
        "unreached(x):\n",
        "unreached(y):\n    x = y\n",
    ),
    "an unreached class elsewhere": ("helpers.py", "return 0", "return 1"),
    "an unreached class that is imported": ("decorating.py", "    pass", "    x = 1"),
    "another constant of a package": ("package/settings.py", "OTHER = 2", "OTHER = 3"),
    "an unreached function of it": (
        "lazy.py",
        "def never(x):\n",
        "def never(y):\n    x = y\n",
    ),
    "another place in the file": ("work.py", "def unused(x):\n    return UNUSED\n", ""),
    "the order of functions for types": (
        "helpers.py",
        FOR_LIST + "\n\n" + FOR_TUPLE,
        FOR_TUPLE + "\n\n" + FOR_LIST,
    ),
    "the order of imports": (
        "work.py",
        "import helpers\nimport package\n",
        "import package\nimport helpers\n",
    ),
    "one more import": ("work.py", "import math\n", "import math\nimport json\n"),
    "what the task changes itself": ("work.py", "COUNTS = {}", "COUNTS = { }"),
    "pass": ("work.py", "    COUNTS[x] = 1\n", "    COUNTS[x] = 1\n    pass\n"),
}


def digests_after(workflow: Workflow, edits: list[Edit]) -> list[str]:
    directory = workflow.directory
    projects = [write_project(directory / "0")]
    for number, edit in enumerate(edits, 1):
        projects.append(write_project(directory / str(number), edit))
    return digests_of(workflow, projects)


def test_edits_that_change_what_is_done_change_the_code(workflow: Workflow) -> None:
    first, *others = digests_after(workflow, list(MUST_CHANGE.values()))

    unseen = [name for name, digest in zip(MUST_CHANGE, others) if digest == first]
    assert unseen == []
    assert len(set(others)) == len(others)


def test_edits_that_change_nothing_do_not_change_the_code(workflow: Workflow) -> None:
    first, *others = digests_after(workflow, list(MUST_NOT_CHANGE.values()))

    wrong = [name for name, digest in zip(MUST_NOT_CHANGE, others) if digest != first]
    assert wrong == []


def test_the_code_is_the_same_on_every_python_and_hash_seed(
    workflow: Workflow, tmp_path: Path
) -> None:
    project = write_project(tmp_path)
    found = {}
    for number, version in enumerate(SUPPORTED):
        try:
            executable = python(version)
        except pytest.skip.Exception:
            continue
        environment = {"PYTHONHASHSEED": str(number)}
        found[version] = digests_of(
            workflow, [project], python=executable, environment=environment
        )[0]

    assert len(found) > 1
    assert len(set(found.values())) == 1, found


def test_what_is_remembered_says_the_same(workflow: Workflow, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    home = {"BANDSAW_HOME": str(tmp_path / "home")}
    for path in project.rglob("*.py"):
        # What was changed just now is not remembered.
        os.utime(path, (1_000_000, 1_000_000))
    first = digests_of(workflow, [project], environment=home)
    remembered = list((tmp_path / "home" / "remembered").rglob("*.json"))

    assert len(remembered) > 5
    assert digests_of(workflow, [project], environment=home) == first
    for path in remembered:
        path.write_text("[[1, 2], []]")
    assert digests_of(workflow, [project], environment=home) == first
