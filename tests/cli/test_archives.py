"""Commands that look at unpacked archives."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import bandsaw
from tests.workflows import MOVING_WITHOUT_SPARE, Workflow

FILES = {
    "bandsaw_config.py": MOVING_WITHOUT_SPARE,
    "tasks.py": """
        import bandsaw

        @bandsaw.task
        def answer():
            return 42
        """,
}

# Another module makes another archive.
ARCHIVES = """
import importlib
import bandsaw
import more, tasks
from bandsaw.distribution import get_distribution_archive

for number in range(3):
    with open("more.py", "w") as file:
        file.write(f"NUMBER = {number}\\n")
    importlib.reload(more)
    get_distribution_archive(bandsaw.get_configuration()).directory
"""


@pytest.fixture(autouse=True)
def _three_archives(own_home: Path, workflow: Workflow) -> None:
    workflow.write({**FILES, "more.py": ""})
    workflow.python("-c", ARCHIVES, environment={"PYTHONDONTWRITEBYTECODE": "1"})


def archives() -> list[Any]:
    """The archives of the project, and last the code of bandsaw, which they share."""
    return sorted(
        as_json("archives", "list"),
        key=lambda archive: not Path(archive["path"], "__main__.py").is_file(),
    )


def as_json(*words: str) -> Any:
    return json.loads(bandsaw(*words, "--json"))


def grow_older(archive: Any, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(archive["path"], (then, then))


def test_archives_are_listed_with_their_sizes_and_last_uses() -> None:
    found = as_json("archives", "list")

    assert len(found) == 4
    for archive in found:
        assert Path(archive["path"]).name == archive["id"]
        files = [p for p in Path(archive["path"]).rglob("*") if p.is_file()]
        assert archive["files"] == len(files)
        assert archive["size"] == sum(path.stat().st_size for path in files)
    *own, shared = archives()
    assert all(archive["files"] < 20 for archive in own)
    assert shared["files"] > 100
    assert [a["used"] for a in found] == sorted(a["used"] for a in found)

    lines = bandsaw("archives", "list").splitlines()
    assert lines[0] == "id\tfiles\tsize\tused"
    assert lines[1].startswith(found[0]["id"][:12] + "\t")


def test_what_was_not_used_for_long_is_pruned() -> None:
    first, second, third, shared = archives()
    for archive in first, shared:
        grow_older(archive, 10)
    grow_older(second, 3)

    pruned = as_json("archives", "prune", "--max-age", "7 days")

    assert pruned == {
        "removed": 1,
        "size": first["size"],
        "kept": {
            second["id"]: "it is within the bounds",
            third["id"]: "it was used within a day",
            shared["id"]: "kept archives share it",
        },
    }
    text = bandsaw("archives", "prune", "--max-age", "7 days")
    assert f"Kept {third['id'][:12]}: it was used within a day.\n" in text
    left = [archive["id"] for archive in archives()]
    assert left == [second["id"], third["id"], shared["id"]]


def test_what_is_too_much_is_pruned_but_not_what_may_be_in_use() -> None:
    first, second, third, shared = archives()
    for archive in first, shared:
        grow_older(archive, 10)
    grow_older(second, 3)

    pruned = as_json("archives", "prune", "--max-size", "0")

    assert pruned["removed"] == 2
    assert [archive["id"] for archive in archives()] == [
        third["id"],
        shared["id"],
    ]


def test_everything_can_be_pruned_and_the_next_call_unpacks_again(
    workflow: Workflow,
) -> None:
    assert as_json("archives", "prune", "--all")["removed"] == 4
    assert as_json("archives", "list") == []

    completed = workflow.python("-c", "import tasks; print(tasks.answer())")
    assert completed.stdout == "42\n"
    assert len(as_json("archives", "list")) == 2


def test_what_an_archive_shares_is_unpacked_again_when_it_was_removed(
    workflow: Workflow,
) -> None:
    shutil.rmtree(archives()[-1]["path"])

    completed = workflow.python("-c", "import more, tasks; print(tasks.answer())")
    assert completed.stdout == "42\n"
    assert len(archives()) == 4


def test_a_bad_bound_is_refused() -> None:
    answer = bandsaw("archives", "prune", "--max-size", "much", status=1)

    assert answer.startswith("Error: ")
