"""Runs every Python example of the documentation; `pages` says how a page is read."""

from __future__ import annotations

import doctest
import importlib
import json
import operator
import pkgutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

import bandsaw
from bandsaw.advices.remote import RemoteAdvice
from bandsaw.config import get_configuration
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Session, advise
from bandsaw.session.exchange import continue_session
from bandsaw.session.zip_format import SessionFile
from bandsaw.tasks import Task
from bandsaw.transports.base import Transport

from .interpreters import with_the_oldest_and_the_newest_python_only
from .pages import blocks_of, names_of
from .workflows import ROOT, Workflow

MAIN_GUARD = "if __name__ == '__main__':"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES_WITH_EXAMPLES = [page for page in PAGES if blocks_of(page.read_text("utf-8"))]
# It is called like a module, but is a file.
NO_NAMES = {"bandsaw.lock"}
NAMES = {
    page: names_of(page.read_text("utf-8"), "bandsaw") - NO_NAMES for page in PAGES
}
# `__main__` modules are programs: importing one runs it.
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(bandsaw.__path__, "bandsaw.")
    if not module.name.endswith(".__main__")
)


@with_the_oldest_and_the_newest_python_only
@pytest.mark.parametrize(
    "page", PAGES_WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_examples_of_a_page_run(page: Path, workflow: Workflow) -> None:
    run_examples(workflow, page)


def run_examples(workflow: Workflow, page: Path, status: int = 0) -> str:
    # Two examples may be written within one tick of the file system's clock.
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    words = ("-m", "tests.pages", page)
    done = workflow.python(*words, environment=environment, status=status)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)

    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)

    assert failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_of_a_page_lead_somewhere(page: Path) -> None:
    import re

    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)

    assert [link for link in links if not (page.parent / link).exists()] == []


def is_there(name: str) -> bool:
    """Whether an attribute of bandsaw, or a module, has a dotted name."""
    found: Any = bandsaw
    path = "bandsaw"
    for part in name.split(".")[1:]:
        path = f"{path}.{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module(path)
            except ImportError:
                return False
    return True


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if NAMES[page]],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_names_is_there(page: Path) -> None:
    assert [name for name in sorted(NAMES[page]) if not is_there(name)] == []


def test_no_other_name_is_there() -> None:
    assert is_there("bandsaw.session.Session.restore")
    assert not is_there("bandsaw.session.NoSuchName")
    assert not is_there("bandsaw.no_such_module.Session")


def test_names_are_found_in_all_code_of_a_page() -> None:
    page = """\
bandsaw.prose is no code, but `bandsaw.inline.Name(1)` is, and so is
`from bandsaw.line import one, two`. A list of `bandsaw.first, ...` has one.

```python
import bandsaw.module
from bandsaw.package import (
    name,
)

@bandsaw.task(chain="bandsaw.text")
def call():
    bandsaw.config.get()
```

```python
>>> bandsaw.doctest.x
1
```

```console
$ python -m bandsaw.console
```

::: bandsaw.shown
"""

    assert names_of(page, "bandsaw") == {
        "bandsaw.inline",
        "bandsaw.inline.Name",
        "bandsaw.line.one",
        "bandsaw.line.two",
        "bandsaw.first",
        "bandsaw.module",
        "bandsaw.package.name",
        "bandsaw.task",
        "bandsaw.config",
        "bandsaw.config.get",
        "bandsaw.doctest",
        "bandsaw.doctest.x",
        "bandsaw.console",
        "bandsaw.shown",
    }


class ReadingTransport(Transport):
    """Reads all attributes of a job, and does it in this process, by way of files."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.read: dict[str, Any] = {}

    def run(self, job: Any) -> Any:
        for name in self.names:
            self.read[name] = operator.attrgetter(name[len("job.") :])(job)
        self.settings = json.loads(job.write_settings(more=1).read_text("utf-8"))
        with open(job.input, "rb") as saved, open(job.output, "wb") as answer:
            continue_session(SessionFile(saved), SessionFile(answer))
        assert zipfile.is_zipfile(job.archive.path)
        assert Path(job.archive.directory, "bandsaw").is_dir()
        assert job.directory.is_dir()
        return job.read_output()


class ReadingAdvice(RemoteAdvice):
    def __init__(self, transport: ReadingTransport) -> None:
        super().__init__()
        self.transport = transport

    def interpreter_for(self, session: Session) -> bandsaw.Interpreter:
        return bandsaw.Interpreter()

    def transport_for(self, session: Session) -> ReadingTransport:
        return self.transport


def test_a_transport_is_given_what_the_page_on_moving_advices_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "how-to" / "write_a_moving_advice.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `job.")]
    promised = names_of("\n".join(rows), "job")
    transport = ReadingTransport(names_of(page, "job"))
    (tmp_path / "configuration_of_page.py").write_text(
        "import bandsaw\n\nconfiguration = bandsaw.Configuration()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    configuration = get_configuration("configuration_of_page")
    configuration.set_temp_directory(tmp_path / "temporary")
    configuration.add_advice_chain(ReadingAdvice(transport))
    task = Task.create_task(double)

    result = advise(Session(task, Execution.of_call(task, (21,), {}), configuration))

    assert result == Result(42)
    assert len(rows) >= 10
    assert promised <= transport.read.keys()
    assert transport.read["job.run_id"] == bandsaw.get_run_id()
    assert transport.read["job.interpreter"] == bandsaw.Interpreter()
    assert transport.settings["more"] == 1
    assert not transport.read["job.directory"].exists()


def double(value: int) -> int:
    return value * 2


def test_blocks_are_found_with_their_file_line_and_output() -> None:
    page = """\
Text

```python
# tasks.py
if __name__ == "__main__":
    print(1)
```

It prints

```text
1
```

- In a list

  ```python
  x = 1

  y = 2
  ```

<!-- python
hidden = True
-->

```bash
ls
```
"""

    script, listed, hidden = blocks_of(page)

    assert (script.file, script.line, script.printed) == ("tasks.py", 4, "1\n")
    assert script.is_script
    assert (listed.code, listed.line, listed.printed) == ("x = 1\n\ny = 2\n", 18, None)
    assert hidden.code == "hidden = True\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\n\nraise LookupError('line 3')\n```\n", 'page.md", line 3'),
        ("```python\n>>> 1 + 1\n3\n```\n", "Expected:"),
        (
            f"```python\n# s.py\n{MAIN_GUARD}\n    1\n```\n\n```text\n2\n```\n",
            "instead of",
        ),
    ],
    ids=["error", "doctest", "output"],
)
def test_a_wrong_example_fails(workflow: Workflow, text: str, complaint: str) -> None:
    page = workflow.directory / "page.md"
    page.write_text(text)

    assert complaint in run_examples(workflow, page, status=1)


def test_a_file_that_is_shown_again_is_loaded_anew(workflow: Workflow) -> None:
    page = workflow.directory / "page.md"
    page.write_text(
        "```python\nimport other\nassert other.x == 1\n```\n\n"
        "```python\n# other.py\nx = 1\n```\n\n"
        "```python\n# other.py\nx = 2\n```\n\n"
        "```python\nimport other\nassert other.x == 2\n```\n"
    )

    run_examples(workflow, page)
