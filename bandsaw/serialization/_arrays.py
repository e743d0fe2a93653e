"""Makes pickle hand over every large numpy array as a buffer, not as a copy."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Dates and time spans, which numpy itself does not hand over as buffers.
_TIMES = "mM"


def is_array(kind: type) -> bool:
    """Tell if a class is numpy's array, without importing numpy.

    Args:
        kind: The class.
    """
    return kind.__name__ == "ndarray" and kind.__module__ == "numpy"


def reduce_array(array: Any) -> Any:
    """Say how an array is pickled.

    Args:
        array: A `numpy.ndarray`.

    Returns:
        What `reducer_override` of a pickler wants.
    """
    dtype = array.dtype
    is_contiguous = array.flags.c_contiguous or array.flags.f_contiguous
    if dtype.hasobject or (is_contiguous and dtype.kind not in _TIMES):
        return NotImplemented
    if not is_contiguous:
        # A copy is needed either way; as a buffer it is made only once.
        array = sys.modules["numpy"].ascontiguousarray(array)
    if dtype.kind not in _TIMES:
        return array.__reduce_ex__(5)
    return array_of_times, (array.view("i8"), str(dtype))


def array_of_times(numbers: Any, dtype: str) -> Any:
    """Return the array of dates or time spans that these numbers stand for.

    Args:
        numbers: An array of integers of 64 bits.
        dtype: The type as text, with unit and byte order.
    """
    return numbers.view(dtype)
