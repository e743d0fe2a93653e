"""Every kind of store, for the suite that all of them pass."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from bandsaw.stores import FsspecStore, LocalStore, MemoryStore, Store


def _local(directory: Path) -> Store:
    return LocalStore(directory / "a directory" / "cache")


def _memory(directory: Path) -> Store:
    return MemoryStore()


def _fsspec_in_memory(directory: Path) -> Store:
    return FsspecStore(f"memory://{directory}", copy=directory / "copy")


def _fsspec_on_disk(directory: Path) -> Store:
    return FsspecStore(f"file://{directory}/far", copy=directory / "copy")


@pytest.fixture(params=[_local, _memory, _fsspec_in_memory, _fsspec_on_disk])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store with nothing in it."""
    make: Callable[[Path], Store] = request.param
    return make(tmp_path)
