"""Forms of data frames, series and indexes of pandas and polars, by their columns."""

from __future__ import annotations

import sys

from .arrays import array_form
from .arrow import content_of
from .form import Deferred, Form
from .leaves import text
from .objects import expand_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

    Expander = Callable[[Any], Union[bytes, Form]]


# Numbers of one type are hashed together, so many bytes at a time. Part of the format.
_CHUNK_SIZE = 1 << 26


def _metadata(value: Any) -> Any:
    kept = {name: getattr(value, name, None) for name in value._metadata}
    kept.pop("_name", None)
    kept.pop("name", None)
    if _root(value) != "pandas":
        # What a subclass keeps for itself.
        for name in vars(value).keys() - value._internal_names_set - _KEPT_BY_PANDAS:
            kept.setdefault(name, vars(value)[name])
    return (value.attrs, value.flags.allows_duplicate_labels, kept)


_KEPT_BY_PANDAS = frozenset(("_attrs", "_flags", "_mgr", "_name"))


def _root(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _expand_frame(value: Any) -> Form:
    dtypes = value.dtypes.tolist()
    numbers: dict[Any, list[int]] = {}
    if len(set(map(id, dtypes))) == 1:
        numbers[dtypes[0]] = list(range(len(dtypes)))
    else:
        for place, dtype in enumerate(dtypes):
            numbers.setdefault(dtype, []).append(place)
    others = [
        place
        for dtype in list(numbers)
        if not _is_plain_number(dtype)
        for place in numbers.pop(dtype)
    ]
    others.sort()
    parts = [type(value), value.columns, value.index, _metadata(value)]
    names: list[str | None] = [".__class__", ".columns", ".index", ".attrs"]
    label = b"pandas frame %d " % len(dtypes)
    if numbers:
        label = b"pandas numeric frame %d %d " % (len(numbers), len(others))
        parts.append((others, list(numbers.values())))
        chunks = [Deferred(_expand_chunks, value, numbers[dtype]) for dtype in numbers]
        parts += chunks
        names += [None] * (1 + len(chunks))
    for place in others:
        parts.append(Deferred(_expand_column, value.iloc[:, place].array))
        names.append(f"[{value.columns[place]!r}]")
    return Form(label, parts, "%s", names)


def _is_plain_number(dtype: Any) -> bool:
    return isinstance(dtype, sys.modules["numpy"].dtype) and dtype.kind in "biufc"


def _expand_chunks(value: Any, places: list[int]) -> Form:
    """Take columns of one type of numbers apart, in whatever blocks they are kept."""
    size = len(value) * value.dtypes.iloc[places[0]].itemsize
    count = max(1, _CHUNK_SIZE // max(1, size))
    chunks = [
        Deferred(_expand_chunk, value, places[start : start + count])
        for start in range(0, len(places), count)
    ]
    return Form(b"pandas columns %d " % len(chunks), chunks, "%s", [None] * len(chunks))


def _expand_chunk(value: Any, places: list[int]) -> bytes | Form:
    first, last = places[0], places[-1]
    # A slice is no copy.
    is_run = last - first == len(places) - 1
    chosen = value.iloc[:, slice(first, last + 1) if is_run else places]
    return array_form(chosen.to_numpy().T, b"numbers ")


def _expand_series(value: Any) -> Form:
    parts = (
        type(value),
        value.name,
        value.index,
        _metadata(value),
        Deferred(_expand_column, value.array),
    )
    names = (".__class__", ".name", ".index", ".attrs", "")
    return Form(b"pandas series ", parts, "%s", names)


def _expand_index(value: Any) -> Form:
    frequency = getattr(value, "freqstr", None)
    parts = (type(value), value.name, frequency, Deferred(_expand_column, value.array))
    return Form(b"pandas index ", parts, "%s", (".__class__", ".name", ".freq", ""))


def _expand_range_index(value: Any) -> Form:
    numbers = range(value.start, value.stop, value.step)
    return Form(b"pandas range ", (value.name, numbers), "%s", (".name", ""))


def _expand_multi_index(value: Any) -> Form:
    # Two equal ones may have different levels and codes.
    levels = [value.get_level_values(number) for number in range(value.nlevels)]
    parts = (tuple(value.names), *levels)
    names = (".names", *[f".levels[{number}]" for number in range(len(levels))])
    return Form(b"pandas multi-index %d " % len(levels), parts, "%s", names)


# The types of columns that are an array of numpy, whatever the version calls them.
_NUMPY_DTYPES = ("NumpyEADtype", "PandasDtype")


def _expand_column(values: Any) -> bytes | Form:
    label = b"pandas column " + text(str(values.dtype))
    return Form(label, (_column_content(values),), "%s", ("",))


def _column_content(values: Any) -> object:
    """Return a value that is equal for columns of one dtype that hold the same."""
    if _root(values) != "pandas":
        return values
    numpy = sys.modules["numpy"]
    pandas = sys.modules["pandas"]
    dtype = values.dtype
    if type(dtype).__name__ in _NUMPY_DTYPES and _is_plain_number(dtype.numpy_dtype):
        return values.to_numpy()
    if isinstance(dtype, pandas.CategoricalDtype):
        return (values.codes, values.categories, values.ordered)
    if hasattr(values, "asi8"):
        return values.asi8
    if isinstance(dtype, pandas.IntervalDtype):
        return (values.left, values.right, values.closed)
    if _is_nested_arrow(dtype):
        return content_of(values.__arrow_array__())
    mask = numpy.asarray(values.isna())
    if isinstance(getattr(dtype, "numpy_dtype", None), numpy.dtype):
        numbers = dtype.numpy_dtype
        if numbers.kind in "biuf" and hasattr(values, "_mask"):
            zero = numbers.type(0)
            return (mask, values.to_numpy(dtype=numbers, na_value=zero))
    items = values.to_numpy(dtype=object)
    # In a column of objects, None, NaN, NaT and NA are four values.
    if str(dtype) != "object" and mask.any():
        items = items.copy()
        items[mask] = None
    return (mask, items.tolist())


def _is_nested_arrow(dtype: Any) -> bool:
    # What these hold would lose its nanoseconds as objects of Python.
    kind = getattr(dtype, "pyarrow_dtype", None)
    return kind is not None and (kind.num_fields > 0 or str(kind) == "time64[ns]")


def _expand_array(values: Any) -> bytes | Form:
    # A class that inherits one of pandas may hold more.
    if _root(values) == "pandas":
        return _expand_column(values)
    return expand_object(values)


PANDAS: dict[str, Expander] = {
    "DataFrame": _expand_frame,
    "Series": _expand_series,
    "RangeIndex": _expand_range_index,
    "MultiIndex": _expand_multi_index,
    **dict.fromkeys(
        (
            "Index",
            "DatetimeIndex",
            "TimedeltaIndex",
            "PeriodIndex",
            "IntervalIndex",
            "CategoricalIndex",
            "Int64Index",
            "UInt64Index",
            "Float64Index",
        ),
        _expand_index,
    ),
    **dict.fromkeys(
        (
            "Categorical",
            "DatetimeArray",
            "TimedeltaArray",
            "PeriodArray",
            "IntervalArray",
            "IntegerArray",
            "FloatingArray",
            "BooleanArray",
            "StringArray",
            "ArrowStringArray",
            "ArrowExtensionArray",
        ),
        _expand_array,
    ),
}


def _expand_polars_frame(value: Any) -> Form:
    columns = value.get_columns()
    names = [f"[{name!r}]" for name in value.columns]
    return Form(b"polars frame %d " % len(columns), columns, "%s", names)


def _expand_polars_series(value: Any) -> Form:
    label = b"polars series " + text(value.name) + text(str(value.dtype))
    return Form(label, (_polars_content(value),), "%s", ("",))


def _polars_content(value: Any) -> object:
    polars = sys.modules["polars"]
    dtype = value.dtype
    if dtype in (polars.Date, polars.Time, polars.Datetime, polars.Duration):
        value = value.to_physical()
        dtype = value.dtype
    if dtype == polars.Categorical or str(dtype).startswith(("Enum", "Categorical")):
        value = value.cast(polars.Utf8)
    numeric = dtype in _numeric(polars)
    if numeric and "numpy" in sys.modules:
        if not value.null_count():
            return (None, value.to_numpy())
        zero = False if dtype == polars.Boolean else 0
        return (value.is_null().to_numpy(), value.fill_null(zero).to_numpy())
    if dtype == polars.Struct:
        fields = [value.struct.field(name) for name in value.struct.fields]
        return (_missing(value), *fields)
    if dtype == polars.List:
        sizes = value.list.len().fill_null(0)
        return (_missing(value), sizes, value.filter(sizes > 0).explode())
    if dtype == polars.Array:
        return (_missing(value), value.drop_nulls().explode())
    return value.to_list()


def _missing(value: Any) -> Any:
    return value.is_null() if value.null_count() else len(value)


def _numeric(polars: Any) -> Any:
    names = "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64 Boolean"
    return [getattr(polars, name) for name in names.split()]


POLARS: dict[str, Expander] = {
    "DataFrame": _expand_polars_frame,
    "Series": _expand_polars_series,
}
