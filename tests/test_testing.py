"""Testing one's tasks: moves that stay in this process, and the fixtures of pytest."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest

import bandsaw
from bandsaw.advices import remote
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.exceptions import ConfigurationError, NotMovableError
from bandsaw.testing import (
    assert_movable,
    bandsaw_in_memory as bandsaw_in_memory,
    bandsaw_temporary_cache as bandsaw_temporary_cache,
    bandsaw_without_advices as bandsaw_without_advices,
)
from bandsaw.timestamps import TimestampsExtension
from tests.configurations import loadable_configuration
from tests.decorated import add
from tests.workflows import Workflow


def process_of(value: Any) -> Any:
    return os.getpid(), id(value)


def fail() -> None:
    raise TypeError


def held_lock(lock: Any) -> bool:
    return bool(lock.locked())


calls: list[int] = []


def count(x: int) -> int:
    calls.append(x)
    return x


@pytest.fixture(name="configuration")
def _configuration(tmp_path: Path) -> Iterator[bandsaw.Configuration]:
    calls.clear()
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(SubprocessAdvice())
        configuration.add_advice_chain(CachingAdvice(tmp_path / "kept"), name="cached")
        yield configuration


def task_of(configuration: bandsaw.Configuration, function: Any, **options: Any) -> Any:
    return bandsaw.task(function, config=configuration.module_name, **options)


def test_a_move_in_memory_saves_and_restores_in_this_process(
    configuration: bandsaw.Configuration,
) -> None:
    task = task_of(configuration, process_of, subprocess={"timeout": 60})
    value = ["value"]

    configuration.set_moves("memory")

    process, identity = task(value)
    assert process == os.getpid()
    assert identity != id(value), "It was not restored."
    with pytest.raises(Exception, match="Argument 'lock'"):
        task_of(configuration, held_lock)(threading.Lock())
    with pytest.raises(NotMovableError):
        task_of(configuration, eval("lambda: None"))()


def test_without_moves_the_task_gets_the_very_arguments(
    configuration: bandsaw.Configuration,
) -> None:
    task = task_of(configuration, process_of)
    value = ["value"]

    configuration.set_moves("none")

    assert task(value) == (os.getpid(), id(value))
    assert [type(a) for a in configuration.get_advice_chain("default") or ()] == [
        SubprocessAdvice
    ]
    configuration.set_moves(None)
    assert configuration.chains["default"].walk.advices != ()


def test_a_variable_of_the_environment_chooses_moves_and_a_record_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(remote._told, "moves", None)
    monkeypatch.setenv("BANDSAW_MOVES", "memory")
    with loadable_configuration() as configuration, caplog.at_level(logging.WARNING):
        configuration.add_advice_chain(SubprocessAdvice())
        configuration.add_advice_chain(SubprocessAdvice(), name="other")

        assert task_of(configuration, process_of)(1)[0] == os.getpid()
        assert (
            task_of(configuration, process_of, chain="other").submit(1).result()[0]
            == os.getpid()
        )

    (record,) = caplog.records
    assert "Nothing is moved to other interpreters" in record.getMessage()
    monkeypatch.setenv("BANDSAW_MOVES", "everything")
    with pytest.raises(ConfigurationError, match="BANDSAW_MOVES needs 'memory' or"):
        bandsaw.Configuration()


def test_a_call_in_memory_tells_where_it_failed(
    configuration: bandsaw.Configuration,
) -> None:
    configuration.set_moves("memory")

    with pytest.raises(TypeError) as raised:
        task_of(configuration, fail)()

    told = "".join(getattr(raised.value, "__notes__", [str(raised.value.__cause__)]))
    assert "in this process, in place of SubprocessAdvice" in told


@pytest.mark.usefixtures("bandsaw_in_memory")
def test_the_fixture_lets_moves_stay_here(configuration: bandsaw.Configuration) -> None:
    value = ["value"]

    process, identity = task_of(configuration, process_of)(value)

    assert process == os.getpid()
    assert identity != id(value)


def test_a_task_of_before_follows_a_fixture_and_its_end(
    configuration: bandsaw.Configuration, request: pytest.FixtureRequest
) -> None:
    configuration.add_extension(TimestampsExtension())
    task = task_of(configuration, count, chain="cached")
    assert [task(1), task(1)] == [1, 1]

    request.getfixturevalue("bandsaw_without_advices")

    assert [task(1), task(1)] == [1, 1]
    assert calls == [1, 1, 1]
    assert configuration.chains["cached"].idle
    assert configuration.get_advice_chain("cached") != ()


def test_a_temporary_cache_keeps_results_for_one_test(
    configuration: bandsaw.Configuration,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    task = task_of(configuration, count, chain="cached")

    directory = request.getfixturevalue("bandsaw_temporary_cache")

    assert [task(1), task(1)] == [1, 1]
    assert calls == [1]
    assert [path for path in directory.rglob("*") if path.is_file()]
    assert not (tmp_path / "kept").exists()


def test_a_call_that_can_be_moved_is_not_executed() -> None:
    # It would be an error.
    assert_movable(add, 1, b="text")


def test_a_call_that_cannot_be_moved_fails_the_test(
    configuration: bandsaw.Configuration,
) -> None:
    task = task_of(configuration, held_lock)

    with pytest.raises(AssertionError, match="Argument 'lock'"):
        assert_movable(task, threading.Lock())
    with pytest.raises(AssertionError, match="cannot be moved to /no/python"):
        assert_movable(task, None, pythons=["/no/python"])


def test_the_plugin_imports_nothing_before_it_is_used(workflow: Workflow) -> None:
    workflow.write(
        {
            "conftest.py": 'pytest_plugins = ["bandsaw.testing"]\n',
            "test_own.py": """
                import sys

                def test_nothing_is_imported():
                    loaded = {name for name in sys.modules if name[:7] == "bandsaw"}
                    assert loaded == {
                        "bandsaw", "bandsaw.advices", "bandsaw.testing",
                        "bandsaw.runtime", "bandsaw.runtime.lazy",
                    } | {name for name in loaded if sys.version_info < (3, 9)}
            """,
        }
    )

    workflow.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_own.py")
