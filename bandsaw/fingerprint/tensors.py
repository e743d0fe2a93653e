"""Forms of torch's tensors and scipy's sparse matrices."""

from __future__ import annotations

import sys

from .arrays import array_form
from .form import Deferred, Form, Refused
from .leaves import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


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
