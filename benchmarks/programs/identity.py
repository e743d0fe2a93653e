"""Measures the fingerprints of values beside the hashes of joblib.

``python identity.py WHAT SECONDS``: what is one of the values of this script.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Callable

import joblib
from timing import compare

import bandsaw.fingerprint

LENGTH = int(os.environ.get("ARRAY_SIZE", 100_000_000)) // 100


def frame(rows: int = LENGTH, columns: int = 3) -> Any:
    import numpy
    import pandas

    return pandas.DataFrame(numpy.random.default_rng(0).random((rows, columns)))


def frame_with_nan() -> Any:
    made = frame()
    made.iloc[::10] = float("nan")
    return made


def wide_frame() -> Any:
    return frame(10, 5000)


def texts() -> Any:
    import pandas

    objects = [f"text {number}" for number in range(LENGTH)]
    return pandas.DataFrame({"texts": pandas.Series(objects, dtype=object)})


def polars_lists() -> Any:
    import polars

    return polars.DataFrame({"lists": [[n, n + 1, n + 2] for n in range(LENGTH)]})


def polars_structs() -> Any:
    import polars

    structs = [{"a": n, "b": n / 2, "c": str(n)} for n in range(LENGTH)]
    return polars.DataFrame({"structs": structs})


VALUES: dict[str, Callable[[], Any]] = {
    made.__name__: made
    for made in (frame, frame_with_nan, wide_frame, texts, polars_lists, polars_structs)
}


def main():
    what, seconds = sys.argv[1:]
    functions = {"bandsaw": bandsaw.fingerprint.fingerprint, "joblib": joblib.hash}
    print(json.dumps(compare(functions, VALUES[what](), float(seconds))))


if __name__ == "__main__":
    main()
