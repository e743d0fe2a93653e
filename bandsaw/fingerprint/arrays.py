"""Forms of arrays: of numpy and xarray, torch's tensors, scipy's sparse matrices.

They are independent of the layout in memory.
"""

from __future__ import annotations

import sys

from .definitions import module_with, name_token
from .digests import BLOCK_SIZE, digest_blocks
from .form import Deferred, Form, Refused
from .leaves import text
from .objects import attributes, object_form, with_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# The 80 bits of x86's long double are stored in 16 bytes, of which 6 are left over.
_EXTENDED_PRECISION_DIGITS = 63
_EXTENDED_PRECISION_BYTES = 10


def array_form(array: Any, tag: bytes = b"array ") -> bytes | Form:
    """Take an array apart.

    Args:
        array: A `numpy.ndarray`; of subclasses only what the base holds is
            significant.
        tag: What tells it from other arrays, ended by a space.

    Returns:
        Its token, or the form of an array of objects or of a structured one.
    """
    array = sys.modules["numpy"].asarray(array)
    dtype = array.dtype
    label = tag + _dtype_token(dtype) + _shape_token(array.shape)
    if dtype.names is not None:
        # By field: what lies between the fields is not part of the value.
        fields = [array[name] for name in dtype.names]
        return Form(label, fields, "[%r]", dtype.names)
    if dtype.hasobject or dtype.kind == "T":
        items = array.ravel(order="C").tolist()
        return Form(label, (items,), "%s", (".flat",))
    return label + content_digest(array)


def _shape_token(shape: Any) -> bytes:
    return b"(%b)" % b",".join(b"%d" % size for size in shape)


def _dtype_token(dtype: Any) -> bytes:
    if dtype.names is not None:
        token = b"struct %d %d " % (len(dtype.names), dtype.itemsize)
        token += text(dtype.type.__name__)
        for name in dtype.names:
            field = dtype.fields[name]
            token += text(name) + b"%d " % field[1] + _dtype_token(field[0])
            token += text(repr(field[2:]))
        return token
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return b"sub" + _shape_token(shape) + _dtype_token(base)
    token = text(dtype.str)
    if dtype.kind in "VT":
        # Types that other packages add, like bfloat16, look alike otherwise.
        token += text(dtype.type.__name__) + text(dtype.name)
        token += text(repr(getattr(dtype, "na_object", "")))
    return token


