"""The benchmarks of connections work. What the figures are is not tested."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks.__main__ import ROWS
from benchmarks.contestants import this_library
from tests.sshd import find
from tests.test_benchmarks import TINY


@pytest.mark.parametrize("name", [name for name in ROWS if name.startswith("far-")])
def test_a_row_gives_a_figure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in "sshd", "ssh-keygen", "scp":
        find(program)
    monkeypatch.setenv("ARRAY_SIZE", "1000000")
    monkeypatch.setenv("CALLS_AT_ONCE", "20")

    figures = ROWS[name].measure([this_library(sys.executable)], TINY)

    assert isinstance(figures["bandsaw"].value, float)
    json.dumps(figures["bandsaw"].details)
