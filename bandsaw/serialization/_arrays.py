"""Make pickle hand over numpy's arrays and torch's storages as buffers, not as copies.

A storage is the memory of tensors. It is written once, however many tensors are views
of it, and torch itself says what each tensor makes of it.
"""

from __future__ import annotations

import sys
from _pickle import PickleBuffer

from ..exceptions import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Dates and time spans, which numpy itself does not hand over as buffers.
_TIMES = "mM"

_STORAGES = ("TypedStorage", "UntypedStorage")

# Storages that are smaller have memory of their own, which torch can resize.
_SMALLEST_MAPPED = 1 << 16

# What no number of torch needs more of.
_ALIGNMENT = 16


def is_array(kind: type) -> bool:
    """Tell if a class is numpy's array, without importing numpy.

    Args:
        kind: The class.
    """
    return kind.__name__ == "ndarray" and kind.__module__ == "numpy"


def reduce_array(array: Any, hand_over: Callable[[memoryview], Any]) -> Any:
    """Return how an array is pickled.

    Args:
        array: A `numpy.ndarray`.
        hand_over: Takes a buffer that need not be contiguous, and returns what stands
            for it in the pickle.

    Returns:
        What `reducer_override` of a pickler wants.
    """
    dtype = array.dtype
    is_contiguous = array.flags.c_contiguous or array.flags.f_contiguous
    if dtype.hasobject or (is_contiguous and dtype.kind not in _TIMES):
        return NotImplemented
    numbers = array.view("i8") if dtype.kind in _TIMES else array
    if is_contiguous:
        return array_of_times, (numbers, str(dtype))
    try:
        buffer = memoryview(numbers)
    except (ValueError, TypeError):
        # Nothing but numpy knows what is in it: records with dates, for example.
        return sys.modules["numpy"].ascontiguousarray(array).__reduce_ex__(5)
    return array_of_buffer, (hand_over(buffer), dtype, array.shape)


def array_of_times(numbers: Any, dtype: str) -> Any:
    """Return the array of dates or time spans that these numbers stand for.

    Args:
        numbers: An array of integers of 64 bits.
        dtype: The type as text, with unit and byte order.
    """
    return numbers.view(dtype)


def array_of_buffer(buffer: Any, dtype: Any, shape: Any) -> Any:
    """Return an array that uses a buffer.

    Args:
        buffer: The buffer, contiguous in the order of C.
        dtype: The type of the elements.
        shape: The shape.
    """
    import numpy

    return numpy.frombuffer(buffer, dtype).reshape(shape)


def is_storage(kind: type) -> bool:
    """Tell if a class is one of torch's storages, without importing torch.

    Args:
        kind: The class.
    """
    return kind.__module__ == "torch.storage" and kind.__name__.lstrip("_") in _STORAGES


def loses_views(kind: type) -> bool:
    """Tell if tensors of a class are written as if they were no views of another one.

    torch 1 does not write that one is the conjugate, or the negative, of its memory.

    Args:
        kind: The class.
    """
    return (
        kind.__module__ == "torch"
        and kind.__name__ == "Tensor"
        and not hasattr(kind, "_typed_storage")
    )


def reduce_resolved(tensor: Any) -> Any:
    """Return how a tensor of torch 1 is pickled.

    Args:
        tensor: A `torch.Tensor`.

    Returns:
        What `reducer_override` of a pickler wants.
    """
    if not (tensor.is_conj() or tensor.is_neg()):
        return NotImplemented
    return tensor.resolve_conj().resolve_neg().__reduce_ex__(5)


def is_dtype(kind: type) -> bool:
    """Tell if a class is that of torch's types of numbers, without importing torch.

    Args:
        kind: The class.
    """
    return kind.__module__ == "torch" and kind.__name__ == "dtype"


