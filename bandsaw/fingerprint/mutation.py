"""A second look at the arguments after a call tells which the task has changed."""

from __future__ import annotations

import gc
import os
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

from . import argument_tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from .tokens import Token

# Smaller arguments are always compared; their size is in bytes.
_SMALL = 1 << 16

# What takes no longer is not worth finding out the size of, in seconds.
_AT_ONCE = 20e-6

# How much of the time of a call a second look at large arguments may take.
_SHARE = 0.1

# What is no data, and has a size that nothing is to be learned from.
_CODE = (BuiltinFunctionType, CodeType, FunctionType, ModuleType, type)


class FirstLook:
    """The state of the arguments of a call before the task is executed.

    Args:
        seconds: How long it took to compute the tokens of the arguments.
        tokens: The tokens by the names of the parameters, without those of arguments
            that cannot be changed. An argument that has none is not compared.
    """

    __slots__ = ("seconds", "tokens")

    def __init__(self, seconds: float, tokens: dict[str, Token]) -> None:
        self.seconds = seconds
        self.tokens = tokens

    def to_move(self) -> dict[str, Any]:
        """Return the look as plain data."""
        tokens = {
            name: token.hex()
            for name, token in self.tokens.items()
            if isinstance(token, bytes)
        }
        return {"seconds": self.seconds, "tokens": tokens}

    @classmethod
    def of_moved(cls, values: Any) -> FirstLook:
        """Make the look of what `to_move` gave.

        Raises:
            ValueError: If it was something else.
        """
        try:
            tokens = values["tokens"]
            return cls(
                float(values["seconds"]),
                {name: bytes.fromhex(tokens[name]) for name in tokens},
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{values!r} tells nothing of arguments") from error

    def names_of_changed(
        self, arguments: Mapping[str, object], seconds: float
    ) -> list[str]:
        """Compare the arguments as they are now.

        Large arguments are not looked at if that would take more than a tenth of the
        time of the call.

        Args:
            arguments: The arguments by the names of the parameters.
            seconds: How long the call took.

        Returns:
            The names of those that have changed.
        """
        takes_long = self.seconds > max(_AT_ONCE, _SHARE * seconds)
        found = self._look_again(arguments, only_small=takes_long)
        return [name for name in found if found[name] != self.tokens[name]]

    def confirmed_by(self, arguments: Mapping[str, object]) -> FirstLook:
        """Return the part of this look that small arguments agree with as they are now.

        Args:
            arguments: The arguments by the names of the parameters, before the call,
                read by an interpreter that may have other versions of packages.
        """
        found = self._look_again(arguments, only_small=True)
        tokens = self.tokens
        agreeing = {name: found[name] for name in found if found[name] == tokens[name]}
        return FirstLook(self.seconds, agreeing)

    def _look_again(
        self, arguments: Mapping[str, object], only_small: bool
    ) -> dict[str, Token]:
        chosen = {}
        try:
            for name, token in self.tokens.items():
                if name in arguments and isinstance(token, bytes):
                    value = arguments[name]
                    if not only_small or _is_small(value):
                        chosen[name] = value
            return argument_tokens(chosen)
        except Exception:
            return {}  # A call must not fail because of this.


def _is_small(value: object) -> bool:
    """Tell if a value and all that it holds have less than 64 KiB together."""
    left = _SMALL
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, _CODE):
            continue
        seen.add(id(one))
        left -= _size(one)
        if left <= 0:
            return False
        waiting += _parts(one)
    return True


def _size(value: Any) -> int:
    """Return the bytes of a value alone, without computing anything long."""
    kind = type(value)
    if hasattr(kind, "__fspath__"):
        try:
            # It may be identified by the content of the file.
            return os.stat(value).st_size
        except (OSError, ValueError):
            return 0
    if hasattr(kind, "estimated_size"):  # Frames and series of polars
        estimated: int = value.estimated_size()
        return estimated
    size = getattr(value, "nbytes", None) if hasattr(kind, "nbytes") else None
    if not isinstance(size, int):
        # Pandas would measure the objects in all columns.
        is_slow = isinstance(getattr(kind, "__sizeof__", None), FunctionType)
        size = object.__sizeof__(value) if is_slow else value.__sizeof__()
    return size


def _parts(value: Any) -> list[Any]:
    # An array of numpy does not tell the collector of its objects.
    if hasattr(type(value), "tobytes") and getattr(
        getattr(value, "dtype", None), "hasobject", False
    ):
        objects: list[Any] = value.ravel().tolist()
        return objects
    return gc.get_referents(value)
