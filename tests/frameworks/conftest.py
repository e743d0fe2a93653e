"""Leaves the tests of this directory to `tox -e frameworks`."""

from __future__ import annotations

from pathlib import Path

import pytest

DIRECTORY = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if DIRECTORY in Path(item.path).parents:
            item.add_marker(pytest.mark.frameworks)
