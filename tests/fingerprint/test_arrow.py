"""The identity of the arrays and tables of pyarrow."""

from __future__ import annotations

from typing import Any

import pytest

from bandsaw.fingerprint import fingerprint

arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")


def arrays() -> dict[str, Any]:
    """Arrays of four items each, the last of which differs from the first."""
    numbers = arrow.array([1, 2, None, 4])
    texts = arrow.array(["a", "bc", None, "d"])
    lists = arrow.array([[1, 2], [], None, [None]])
    found = {
        "ints": numbers,
        "floats": arrow.array([0.5, float("nan"), None, 1.5]),
        "flags": arrow.array([True, None, False, False]),
        "texts": texts,
        "bytes": texts.cast(arrow.binary()),
        "lists": lists,
        "lists of lists": arrow.array([[[1]], [[], None], None, [[2]]]),
        "structs": arrow.array([{"x": 1}, {"x": None}, None, {"x": 2}]),
        "maps": arrow.array(
            [[("a", 1)], [], None, [("a", 2)]],
            arrow.map_(arrow.string(), arrow.int64()),
        ),
        "pairs": arrow.array(
            [[1, 2], [3, 4], None, [5, 6]], arrow.list_(arrow.int64(), 2)
        ),
        "dictionary": texts.dictionary_encode(),
        "decimals": numbers.cast(arrow.decimal128(38, 2)),
        "dates": numbers.cast(arrow.int32()).cast(arrow.date32()),
    }
    for unit in ("ns", "us"):
        for kind in (arrow.timestamp(unit), arrow.duration(unit), arrow.time64(unit)):
            found[str(kind)] = numbers.cast(kind)
    return found


@pytest.mark.parametrize("name", sorted(arrays()))
def test_an_array_counts_by_its_values_not_by_slices_and_chunks(name: str) -> None:
    array = arrays()[name]
    others = [arrow.concat_arrays([array[:3], array[:1]]), array[:3], array[1:]]
    longer = arrow.concat_arrays([array[1:], array, array[:2]])[3:7]
    chunked = arrow.chunked_array([array[:1], array[1:]])

    assert fingerprint(longer) == fingerprint(array)
    assert fingerprint(chunked) == fingerprint(arrow.chunked_array([array]))
    assert len({fingerprint(value) for value in [array, *others]}) == 4


def test_arrays_of_different_types_differ() -> None:
    found = arrays()

    assert len({fingerprint(value) for value in found.values()}) == len(found)


def test_tables_count_by_names_columns_and_metadata() -> None:
    table = arrow.table({"a": [1, 2], "b": ["x", None]})
    chunks = arrow.concat_tables([table[:1], table[1:]])
    others = [
        table,
        table.rename_columns(["a", "c"]),
        table.select(["b", "a"]),
        table.replace_schema_metadata({"k": "v"}),
        table[:1],
        table.to_batches()[0],
    ]

    assert fingerprint(chunks) == fingerprint(table)
    assert len({fingerprint(value) for value in others}) == len(others)
