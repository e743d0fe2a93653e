"""Tasks follow the reloaders of IPython, in real kernels of it."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from tests.test_loaded_code import CACHED
from tests.workflows import SCRIPTS, Workflow

pytestmark = pytest.mark.notebook

MODULE = """
from __future__ import annotations

import bandsaw

SETTINGS = {"limit": 1}

def helper() -> str:
    return "helper"

@bandsaw.task
def child():
    return "child", helper(), SETTINGS["limit"]

@bandsaw.task(chain="cached")
def cached():
    return "child", helper()

@bandsaw.task(chain="here")
def here():
    return "child", helper()

@bandsaw.task(chain="here")
async def coroutine():
    return "child", helper()

class Model:
    @bandsaw.task
    def fit(self):
        return "method", helper()

    @bandsaw.task(chain="cached")
    def predict(self):
        return self.prepare()

    def prepare(self):
        __done = "prepared"
        return __done
"""

# What was imported by name is called by name.
SHOW = """
print(json.dumps([
    child(), cached(), here(), await coroutine(),
    model.fit(), model.predict(), m.child(), m.cached(),
]))
"""


def edit(*changes: tuple[str, str]) -> str:
    """Return a cell that writes the module with some changes."""
    text = MODULE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return f"with open('m.py', 'w') as file:\n    file.write({text!r})"


def show(
    body: str = "child",
    helper: str = "helper",
    limit: int = 1,
    method: str = "method",
    prepared: str = "prepared",
) -> list[object]:
    """Return what the cell `SHOW` prints."""
    pair = [body, helper]
    calls = [[*pair, limit], pair, pair, pair, [method, helper], prepared]
    return [*calls, [*pair, limit], pair]


class Notebook:
    """Cells that a kernel executes one after the other in one directory."""

    def __init__(self, workflow: Workflow, kernel: Path) -> None:
        self.workflow = workflow
        self.kernel = kernel
        workflow.write({"bandsaw_config.py": CACHED, "m.py": MODULE})

    def run(self, *cells: str) -> list[str]:
        """Execute cells, and return what those say that say something."""
        prepared = (
            "import json, sys; sys.path.insert(0, '.')",
            *map(dedent, cells),
        )
        # A module that is written twice in a second would have the bytecode of its
        # first text.
        variables = {"PYTHONDONTWRITEBYTECODE": "1"}
        completed = self.workflow.python(
            SCRIPTS / "kernel.py",
            python=self.kernel,
            input=json.dumps(prepared),
            environment=variables,
        )
        said: list[str] = json.loads(completed.stdout.splitlines()[-1])
        return [text.strip() for text in said if text.strip()]


@pytest.fixture
def notebook(workflow: Workflow, kernel: Path) -> Notebook:
    return Notebook(workflow, kernel)


AUTORELOAD = ("%load_ext autoreload", "%autoreload 2")
IMPORT = (
    "import m\nfrom m import child, cached, here, coroutine, Model\nmodel = Model()"
)


def test_autoreload_leads_to_the_same_code_everywhere(notebook: Notebook) -> None:
    helper = ('"helper"', '"edited helper"')
    body = ('"child"', '"edited child"')
    methods = ('"method"', '"edited method"'), ('"prepared"', '"well prepared"')
    limit = ('"limit": 1', '"limit": 1000')
    # This one makes IPython 9 load the whole module anew.
    statement = ("import bandsaw", "import bandsaw\nprint(end='')")

    said = notebook.run(
        *AUTORELOAD,
        IMPORT,
        SHOW,
        edit(helper),
        SHOW,
        edit(helper, body),
        SHOW,
        edit(helper, body, limit),
        SHOW,
        edit(helper, body, limit, statement),
        SHOW,
        edit(statement, methods[1]),
        SHOW,
        edit(*methods),
        SHOW,
    )

    assert [json.loads(text) for text in said] == [
        show(),
        show(helper="edited helper"),
        show("edited child", "edited helper"),
        show("edited child", "edited helper", 1000),
        show("edited child", "edited helper", 1000),
        show(prepared="well prepared"),
        show(method="edited method", prepared="well prepared"),
    ]


def test_a_later_process_finds_what_was_cached_after_a_reload(
    notebook: Notebook,
) -> None:
    said = notebook.run(
        *AUTORELOAD,
        IMPORT,
        "cached()",
        edit(('"helper"', '"edited helper"')),
        "print(cached())",
    )
    later = notebook.workflow.python(
        "-c",
        "import m; print(m.cached.is_cached(), m.cached())",
        python=notebook.kernel,
    ).stdout

    assert said == ["('child', 'edited helper')"]
    assert later == "True ('child', 'edited helper')\n"


def test_an_edit_that_is_not_reloaded_stays_out_of_children(notebook: Notebook) -> None:
    said = notebook.run(
        IMPORT,
        "print(child())",
        edit(('"helper"', '"edited helper"'), ('"limit": 1', '"limit": 1000')),
        "print(child(), cached())",
        "import importlib; importlib.reload(m); print(m.child(), m.cached())",
        "child()",
    )

    assert said[:3] == [
        "('child', 'helper', 1)",
        "('child', 'helper', 1) ('child', 'helper')",
        "('child', 'edited helper', 1000) ('child', 'edited helper')",
    ]
    # As a plain function would, it is still the one from before.
    assert said[3].startswith("NotMovableError: Task m.child cannot be moved")


def test_an_edit_that_cannot_be_loaded_stays_out_of_children(
    notebook: Notebook,
) -> None:
    said = notebook.run(
        *AUTORELOAD,
        IMPORT,
        "print(child())",
        edit(("def helper", "raise ValueError\ndef helper"), ('"child"', '"edited"')),
        "print(child(), m.child())",
    )

    assert said[0] == "('child', 'helper', 1)"
    assert said[1].endswith("('child', 'helper', 1) ('child', 'helper', 1)")


@pytest.mark.parametrize(
    ("replace", "named"),
    [
        ("m.helper = lambda: 'by hand'", "m.helper"),
        ("m.helper.__code__ = (lambda: 'by hand').__code__", "m.helper"),
        ("m.Model.prepare = lambda self: 'by hand'", "m.Model.prepare"),
    ],
)
def test_what_is_replaced_in_a_cell_is_refused_by_its_name(
    notebook: Notebook, replace: str, named: str
) -> None:
    said = notebook.run(
        IMPORT, "print(m.child())", replace, "m.child()", "m.cached()", "print(here())"
    )

    assert said[0] == "('child', 'helper', 1)"
    for refused in said[1:3]:
        assert refused.startswith(f"NotMovableError: {named} is not what ")
    assert len(said) == 4
