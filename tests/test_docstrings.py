from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for directory in ("bandsaw", "benchmarks", "examples", "tests")
    for path in ROOT.joinpath(directory).rglob("*.py")
)
READ_BY_USERS = sorted(
    path
    for directory in ("bandsaw", "docs", "examples")
    for path in ROOT.joinpath(directory).rglob("*.*")
    if path.suffix in (".md", ".py")
)

# They leave the actor or the thing unnamed, or are no terms of the field.
BANNED = re.compile(
    r"\b(?:somebody|someone|anybody|anyone|nobody|whoever"
    r"|flights|errand|hasleft|farewell)\b",
    re.IGNORECASE,
)

QUESTION = re.compile(r"(?:How|What|When|Where|Which|Who|Whoever|Why|That)\b")


def test_what_users_read_uses_no_banned_words() -> None:
    assert READ_BY_USERS
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in READ_BY_USERS
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        if BANNED.search(line)
    ]
    assert found == []


def test_docstrings_do_not_begin_like_questions() -> None:
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef)):
                docstring = ast.get_docstring(node) or ""
                if QUESTION.match(docstring):
                    first = docstring.splitlines()[0]
                    found.append(f"{path.relative_to(ROOT)}: {first}")
    assert found == []
