"""The identity of the frames and series of polars."""

from __future__ import annotations

from typing import Any

import pytest

from bandsaw.fingerprint import fingerprint

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