def reduce_dtype(dtype: Any) -> Any:
    """Return how a type of numbers is pickled.

    Args:
        dtype: A `torch.dtype`.

    Returns:
        What `reducer_override` of a pickler wants.
    """
    return dtype_of_name, (dtype.__reduce__(), _version())


def dtype_of_name(name: str, version: str) -> Any:
    """Return a type of numbers.

    Args:
        name: Its name in torch.
        version: The version of torch that has written it.

    Raises:
        SerializationError: If this version of torch has no such type.
    """
    import torch

    dtype = getattr(torch, name, None)
    if dtype is None:
        raise SerializationError(
            f"The type torch.{name} that torch {version} has written is unknown to "
            f"torch {_version()}, which reads it."
        )
    return dtype


def _version() -> str:
    return str(sys.modules["torch"].__version__)


def reduce_storage(storage: Any, written: dict[int, Any]) -> Any:
    """Return how a storage is pickled.

    Args:
        storage: A `torch.TypedStorage` or a `torch.UntypedStorage`.
        written: The untyped storages that the pickler has met, by their address. Some
            versions of torch make a new object for the same memory each time.

    Returns:
        What `reducer_override` of a pickler wants.
    """
    untyped = _untyped(storage)
    # The memory of devices, and none at all.
    if untyped.device.type != "cpu" or not hasattr(untyped, "_cdata"):
        return NotImplemented
    untyped = written.setdefault(untyped._cdata, untyped)
    if storage is not untyped:
        # What has no type can come as another object for the same memory, too.
        dtype = getattr(storage, "dtype", sys.modules["torch"].uint8)
        return typed_storage, (untyped, dtype)
    return storage_of_buffer, (PickleBuffer(_memory_of(untyped)),)


def _untyped(storage: Any) -> Any:
    """Return the storage without a type that is in a storage."""
    # torch 1 has the other name.
    for name in "_untyped_storage", "_storage":
        if hasattr(storage, name):
            return getattr(storage, name)
    return storage


def _memory_of(storage: Any) -> Any:
    """Return the memory of an untyped storage, which keeps the storage alive."""
    size = storage.size() * storage.element_size()
    if not size:
        return bytearray()
    import ctypes

    kind: Any = type("_Memory", (ctypes.c_ubyte * size,), {})
    memory = kind.from_address(storage.data_ptr())
    memory.storage = storage
    return memory


def storage_of_buffer(buffer: Any) -> Any:
    """Return a storage of bytes.

    Args:
        buffer: The bytes. A large buffer that can be written to is used as it is.
    """
    import torch

    content = memoryview(buffer)
    if not content.nbytes:
        return _storage_of(torch.empty(0, dtype=torch.uint8))
    if content.readonly:
        # Writing to a mapping that is read-only ends the process.
        content = memoryview(bytearray(content))
    numbers = torch.frombuffer(content, dtype=torch.uint8)
    if content.nbytes < _SMALLEST_MAPPED or numbers.data_ptr() % _ALIGNMENT:
        numbers = numbers.clone()
    return _storage_of(numbers)


def _storage_of(tensor: Any) -> Any:
    """Return the typed storage of a tensor, without a warning."""
    find = getattr(tensor, "_typed_storage", tensor.storage)
    return find()


def typed_storage(storage: Any, dtype: Any) -> Any:
    """Return a storage of numbers.

    Args:
        storage: The storage that has the memory.
        dtype: The type of the numbers.
    """
    import torch

    for name in "TypedStorage", "_TypedStorage":
        kind = getattr(torch.storage, name, None)
        if kind is not None:
            is_new = hasattr(torch.Tensor, "_typed_storage")
            options = {"_internal": True} if is_new else {}
            return kind(wrap_storage=_untyped(storage), dtype=dtype, **options)
    # torch 1.10 has a class for each type.
    if not storage.size():
        return torch.empty(0, dtype=dtype).storage()
    return torch.frombuffer(_memory_of(storage), dtype=dtype).storage()
