"""The number of files of bandsaw that a call runs through."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw.advices.cache import CachingAdvice
from tests.configurations import loadable_configuration

PACKAGE = os.path.dirname(bandsaw.__file__)


def same(x: Any) -> Any:
    return x


@contextmanager
def cached_call(directory: Path) -> Iterator[Callable[[], Any]]:
    """A call that a cache answers, the only advice of its chain."""
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(CachingAdvice(directory))
        task = bandsaw.task(same, config=configuration.module_name)
        yield lambda: task(1)


def files_of(call: Callable[[], Any]) -> set[str]:
    """The files of bandsaw in which a function is called, once everything is warm."""
    files: set[str] = set()

    def note_file(frame: Any, event: str, argument: Any) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PACKAGE):
            files.add(os.path.relpath(name, PACKAGE))

    for _ in range(3):
        call()
    before = sys.getprofile()
    sys.setprofile(note_file)
    try:
        call()
    finally:
        sys.setprofile(before)
    return files


@pytest.mark.parametrize(("make", "most"), [(cached_call, 8)])
def test_a_call_runs_through_few_files(make: Any, most: int, tmp_path: Path) -> None:
    with make(tmp_path) as call:
        files = files_of(call)

    assert "decorator.py" in files or "decorator/__init__.py" in files
    assert len(files) <= most, sorted(files)
