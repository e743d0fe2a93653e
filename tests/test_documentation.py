"""Runs every Python example of the documentation; `pages` says how a page is read."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import bandsaw

from .interpreters import is_one_of
from .pages import blocks_of

MAIN_GUARD = "if __name__ == '__main__':"
ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES_WITH_EXAMPLES = [page for page in PAGES if blocks_of(page.read_text("utf-8"))]
# `__main__` modules are programs: importing one runs it.
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(bandsaw.__path__, "bandsaw.")
    if not module.name.endswith(".__main__")
)


@pytest.mark.skipif(
    not is_one_of(min, max), reason="runs with the oldest and the newest Python only"
)
@pytest.mark.parametrize(
    "page", PAGES_WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        # Two examples may be written within one tick of the file system's clock.
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    done = subprocess.run(
        [sys.executable, "-m", "tests.pages", str(page)],
        cwd=str(tmp_path),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert done.returncode == 0, done.stdout


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
def test_a_wrong_example_fails(tmp_path: Path, text: str, complaint: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)

    done = subprocess.run(
        [sys.executable, "-m", "tests.pages", str(page)],
        cwd=str(tmp_path),
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert done.returncode != 0
    assert complaint in done.stdout


def test_a_file_that_is_shown_again_is_loaded_anew(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport other\nassert other.x == 1\n```\n\n"
        "```python\n# other.py\nx = 1\n```\n\n"
        "```python\n# other.py\nx = 2\n```\n\n"
        "```python\nimport other\nassert other.x == 2\n```\n"
    )

    subprocess.run(
        [sys.executable, "-m", "tests.pages", str(page)],
        cwd=str(tmp_path),
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )
