"""Forms of data frames, series and indexes of pandas and polars, column by column."""

from __future__ import annotations

import sys

from .form import Deferred, Form
from .leaves import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

    Expander = Callable[[Any], Union[bytes, Form]]


def _metadata(value: Any) -> Any:
    kept = {name: getattr(value, name, None) for name in value._metadata}
    kept.pop("_name", None)
    kept.pop("name", None)
    return (value.attrs, value.flags.allows_duplicate_labels, kept)


def _expand_frame(value: Any) -> Form:
    count = value.shape[1]
    columns = [
        Deferred(_expand_column, value.iloc[:, number].array) for number in range(count)
    ]
    parts = (type(value), value.columns, value.index, _metadata(value), *columns)
    names = [".__class__", ".columns", ".index", ".attrs"]
    names += [f"[{name!r}]" for name in value.columns]
    return Form(b"pandas frame %d " % count, parts, "%s", names)


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


def _expand_column(values: Any) -> bytes | Form:
    label = b"pandas column " + text(str(values.dtype))
    return Form(label, (_column_content(values),), "%s", ("",))


def _column_content(values: Any) -> object:
    """Return a value that is equal for columns of one dtype that hold the same."""
    numpy = sys.modules["numpy"]
    pandas = sys.modules["pandas"]
    dtype = values.dtype
    if isinstance(dtype, numpy.dtype) and dtype.kind not in "mM":
        return values.to_numpy()
    if isinstance(dtype, pandas.CategoricalDtype):
        return (values.codes, values.categories, values.ordered)
    if hasattr(values, "asi8"):
        return values.asi8
    if isinstance(dtype, pandas.IntervalDtype):
        return (values.left, values.right, values.closed)
    mask = numpy.asarray(values.isna())
    if isinstance(getattr(dtype, "numpy_dtype", None), numpy.dtype):
        numbers = dtype.numpy_dtype
        if numbers.kind in "biuf" and hasattr(values, "_mask"):
            zero = numbers.type(0)
            return (mask, values.to_numpy(dtype=numbers, na_value=zero))
    items = values.to_numpy(dtype=object)
    if mask.any():
        items = items.copy()
        items[mask] = None
    return (mask, items.tolist())


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
        _expand_column,
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
    return value.to_list()


def _numeric(polars: Any) -> Any:
    names = "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64 Boolean"
    return [getattr(polars, name) for name in names.split()]


POLARS: dict[str, Expander] = {
    "DataFrame": _expand_polars_frame,
    "Series": _expand_polars_series,
}
