"""The store that keeps bytes wherever fsspec leads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bandsaw.exceptions import DamagedEntryError, MissingExtraError
from bandsaw.stores import FsspecStore
from bandsaw.stores.entries import pack


def url_of(directory: Path) -> str:
    return f"file://{directory / 'far'}"


def test_what_was_read_once_is_answered_from_the_copy(tmp_path: Path) -> None:
    FsspecStore(url_of(tmp_path), copy=tmp_path / "a").write("task/x", [b"content"])
    other = FsspecStore(url_of(tmp_path), copy=tmp_path / "b")
    assert other.read("task/x") == b"content"
    (tmp_path / "far" / "task" / "x").unlink()

    assert other.read("task/x") == b"content"
    assert FsspecStore(url_of(tmp_path), copy=tmp_path / "c").read("task/x") is None


def entry() -> bytes:
    large = memoryview(bytes(range(256)) * 1000)
    return b"".join(pack(b"value", [large], {}, "a" * 64, "b" * 64, 1234.5))


def test_what_was_damaged_far_away_or_on_its_way_is_not_kept(tmp_path: Path) -> None:
    FsspecStore(url_of(tmp_path), copy=tmp_path / "a").write("task/x", [entry()])
    far = tmp_path / "far" / "task" / "x"
    damaged = bytearray(entry())
    damaged[len(damaged) // 2] ^= 1
    far.write_bytes(damaged)
    other = FsspecStore(url_of(tmp_path), copy=tmp_path / "b")

    with pytest.raises(DamagedEntryError, match="were changed"):
        other.read("task/x")
    assert not (tmp_path / "b" / "task" / "x").exists()
    far.write_bytes(entry())
    assert bytes(other.read("task/x") or b"") == entry()


def test_what_arrives_in_part_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FsspecStore(url_of(tmp_path), copy=tmp_path / "a")
    store.write("task/x", [entry()])
    other = FsspecStore(url_of(tmp_path), copy=tmp_path / "b")
    # A server that ends a connection early, which some clients do not notice.
    monkeypatch.setattr(
        type(other._files), "cat_file", lambda self, path: entry()[:1000]
    )

    with pytest.raises(DamagedEntryError, match="only a part"):
        other.read("task/x")
    assert not (tmp_path / "b" / "task" / "x").exists()


def test_a_file_of_the_copy_shows_if_it_was_changed(tmp_path: Path) -> None:
    FsspecStore(url_of(tmp_path), copy=tmp_path / "a").write_dated(
        "task/x", [entry()], 1234.5
    )
    for name in "ab":
        store = FsspecStore(url_of(tmp_path), copy=tmp_path / name)
        content = store.read("task/x")
        assert content is not None
        assert store.is_unchanged(content, 1234.5)
        (tmp_path / name / "task" / "x").write_bytes(entry())
        content = store.read("task/x")
        assert content is not None
        assert not store.is_unchanged(content, 1234.5)
        store.note_compared("task/x", content, 1234.5)
        content = store.read("task/x")
        assert content is not None
        assert store.is_unchanged(content, 1234.5)


def test_the_copy_is_cleaned(tmp_path: Path) -> None:
    store = FsspecStore(url_of(tmp_path), copy=tmp_path / "copy")
    store.write("task/x", [b"content"])
    left = tmp_path / "copy" / "task" / ".writing-1"
    left.write_bytes(b"x")
    os.utime(left, (1, 1))

    store.clean()

    assert [path.name for path in (tmp_path / "copy" / "task").iterdir()] == ["x"]


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
