"""The identity of code: of a task's function, and of all that it reaches.

Comments, docstrings, formatting and positions are ignored, and so are annotations that
nothing reads. It is the loaded code that is identified; source is used only where it
compiles to that code.
"""

from __future__ import annotations

import weakref
from types import FunctionType

from ...modules import importable_module_name
from ...runtime.fork import call_at_reset
from .arguments import code_in
from .parts import Code, Part
from .reach import Reach
from .source import definition_of, form_of
from .watching import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    Known = dict[tuple[Any, ...], tuple[Code, Watch]]

__all__ = [
    "Code",
    "Part",
    "Watch",
    "code_in",
    "own_code",
    "reachable_code",
    "watched_code",
]

# The number of combinations of `others` that are remembered for a function.
_MOST_KNOWN = 100

# By `id`: a look-up in a weak dictionary takes longer than all the rest.
_known: dict[int, tuple[Any, Known]] = {}


def reachable_code(function: FunctionType, others: tuple[Any, ...] = ()) -> Code:
    """Return the code of a function and of everything of the user's own it reaches.

    The functions, classes, constants and default values are followed from the names
    that are used, through modules, methods, base classes, closures and decorators. What
    Python or an installed package defines is not followed; packages are listed with
    their versions. Nothing is imported or called.

    Args:
        function: The function, with the decorators that are part of it.
        others: What `code_in` finds in its arguments. It is followed, too.

    Returns:
        The code. The same object as long as nothing has changed.
    """
    return watched_code(function, others)[0]


def watched_code(
    function: FunctionType, others: tuple[Any, ...] = ()
) -> tuple[Code, Watch]:
    """Return what `reachable_code` does, and what tells as long as it is current.

    Args:
        function: The function, with the decorators that are part of it.
        others: What `code_in` finds in its arguments.
    """
    known = _known.get(id(function))
    if known is None or known[0]() is not function:
        known = _remember(function)
    found = known[1].get(others)
    if found is not None and found[1].is_current():
        return found
    reach = Reach()
    code = reach.code_of(function, others)
    while reach.is_mistaken:
        reach = Reach(reach.state, reach.registered)
        code = reach.code_of(function, others)
    if found is not None and found[0] == code and found[0].unseen == code.unseen:
        # A name was bound anew to something equal.
        code = found[0]
    if len(known[1]) >= _MOST_KNOWN:
        # A lambda is another one at each call.
        known[1].clear()
    found = known[1][others] = (code, reach.watch)
    return found


def _remember(function: FunctionType) -> tuple[Any, Known]:
    # As defaults, they are still there when the interpreter ends.
    def forget(_: object, known: Any = _known, number: int = id(function)) -> None:
        known.pop(number, None)

    known: tuple[Any, Known] = (weakref.ref(function, forget), {})
    _known[id(function)] = known
    return known


def own_code(function: FunctionType) -> Code:
    """Return the code of a function alone, without decorators and without what it uses.

    Args:
        function: The function; of what decorators made of one, that below them.
    """
    below = getattr(function, "__wrapped__", None)
    while isinstance(below, FunctionType):
        function, below = below, getattr(below, "__wrapped__", None)
    known = _own.get(function)
    if known is None or known[0] is not function.__code__:
        known = _own[function] = (function.__code__, _find_own(function))
    return known[1]


_own: weakref.WeakKeyDictionary[FunctionType, tuple[CodeType, Code]] = (
    weakref.WeakKeyDictionary()
)


def _find_own(function: FunctionType) -> Code:
    name = (
        f"{importable_module_name(function.__module__ or '')}.{function.__qualname__}"
    )
    found = definition_of(function)
    text = "" if found is None else found[0].text(found[1].lines)
    return Code({name: Part(name, "function", form_of(function), text)}, {})


@call_at_reset
def _forget_all() -> None:
    _known.clear()
    _own.clear()
