"""Results as caches have kept them."""

from __future__ import annotations

import warnings

from ..exceptions import BandsawError
from ..result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..serialization import Serializer
    from ..stores.base import Content


class OtherVariantError(BandsawError):
    """An entry belongs to the same call of other code."""


def checked_result(result: Any) -> Result:
    """Refuse what was kept as a result and is none.

    Args:
        result: What a serializer has read.

    Raises:
        TypeError: If it is something else.
    """
    if not isinstance(result, Result):
        raise TypeError(f"it holds a {type(result).__name__}, not a result")
    return result


def result_put_by_hand(content: Content, serializer: Serializer) -> Result:
    """Return the result in a file without a footer.

    Args:
        content: All that is in the file.
        serializer: What reads it.

    Raises:
        TypeError: If it is no result.
        ValueError: If more is in the file.
    """
    from io import BytesIO

    stream = BytesIO(content)
    result = checked_result(serializer.deserialize(stream))
    # A serializer of the user's may have closed it.
    if not stream.closed and stream.read().strip():
        raise ValueError("something else stands behind the result")
    return result


def warn_of_damage(place: str, error: Exception) -> None:
    """Warn that a result cannot be read, on behalf of who looks for it.

    Args:
        place: Where the result is.
        error: Why it cannot be read.
    """
    warnings.warn(
        f"The cached result {place} cannot be read and is computed again: "
        f"{type(error).__name__}: {error}",
        RuntimeWarning,
        stacklevel=4,
    )
