"""Facts about files that are remembered."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from bandsaw.runtime import file_cache, fork

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("content")
    os.utime(path, (1_000_000, 1_000_000))
    return path


class Asking:
    """Asks for the length of a file, and counts how often it is found out."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: Path, kind: str = "length") -> Any:
        def compute() -> int:
            self.count += 1
            return len(path.read_text())

        return file_cache.cached_facts(kind, str(path), path.stat(), compute)


def files() -> list[Path]:
    home = Path(os.environ["BANDSAW_HOME"])
    return [path for path in (home / "remembered").rglob("*") if path.is_file()]


def test_what_is_known_of_an_unchanged_file_is_not_found_out_again(path: Path) -> None:
    ask = Asking()

    assert [ask(path), ask(path)] == [7, 7]
    fork.reset()
    assert ask(path) == 7
    assert ask.count == 1
    assert ask(path, "another kind") == 7
    assert ask.count == 2


def test_a_changed_file_is_looked_at_again(path: Path) -> None:
    ask = Asking()
    ask(path)
    path.write_text("longer content")
    os.utime(path, (1_000_000, 1_000_000))

    assert ask(path) == 14


def test_a_file_that_was_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.write_text("new")
    ask = Asking()
    ask(path)
    ask(path)

    assert ask.count == 2
    assert files() == []


@pytest.mark.parametrize("damage", ["", "[", "[1]", "7", '[["a"], 9]', "\0"])
def test_damage_is_found_out_again(path: Path, damage: str) -> None:
    ask = Asking()
    ask(path)
    (file,) = files()
    file.write_text(damage)
    fork.reset()

    assert ask(path) == 7
    assert ask.count == 2


def test_files_are_private(path: Path) -> None:
    Asking()(path)

    assert [file.stat().st_mode & 0o777 for file in files()] == [0o600]


def test_without_a_home_everything_is_found_out_each_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file in the way, for root, too.
    monkeypatch.setenv("BANDSAW_HOME", str(path / "below"))
    ask = Asking()

    assert ask(path) == 7
    fork.reset()
    assert ask(path) == 7
    assert ask.count == 2


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
def test_the_start_of_a_process_is_estimated_where_linux_does_not_tell_it() -> None:
    told = file_cache._read_start()
    if told is None:
        pytest.skip("this is no Linux")

    assert told - 0.1 <= file_cache._estimate_start() <= told + 1.1
