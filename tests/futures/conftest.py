"""A configuration of two chains: calls are made without a session, or with one."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Configuration
from tests.configurations import loadable_configuration

TaskMaker = Callable[..., Any]


@pytest.fixture(name="configuration")
def _configuration() -> Iterator[Configuration]:
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(bandsaw.Advice(), name="advised")
        configuration.set_concurrency(2)
        yield configuration


@pytest.fixture(name="task_of", params=["default", "advised"])
def _task_of(configuration: Configuration, request: Any) -> TaskMaker:
    """Make tasks of functions."""

    def task_of(function: Any) -> Any:
        return bandsaw.task(
            function, config=configuration.module_name, chain=request.param
        )

    return task_of
