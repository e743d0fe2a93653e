from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def with_length(length: str) -> tuple[int, str, str]:
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            "from bandsaw.identifier import identifier_from_string as i; print(i('a'))",
        ],
        env={**os.environ, "BANDSAW_ID_LENGTH": length},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    return process.returncode, process.stdout.strip(), process.stderr


@pytest.mark.parametrize(("length", "expected"), [("4", 4), ("64", 64), ("100", 64)])
def test_the_environment_says_how_long_identifiers_are(
    length: str, expected: int
) -> None:
    _, identifier, _ = with_length(length)

    assert len(identifier) == expected


@pytest.mark.parametrize("length", ["x", "0", "-1", "", "1.5"])
def test_a_length_that_makes_no_sense_is_an_error_that_names_it(length: str) -> None:
    code, _, errors = with_length(length)

    assert code == 1
    assert "BANDSAW_ID_LENGTH" in errors
    assert repr(length) in errors


def test_hashlib_is_loaded_for_the_first_identifier() -> None:
    program = "import sys, bandsaw.identifier; print('hashlib' in sys.modules)"

    # What measures the coverage of a process imports it, too.
    variables = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    output = subprocess.check_output(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        env=variables,
        text=True,
    )

    assert output == "False\n"
