"""Strategies of Hypothesis for the tests, by subject."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from tests.serialization import samples

# --- Values and their identity -------------------------------------------------------

# Few, and many of them equal to each other in the eyes of `==`.
LEAVES = st.sampled_from(
    [
        *(None, ..., True, False, 0, 1, -1, 2**63, -(2**63), 2**64),
        *(0.0, -0.0, 1.0, math.nan, -math.nan, math.inf, 0j, complex(0.0, -0.0), 1j),
        *("", "1", "a", "ä", "\ud800", b"", b"1", b"a"),
    ]
) | st.one_of(st.integers(), st.floats(), st.text(), st.binary(max_size=300))

HASHABLE_VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=9).map(tuple) | st.frozensets(inner, max_size=4)
    ),
    max_leaves=5,
)

VALUES = st.recursive(
    HASHABLE_VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=9),
        st.lists(inner, max_size=9).map(tuple),
        st.sets(HASHABLE_VALUES, max_size=9),
        st.dictionaries(st.text(max_size=2), inner, max_size=4),
        st.dictionaries(HASHABLE_VALUES, inner, max_size=3),
    ),
    max_leaves=6,
)
"""Values of the built-in types, nested."""

# --- What serializers write and give back --------------------------------------------

# Surrogates included, alone and in pairs that are no character.
_TEXT = st.text(st.characters()) | st.text(st.sampled_from("a\ud83d\ude00"))

JSON_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=0, max_value=5).map(lambda n: -(10 ** (n * 1000))),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXT,
)
"""What JSON has, but for its containers."""

JSON_KEYS = st.recursive(
    st.one_of(
        JSON_SCALARS,
        st.just("_serializer"),
        _TEXT.map(samples.Name),
        st.sampled_from([*samples.Color, *samples.Level]),
    ),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=3,
)

SERIALIZED_SCALARS = st.one_of(
    JSON_SCALARS,
    _TEXT.map(samples.Name),
    st.integers().map(samples.Count),
    st.floats(allow_nan=False, allow_infinity=False).map(samples.Ratio),
    st.sampled_from([*samples.Color, *samples.Level, *samples.Corner]),
    st.integers(min_value=0, max_value=7).map(samples.Access),
    st.builds(samples.SilentError, _TEXT),
    st.builds(samples.DiskError, _TEXT),
)

SERIALIZED_VALUES = st.recursive(
    SERIALIZED_SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.lists(inner, max_size=3).map(samples.Stack),
        st.dictionaries(_TEXT | st.just("_serializer"), inner, max_size=5),
        st.dictionaries(JSON_KEYS, inner, max_size=5),
        st.dictionaries(JSON_KEYS, inner, max_size=3).map(samples.Ordered),
        st.builds(samples.Point, inner, inner),
        st.builds(samples.Labelled, inner, inner),
        st.builds(samples.Renamed, inner, inner),
        st.builds(samples.Couple, inner),
        st.builds(samples.Table, inner),
        st.builds(samples.Place, value=inner),
        st.builds(samples.PlainError, inner),
        st.builds(samples.CodeError, inner, inner),
        st.builds(samples.SlotError, inner),
        st.builds(ValueError, inner, inner),
    ),
    max_leaves=15,
)
"""What a `JsonSerializer` gives back equal and of the same types."""
