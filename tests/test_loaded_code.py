"""A child executes what is loaded in its parent, also after an edit or a reload."""

from __future__ import annotations

import pytest

from tests.workflows import HEAD, MOVING, Workflow

CACHED = (
    MOVING
    + """
from bandsaw.advices.cache import CachingAdvice

configuration.add_advice_chain(
    CachingAdvice("cache"), SubprocessAdvice(), name="cached"
)
"""
)

MODULE = """
import bandsaw

LIMIT = 1

def helper():
    return "one"

class Model:
    def predict(self):
        return "model"

@bandsaw.task
def child():
    return helper(), LIMIT, Model().predict()

@bandsaw.task(chain="cached")
def cached():
    return helper()
"""

# Edits the module as it is on disk. The size changes, too: Python takes bytecode of the
# same size and second for that of the text.
SCRIPT = (
    HEAD
    + """
import importlib
import m
from bandsaw.exceptions import NotMovableError

with open("m.py") as file:
    TEXT = file.read()

def edit(*changes):
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with open("m.py", "w") as file:
        file.write(text)

def refusal(call):
    try:
        return "not refused: " + repr(call())
    except NotMovableError as error:
        return str(error).partition(" ")[0]

HELPER = ('"one"', '"another one"')
"""
)


def output(workflow: Workflow, body: str, **files: str) -> str:
    """Run a script that edits the module `m`, and return what it prints."""
    others = {f"{name}.py": text for name, text in files.items()}
    workflow.write({"m.py": MODULE, **others})
    indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return workflow.output(
        f"{SCRIPT}\nif __name__ == '__main__':\n{indented}", config=CACHED
    ).strip()


@pytest.mark.parametrize(
    ("edited", "named"),
    [
        ("HELPER", "m.helper"),
        ("('\"model\"', '\"another model\"')", "m.Model.predict"),
        ("('LIMIT = 1', 'LIMIT = 1000')", "m.LIMIT"),
        ("('return helper', 'return not helper')", "m.child"),
        ("('class Model', 'class Model :-(')", "m"),
    ],
)
def test_what_was_edited_before_the_first_call_is_refused_by_its_name(
    workflow: Workflow, edited: str, named: str
) -> None:
    body = f"edit({edited})\nprint(refusal(m.child), refusal(m.cached))"

    assert output(workflow, body) == f"{named} {named}"


def test_an_edited_script_is_refused_by_the_name_of_its_function(
    workflow: Workflow,
) -> None:
    workflow.write_script(
        HEAD
        + """
@bandsaw.task
def child():
    return "before"

if __name__ == "__main__":
    with open("workflow.py") as file:
        text = file.read()
    with open("workflow.py", "w") as file:
        file.write(text.replace("before", "after"))
    try:
        child()
    except bandsaw.exceptions.NotMovableError as error:
        print(error)
"""
    )
    printed = workflow.python("workflow.py").stdout

    assert printed.startswith("workflow.child is not what ")
    assert str(workflow.directory / "workflow.py") in printed


def test_what_the_compiler_warns_of_is_compared_like_the_rest(
    workflow: Workflow,
) -> None:
    workflow.write({"m.py": MODULE})
    completed = workflow.run(
        SCRIPT
        + """
import warnings

if __name__ == "__main__":
    edit(("LIMIT = 1", "LIMIT = 1 is 1"))
    warnings.simplefilter("ignore")
    importlib.reload(m)
    warnings.simplefilter("error")
    print(m.child())
""",
        config=CACHED,
    )
    assert completed.stdout == "('one', True, 'model')\n"


def test_edits_that_leave_loaded_code_alone_travel(workflow: Workflow) -> None:
    body = """
edit(("LIMIT = 1", "# A comment\\nLIMIT = 1\\n\\ndef added():\\n    return 2\\n"))
print(m.child())
"""
    assert output(workflow, body) == "('one', 1, 'model')"


