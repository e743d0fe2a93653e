"""The identity of the frames and series of polars."""

from __future__ import annotations

from typing import Any

import pytest

from bandsaw.fingerprint import argument_tokens, fingerprint
from bandsaw.fingerprint.mutation import FirstLook

polars = pytest.importorskip("polars", reason="needs polars")


def test_frames_are_told_apart_by_what_they_hold() -> None:
    import datetime

    def make(**changes: Any) -> Any:
        columns = {
            "ints": [1, 2, 3],
            "floats": [0.5, float("nan"), None],
            "texts": ["a", "b", None],
            "flags": [True, None, False],
            "dates": [datetime.date(2020, 1, 1), None, datetime.date(2020, 1, 3)],
            "times": [
                datetime.datetime(2020, 1, 1),
                None,
                datetime.datetime(2021, 1, 1),
            ],
            "lists": [[1], [2, 3], None],
            "structs": [{"a": 1}, {"a": 2}, {"a": 3}],
            "categories": polars.Series(["x", "y", "x"], dtype=polars.Categorical),
        }
        columns.update(changes)
        return polars.DataFrame(columns)

    frame = make()
    chunks = polars.concat([frame[:1], frame[1:]], rechunk=False)
    others = [
        frame,
        *(make(**{name: frame[name].gather([0, 0, 1])}) for name in frame.columns),
        frame.rename({"ints": "other"}),
        frame.with_columns(polars.col("ints").cast(polars.Int32)),
        frame.reverse(),
        frame[:2],
        frame["ints"],
        frame["ints"].rename("other"),
    ]

    assert fingerprint(make()) == fingerprint(frame)
    assert fingerprint(chunks) == fingerprint(frame)
    assert len({fingerprint(value) for value in others}) == len(others)


def test_nanoseconds_in_nested_columns_count() -> None:
    numbers = [
        polars.Series("a", [[number]], dtype=polars.List(polars.Int64))
        for number in (1, 2)
    ]
    lists = [
        series.cast(polars.List(kind("ns")))
        for series in numbers
        for kind in (polars.Datetime, polars.Duration)
    ]
    structs = [
        polars.DataFrame({"x": polars.Series([number], dtype=kind("ns"))}).to_struct(
            "s"
        )
        for number in (1, 2)
        for kind in (polars.Datetime, polars.Duration)
    ]
    arrays = [
        series.reshape((1, 1)) for series in (lists[0].explode(), lists[2].explode())
    ]
    deep = [polars.Series("d", [series]) for series in lists]
    values = [*lists, *structs, *arrays, *deep]

    assert len({fingerprint(value) for value in values}) == len(values)


def test_missing_and_empty_lists_and_structs_differ() -> None:
    lists = [[[1], []], [[1], None], [[1], [None]], [[], [1]], [[1, 1], []]]
    values = [
        polars.Series("a", rows, dtype=polars.List(polars.Int64)) for rows in lists
    ]
    pair = polars.Struct({"x": polars.Int64, "y": polars.Int64})
    rows: list[Any] = [[None], [{"x": None, "y": None}], [{"x": 1, "y": None}]]
    values += [polars.Series("a", row, dtype=pair) for row in rows]
    values.append(polars.Series("a", [], dtype=polars.List(polars.Int64)))

    assert len({fingerprint(value) for value in values}) == len(values)


def test_slices_and_chunks_of_nested_columns_do_not_count() -> None:
    series = polars.Series("a", [[1], [2, 3], None, [4]])
    longer = polars.Series("a", [[9], [1], [2, 3], None, [4], [8]])

    assert fingerprint(longer[1:5]) == fingerprint(series)
    assert fingerprint(polars.concat([series[:1], series[1:]], rechunk=False)) == (
        fingerprint(series)
    )


@pytest.mark.parametrize(
    ("columns", "is_small"),
    [
        ({"a": [1.5], "b": ["text"]}, True),
        ({"a": [1.5] * 10_000}, False),
        ({"b": [str(number) for number in range(10_000)]}, False),
    ],
    ids=["small", "numbers", "texts"],
)
def test_a_large_frame_is_not_compared_after_a_quick_call(
    columns: Any, is_small: bool
) -> None:
    look = FirstLook(1.0, argument_tokens({"frame": None}))

    changed = look.names_of_changed({"frame": polars.DataFrame(columns)}, seconds=0.0)

    assert changed == ["frame"] * is_small
