"""Fixtures for the tests of several advices."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Iterator

import pytest

REPLACED_WHILE_LOGGING = [
    (logging.Logger, "isEnabledFor"),
    (logging.Logger, "callHandlers"),
    (threading.Thread, "start"),
    (ThreadPoolExecutor, "submit"),
]


@pytest.fixture
def logging_is_as_before() -> Iterator[None]:
    """Assert that a test has left no handler, and no method replaced."""
    methods = [getattr(owner, name) for owner, name in REPLACED_WHILE_LOGGING]
    handlers = list(logging.getLogger().handlers)
    yield
    assert [getattr(owner, name) for owner, name in REPLACED_WHILE_LOGGING] == methods
    assert logging.getLogger().handlers == handlers


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """A logger of the test's own, enabled for warnings."""
    made = logging.getLogger(f"tests.of.{request.node.name}")
    made.setLevel(logging.WARNING)
    yield made
    logging.Logger.manager.loggerDict.pop(made.name)
