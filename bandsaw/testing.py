"""Fixtures and assertions for testing tasks with pytest.

A plugin of pytest: ``pytest_plugins = ["bandsaw.testing"]`` in the outermost
``conftest.py`` gives tests its fixtures. Nothing else of bandsaw is imported before one
of them is used.
"""

from __future__ import annotations

import pytest

from . import advices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Iterator, Sequence


@pytest.fixture
def bandsaw_without_advices() -> Iterator[None]:
    """Let calls of tasks be plain calls: without advices and extensions."""
    yield from advices.testing.without_advices()


@pytest.fixture
def bandsaw_in_memory() -> Iterator[None]:
    """Let a save and restore in this process take the place of each move."""
    yield from advices.testing.standing_in(advices.testing.in_memory)


@pytest.fixture
def bandsaw_temporary_cache(tmp_path: Path) -> Iterator[Path]:
    """Let all caches keep their results in a directory of the test, which it gives."""
    root = tmp_path / "bandsaw-cache"
    for _ in advices.testing.standing_in(advices.testing.with_caches_in(root)):
        yield root


def assert_movable(
    task: Any, *args: Any, pythons: Sequence[str | Path] = (), **kwargs: Any
) -> None:
    """Assert that a call of a task can be moved to another interpreter.

    The task is not executed. It, its arguments and their classes are saved, and
    restored in a fresh process; by each Python that is named.

    Args:
        task: The decorated function.
        *args: The arguments of the call.
        pythons: The executables of Pythons; that of this process when left out.
        **kwargs: The keyword arguments of the call.

    Raises:
        AssertionError: If it cannot; it says why.
    """
    found = advices.testing.refusals(task, args, kwargs, pythons)
    assert not found, "\n".join(found)
