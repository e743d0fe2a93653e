"""What changes values, and what instructions tell of it where there is no source."""

from __future__ import annotations

from opcode import opmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

#: Methods that change what they are called on.
CHANGING_METHODS = frozenset(
    (
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "reverse",
        "setdefault",
        "sort",
        "update",
    )
)

#: Types of plain data that can be changed in place.
CHANGEABLE = frozenset((bytearray, dict, list, set))

_CHANGING = frozenset(
    opmap[name]
    for name in ("DELETE_SUBSCR", "STORE_GLOBAL", "STORE_SLICE", "STORE_SUBSCR")
    if name in opmap
)


def names_of_code(code: CodeType) -> set[str]:
    """Return the names that code uses: globals and attributes, of inner code as well.

    Args:
        code: The code object.
    """
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            names |= names_of_code(constant)
    return names


def changes_values(code: CodeType, names: set[str]) -> bool:
    """Tell if code may change values in place.

    Args:
        code: The code object.
        names: The names that it uses.
    """
    if not CHANGING_METHODS.isdisjoint(names):
        return True
    if not _CHANGING.isdisjoint(code.co_code[::2]):
        return True
    return any(
        isinstance(constant, type(code)) and changes_values(constant, names)
        for constant in code.co_consts
    )
