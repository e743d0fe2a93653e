from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from bandsaw.datetime import (
    current_timestamp,
    datetime_from_timestamp,
    timestamp_of,
)


def test_a_timestamp_is_iso_in_utc_with_milliseconds() -> None:
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"

    assert re.fullmatch(pattern, current_timestamp())


def test_the_current_timestamp_is_now() -> None:
    before = datetime.now(timezone.utc) - timedelta(milliseconds=1)

    now = datetime_from_timestamp(current_timestamp())

    assert before <= now <= datetime.now(timezone.utc)


@pytest.mark.parametrize(
    ("timestamp", "microsecond"),
    [
        ("2021-09-30T12:34:56.789+00:00", 789000),
        ("2021-09-30T12:34:56.789Z", 789000),
        ("2021-09-30T12:34:56.789z", 789000),
        ("2021-09-30T12:34:56.789", 789000),
        ("2021-09-30 12:34:56,789", 789000),
        ("2021-09-30T12:34:56.7Z", 700000),
        ("2021-09-30T12:34:56.123456789Z", 123456),
        ("2021-09-30T12:34:56Z", 0),
        ("2021-09-30T12:34:56", 0),
        ("2021-09-30T14:34:56+02:00", 0),
        ("2021-09-30T07:04:56-0530", 0),
    ],
)
def test_every_python_reads_these_timestamps(timestamp: str, microsecond: int) -> None:
    expected = datetime(2021, 9, 30, 12, 34, 56, microsecond, timezone.utc)

    read = datetime_from_timestamp(timestamp)

    assert read == expected
    assert read.tzinfo is not None


@given(
    st.datetimes(
        timezones=st.integers(-1439, 1439).map(
            lambda minutes: timezone(timedelta(minutes=minutes))
        )
    )
)
def test_what_isoformat_writes_is_read(time: datetime) -> None:
    read = datetime_from_timestamp(time.isoformat())

    assert read == time
    assert read.utcoffset() == time.utcoffset()


@pytest.mark.parametrize(
    "text",
    ["", "now", "2021-09-30", "2021-13-30T12:34:56Z", "2021-09-30T25:00:00Z", "1632"],
)
def test_what_is_no_timestamp_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        datetime_from_timestamp(text)


@pytest.mark.parametrize("seconds", [0.0, 1.5, 1638264760.1234565, 1638264760.9999999])
def test_a_time_in_seconds_is_written_as_the_standard_library_does(
    seconds: float,
) -> None:
    expected = datetime.fromtimestamp(seconds, timezone.utc)

    assert timestamp_of(seconds) == expected.isoformat(timespec="microseconds")
