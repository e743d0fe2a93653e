"""File names for ids that can hold any text."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given, strategies as st

from bandsaw.tracking.names import file_name

texts = st.text(st.characters(), max_size=40) | st.text("./%\\~ü \0-", max_size=6)


@given(texts)
def test_a_name_is_a_file_name_that_stays_in_its_directory(text):
    name = file_name(text)
    assert name not in ("", ".", "..")
    assert not set(name) & set("/\0\n\r")
    assert 1 <= len(name.encode()) <= 255


@given(texts)
def test_a_name_leads_back_to_its_id(text):
    name = file_name(text)
    assert name == "%" or unquote(name, errors="surrogatepass") == text
    assert (name == "%") == (text == "")


@pytest.mark.parametrize(
    "text",
    [
        "8cecc949e9edc529",
        "805e86a4-e6a3-11f1-8a1e-02fc00000001",
        "a_b_c",
        "run 1",
        "Prüfung",
        ".hidden",
        "...",
        "v1.0+x@y:z",
        "x" * 255,
    ],
)
def test_an_id_that_is_a_plain_file_name_stays_as_it_is(text):
    assert file_name(text) == text


@given(st.text(st.characters(), min_size=86, max_size=400).filter(str.strip))
def test_long_names_are_short_enough_and_different(text):
    assert len(file_name(text * 3).encode()) <= 255
    assert file_name(text * 3) != file_name(text * 3 + "x")


def test_a_long_name_begins_like_its_id():
    assert file_name("b" * 300).startswith("b" * 180)
    assert "%-" in file_name("ü" * 300)


def test_a_reserved_name_is_not_given_to_an_id():
    assert file_name("run-info.json", reserved="run-info.json") != "run-info.json"
    assert file_name("other", reserved="run-info.json") == "other"


def test_a_file_system_that_knows_no_umlauts_gets_none(monkeypatch):
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "ascii")
    assert file_name("ü/.") == "%C3%BC%2F."
