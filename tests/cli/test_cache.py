"""Commands that look into a cache."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from bandsaw import __version__ as version
from tests.cli.commands import bandsaw
from tests.workflows import Workflow

FILES = {
    "bandsaw_config.py": """
        import bandsaw
        from bandsaw.advices.cache import CachingAdvice
        configuration = bandsaw.Configuration().add_advice_chain(CachingAdvice("cache"))
        """,
    "tasks.py": """
        import bandsaw

        @bandsaw.task
        def add(x, y=2):
            return x + y

        @bandsaw.task
        def show(text):
            return text * 2

        def plain(x):
            return x
        """,
}

# Calls that fill the cache: three results of one task, and one of another.
CALLS = "from tasks import *; add(1); add(1); add(1, y=5); add(7); show('[red]')"


@pytest.fixture(scope="module", name="filled")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workflow = Workflow(tmp_path_factory.mktemp("filled"))
    workflow.write(FILES)
    workflow.python("-c", CALLS)
    return workflow.directory


@pytest.fixture(name="project")
def _project(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a cache."""
    project = tmp_path / "project"
    shutil.copytree(str(filled), str(project))
    monkeypatch.chdir(project)
    return project


def as_json(*words: str, status: int = 0) -> Any:
    return json.loads(bandsaw(*words, "--json", status=status))


def entries() -> list[str]:
    found = as_json("cache", "list", "cache", "--entries")
    return [entry["name"] for entry in found]


def test_tasks_are_listed_with_sizes_ages_and_hits(project: Path) -> None:
    add, show = sorted(as_json("cache", "list", "cache"), key=by_task)

    assert (add["task"], add["entries"], add["hits"]) == ("tasks.add", 3, 1)
    assert (show["task"], show["entries"], show["hits"]) == ("tasks.show", 1, 0)
    assert add["size"] > show["size"] > 100
    assert time.time() - 600 < add["written"] <= add["used"] <= time.time() + 2

    text = bandsaw("cache", "list", "cache")
    assert text.startswith("task\tname\tentries\tsize\twritten\tused\thits\n")
    assert "tasks.add\t" in text


def by_task(row: Any) -> str:
    return str(row["task"])


def test_an_entry_is_shown_with_what_it_is_the_result_of(project: Path) -> None:
    (name,) = [
        entry["name"]
        for entry in as_json("cache", "list", "cache", "--entries")
        if entry["task"] == "tasks.show"
    ]
    (entry,) = as_json("cache", "show", "cache", name)

    assert entry["arguments"]["text"][1] == "'[red]'"
    (listed,) = [
        other
        for other in as_json("cache", "list", "cache", "--entries")
        if other["name"] == name
    ]
    assert listed["arguments"] == entry["arguments"]
    assert entry["python"].startswith("CPython 3.")
    assert entry["counts"] == "reachable"
    assert "text = '[red]'" in bandsaw("cache", "show", "cache", name)
    assert len(as_json("cache", "show", "cache", name.split("/")[0])) == 1
    assert "There is no entry" in bandsaw("cache", "show", "cache", "nothing", status=1)


def test_results_are_removed_until_a_cache_keeps_to_its_bounds(project: Path) -> None:
    for name in entries()[1:]:
        os.utime(project / "cache" / name, (1, 1))
    removed = as_json("cache", "prune", "cache", "--max-age", "1 day")

    assert removed["removed"] == 3
    assert len(entries()) == 1
    assert "Removed 1 results" in bandsaw(
        "cache", "prune", "cache", "--max-size", "10 B"
    )
    assert "is no size" in bandsaw(
        "cache", "prune", "cache", "--max-size", "much", status=1
    )


def test_the_results_of_one_task_are_cleared(project: Path) -> None:
    bandsaw("cache", "clear", "cache", "tasks.add", "--yes")

    assert len(entries()) == 1
    beginning = project / "cache" / "task" / ".writing-1"
    beginning.parent.mkdir()
    beginning.write_bytes(b"of a killed writer")
    os.utime(beginning, (time.time() - 300,) * 2)
    assert as_json("cache", "clear", "cache", "--yes")["removed"] == 1
    assert entries() == []
    left = [path for path in (project / "cache").rglob("*") if path.name != ".locks"]
    assert left == []


def test_a_task_that_is_not_there_is_not_cleared(project: Path) -> None:
    text = bandsaw("cache", "clear", "cache", "tasks.ad", "--yes", status=1)

    assert "There is no task tasks.ad in cache. The nearest one is tasks.add." in text
    assert len(entries()) == 4


def test_nothing_is_cleared_without_a_yes(project: Path) -> None:
    text = bandsaw("cache", "clear", "cache", status=1)

    assert "Remove 4 results from cache?" in text
    assert len(entries()) == 4


def test_a_damaged_entry_is_found_and_removed(project: Path) -> None:
    assert "4 entries, 0 of them damaged" in bandsaw("cache", "verify", "cache")
    name = entries()[2]
    path = project / "cache" / name
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(bytes(content))

    found = as_json("cache", "verify", "cache", status=1)
    assert [entry["name"] for entry in found["damaged"]] == [name]
    text = bandsaw("cache", "verify", "cache", "--remove", status=1)
    assert f"{name}: its checksum does not fit" in text
    assert len(entries()) == 3
    bandsaw("cache", "verify", "cache")


