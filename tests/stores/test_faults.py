"""Every step of a write fails, in turn and in every way; what is kept is whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bandsaw.stores import LocalStore
from bandsaw.stores.entries import Entry
from tests.interpreters import with_the_oldest_and_the_newest_python_only
from tests.workflows import SCRIPTS, Workflow, read_script

pytestmark = with_the_oldest_and_the_newest_python_only


def ask(process: subprocess.Popen[str], number: int) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    return process.stdout.readline()


@pytest.mark.parametrize("kind", ["ENOSPC", "EIO", "SIGKILL"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_entry_is_whole_or_absent_whatever_fails(
    workflow: Workflow, tmp_path: Path, kind: str, old: object
) -> None:
    size = 100_000
    new = b"new" * size + b"!"
    endings: set[int] = set()
    writer = workflow.start(SCRIPTS / "failing_writer.py", kind, str(size))
    for number in range(1, 30):
        directory = tmp_path / str(number)
        store = LocalStore(directory)
        if isinstance(old, bytes):
            store.write("task/a", [old])
        ending = int(ask(writer, number))
        endings.add(ending)
        content = store.read("task/a")
        found = None if content is None else bytes(content)
        assert found in (old, new), f"call {number} failed"
        if ending == 0:
            assert found == new
        # The next one is not disturbed by what is left, and takes it away.
        store.write("task/a", [b"next"])
        assert store.read("task/a") == b"next"
        left = [path.name for path in (directory / "task").glob(".writing-*")]
        assert left == [] or kind == "SIGKILL"
        if ending == 0 and number > 3:
            break

    assert endings <= ({0, -9} if kind == "SIGKILL" else {0, 3})
    assert len(endings) == 2, "No call failed, or every one did."


CACHED = {
    "bandsaw_config.py": """
        import bandsaw
        from bandsaw.advices.cache import CachingAdvice
        configuration = bandsaw.Configuration().add_advice_chain(
            CachingAdvice("cache", max_size="1 GB")
        )
        """,
    "helper.py": "def helped(x):\n    return x + 1\n",
    "workflow.py": read_script("failing_caller.py"),
}


@pytest.mark.parametrize("kind", ["ENOSPC", "EIO"])
def test_a_call_returns_its_result_whatever_fails(
    workflow: Workflow, tmp_path: Path, kind: str
) -> None:
    workflow.write(CACHED)
    environment = {"BANDSAW_HOME": str(tmp_path / "home")}
    caller = workflow.start("workflow.py", kind, environment=environment)
    assert caller.stdout is not None
    for number in range(1, 60):
        answer = ask(caller, number)
        assert answer.startswith("21 21"), f"call {number} failed"
        assert caller.stdout.readline() == "0\n"
        assert (tmp_path / "errors").read_text().count("Warning:") <= 1
        store = LocalStore(tmp_path / "cache")
        for item in store.items():
            content = store.read(item.name)
            assert content is not None
            if "/.code-" not in item.name:
                Entry(content).verify()
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        shutil.rmtree(tmp_path / "home", ignore_errors=True)
        if answer.endswith("all\n"):
            break

    assert 5 < number < 59
