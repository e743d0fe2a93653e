"""Parts of `functools` that do without its import."""

from __future__ import annotations

import functools
from typing import Any, Callable

import pytest

from bandsaw.runtime import functions


def documented(x: int) -> int:
    """Return the argument."""
    return x


documented.note = "kept"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "function", [documented, functools.partial(documented, 1), len]
)
def test_a_wrapper_looks_like_that_of_functools(function: Callable[..., Any]) -> None:
    def looks(module: Any) -> dict[str, Any]:
        wrapper = module.wraps(function)(lambda *args: function(*args))
        assert wrapper.__wrapped__ is function
        names = ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__")
        facts = {name: getattr(wrapper, name) for name in names}
        return {**facts, **vars(wrapper)}

    assert looks(functions) == looks(functools)


def test_what_a_function_returns_is_remembered_of_a_number_of_calls() -> None:
    calls = []

    @functions.lru_cache(maxsize=2)
    def first(x: int, y: int) -> None:
        calls.append((x, y))

    for arguments in [(1, 2), (1, 2), (3, 4), (1, 2), (5, 6), (1, 2)]:
        first(*arguments)

    assert calls == [(1, 2), (3, 4), (5, 6), (1, 2)]
    with pytest.raises(TypeError, match="unhashable"):
        first([], 1)  # type: ignore[arg-type]