def content_digest(array: Any) -> bytes:
    """Return the digest of the items in C order.

    Args:
        array: An array of items without parts.

    Returns:
        32 bytes. Contiguous arrays are not copied, others block by block.
    """
    numpy = sys.modules["numpy"]
    size, itemsize = array.size, array.dtype.itemsize
    if not size or not itemsize:
        return bytes(32)
    length = max(1, BLOCK_SIZE // itemsize)
    flat = array.reshape(-1) if array.flags.c_contiguous else None
    clean = _cleaner(array.dtype)

    def read(number: int) -> memoryview:
        low = number * length
        high = min(size, low + length)
        if flat is not None:
            block = flat[low:high]
        else:
            block = numpy.empty(high - low, array.dtype)
            _gather(array, low, high, block)
        if clean is not None:
            block = clean(block)
        return memoryview(block.view(numpy.uint8))

    return digest_blocks(-(-size // length), read)


def _gather(array: Any, low: int, high: int, target: Any) -> None:
    """Copy the items of these numbers, counted in C order, in as few runs as can be."""
    if array.ndim == 1:
        target[:] = array[low:high]
        return
    inner = array.size // array.shape[0]
    first, skipped = divmod(low, inner)
    last, rest = divmod(high, inner)
    if first == last:
        _gather(array[first], skipped, rest, target)
        return
    done = 0
    if skipped:
        done = inner - skipped
        _gather(array[first], skipped, inner, target[:done])
        first += 1
    if last > first:
        end = done + (last - first) * inner
        target[done:end].reshape((last - first, *array.shape[1:]))[...] = array[
            first:last
        ]
        done = end
    if rest:
        _gather(array[last], 0, rest, target[done:])


def _cleaner(dtype: Any) -> Any:
    """Return what makes equal floats equal bytes, `None` if they are."""
    if dtype.kind not in "fc":
        return None
    numpy = sys.modules["numpy"]
    real = dtype
    if dtype.kind == "c":
        real = numpy.dtype(f"{dtype.byteorder}f{dtype.itemsize // 2}")
    padded = (
        real.itemsize == 16
        and numpy.finfo(numpy.longdouble).nmant == _EXTENDED_PRECISION_DIGITS
    )

    usual = None
    if real.itemsize in (2, 4, 8):
        bits = numpy.dtype(f"{real.byteorder}u{real.itemsize}")
        usual = numpy.full(1, numpy.nan, real).view(bits)

    def clean(block: Any) -> Any:
        block = block.view(real)
        with numpy.errstate(all="ignore"):
            total = numpy.add.reduce(block)
        if total != total:
            # There is a NaN, or infinities of both signs.
            missing = numpy.isnan(block)
            # Nearly always each NaN is the usual one, so that nothing is to be copied.
            if missing.any() and (
                usual is None
                or not numpy.array_equal(missing, block.view(usual.dtype) == usual)
            ):
                block = block.copy()
                numpy.copyto(block, numpy.nan, where=missing)
        if padded:
            bits = block.view(numpy.uint8).reshape(-1, 16)
            block = bits[:, :_EXTENDED_PRECISION_BYTES].reshape(-1)
        return block

    return clean


def _expand_array(value: Any) -> bytes | Form:
    numpy = sys.modules["numpy"]
    # The file that an array is mapped from is ignored.
    if type(value) is numpy.ndarray or type(value) is numpy.memmap:
        return array_form(value)
    plain = value.view(numpy.ndarray)
    return with_attributes(b"array subclass ", value, plain, numpy.ndarray)


def _expand_masked(value: Any) -> Form:
    numpy = sys.modules["numpy"]
    parts = (
        type(value),
        # Values under the mask are ignored.
        value.filled(),
        numpy.ma.getmaskarray(value),
        value.fill_value,
    )
    names = (".__class__", "", ".mask", ".fill_value")
    return Form(b"masked array ", parts, "%s", names)


def _expand_scalar(value: Any) -> bytes | Form:
    return array_form(value, b"scalar ")


def _expand_dtype(value: Any) -> bytes:
    return b"dtype " + _dtype_token(value)


def _expand_ufunc(value: Any) -> bytes:
    name = value.__name__
    if getattr(sys.modules["numpy"], name, None) is value:
        return b"ufunc " + text(name)
    module = module_with(value, name)
    if module is None:
        raise Refused(value, f"its name {name!r} does not refer to it")
    return name_token(module, name)


NUMPY: dict[str, Callable[[Any], bytes | Form]] = {
    "ndarray": _expand_array,
    "MaskedArray": _expand_masked,
    "generic": _expand_scalar,
    "dtype": _expand_dtype,
    "ufunc": _expand_ufunc,
}


def _expand_tensor(value: Any) -> Form:
    torch = sys.modules["torch"]
    label = b"tensor " + text(str(value.dtype)) + text(str(value.layout))
    if value.is_quantized or value.device.type == "meta":
        raise Refused(value, "quantized and meta tensors hold no plain numbers")
    plain = value.detach()
    content: object
    if plain.layout == torch.strided:
        content = Deferred(_expand_dense, plain)
    else:
        coordinates = plain if plain.layout == torch.sparse_coo else plain.to_sparse()
        coordinates = coordinates.coalesce()
        content = (
            tuple(plain.shape),
            Deferred(_expand_dense, coordinates.indices()),
            Deferred(_expand_dense, coordinates.values()),
        )
    parts = (type(value), value.requires_grad, content)
    return Form(label, parts, "%s", (".__class__", ".requires_grad", ""))


def _expand_dense(value: Any) -> bytes | Form:
    torch = sys.modules["torch"]
    tensor = value.cpu().resolve_conj().resolve_neg()
    if tensor.is_floating_point() and tensor.dtype not in _known_floats(torch):
        # Numpy has no such numbers; these hold all of them.
        tensor = tensor.to(torch.float32)
    try:
        return array_form(tensor.numpy(), b"numbers ")
    except (RuntimeError, TypeError):
        # Without numpy, or numbers that it does not have.
        return Form(b"items ", (tuple(tensor.shape), tensor.tolist()))


def _known_floats(torch: Any) -> Any:
    return (torch.float16, torch.float32, torch.float64)


def _expand_torch_name(value: Any) -> bytes:
    return b"torch name " + text(str(value))


TORCH: dict[str, Callable[[Any], bytes | Form]] = {
    "Tensor": _expand_tensor,
    "dtype": _expand_torch_name,
    "device": _expand_torch_name,
    "layout": _expand_torch_name,
    "memory_format": _expand_torch_name,
}


def _expand_sparse(value: Any) -> Form:
    numpy = sys.modules["numpy"]
    coordinates = value.tocoo(copy=True)
    coordinates.sum_duplicates()
    # One-dimensional ones have coords only, older versions have row and col only.
    places = getattr(coordinates, "coords", None)
    if places is None:
        places = (coordinates.row, coordinates.col)
    parts = (
        type(value),
        tuple(value.shape),
        *[numpy.asarray(place, dtype=numpy.int64) for place in places],
        coordinates.data,
    )
    return Form(b"sparse %d " % len(parts), parts, "%s", [None] * len(parts))


SCIPY: dict[str, Callable[[Any], bytes | Form]] = {
    f"{layout}_{kind}": _expand_sparse
    for layout in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    for kind in ("array", "matrix")
}


def _expand_xarray(value: Any) -> Form:
    state = attributes(value)
    # How its file is closed.
    state.pop("_close", None)
    for name in ("_attrs", "_encoding"):
        # What is missing is made when it is looked at.
        if name in state:
            state[name] = state[name] or None
    return object_form((type(value),), state)


XARRAY: dict[str, Callable[[Any], bytes | Form]] = {
    **dict.fromkeys(("DataArray", "Dataset", "NamedArray", "Variable"), _expand_xarray)
}

LIBRARIES = {"numpy": NUMPY, "torch": TORCH, "scipy": SCIPY, "xarray": XARRAY}
