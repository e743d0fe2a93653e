"""Warnings that name the user's own line, however deep in the library they arise."""

from __future__ import annotations

import sys

from .registries import code_came_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, FunctionType
    from typing import Any

_PACKAGE = __name__.partition(".")[0]


def warn_caller(message: str, category: type[Warning] = RuntimeWarning) -> None:
    """Warn the code that has called the library.

    Args:
        message: The text.
        category: The kind of the warning.
    """
    import warnings

    level = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def give_names(
    function: FunctionType,
    names: tuple[str, ...],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Any, ...]:
    """Give keyword-only arguments their names, and warn the caller.

    Args:
        function: The function.
        names: The names of the arguments that once had a position, in that order.
        args: The arguments by position.
        kwargs: The arguments by name, to which the others are added.

    Returns:
        The arguments that have a position today. All of them if the call is wrong in
        another way, too, which Python tells.
    """
    most = function.__code__.co_argcount
    given = dict(zip(names, args[most:]))
    if len(args) > most + len(names) or not given.keys().isdisjoint(kwargs):
        return args
    kwargs.update(given)
    if code_came_at.get() is None:  # Otherwise the sender of the code has warned.
        called = function.__qualname__.replace(".__init__", "")
        before = function.__code__.co_varnames[:most]
        words = [name for name in before if name not in ("self", "cls")]
        words += [f"{name}=..." for name in given]
        warn_caller(
            f"{called} was given {' and '.join(map(repr, given))} by position, where "
            "one argument is easily mistaken for another. Write "
            f"{called}({', '.join(words)}).",
            FutureWarning,
        )
    return args[:most]


def _is_ours(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name == _PACKAGE or name.startswith(_PACKAGE + ".")
