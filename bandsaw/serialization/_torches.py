"""Tensors that another version of torch has written.

A tensor is pickled as a call of a function of torch's, and versions differ in which
functions there are and which arguments these take. Here they are once more, for every
version. Storages and types of numbers are the same for all of them.
"""

from __future__ import annotations

import sys

from ..exceptions import BandsawError, SerializationError
from ._arrays import typed_storage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# What comes of functions and arguments that this version does not have.
_ERRORS = (
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)


def is_of_other_version(error: Exception) -> bool:
    """Tell if a value may have tensors that another version of torch has written.

    Args:
        error: What came of reading it, where torch is imported.
    """
    return isinstance(error, _ERRORS) and not isinstance(error, BandsawError)


def find_class(find: Callable[[str, str], Any], module_name: str, name: str) -> Any:
    """Find what a pickle names in torch.

    Args:
        find: Finds what is called so in this version.
        module_name: The name of a module of torch.
        name: The name in the module.

    Raises:
        SerializationError: If this version has nothing of that name.
    """
    made = _MADE.get(f"{module_name}.{name}")
    if made is not None:
        return made
    try:
        return find(module_name, name)
    except (AttributeError, ImportError) as error:
        if "torch" not in sys.modules:
            raise
        raise _unknown(f"{module_name}.{name}") from error


def _tensor(*args: Any) -> Any:
    from torch._utils import _rebuild_tensor_v2

    *known, metadata = args if len(args) > 6 else (*args, None)
    tensor = _rebuild_tensor_v2(*known)
    metadata = metadata or {}
    if metadata.get("conj"):
        tensor = tensor.conj()
    if metadata.get("neg"):
        tensor = tensor._neg_view()
    return tensor


def _tensor_of_type(*args: Any) -> Any:
    storage, *known, dtype = args[:7]
    return _tensor(typed_storage(storage, dtype), *known, *args[7:])


def _parameter(*args: Any) -> Any:
    from torch._utils import _rebuild_parameter

    *known, state = args
    parameter = _rebuild_parameter(*known)
    for attributes in state if isinstance(state, tuple) else (state,):
        for name, value in (attributes or {}).items():
            setattr(parameter, name, value)
    return parameter


def _sparse(layout: Any, parts: Any) -> Any:
    import torch

    if layout == torch.sparse_coo:
        tensor = torch.sparse_coo_tensor(*parts[:3])
        # Old versions have not written if it is.
        return tensor._coalesced_(parts[3]) if len(parts) > 3 else tensor
    try:
        if str(layout) == "torch.sparse_csr":
            return torch.sparse_csr_tensor(*parts)
        return torch.sparse_compressed_tensor(*parts, layout=layout)
    except (AttributeError, RuntimeError) as error:
        raise _unknown(str(layout)) from error


def _layout(name: str) -> Any:
    import torch

    layout = getattr(torch, name.rpartition(".")[2], None)
    if layout is None:
        raise _unknown(name)
    return layout


def _unknown(name: str) -> SerializationError:
    return SerializationError(
        f"torch {sys.modules['torch'].__version__}, which reads the value, lacks "
        f"{name} of the version that has written it."
    )


_MADE: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_sparse_csr_tensor": _sparse,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_type,
    "torch.serialization._get_layout": _layout,
}
