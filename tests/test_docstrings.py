from __future__ import annotations

import ast
import re
from pathlib import Path

import bandsaw

ROOT = Path(bandsaw.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))

# They leave the actor or the thing unnamed, or are no terms of the field.
BANNED = re.compile(
    r"\b(?:somebody|someone|anybody|anyone|flights|errand|hasleft|farewell)\b",
    re.IGNORECASE,
)

QUESTION = re.compile(r"(?:How|What|When|Where|Which|Who|Whoever|Why)\b")


def test_sources_use_no_banned_words() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        if BANNED.search(line)
    ]
    assert found == []


def test_docstrings_of_modules_do_not_begin_like_questions() -> None:
    found = []
    for path in SOURCES:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if docstring and QUESTION.match(docstring):
            found.append(f"{path.relative_to(ROOT)}: {docstring.splitlines()[0]}")
    assert found == []
