"""The identity of the frames, series and indexes of pandas."""

from __future__ import annotations

from typing import Any

import pytest

from bandsaw.fingerprint import fingerprint

pandas = pytest.importorskip("pandas", reason="needs pandas")


def pandas_frame(**changes: Any) -> Any:
    columns = {
        "ints": [1, 2, 3],
        "floats": [0.5, float("nan"), 1.5],
        "texts": ["a", "b", None],
        "objects": [[1], {"a": 2}, None],
        "dates": pandas.to_datetime(["2020-01-01", "2020-01-02", None]),
        "zoned": pandas.to_datetime(["2020-01-01", "2020-01-02", None], utc=True),
        "deltas": pandas.to_timedelta([1, 2, None], unit="s"),
        "periods": pandas.period_range("2020-01", periods=3, freq="M"),
        "categories": pandas.Categorical(["x", "y", "x"]),
        "missing": pandas.array([1, None, 3], dtype="Int64"),
        "maybe": pandas.array([True, None, False], dtype="boolean"),
        "real": pandas.array([0.5, None, 1.5], dtype="Float64"),
        "strings": pandas.array(["a", None, "c"], dtype="string"),
        "intervals": pandas.interval_range(0, 3),
    }
    columns.update(changes)
    return pandas.DataFrame(columns)


def test_equal_frames_are_equal_however_they_are_stored() -> None:
    frame = pandas_frame()
    assembled = pandas.concat([frame[[name]] for name in frame.columns], axis=1)
    sliced = pandas.concat([frame, frame], ignore_index=True).iloc[:3]

    assert fingerprint(pandas_frame()) == fingerprint(frame)
    assert fingerprint(frame.copy()) == fingerprint(frame)
    assert fingerprint(assembled) == fingerprint(frame)
    assert fingerprint(sliced) == fingerprint(frame)


def test_every_column_of_a_frame_counts() -> None:
    frame = pandas_frame()
    found = {fingerprint(frame)}
    for name in frame.columns:
        changed = frame.copy()
        changed[name] = frame[name].iloc[[0, 0, 1]].array
        found.add(fingerprint(changed))

    assert len(found) == 1 + len(frame.columns)


def test_names_index_dtypes_and_order_of_columns_count() -> None:
    frame = pandas.DataFrame({"a": [1, 2], "b": [3, 4]})
    named = frame.copy()
    named.index.name = "i"
    values = [
        frame,
        named,
        frame[["b", "a"]],
        frame.rename(columns={"a": "c"}),
        frame.set_index("a"),
        frame.astype({"a": "int32"}),
        frame.astype({"a": "float64"}),
        frame.astype({"a": "category"}),
        frame.astype({"a": "Int64"}),
        frame["a"],
        frame["a"].rename("z"),
        frame["a"].to_numpy(),
        frame.iloc[:1],
        frame.iloc[:0],
    ]

    assert len({fingerprint(value) for value in values}) == len(values)


def test_indexes_differ_by_kind_name_and_values() -> None:
    values = [
        pandas.RangeIndex(3),
        pandas.RangeIndex(3, name="n"),
        pandas.RangeIndex(4),
        pandas.Index([0, 1, 2]),
        pandas.Index(["a", "b"]),
        pandas.date_range("2020-01-01", periods=3),
        pandas.date_range("2020-01-01", periods=3, tz="UTC"),
        pandas.timedelta_range("1s", periods=3),
        pandas.period_range("2020-01", periods=3, freq="M"),
        pandas.interval_range(0, 3),
        pandas.interval_range(0, 3, closed="left"),
        pandas.CategoricalIndex(["a", "b"]),
        pandas.CategoricalIndex(["a", "b"], ordered=True),
        pandas.MultiIndex.from_tuples([(1, "a"), (2, "b")]),
        pandas.MultiIndex.from_tuples([(1, "a"), (2, "c")]),
        pandas.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", "y"]),
    ]

    assert len({fingerprint(value) for value in values}) == len(values)


def test_levels_of_an_index_that_are_not_used_do_not_count() -> None:
    pairs = [(1, "a"), (2, "b"), (3, "c")]
    sliced = pandas.MultiIndex.from_tuples(pairs)[:2]

    assert fingerprint(sliced) == fingerprint(pandas.MultiIndex.from_tuples(pairs[:2]))


def test_what_lies_under_a_missing_value_does_not_count() -> None:
    series = pandas.Series([1, 2, 3], dtype="Int64")
    other = pandas.Series([1, 7, 3], dtype="Int64")
    series[1] = other[1] = pandas.NA

    assert fingerprint(series) == fingerprint(other)


def test_moments_differ_by_nanoseconds_and_zone() -> None:
    values = [
        pandas.Timestamp(1),
        pandas.Timestamp(2),
        pandas.Timestamp(1, tz="UTC"),
        pandas.Timedelta(1),
        pandas.Timedelta(2),
        pandas.NaT,
        pandas.NA,
        pandas.Period("2020-01"),
        pandas.Interval(0, 1),
        pandas.CategoricalDtype(["a"]),
    ]

    assert len({fingerprint(value) for value in values}) == len(values)
