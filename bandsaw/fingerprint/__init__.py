"""The identity of values: equal ones have equal fingerprints, on every Python.

A fingerprint depends on what a value is and holds, never on where it lies in memory, on
the order of a set or dict, on the process, the machine or the version of Python.
"""

from __future__ import annotations

from ..runtime.hashing import sha256
from .leaves import LEAVES, text
from .registry import register_fingerprint
from .tokens import Unstable, token_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

    from .tokens import Memo, Token

__all__ = [
    "Unstable",
    "argument_tokens",
    "fingerprint",
    "fingerprint_of_tokens",
    "is_immutable",
    "register_fingerprint",
]

_find_leaf = LEAVES.get

_ATOMS = frozenset(LEAVES) | {range}
_NESTED = frozenset((tuple, frozenset))
# The fingerprint of a value with more nested tuples is computed early instead.
_TUPLES_LOOKED_AT = 100


def fingerprint(value: object) -> bytes:
    """Return the fingerprint of a value.

    Args:
        value: Any value.

    Returns:
        32 bytes. Equal for equal values of the same types, and different for others.

    Raises:
        UnstableValueError: If the value, or a part of it, has no stable identity.
    """
    token = token_of(value, "value", {})
    if isinstance(token, Unstable):
        raise token.error()
    return sha256(b"value " + token).digest()


def argument_tokens(arguments: Mapping[str, object]) -> dict[str, Token]:
    """Return the token of each argument of a call.

    Args:
        arguments: The values by the names of the parameters they are bound to, in any
            order.

    Returns:
        The tokens in the order of the names; for an argument without a stable identity
        the path to the part that has none, and why.
    """
    tokens: dict[str, Token] = {}
    memo: Memo = {}
    for name in sorted(arguments):
        value = arguments[name]
        leaf = _find_leaf(type(value))
        tokens[name] = token_of(value, name, memo) if leaf is None else leaf(value)
    return tokens


def fingerprint_of_tokens(tokens: Mapping[str, Token]) -> bytes | Unstable:
    """Return the fingerprint of the arguments of a call.

    Args:
        tokens: What `argument_tokens` has returned, or some of it.

    Returns:
        32 bytes. If one of the arguments has no stable identity, why.
    """
    parts = [b"arguments %d " % len(tokens)]
    for name, token in tokens.items():
        if isinstance(token, Unstable):
            return token
        parts.append(text(name))
        parts.append(token)
    return sha256(b"".join(parts)).digest()


def is_immutable(value: object) -> bool:
    """Tell quickly if a value cannot be changed.

    Args:
        value: Any value.

    Returns:
        `True` only for values that cannot change; `False` also when it would take
        long to find out.
    """
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind not in _NESTED:
        return False
    waiting = [value]
    for _ in range(_TUPLES_LOOKED_AT):
        items = waiting.pop()
        if not _ATOMS.issuperset(map(type, items)):  # type: ignore[call-overload]
            nested = [item for item in items if type(item) not in _ATOMS]  # type: ignore[attr-defined]
            if not _NESTED.issuperset(map(type, nested)):
                return False
            waiting += nested
        if not waiting:
            return True
    return False
