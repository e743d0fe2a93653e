"""Text that is compiled again in another place, and the functions in it."""

from __future__ import annotations

import sys
from types import CellType, CodeType, FunctionType

from ...exceptions import NotMovableError
from ...runtime.own_files import note_lines, noted_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # The name of the file, the number of the first line, the text, the flags with which
    # it is compiled, and what stands before and behind it then.
    Place = tuple[str, int, str, int, str, str]


def compiled(
    cell: str, line: int, text: str, flags: int, before: str = "", after: str = ""
) -> CodeType:
    """Compile a statement of a cell.

    Args:
        cell: The name of the cell.
        line: The number of the first line.
        text: The text.
        flags: What `__future__` statements make of its compilation.
        before: What stands before the text, and makes a statement of it.
        after: What stands behind it.

    Raises:
        SyntaxError: If it is none; it has the line in the cell.
    """
    # Moving the lines of a syntax tree would take longer, and needs the module `ast`.
    lines = "\n" * (line - 1 - before.count("\n"))
    source = f"{lines}{before}{text}{after}"
    code: CodeType = compile(source, cell, "exec", flags, dont_inherit=True)
    return code


def code_of(cell: str, line: int, text: str, *others: Any) -> CodeType:
    """Compile what was a statement elsewhere.

    Args:
        cell: The name of the cell or file.
        line: The number of the first line.
        text: The text.
        *others: The other arguments of `compiled`.

    Raises:
        NotMovableError: If this Python has not its syntax.
    """
    try:
        return compiled(cell, line, text, *others)
    except SyntaxError as error:
        python = ".".join(map(str, sys.version_info[:2]))
        raise NotMovableError(
            f"{cell}, line {error.lineno} is no Python {python}: {error.msg}."
        ) from None


def noted_code_of(cell: str, line: int, text: str, *others: Any) -> CodeType:
    """Compile what was a statement elsewhere, and let tracebacks show its lines.

    Args:
        cell: The name of the cell.
        line: The number of the first line.
        text: The text.
        *others: The other arguments of `compiled`.

    Raises:
        NotMovableError: If this Python has not its syntax.
    """
    code = code_of(cell, line, text, *others)
    _note_lines(cell, line, text)
    return code


def find_code(code: CodeType, name: str) -> CodeType:
    """Return the first code of a name, from the outside inwards."""
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    while inner:
        for each in inner:
            if each.co_name == name:
                return each
        inner = [
            each for i in inner for each in i.co_consts if isinstance(each, CodeType)
        ]
    raise LookupError(name)


def _note_lines(cell: str, line: int, text: str) -> None:
    """Let tracebacks show the lines of a statement."""
    lines = noted_lines(cell) or []
    new = [each + "\n" for each in text.splitlines()]
    lines += ["\n"] * (line - 1 + len(new) - len(lines))
    lines[line - 1 : line - 1 + len(new)] = new
    note_lines(cell, lines)


def function_of(
    code: CodeType, namespace: dict[str, Any], name: str, qualname: str
) -> FunctionType:
    """Return a function that does not hold anything yet.

    Args:
        code: The code of a text that it is in.
        namespace: Its global names.
        name: The name of its code.
        qualname: Its qualified name.
    """
    code = find_code(code, name)
    closure = tuple(CellType() for _ in code.co_freevars)
    function = FunctionType(code, namespace, name, None, closure)
    function.__qualname__ = qualname
    return function


def held_by(function: FunctionType) -> tuple[Any, ...]:
    """Return the values that a function holds."""
    contents = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            contents[name] = cell.cell_contents
        except ValueError:
            pass  # It is empty.
    defaults, keyword_defaults = function.__defaults__, function.__kwdefaults__
    return defaults, keyword_defaults, vars(function), contents


def give(function: FunctionType, held: tuple[Any, ...]) -> None:
    """Give a function the values that it holds.

    Args:
        function: The function.
        held: What `held_by` has returned.
    """
    defaults, keyword_defaults, attributes, contents = held
    function.__defaults__, function.__kwdefaults__ = defaults, keyword_defaults
    vars(function).update(attributes)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        if name in contents:
            cell.cell_contents = contents[name]
