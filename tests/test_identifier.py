from __future__ import annotations

import runpy
import sys

import pytest

from bandsaw.identifier import identifier_from_bytes, identifier_from_string


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ('{"a": 1}', "f9d86028c6e0d64e"),
        ("null", "74234e98afe7498f"),
        ("", "e3b0c44298fc1c14"),
        ("\u00e4", "33e6d73fee82904c"),
    ],
)
def test_an_identifier_is_the_begin_of_the_sha_256(text: str, identifier: str) -> None:
    assert identifier_from_string(text) == identifier
    assert identifier_from_bytes(text.encode("utf-8")) == identifier


def test_bytes_may_be_in_any_buffer() -> None:
    expected = identifier_from_bytes(b"a")

    assert identifier_from_bytes(bytearray(b"a")) == expected
    assert identifier_from_bytes(memoryview(b"a")) == expected


def identifier_with_length(length: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BANDSAW_ID_LENGTH", length)
    # Executed beside the module that is loaded, whose functions others hold.
    monkeypatch.delitem(sys.modules, "bandsaw.identifier")
    fresh = runpy.run_module("bandsaw.identifier")
    return str(fresh["identifier_from_string"]("a"))


@pytest.mark.parametrize(("length", "expected"), [("4", 4), ("64", 64), ("100", 64)])
def test_the_environment_says_how_long_identifiers_are(
    length: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(identifier_with_length(length, monkeypatch)) == expected


@pytest.mark.parametrize("length", ["x", "0", "-1", "", "1.5"])
def test_a_length_that_makes_no_sense_is_an_error_that_names_it(
    length: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=f"BANDSAW_ID_LENGTH.*{length!r}"):
        identifier_with_length(length, monkeypatch)