def test_a_torn_entry_is_found(project: Path) -> None:
    name = entries()[0]
    path = project / "cache" / name
    path.write_bytes(path.read_bytes()[:-5])
    by_hand = project / "cache" / "task" / "by-hand"
    by_hand.parent.mkdir()
    by_hand.write_bytes(b"put there by hand")
    found = as_json("cache", "verify", "cache", status=1)

    assert [entry["name"] for entry in found["damaged"]] == [name]
    assert found["unchecked"] == ["task/by-hand"]


@pytest.mark.parametrize("size", [0, 20, 200])
def test_an_entry_whose_end_is_missing_is_damaged(project: Path, size: int) -> None:
    name = entries()[0]
    path = project / "cache" / name
    path.write_bytes(path.read_bytes()[:size])
    by_hand = project / "cache" / "task" / "by-hand"
    by_hand.parent.mkdir()
    by_hand.write_bytes(pickle.dumps("what was put there"))
    text = bandsaw("cache", "verify", "cache", "--remove", status=1)

    assert f"{name}: its end is missing" in text
    assert "5 entries, 1 of them damaged, 1 without a checksum." in text
    assert name not in entries()
    bandsaw("cache", "verify", "cache")


def test_what_others_may_write_can_be_looked_at(project: Path) -> None:
    (project / "cache").chmod(0o777)

    assert len(entries()) == 4
    bandsaw("cache", "verify", "cache")
    bandsaw("cache", "clear", "cache", "--yes")


def test_negative_numbers_are_arguments(project: Path) -> None:
    text = bandsaw("cache", "why", "tasks:add", "-1")

    assert "argument x has changed from " in text
    assert " to -1" in text


def test_the_entries_of_a_task_are_shown_by_its_name(project: Path) -> None:
    assert len(as_json("cache", "show", "cache", "tasks.add")) == 3


def test_a_call_is_explained(project: Path) -> None:
    assert "is answered from" in bandsaw("cache", "why", "tasks:add", "1")
    text = bandsaw("cache", "why", "tasks:add", "1", "y=6")
    assert "argument y has changed from 5 to 6" in text
    explanation = as_json("cache", "why", "tasks:show", "plain text")
    assert explanation["differences"] == [
        {"kind": "argument", "name": "text", "old": "'[red]'", "new": "'plain text'"}
    ]


SCRIPT = {
    "bandsaw_config.py": FILES["bandsaw_config.py"],
    "script.py": """
        import argparse
        import os
        import bandsaw

        parser = argparse.ArgumentParser()
        parser.add_argument("--rate", type=float, required="NEEDED" in os.environ)
        args = parser.parse_args()
        LEVEL = int(os.environ.get("LEVEL", "1"))

        @bandsaw.task
        def fit(x):
            return x * args.rate * LEVEL

        if __name__ == "__main__":
            print(fit(3), fit.is_cached(3))
        """,
}


def test_values_of_a_script_are_made_anew_or_named(workflow: Workflow) -> None:
    workflow.write(SCRIPT)
    workflow.python("script.py", "--rate", "2")

    def why(*words: str, status: int = 0, **environment: str) -> str:
        command = ("-m", "bandsaw", "cache", "why", "script:fit", *words)
        done = workflow.python(*command, environment=environment, status=status)
        return str(done.stdout + done.stderr)

    assert "is answered from" in why("3", "--argv", "--rate 2")
    text = why("3")
    assert "code script.args.rate has changed from rate = 2.0 to rate = None" in text
    assert "- script.args, by args = parser.parse_args()" in text
    assert "script.LEVEL" not in text
    text = why("3", "--argv", "--rate 2", LEVEL="4")
    assert "code script.LEVEL has changed from LEVEL = 1 to LEVEL = 4" in text
    assert "- script.LEVEL, by LEVEL = int(os.environ" in text
    text = why("3", status=1, NEEDED="1")
    assert "That was to make script.args:\n  args = parser.parse_args()" in text
    assert "--argv" in text
    text = why("3", "--argv", "--rate 2", status=1, LEVEL="high")
    assert "That was to make script.LEVEL" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tasks:nothing"], "refers to no task"),
        (["nothing:add"], "refers to no task"),
        (["tasks:plain"], "is no task"),
        (["tasks:add"], "missing a required argument: 'x'"),
        (["tasks:add", "1", "--config", "other"], "No module named"),
    ],
)
def test_what_cannot_be_explained_is_named(
    project: Path, words: list[str], message: str
) -> None:
    assert message in bandsaw("cache", "why", *words, status=1)


def test_the_commands_are_given_to_an_interpreter(
    workflow: Workflow, project: Path
) -> None:
    words = ("cache", "list", str(project / "cache"), "--json")

    assert workflow.python("-m", "bandsaw", *words).stdout == bandsaw(*words)
    assert bandsaw("--version") == f"{version}\n"


def test_without_the_extra_it_is_named(workflow: Workflow) -> None:
    workflow.write({"click.py": "raise ImportError('gone', name='click')\n"})
    done = workflow.python("-m", "bandsaw", "cache", "list", "cache", status=2)

    assert done.stderr == (
        "The command line of bandsaw needs click. Install bandsaw[cli].\n"
    )
