"""Explanations of how a call differs from those whose results are kept."""

from __future__ import annotations

import json
from typing import Any, Mapping

from bandsaw.advices.explanation import Explanation, explain_miss
from bandsaw.fingerprint.code import Code, Part
from bandsaw.stores import MemoryStore
from bandsaw.stores.entries import pack
from bandsaw.stores.results import (
    ABSENT,
    CacheKey,
    Description,
    Miss,
    ResultStore,
)

KEY = "0" * 64
PARTS: dict[str, list[str]] = {
    "work.task": ["function", "1", "def task(x):\n    return helped(x)"],
    "work.helped": ["function", "2", "def helped(x):\n    return x + 1"],
    "work.LIMIT": ["constant", "3", "LIMIT = 3"],
}


def record(**changes: Any) -> dict[str, Any]:
    return {
        "task": "work.task",
        "python": "CPython 3.11.7",
        "environment": None,
        "counts": "reachable",
        "compare_python": False,
        "packages": {"numpy": "1.26", "scipy": "1.11"},
        "document": "task/.code-1",
        "arguments": {"x": ["a", "1"], "y": ["b", "2"]},
        **changes,
    }


def explained_in(
    store: MemoryStore, record: dict[str, Any], parts: Mapping[str, Any]
) -> Explanation:
    code = Code({name: Part(name, *part) for name, part in parts.items()}, {})
    description = Description(record, code)
    key = CacheKey("task/execution", KEY, KEY)
    return explain_miss(ResultStore(store), key, Miss(key.name, ABSENT), description)


def explained(
    *kept: dict[str, Any],
    parts: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Explanation:
    store = MemoryStore()
    store.write("task/.code-1", [json.dumps(PARTS).encode()])
    for number, one in enumerate(kept or (record(),)):
        store.write(f"task/{number}", pack(b"", [], one, KEY, KEY, 1.0))
        (item,) = store.items(f"task/{number}")
        item.written = number
    return explained_in(store, record(**changes), parts or PARTS)


def differences(**changes: Any) -> list[tuple[Any, ...]]:
    return [
        (item.kind, item.name, item.old, item.new)
        for item in explained(**changes).differences
    ]


def test_arguments_are_named() -> None:
    arguments = {"x": ["c", "5"], "z": ["d", "7"]}

    assert differences(arguments=arguments) == [
        ("argument", "x", "1", "5"),
        ("argument", "y", "2", None),
        ("argument", "z", None, "7"),
    ]


def test_packages_are_named() -> None:
    packages = {"numpy": "2.0", "pandas": "2.2"}

    assert differences(packages=packages) == [
        ("package", "numpy", "1.26", "2.0"),
        ("package", "pandas", None, "2.2"),
        ("package", "scipy", "1.11", None),
    ]


def test_packages_here_say_nothing_of_a_task_that_runs_elsewhere() -> None:
    changes = {"environment": "/opt/python", "packages": {}}

    assert [item[0] for item in differences(**changes)] == ["environment"]


def test_another_python_is_named_where_it_counts() -> None:
    assert differences(python="CPython 3.12.1") == []
    assert differences(python="CPython 3.12.1", compare_python=True) == [
        ("python", "the version of Python", "CPython 3.11.7", "CPython 3.12.1")
    ]


def test_another_choice_is_named() -> None:
    assert differences(counts="own") == [
        ("counts", "what of the code counts", "reachable", "own")
    ]


def test_code_is_named_with_what_has_changed_in_it() -> None:
    parts = {
        "work.task": PARTS["work.task"],
        "work.helped": ["function", "9", "def helped(x):\n    return x + 2"],
        "work.new": ["function", "8", "def new(): pass"],
    }
    explanation = explained(parts=parts, document="task/.code-2")
    text = str(explanation)

    assert [item.name for item in explanation.differences] == [
        "work.LIMIT",
        "work.helped",
        "work.new",
    ]
    assert "code work.LIMIT is gone" in text
    assert "  -    return x + 1\n  +    return x + 2" in text
    assert "code work.new is new" in text


def test_code_that_was_not_described_is_one_difference() -> None:
    kept = record(document="task/.code-7")
    (difference,) = explained(kept, document="task/.code-2").differences

    assert (difference.kind, difference.name) == ("code", "of the task")


def test_the_entry_with_the_fewest_differences_is_the_nearest() -> None:
    far = record(arguments={"x": ["f", "8"], "y": ["g", "9"]})
    near = record(arguments={"x": ["f", "8"], "y": ["b", "2"]})
    explanation = explained(far, near, far)

    assert explanation.nearest == near
    assert [item.name for item in explanation.differences] == ["x"]


def test_of_equally_near_entries_the_newest_is_taken() -> None:
    older = record(arguments={"x": ["f", "8"], "y": ["b", "2"]})
    newer = record(arguments={"x": ["g", "9"], "y": ["b", "2"]})

    assert explained(older, newer).nearest == newer


def test_what_is_no_entry_is_passed_over() -> None:
    store = MemoryStore()
    store.write("task/by-hand", [b"something"])
    store.write("task/torn", pack(b"", [], {}, KEY, KEY, 1.0)[:-1])
    explanation = explained_in(store, record(), PARTS)

    assert explanation.reason == "nothing is kept for this task"
    assert explanation.place is None


def test_an_explanation_is_plain_data_for_programs() -> None:
    explanation = explained(arguments={"x": ["c", "5"], "y": ["b", "2"]})
    found = json.loads(json.dumps(explanation.to_json()))

    assert found["differences"] == [
        {"kind": "argument", "name": "x", "old": "1", "new": "5"}
    ]
    assert found["is_hit"] is False
