"""The files of a session."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bandsaw.exceptions import InvalidSessionError
from bandsaw.session import Attachment, Attachments


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    path = tmp_path / "a file"
    path.write_bytes(b"content")
    return path


def zip_of(**members: bytes) -> zipfile.ZipFile:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        for name, content in members.items():
            written.writestr(name.replace("__", "/"), content)
    return zipfile.ZipFile(stream)


def content_of(attachment: Attachment) -> bytes:
    with attachment.open() as stream:
        return stream.read()


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_added_by_assigning_it(file: Path, kind: Any) -> None:
    attachments = Attachments()
    attachments["log"] = kind(file)

    assert list(attachments) == ["log"]
    assert len(attachments) == 1
    assert "log" in attachments
    assert attachments["log"].size == 7
    assert content_of(attachments["log"]) == b"content"
    assert isinstance(attachments["log"], Attachment)


def test_an_attachment_can_be_read_more_than_once(file: Path) -> None:
    attachments = Attachments()
    attachments["log"] = file

    with attachments["log"].open() as one, attachments["log"].open() as other:
        assert one.read() == other.read() == b"content"


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        _ = Attachments()["log"]


@pytest.mark.parametrize("value", [None, 3, b"/bytes", io.BytesIO()])
def test_what_is_no_path_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="Invalid type for value"):
        Attachments()["log"] = value


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="File does not exist"):
        Attachments()["log"] = tmp_path / "nothing"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Path is not a file"):
        Attachments()["log"] = tmp_path


def test_a_name_is_given_once(file: Path) -> None:
    attachments = Attachments()
    attachments["log"] = file

    with pytest.raises(KeyError, match="'log' does already exist"):
        attachments["log"] = file


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../log", "/log", "a/log", "a\\log", "a\0log", 3, 128 * "ä"]
)
def test_names_are_plain_file_names(file: Path, name: Any) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        Attachments()[name] = file


@pytest.mark.parametrize("name", ["…", "a b", "-rf", ".hidden", "a:b", "log.tar.gz"])
def test_file_names_may_be_unusual(file: Path, name: str) -> None:
    attachments = Attachments()
    attachments[name] = file

    assert content_of(attachments[name]) == b"content"


def test_a_relative_path_is_found_after_a_change_of_directory(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attachments = Attachments()
    monkeypatch.chdir(file.parent)
    attachments["log"] = file.name
    monkeypatch.chdir("/")

    assert content_of(attachments["log"]) == b"content"


def test_what_is_stored_in_a_zip_file_is_found_there(file: Path) -> None:
    attachments = Attachments()
    attachments["log"] = file
    attachments["a b"] = file
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        attachments.store(written)

    with zipfile.ZipFile(stream) as read:
        assert read.namelist() == ["attachments/log", "attachments/a b"]
        again = Attachments(read)
        assert list(again) == ["log", "a b"]
        assert again["log"].size == 7
        assert content_of(again["a b"]) == b"content"


def test_other_members_and_directories_of_a_zip_file_are_skipped() -> None:
    with zip_of(
        task=b"", attachments__=b"", attachments__d__=b"", attachments__log=b"x"
    ) as zip_file:
        assert list(Attachments(zip_file)) == ["log"]


def test_a_member_that_leaves_its_place_is_refused() -> None:
    with zip_of(attachments__a__b=b"") as zip_file, pytest.raises(
        InvalidSessionError, match="not a plain file name"
    ):
        Attachments(zip_file)


def test_a_file_is_added_under_the_first_name_that_is_free(file: Path) -> None:
    attachments = Attachments()
    for _ in range(3):
        attachments.add("session.log", file)

    assert list(attachments) == ["session.log", "session-2.log", "session-3.log"]


def test_attachments_are_replaced_by_name(file: Path) -> None:
    here, there = Attachments(), Attachments()
    here["kept"] = here["old"] = file
    file.with_name("new").write_bytes(b"new")
    there["old"] = file.with_name("new")

    both = here.replaced_by(there)

    assert {name: content_of(both[name]) for name in both} == {
        "kept": b"content",
        "old": b"new",
    }
    assert content_of(here["old"]) == b"content"


def test_the_text_names_them(file: Path) -> None:
    attachments = Attachments()
    attachments["log"] = file

    assert repr(attachments) == "<Attachments ['log']>"
