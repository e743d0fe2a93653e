"""Commands that look at unpacked archives, given to a real interpreter."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.workflows import MOVING_WITHOUT_SPARE, run_python, write_files

pytestmark = pytest.mark.usefixtures("own_home")

FILES = {
    "bandsaw_config.py": MOVING_WITHOUT_SPARE,
    "tasks.py": """
        import bandsaw

        @bandsaw.task
        def answer():
            return 42
        """,
}


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    write_files(tmp_path, FILES)
    for number in range(3):
        # Another module makes another archive.
        (tmp_path / "more.py").write_text(f"NUMBER = {number}\n")
        run_python("-c", "import more, tasks; tasks.answer()", directory=tmp_path)
    return tmp_path


def archives(project: Path) -> list[Any]:
    """The archives of the project, and last the code of bandsaw, which they share."""
    return sorted(
        as_json(project, "archives", "list"),
        key=lambda archive: not Path(archive["path"], "__main__.py").is_file(),
    )


def as_json(project: Path, *words: str) -> Any:
    completed = run_python("-m", "bandsaw", *words, "--json", directory=project)
    return json.loads(completed.stdout)


def grow_older(archive: Any, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(archive["path"], (then, then))


def test_archives_are_listed_with_their_sizes_and_last_uses(project: Path) -> None:
    found = as_json(project, "archives", "list")

    assert len(found) == 4
    for archive in found:
        assert Path(archive["path"]).name == archive["id"]
        files = [p for p in Path(archive["path"]).rglob("*") if p.is_file()]
        assert archive["files"] == len(files)
        assert archive["size"] == sum(path.stat().st_size for path in files)
    *own, shared = archives(project)
    assert all(archive["files"] < 10 for archive in own)
    assert shared["files"] > 100
    assert [a["used"] for a in found] == sorted(a["used"] for a in found)

    completed = run_python("-m", "bandsaw", "archives", "list", directory=project)
    lines = completed.stdout.splitlines()
    assert lines[0] == "id\tfiles\tsize\tused"
    assert lines[1].startswith(found[0]["id"][:12] + "\t")


def test_what_was_not_used_for_long_is_pruned(project: Path) -> None:
    first, second, third, shared = archives(project)
    for archive in first, shared:
        grow_older(archive, 10)
    grow_older(second, 3)

    pruned = as_json(project, "archives", "prune", "--max-age", "7 days")

    assert pruned == {"removed": 1, "size": first["size"]}
    left = [archive["id"] for archive in archives(project)]
    assert left == [second["id"], third["id"], shared["id"]]


def test_what_is_too_much_is_pruned_but_not_what_may_be_in_use(project: Path) -> None:
    first, second, third, shared = archives(project)
    for archive in first, shared:
        grow_older(archive, 10)
    grow_older(second, 3)

    pruned = as_json(project, "archives", "prune", "--max-size", "0")

    assert pruned["removed"] == 2
    assert [archive["id"] for archive in archives(project)] == [
        third["id"],
        shared["id"],
    ]


def test_everything_can_be_pruned_and_the_next_call_unpacks_again(
    project: Path,
) -> None:
    assert as_json(project, "archives", "prune", "--all")["removed"] == 4
    assert as_json(project, "archives", "list") == []

    completed = run_python(
        "-c", "import tasks; print(tasks.answer())", directory=project
    )
    assert completed.stdout == "42\n"
    assert len(as_json(project, "archives", "list")) == 2


def test_what_an_archive_shares_is_unpacked_again_when_it_was_removed(
    project: Path,
) -> None:
    shutil.rmtree(archives(project)[-1]["path"])

    completed = run_python(
        "-c", "import more, tasks; print(tasks.answer())", directory=project
    )
    assert completed.stdout == "42\n"
    assert len(archives(project)) == 4


def test_a_bad_bound_is_refused(project: Path) -> None:
    completed = run_python(
        *("-m", "bandsaw", "archives", "prune", "--max-size", "much"),
        directory=project,
        status=1,
    )
    assert completed.stderr.startswith("Error: ")
