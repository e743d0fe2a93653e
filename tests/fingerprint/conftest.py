"""Gives every test an empty registry of fingerprints."""

from __future__ import annotations

from typing import Iterator

import pytest

from bandsaw.fingerprint import registry


@pytest.fixture(autouse=True)
def nothing_is_registered() -> Iterator[None]:
    registry.reset()
    yield
    registry.reset()
