"""The configuration of the functions in `decorated`."""

from __future__ import annotations

import bandsaw

configuration = bandsaw.Configuration().add_advice_chain(
    bandsaw.Advice(), name="advised"
)
