"""The identity of the frames, series and indexes of pandas."""

from __future__ import annotations

from typing import Any

import pytest

from bandsaw.fingerprint import argument_tokens, fingerprint
from bandsaw.fingerprint.mutation import FirstLook

numpy = pytest.importorskip("numpy", reason="needs numpy")
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


def test_kinds_of_missing_values_in_a_column_of_objects_differ() -> None:
    missing = (None, float("nan"), pandas.NaT, pandas.NA)
    series = [pandas.Series([value, 1], dtype=object) for value in missing]
    indexes = [pandas.Index([value, "a"], dtype=object) for value in missing]
    values = [*series, *map(pandas.DataFrame, series), *indexes]

    assert len({fingerprint(value) for value in values}) == len(values)


def test_columns_of_numbers_count_however_they_are_stored() -> None:
    block = pandas.DataFrame(numpy.arange(12.0).reshape(3, 4), columns=list("abcd"))
    block["c"] = numpy.array([1, 2, 3], dtype="int32")
    block["d"] = ["x", "y", "z"]
    block.loc[1, "a"] = numpy.nan
    single = pandas.DataFrame({name: block[name].copy() for name in block.columns})
    others = [
        block.rename(columns={"a": "b", "b": "a"})[["b", "a", "c", "d"]],
        block[["b", "a", "c", "d"]],
        block[["a", "c", "b", "d"]],
        block.assign(a=block["b"], b=block["a"]),
        block.fillna(0),
        block.astype({"c": "int64"}),
        block.astype({"a": "int32"}, errors="ignore").assign(c=block["c"] + 1),
    ]

    assert fingerprint(single) == fingerprint(block)
    assert fingerprint(block[["d", "c", "b", "a"]][["a", "b", "c", "d"]]) == (
        fingerprint(block)
    )
    assert len({fingerprint(value) for value in [block, *others]}) == 1 + len(others)


def test_frames_are_hashed_in_chunks_of_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bandsaw.fingerprint import dataframes

    # As small as two columns, so that there are three chunks.
    monkeypatch.setattr(dataframes, "_CHUNK_SIZE", 2 * 3 * 8)
    frame = pandas.DataFrame([[1, 2, 3, 4, 5], [6, 7, 8, 9, 0], [0, 0, 0, 0, 0]])
    found = {fingerprint(frame)}
    for name in frame.columns:
        changed = frame.copy()
        changed.loc[1, name] = 100
        found.add(fingerprint(changed))

    assert len(found) == 1 + len(frame.columns)


def test_what_a_subclass_of_a_frame_keeps_counts() -> None:
    class Measured(pandas.DataFrame):  # type: ignore[misc]
        _metadata = ["unit"]

    def make(unit: str, **attributes: Any) -> Any:
        frame = Measured({"a": [1]})
        frame.unit = unit
        vars(frame).update(attributes)
        return frame

    values = [make("m"), make("km"), make("m", source="x"), make("m", source="y")]

    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(make("m", source="x")) == fingerprint(values[2])


def test_an_array_of_another_library_counts_by_all_it_holds() -> None:
    from pandas.api.extensions import ExtensionArray, ExtensionDtype

    class UnitDtype(ExtensionDtype):  # type: ignore[misc]
        name = "unit"
        type = float

    class Units(ExtensionArray):  # type: ignore[misc]
        dtype = UnitDtype()

        def __init__(self, numbers: list[float], unit: str) -> None:
            self.numbers, self.unit = numpy.array(numbers), unit

        def __len__(self) -> int:
            return len(self.numbers)

        def __getitem__(self, item: Any) -> Any:
            found = self.numbers[item]
            return Units(found, self.unit) if isinstance(item, slice) else found

        def isna(self) -> Any:
            return numpy.isnan(self.numbers)

        def copy(self) -> Units:
            return Units(self.numbers.copy(), self.unit)

    def series(*args: Any) -> Any:
        return pandas.Series(Units(*args))

    values = [series([1, 2], "m"), series([1, 2], "km"), series([1, 3], "m")]

    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(series([1, 2], "m")) == fingerprint(values[0])


def test_nested_arrow_columns_count_by_nanoseconds() -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")

    def series(kind: Any, *numbers: int) -> Any:
        array = arrow.array([list(numbers)], arrow.list_(arrow.int64()))
        array = array.cast(arrow.list_(kind))
        return pandas.Series(pandas.arrays.ArrowExtensionArray(array))

    kinds = (arrow.timestamp("ns"), arrow.duration("ns"), arrow.time64("ns"))
    values = [series(kind, number) for kind in kinds for number in (1, 2)]

    assert len({fingerprint(value) for value in values}) == len(values)


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

    changed = look.names_of_changed({"frame": pandas.DataFrame(columns)}, seconds=0.0)

    assert changed == ["frame"] * is_small
