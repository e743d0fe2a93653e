"""JSON by what the module `json` has in C."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, strategies

from bandsaw.runtime.json_text import loads, make_dumps

JSON: Any = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats(allow_nan=False)
    | strategies.text(),
    lambda children: (
        strategies.lists(children)
        | strategies.dictionaries(strategies.text(), children)
    ),
)


@given(JSON)
def test_a_value_is_written_as_by_the_standard_library_and_read_again(
    value: Any,
) -> None:
    text = make_dumps()(value)

    assert text == json.dumps(value)
    assert loads(f" {text}\n") == value


def test_what_json_does_not_know_is_asked_for_or_refused() -> None:
    assert make_dumps(str)([1j]) == '["1j"]'
    with pytest.raises(TypeError, match="complex"):
        make_dumps()([1j])
    assert math.isnan(loads(make_dumps()(math.nan)))
    with pytest.raises(ValueError, match="JSON"):
        make_dumps(allow_nan=False)(math.nan)


def test_a_circle_is_too_deep() -> None:
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(RecursionError):
        make_dumps()(circle)


@pytest.mark.parametrize("text", ["", " ", "[1", "1 2", "nul", '{"a":}', "[1]]"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)
