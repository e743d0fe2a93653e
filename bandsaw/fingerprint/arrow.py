"""Forms of arrays and tables of Arrow, independent of slices and chunks."""

from __future__ import annotations

import sys

from .form import Deferred, Form
from .leaves import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def content_of(array: Any) -> object:
    """Return a value that is equal for arrays of one type that hold the same.

    Args:
        array: A `pyarrow.Array` or `pyarrow.ChunkedArray`.
    """
    arrow = sys.modules["pyarrow"]
    types = arrow.types
    kind = array.type
    if types.is_string(kind) or types.is_binary(kind):
        # The offsets of these reach over all chunks.
        large = arrow.large_string() if types.is_string(kind) else arrow.large_binary()
        array = array.cast(large)
    if isinstance(array, arrow.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, arrow.ChunkedArray):
        return array.to_pylist()
    if isinstance(kind, arrow.BaseExtensionType):
        return content_of(array.storage)
    if types.is_dictionary(kind):
        return content_of(array.dictionary_decode())
    valid = _numbers(array.is_valid()) if array.null_count else len(array)
    if types.is_struct(kind):
        return (valid, *map(_deferred, array.flatten()))
    if types.is_map(kind):
        offsets = _numbers(array.offsets)
        run = slice(int(offsets[0]), int(offsets[-1]))
        parts = (_deferred(array.keys[run]), _deferred(array.items[run]))
        return (valid, offsets[1:] - offsets[:-1], *parts)
    if types.is_list(kind) or types.is_large_list(kind):
        offsets = _numbers(array.offsets)
        sizes = offsets[1:] - offsets[:-1]
        if array.null_count:
            sizes = sizes * valid
        return (valid, sizes, _deferred(array.flatten()))
    if types.is_fixed_size_list(kind):
        return (valid, _deferred(array.flatten()))
    if types.is_temporal(kind) and kind.bit_width in (32, 64):
        array = array.view(arrow.int32() if kind.bit_width == 32 else arrow.int64())
    if types.is_primitive(array.type) and not types.is_temporal(array.type):
        zero = False if types.is_boolean(kind) else 0
        return (valid, _numbers(array.fill_null(zero) if array.null_count else array))
    if types.is_large_string(array.type) or types.is_large_binary(array.type):
        return (valid, *_texts(array))
    return array.to_pylist()


def _numbers(array: Any) -> Any:
    return array.to_numpy(zero_copy_only=False)


def _texts(array: Any) -> tuple[Any, Any]:
    numpy = sys.modules["numpy"]
    if array.null_count:
        empty: Any = ""
        if sys.modules["pyarrow"].types.is_large_binary(array.type):
            empty = b""
        array = array.fill_null(empty)
    if not len(array):
        return (0, b"")
    _, places, content = array.buffers()
    start = array.offset
    offsets = numpy.frombuffer(places, numpy.int64)[start : start + len(array) + 1]
    view = memoryview(content or b"")[offsets[0] : offsets[-1]]
    return (offsets[1:] - offsets[:-1], view)


def _deferred(array: Any) -> Deferred:
    return Deferred(_expand_array, array)


def _expand_array(value: Any) -> Form:
    label = b"arrow array " + text(str(value.type))
    return Form(label, (content_of(value),), "%s", ("",))


def _expand_table(value: Any) -> Form:
    schema = value.schema
    about = (schema.metadata, [(field.nullable, field.metadata) for field in schema])
    names = [field.name for field in schema]
    return Form(
        b"arrow table %d " % len(names),
        (type(value), about, names, *map(_deferred, value.columns)),
        "%s",
        (".__class__", ".schema", ".names", *[f"[{name!r}]" for name in names]),
    )


ARROW: dict[str, Callable[[Any], bytes | Form]] = {
    "Array": _expand_array,
    "ChunkedArray": _expand_array,
    "Table": _expand_table,
    "RecordBatch": _expand_table,
}
