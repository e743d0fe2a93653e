"""The store that keeps bytes wherever fsspec leads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bandsaw.exceptions import MissingExtraError
from bandsaw.stores import FsspecStore


def url_of(directory: Path) -> str:
    return f"file://{directory / 'far'}"


def test_what_was_read_once_is_answered_from_the_copy(tmp_path: Path) -> None:
    FsspecStore(url_of(tmp_path), copy=tmp_path / "a").write("task/x", [b"content"])
    other = FsspecStore(url_of(tmp_path), copy=tmp_path / "b")
    assert other.read("task/x") == b"content"
    (tmp_path / "far" / "task" / "x").unlink()

    assert other.read("task/x") == b"content"
    assert FsspecStore(url_of(tmp_path), copy=tmp_path / "c").read("task/x") is None


def test_nothing_is_left_beside(tmp_path: Path) -> None:
    store = FsspecStore(url_of(tmp_path), copy=tmp_path / "copy")
    store.write("task/x", [b"content"])

    assert [path.name for path in (tmp_path / "far" / "task").iterdir()] == ["x"]


def test_the_copy_is_below_the_home_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDSAW_HOME", str(tmp_path / "home"))
    FsspecStore(url_of(tmp_path)).write("task/x", [b"content"])

    assert list((tmp_path / "home" / "copies").glob("*/task/x"))


def test_a_place_that_cannot_be_reached_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "far").write_text("a file is in the way")
    store = FsspecStore(url_of(tmp_path), copy=tmp_path / "copy")

    with pytest.raises(OSError, match="far"):
        store.write("task/x", [b"content"])


def test_a_password_in_the_url_is_not_shown(tmp_path: Path) -> None:
    store = FsspecStore("memory://somebody:secret@place", copy=tmp_path)

    assert repr(store) == "FsspecStore('memory://place')"
    assert "secret" not in store.location("task/x")


def test_without_fsspec_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fsspec", "fsspec.core"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(MissingExtraError, match=r"bandsaw\[fsspec\]"):
        FsspecStore("memory://place", copy=tmp_path)
