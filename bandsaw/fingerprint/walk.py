"""The walk over a value that is not nested deep, by recursion."""

from __future__ import annotations

from .expand import expand
from .form import join, shorten
from .leaves import LEAVES

TYPE_CHECKING = False
if TYPE_CHECKING:
    Memo = dict[int, tuple[bytes, object]]

# What is nested deeper may be endless, and is left to `graph`.
DEPTH_LIMIT = 24

_find_leaf = LEAVES.get


class TooDeepError(Exception):
    """The value is nested too deep to be walked recursively."""


def shallow_token(value: object, memo: Memo, depth: int = 0) -> bytes:
    """Return the token of a value that is not nested deep.

    Args:
        value: Any value.
        memo: What is known of values met before in this walk, by `id`. It keeps them
            alive, so that no other value gets their number.
        depth: How deep the value is nested.

    Returns:
        The token.

    Raises:
        TooDeepError: If the value is nested deeper than `DEPTH_LIMIT`, or endlessly.
        Refused: If a part of the value has no stable identity.
    """
    leaf = _find_leaf(type(value))
    if leaf is not None:
        return leaf(value)
    known = memo.get(id(value))
    if known is not None:
        return known[0]
    if depth > DEPTH_LIMIT:
        raise TooDeepError
    form = expand(value)
    if type(form) is bytes:
        token = shorten(form)
        memo[id(value)] = (token, value)
        return token
    depth += 1
    token = join(
        form,  # type: ignore[arg-type]
        [
            leaf(part)
            if (leaf := _find_leaf(type(part))) is not None
            else shallow_token(part, memo, depth)
            for part in form.parts  # type: ignore[union-attr]
        ],
    )
    # Short ones are made again as quickly as they would be remembered.
    if token[0] == 35 or issubclass(type(value), type):
        memo[id(value)] = (token, value)
    return token
