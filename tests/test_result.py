"""Results of calls."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from bandsaw.result import Result


def test_a_result_without_anything_is_none() -> None:
    result = Result()

    assert result.value is None
    assert result.exception is None


def test_equal_values_make_equal_results() -> None:
    assert Result([1]) == Result([1])
    assert Result([1]) != Result([2])
    assert Result(1) != 1


def test_results_are_equal_by_type_and_args_of_their_exception() -> None:
    assert Result(exception=KeyError("a")) == Result(exception=KeyError("a"))
    assert Result(exception=KeyError("a")) != Result(exception=KeyError("b"))
    assert Result(exception=KeyError("a")) != Result(exception=LookupError("a"))
    assert Result(exception=KeyError("a")) != Result()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Result([1]), Result([1])),
        (Result(1), Result(1.0)),
        (Result(exception=KeyError([])), Result(exception=KeyError([]))),
    ],
)
def test_equal_results_have_one_hash_whatever_they_hold(
    one: Result, other: Result
) -> None:
    assert one == other
    assert hash(one) == hash(other)
    assert hash(one) != hash(Result(exception=ValueError()))


@pytest.mark.parametrize("result", [Result([1]), Result(exception=KeyError("a"))])
@pytest.mark.parametrize(
    "again",
    [
        lambda result: pickle.loads(pickle.dumps(result)),
        copy.deepcopy,
        copy.copy,
        lambda result: Result.deserialize(result.serialized()),
    ],
)
def test_a_result_can_be_copied(result: Result, again: Any) -> None:
    assert again(result) == result


def test_a_pickle_of_the_published_releases_can_be_read() -> None:
    # What release 0.3 has written for `Result([2])`.
    written = (
        b"\x80\x04\x95?\x00\x00\x00\x00\x00\x00\x00\x8c\x0ebandsaw.result\x94\x8c\x06"
        b"Result\x94\x93\x94)\x81\x94}\x94(\x8c\x05value\x94]\x94K\x02a\x8c\texception"
        b"\x94Nub."
    )

    assert pickle.loads(written) == Result([2])


def test_the_text_of_a_result_shows_what_matters() -> None:
    assert repr(Result([1])) == "Result([1])"
    assert repr(Result(exception=KeyError("a"))) == "Result(exception=KeyError('a'))"
