"""The identity of numpy's arrays and scalars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bandsaw.exceptions import UnstableValueError
from bandsaw.fingerprint import fingerprint

numpy = pytest.importorskip("numpy", reason="needs numpy")

DTYPES = [
    *("?", "i1", "u1", "<i2", ">i2", "<i4", "<i8", ">i8", "<u8"),
    *("<f2", "<f4", ">f4", "<f8", ">f8", "g", "<c8", "<c16", ">c16", "G"),
    *("S3", "<U3", ">U3", "V3", "<M8[ns]", "<M8[D]", "<m8[s]", "O"),
]
STRUCTURED = numpy.dtype([("a", "i1"), ("b", "<f8"), ("c", "U2")], align=True)


def filled(dtype: Any, shape: Any) -> Any:
    size = int(numpy.prod(shape))
    return (numpy.arange(size) % 100).astype("i1").astype(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_order_in_memory_does_not_count(dtype: str) -> None:
    array = filled(dtype, (4, 5, 6))
    wide = numpy.zeros((8, 5, 12), dtype)
    wide[::2, :, ::2] = array
    reverse = numpy.ascontiguousarray(array[::-1])[::-1]

    assert fingerprint(numpy.asfortranarray(array)) == fingerprint(array)
    assert fingerprint(wide[::2, :, ::2]) == fingerprint(array)
    assert fingerprint(reverse) == fingerprint(array)
    assert fingerprint(array.T) != fingerprint(array)


def test_dtype_byte_order_and_shape_count() -> None:
    found = [fingerprint(filled(dtype, (6,))) for dtype in DTYPES if dtype != "G"]
    found += [fingerprint(filled("i8", shape)) for shape in [(2, 3), (3, 2), (6, 1)]]
    found += [fingerprint(filled("i8", (0, shape))) for shape in range(3)]
    found += [fingerprint(list(range(6))), fingerprint(numpy.int64(1)), fingerprint(1)]
    found += [fingerprint(numpy.array(1)), fingerprint(numpy.array([1]))]

    assert len(set(found)) == len(found)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_counts(dtype: str) -> None:
    array = numpy.zeros((3, 3), dtype)
    found = {fingerprint(array)}
    for number in range(9):
        changed = array.copy()
        changed.flat[number] = numpy.ones(1, "i1").astype(dtype)[0]
        found.add(fingerprint(changed))

    assert len(found) == 10


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", ">f8", "g", "<c16", "G"])
def test_every_nan_is_the_same(dtype: str) -> None:
    array = filled(dtype, (10,))
    array[3] = numpy.nan
    negative = array.copy()
    negative.real[3] = -negative.real[3]
    inf = filled(dtype, (10,))
    inf[3] = numpy.inf

    assert fingerprint(negative) == fingerprint(array)
    assert fingerprint(inf) != fingerprint(array)
    # What is looked at is never changed.
    assert numpy.signbit(negative[3].real)


def test_infinities_of_both_signs_are_no_nan() -> None:
    assert fingerprint(numpy.array([numpy.inf, -numpy.inf])) != fingerprint(
        numpy.array([-numpy.inf, numpy.inf])
    )


def test_positive_and_negative_zero_differ() -> None:
    assert fingerprint(numpy.array([0.0])) != fingerprint(numpy.array([-0.0]))


def test_what_lies_between_fields_does_not_count() -> None:
    clean = numpy.zeros(3, STRUCTURED)
    dirty = numpy.frombuffer(bytearray(b"\xff" * clean.nbytes), STRUCTURED)
    for name in STRUCTURED.names:
        dirty[name] = clean[name]

    assert dirty.tobytes() != clean.tobytes()
    assert fingerprint(dirty) == fingerprint(clean)
    dirty["c"][1] = "x"
    assert fingerprint(dirty) != fingerprint(clean)


def test_the_names_of_fields_count() -> None:
    array = numpy.zeros(3, [("a", "i4"), ("b", "i4")])

    assert fingerprint(array) != fingerprint(array.view([("a", "i4"), ("c", "i4")]))


def test_objects_in_arrays_count_by_value() -> None:
    def make(value: object) -> Any:
        return numpy.array([{"a": value}, [1], None], dtype=object)

    assert fingerprint(make(1)) == fingerprint(make(1))
    assert fingerprint(make(1)) != fingerprint(make(2))


def test_an_array_may_contain_itself() -> None:
    array = numpy.empty(2, dtype=object)
    array[:] = [array, 1]

    assert fingerprint(array) == fingerprint(array)


def test_where_an_array_is_mapped_from_does_not_count(tmp_path: Path) -> None:
    array = filled("i8", (100,))
    array.tofile(tmp_path / "array")
    mapped = numpy.memmap(tmp_path / "array", "i8", "r")

    assert fingerprint(mapped) == fingerprint(array)
    del mapped


def test_subclasses_differ_from_arrays() -> None:
    array = filled("i8", (2, 2))

    assert fingerprint(array.view(numpy.recarray)) != fingerprint(array)


def test_what_lies_under_a_mask_does_not_count() -> None:
    def make(numbers: list[int], mask: list[int]) -> Any:
        return numpy.ma.array(numbers, mask=mask)

    assert fingerprint(make([1, 2], [0, 1])) == fingerprint(make([1, 3], [0, 1]))
    assert fingerprint(make([1, 2], [0, 0])) != fingerprint(make([1, 2], [0, 1]))


def test_scalars_differ_by_dtype_and_value() -> None:
    values = [
        *(numpy.float64(1), numpy.float32(1), numpy.int64(1), numpy.bool_(True)),
        *(numpy.str_("1"), numpy.bytes_(b"1"), numpy.datetime64(1, "s")),
        *(1, 1.0, True, "1", b"1", numpy.float64(2), numpy.datetime64(1, "ms")),
        *(numpy.zeros(1, STRUCTURED)[0], numpy.dtype("f8"), numpy.dtype(">f8")),
        *(numpy.add, numpy.sin, numpy.float64, numpy.zeros, STRUCTURED),
    ]

    assert len({fingerprint(value) for value in values}) == len(values)


def test_every_nan_is_the_same_scalar() -> None:
    nan = numpy.float64(numpy.nan)

    assert fingerprint(-nan) == fingerprint(nan)


def test_a_random_generator_counts_by_its_state() -> None:
    generator = numpy.random.default_rng(1)
    before = fingerprint(generator)
    generator.random()

    assert before == fingerprint(numpy.random.default_rng(1))
    assert before != fingerprint(generator)


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=4).filter(
        lambda shape: 200 < numpy.prod(shape) < 500_000
    ),
    st.sampled_from(["i1", "f8", "c16", "U7", "S3"]),
    st.randoms(use_true_random=False),
)
def test_arrays_of_several_blocks_have_no_order_either(
    shape: Any, dtype: str, random: Any
) -> None:
    array = numpy.resize(filled(dtype, (97,)), [*shape[:-1], 9 * shape[-1]])
    axes = list(range(array.ndim))
    random.shuffle(axes)
    moved = array.transpose(axes)

    assert fingerprint(moved) == fingerprint(moved.copy(order="C"))


def test_large_arrays_are_not_copied() -> None:
    import tracemalloc

    array = numpy.zeros((2000, 4000))
    transposed = array.T
    fingerprint(array[:10])
    tracemalloc.start()
    try:
        fingerprint(array)
        _, contiguous = tracemalloc.get_traced_memory()
        fingerprint(transposed)
        _, other = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert contiguous < array.nbytes / 10
    assert other < array.nbytes


def test_a_function_on_arrays_is_identified_only_by_a_name_that_leads_to_it() -> None:
    with pytest.raises(UnstableValueError, match="does not refer to it"):
        fingerprint(numpy.frompyfunc(lambda x: x, 1, 1))

    assert fingerprint(numpy.add) == fingerprint(numpy.add)
    assert fingerprint(numpy.add) != fingerprint(numpy.subtract)


class Unviewable(numpy.ndarray):  # type: ignore[misc]
    def view(self, *args: Any) -> Any:
        raise LookupError("It cannot be seen.\nNot at all.")


def test_an_array_that_cannot_be_taken_apart_has_no_identity() -> None:
    array = numpy.ones(3).view(Unviewable)

    with pytest.raises(UnstableValueError, match=r"value\[1\]: .*seen\)") as raised:
        fingerprint([0, array])

    assert isinstance(raised.value.__cause__, LookupError)
