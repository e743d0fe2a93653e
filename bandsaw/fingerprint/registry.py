"""The functions that users have registered to give types an identity."""

from __future__ import annotations

from ..runtime.fork import Lock, call_at_reset
from .leaves import LEAVES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, TypeVar

    T = TypeVar("T")
    StandIn = Callable[[Any], object]

# All ids are made from the identities of these.
_FIXED = frozenset(LEAVES) | {list, tuple, dict, set, frozenset, bytearray, type}

_lock = Lock()
_registered: dict[type, StandIn] = {}
call_at_reset(_registered.clear)


def register_fingerprint(type: type[T], function: Callable[[T], object]) -> None:
    """Register a function that identifies the values of a type.

    It applies to subclasses, too, unless a nearer class has a function or a method
    ``__fingerprint__`` of its own.

    Args:
        type: A class whose values have no stable identity, or another one than wanted.
        function: Takes a value and returns another one, which has an identity and
            represents it: two values are equal when their types and what represents
            them are.

    Raises:
        TypeError: If `type` is no class or one whose identity is fixed, like `int`, or
            if the function cannot be called.

    Example:
        >>> class Connection:
        ...     url = "db://local"
        >>> register_fingerprint(Connection, lambda connection: connection.url)
    """
    if not isinstance(type, _TYPE):
        raise TypeError(
            f"Only the values of a class have fingerprints, not of {type!r}."
        )
    if type in _FIXED:
        raise TypeError(f"The fingerprints of {type.__qualname__} are fixed.")
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called with a {type.__qualname__}.")
    with _lock:
        _registered[type] = function


_TYPE = type


def find_stand_in(kind: type) -> StandIn | None:
    """Return the function or method that identifies the values of a class.

    Args:
        kind: The class of a value.

    Returns:
        The nearest registered function or method, or `None` if there is none.
    """
    if not _registered and getattr(kind, "__fingerprint__", _registered) is _registered:
        return None
    for owner in kind.__mro__:
        function = _registered.get(owner)
        if function is not None:
            return function
        if "__fingerprint__" in owner.__dict__:
            method: StandIn | None = owner.__fingerprint__  # type: ignore[attr-defined]
            return method
    return None
