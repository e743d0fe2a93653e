"""The form of a value that is taken apart: a label, and parts that are values in turn.

A *token* is the self-delimiting text of bytes that stands for a value: no token is the
beginning of another one. Leaves have tokens of their own (`leaves`); all other values
have a form, whose token is its label followed by the tokens of its parts.
"""

from __future__ import annotations

from ..exceptions import UnstableValueError
from ..runtime.hashing import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Sequence

# A longer token is replaced by its digest, so that what is shared is hashed once.
TOKEN_LIMIT = 256


class Form:
    """The representation of a value that is not a leaf.

    Attributes:
        label: A self-delimiting text that names the kind and holds the number of parts.
        parts: The values that the value consists of.
        style: The pattern with which a path to one of the parts continues.
        names: What to fill into the pattern; the part's index when this is `None`.
        unordered: If the order of the parts is not significant.
        stands_in: If the parts were returned by a function of the user.
    """

    __slots__ = ("label", "names", "parts", "stands_in", "style", "unordered")

    def __init__(
        self,
        label: bytes,
        parts: Sequence[object],
        style: str = "[%s]",
        names: Sequence[object] | None = None,
        unordered: bool = False,
        stands_in: bool = False,
    ) -> None:
        self.label = label
        self.parts = parts
        self.style = style
        self.names = names
        self.unordered = unordered
        self.stands_in = stands_in

    def step(self, index: int) -> str:
        """Return how a path continues to a part.

        Args:
            index: The index of the part.

        Returns:
            The text to append; empty for a part that a reader would not know.
        """
        if self.unordered:
            return "{*}"
        if self.names is None:
            return self.style % (index,)
        name = self.names[index]
        return "" if name is None else self.style % (name,)


class Pair:
    """An item of a dict whose keys have no order that all Pythons share."""

    __slots__ = ("key", "value")

    def __init__(self, key: object, value: object) -> None:
        self.key = key
        self.value = value


class Deferred:
    """A part that is made, and taken apart, when the walk comes to it."""

    __slots__ = ("args", "expander")

    def __init__(self, expander: Callable[..., bytes | Form], *args: Any) -> None:
        self.expander = expander
        self.args = args


class Refused(Exception):
    """A value has no stable identity; where it lies is found out afterwards.

    Attributes:
        value: The value that was refused.
        reason: Why, as the second half of a sentence; may be empty.
    """

    def __init__(self, value: object, reason: str = "") -> None:
        super().__init__(value, reason)
        self.value = value
        self.reason = reason


def expand_with(
    expander: Callable[..., bytes | Form], value: object, *args: Any
) -> bytes | Form:
    """Take a value apart by means of the library that it belongs to.

    Args:
        expander: A function that does so.
        value: The value.
        *args: What the function needs besides.

    Raises:
        Refused: If the library raises an exception.
    """
    try:
        return expander(value, *args)
    except (MemoryError, RecursionError, Refused, UnstableValueError):
        raise
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0].rstrip(".")
        raise Refused(value, f"{type(error).__name__}: {first_line}") from error


def expand_deferred(value: Deferred) -> bytes | Form:
    """Take a deferred part apart."""
    return expand_with(value.expander, *value.args)


def join(form: Form, tokens: Iterable[bytes]) -> bytes:
    """Return the token of a form from the tokens of its parts.

    Args:
        form: The form.
        tokens: The tokens of its parts in their order.

    Returns:
        The token, at most `TOKEN_LIMIT` bytes long.
    """
    return shorten(form.label + b"".join(sorted(tokens) if form.unordered else tokens))


def shorten(token: bytes) -> bytes:
    """Replace a long token by its digest.

    Args:
        token: A token of any length.

    Returns:
        A token of at most `TOKEN_LIMIT` bytes.
    """
    if len(token) <= TOKEN_LIMIT:
        return token
    return b"#" + sha256(token).digest()
