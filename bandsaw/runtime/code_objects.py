"""Read code: its tree, and the digest, the names and the changes of code objects."""

from __future__ import annotations
import __future__

import sys
from opcode import opmap
from types import CodeType

from .fork import Lock
from .hashing import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_parsing = Lock()

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

# What finds a name that is given as a text.
_BY_TEXT = frozenset(("getattr", "globals"))

# Of later versions it is not known what instructions do.
_KNOWN = frozenset(opmap.values() if sys.version_info < (3, 14) else ())

_CHANGING = frozenset(
    opmap[name]
    for name in ("DELETE_SUBSCR", "STORE_GLOBAL", "STORE_SLICE", "STORE_SUBSCR")
    if name in opmap
)


def syntax_tree(source: bytes | str, mode: str = "exec") -> Any:
    """Return the tree of a text, like `ast.parse`.

    Args:
        source: The text.
        mode: What it is, as for `compile`.

    Raises:
        SyntaxError: If it is no Python.
    """
    import ast

    # Threads that make trees at the same time share a counter, which Python 3.11 finds
    # wrong then.
    with _parsing:
        return ast.parse(source, mode=mode)


def names_of_code(code: CodeType) -> set[str]:
    """Return the names that code uses: globals and attributes, of inner code as well.

    Args:
        code: The code object.
    """
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= names_of_code(constant)
        elif isinstance(constant, str) and not _BY_TEXT.isdisjoint(code.co_names):
            names.add(constant)
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
        isinstance(constant, CodeType) and changes_values(constant, names)
        for constant in code.co_consts
    )


def has_unknown_instructions(code: CodeType) -> bool:
    """Tell if it is not known what some instructions of code do to values.

    Args:
        code: The code object.
    """
    return not _KNOWN.issuperset(code.co_code[::2]) or any(
        isinstance(constant, CodeType) and has_unknown_instructions(constant)
        for constant in code.co_consts
    )


def code_digest(code: CodeType) -> str:
    """Return the digest of all that running a code object depends on.

    Args:
        code: The code object.

    Returns:
        Hex digits; the same for the same source on the same version of Python, wherever
        in its file it stands.
    """
    return sha256(_description(code).encode("utf-8", "surrogatepass")).hexdigest()


def with_future_annotations(code: CodeType) -> CodeType:
    """Return code as if its module had begun with the import of ``annotations``.

    Reloaders that compile a function without its module leave out that line.

    Args:
        code: The code object.
    """
    return code.replace(
        co_flags=code.co_flags | __future__.annotations.compiler_flag,
        co_consts=tuple(
            with_future_annotations(constant)
            if isinstance(constant, CodeType)
            else constant
            for constant in code.co_consts
        ),
    )


def _description(code: CodeType) -> str:
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(_description(constant))
        elif isinstance(constant, frozenset):
            constants.append(f"frozenset{sorted(map(repr, constant))}")
        else:
            constants.append(repr(constant))
    return repr(
        (
            code.co_code,
            constants,
            code.co_names,
            code.co_varnames,
            code.co_freevars,
            code.co_cellvars,
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags,
            getattr(code, "co_exceptiontable", b""),
        )
    )