def test_an_archive_keeps_the_text_that_is_loaded(workflow: Workflow) -> None:
    body = """
m.child()
edit(HELPER, ("LIMIT = 1", "LIMIT = 1000"))
import other
print(m.child(), m.cached())
importlib.reload(m)
print(m.child(), m.cached())
"""
    assert output(workflow, body, other="") == (
        "('one', 1, 'model') one\n('another one', 1000, 'model') another one"
    )


def test_a_function_with_new_code_has_it_in_a_child(workflow: Workflow) -> None:
    body = """
print(m.child(), m.cached())
edit(HELPER)
new = {"__name__": "m"}
with open("m.py") as file:
    exec(compile(file.read(), "m.py", "exec"), new)
m.helper.__code__ = new["helper"].__code__
print(m.child(), m.cached())
"""
    assert output(workflow, body) == (
        "('one', 1, 'model') one\n('another one', 1, 'model') another one"
    )
    later = workflow.python("-c", "import m; print(m.cached.is_cached(), m.cached())")
    assert later.stdout == "True another one\n"


def test_code_that_is_in_no_text_is_refused_until_it_is_taken_back(
    workflow: Workflow,
) -> None:
    body = """
before = m.helper.__code__
m.helper.__code__ = (lambda: "by hand").__code__
print(m.helper(), refusal(m.child), refusal(m.cached), m.cached.is_cached())
m.helper.__code__ = before
print(m.child())
m.helper.__code__ = (lambda: "by hand").__code__
print(refusal(m.child))
"""
    assert output(workflow, body) == (
        "by hand m.helper m.helper False\n('one', 1, 'model')\nm.helper"
    )


def test_what_was_imported_by_name_before_a_reload_is_refused(
    workflow: Workflow,
) -> None:
    # It gives the script one more name.
    body = """
import multiprocessing
import user
from m import child, cached
print(child())
edit(HELPER, ("return helper", "return not helper"))
importlib.reload(m)
print(refusal(child), refusal(user.child))
importlib.reload(user)
print(m.child(), user.child())
"""
    user = """
        import bandsaw
        from m import helper

        @bandsaw.task
        def child():
            return helper()
    """
    assert output(workflow, body, user=user) == (
        "('one', 1, 'model')\nworkflow.child user.helper\n"
        "(False, 1, 'model') another one"
    )


def test_generated_functions_are_no_reason_to_refuse(workflow: Workflow) -> None:
    body = """
edit(("import bandsaw", "import bandsaw\\n"))
import made
made.CACHE["key"] = made.COUNTS["calls"] = 1
print(made.child(made.Point(1, 2)))
"""
    made = """
        import collections
        import dataclasses
        import functools
        import typing
        import bandsaw

        @dataclasses.dataclass(order=True)
        class Point:
            x: int
            y: int

            @functools.cached_property
            def total(self):
                return self.x + self.y

            @property
            def double(self):
                return self.total * 2

        Pair = collections.namedtuple("Pair", "a b")
        CACHE = {}
        COUNTS = {"calls": 0}
        exec(compile("def made_by_exec(): return 1", "other.py", "exec"))

        def count():
            COUNTS["calls"] += 1

        def decorate(function):
            @functools.wraps(function)
            def decorated(*args):
                count()
                return function(*args)
            return decorated

        @bandsaw.task
        @decorate
        @functools.lru_cache()
        def child(point):
            return point.double + made_by_exec()

        Point.__hash__ = lambda self: 1
    """
    # As if it was edited after the process began
    body = f"""
import os, time
later = time.time() + 10
os.utime("made.py", (later, later))
{body}
"""
    assert output(workflow, body, made=made) == "7"


def test_an_unchanged_script_compiles_nothing_again(workflow: Workflow) -> None:
    body = """
print(m.child(), "bandsaw.runtime.code_objects" in sys.modules)
"""
    output(workflow, body)
    # Now the files are certainly older than the process.
    printed = workflow.python("workflow.py").stdout

    assert printed == "('one', 1, 'model') False\n"
