"""The identity of values: equal ones have equal fingerprints, on every Python.

A fingerprint depends on what a value is and holds, never on where it lies in memory, on
the order of a set or dict, on the process, the machine or the version of Python.
"""

from __future__ import annotations

from ..exceptions import UnstableValueError
from ..identifier import ID_LENGTH
from .buffers import sha256
from .form import Refused
from .graph import deep_token
from .leaves import LEAVES, text
from .registry import register_fingerprint
from .walk import TooDeepError, shallow_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping, Union

    from .walk import Memo

    Token = Union[bytes, UnstableValueError]

__all__ = [
    "argument_tokens",
    "execution_id",
    "fingerprint",
    "fingerprint_arguments",
    "fingerprint_of_tokens",
    "is_immutable",
    "register_fingerprint",
]

_TO_LOOK_DEEPER = (TooDeepError, RecursionError, Refused, UnstableValueError)
_find_leaf = LEAVES.get

_ATOMS = frozenset(LEAVES) | {range}
_NESTED = frozenset((tuple, frozenset))
# Who nests more pays for a fingerprint.
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
    return sha256(b"value " + _token(value, "value")).digest()


def fingerprint_arguments(arguments: Mapping[str, object]) -> bytes:
    """Return the fingerprint of the arguments of a call.

    Args:
        arguments: The values by the names of the parameters they are bound to, in any
            order.

    Returns:
        32 bytes.

    Raises:
        UnstableValueError: If an argument, or a part of one, has no stable identity.
            The message names the path that leads to it.
    """
    return fingerprint_of_tokens(argument_tokens(arguments))


def argument_tokens(arguments: Mapping[str, object]) -> dict[str, Token]:
    """Return what stands for each argument of a call.

    Args:
        arguments: The values by the names of the parameters they are bound to, in any
            order.

    Returns:
        The tokens in the order of the names; instead of a token, the error that says
        why an argument has no stable identity.
    """
    tokens: dict[str, Token] = {}
    memo: Memo = {}
    for name in sorted(arguments):
        value = arguments[name]
        leaf = _find_leaf(type(value))
        if leaf is not None:
            tokens[name] = leaf(value)
            continue
        try:
            tokens[name] = shallow_token(value, memo)
        except _TO_LOOK_DEEPER:
            try:
                tokens[name] = deep_token(value, name)
            except UnstableValueError as error:
                tokens[name] = error
    return tokens


def fingerprint_of_tokens(tokens: Mapping[str, Token]) -> bytes:
    """Return the fingerprint of arguments from what stands for each of them.

    Args:
        tokens: What `argument_tokens` has returned, or some of it.

    Returns:
        32 bytes.

    Raises:
        UnstableValueError: If one of the arguments has no stable identity.
    """
    parts = [b"arguments %d " % len(tokens)]
    for name, token in tokens.items():
        if type(token) is not bytes:
            raise token  # type: ignore[misc]
        parts.append(text(name))
        parts.append(token)
    return sha256(b"".join(parts)).digest()


def execution_id(arguments: Mapping[str, object]) -> str:
    """Return the id of an execution with these arguments.

    Args:
        arguments: The values by the names of the parameters they are bound to.

    Returns:
        The first digits of the arguments' fingerprint.

    Raises:
        UnstableValueError: If an argument, or a part of one, has no stable identity.
    """
    return fingerprint_arguments(arguments).hex()[:ID_LENGTH]


def is_immutable(value: object) -> bool:
    """Tell, in no time, if nobody can change a value.

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


def _token(value: object, path: str) -> bytes:
    try:
        return shallow_token(value, {})
    except _TO_LOOK_DEEPER:
        return deep_token(value, path)
