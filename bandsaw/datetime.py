"""Points in time as text: ISO 8601, UTC, with milliseconds."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

_PATTERN = (
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?"
    r"(?:([Zz])|([+-]\d\d):?(\d\d))?"
)


def current_timestamp() -> str:
    """Return the current time.

    Returns:
        The time in UTC with milliseconds, like ``2021-09-30T12:34:56.789+00:00``.
    """
    # Importing `datetime` takes longer than what is measured, in a fresh process.
    milliseconds = time.time_ns() // 10**6
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{text}.{milliseconds % 1000:03d}+00:00"


def timestamp_of(seconds: float) -> str:
    """Return a point in time.

    Args:
        seconds: The time in seconds since the epoch.

    Returns:
        The time in UTC with microseconds, as `datetime.datetime` writes it.
    """
    whole = int(seconds // 1)
    microseconds = round((seconds - whole) * 1e6)
    if microseconds == 10**6:
        whole, microseconds = whole + 1, 0
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{text}.{microseconds:06d}+00:00"


def datetime_from_timestamp(timestamp: str) -> datetime:
    """Return the time that a timestamp stands for.

    Args:
        timestamp: Date and time in the format of ISO 8601. Fractions of the second are
            optional, and so is the offset: ``Z``, ``+00:00`` or that of another zone.
            Without one the time is in UTC.

    Returns:
        The time, with its offset.

    Raises:
        ValueError: If the text is no timestamp.
    """
    # `datetime.fromisoformat` understands few of these before Python 3.11.
    import re
    from datetime import datetime

    match = re.fullmatch(_PATTERN, timestamp, re.ASCII)
    if match is None:
        raise ValueError(f"Not a timestamp in the format of ISO 8601: {timestamp!r}")
    date, time, fraction, _, hours, minutes = match.groups()
    microseconds = ((fraction or "") + "000000")[:6]
    offset = f"{hours}:{minutes}" if hours else "+00:00"
    return datetime.fromisoformat(f"{date}T{time}.{microseconds}{offset}")
