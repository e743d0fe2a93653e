"""Fingerprints of data frames, beside joblib's hashes of them."""

from __future__ import annotations

from typing import Callable, Sequence

from .contestants import Contestant
from .measure import Effort, Figures, Row, in_rounds, median_ratios


def _over_joblib(what: str) -> Callable[[Sequence[Contestant], Effort], Figures]:
    def measure(contestants: Sequence[Contestant], effort: Effort) -> Figures:
        # The original release has no fingerprints.
        ours = [one for one in contestants if one.name == "bandsaw"]
        answers = in_rounds(ours, effort, "identity.py", what, effort.seconds)
        return median_ratios(answers, "bandsaw", "joblib")

    return measure


def _row(name: str, value: str, target: float, what: str) -> Row:
    text = f"fingerprint of {value}, over joblib"
    return Row(f"identity-{name}", text, "", target, _over_joblib(what))


ROWS = [
    _row("frame", "a frame of 1,000,000 x 3 floats", 0.5, "frame"),
    _row("frame-nan", "the same, a tenth of it NaN", 0.5, "frame_with_nan"),
    _row("frame-wide", "a frame of 10 x 5,000", 2, "wide_frame"),
    _row("texts", "an object column of 1,000,000 short texts", 1, "texts"),
    _row("polars-list", "a polars column of 1,000,000 lists", 2, "polars_lists"),
    _row("polars-struct", "a polars column of 1,000,000 structs", 2, "polars_structs"),
]
