"""Makes pickle hand over every large numpy array as a buffer, not as a copy."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Dates and time spans, which numpy itself does not hand over as buffers.
_TIMES = "mM"


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
