"""Functions that no name leads to, moved by their text: closures, lambdas, doctests.

Another interpreter imports the module that a function belongs to, compiles its text and
gives it what it holds. A doctest has no module of its own, so what its functions read
of its names comes with them.
"""

from __future__ import annotations

import builtins
import os
import sys
from types import CodeType, FunctionType, ModuleType

from ...modules import (
    import_module,
    importable_module_name,
    is_found_by_name,
    is_of_doctest,
)
from ...runtime.code_objects import code_digest, names_of_code, syntax_tree
from .doctests import fill_class, inner_class, make_class, origin_of
from .statements import Cell, Statement, names_read
from .texts import (
    code_of,
    compiled,
    find_code,
    function_of,
    give,
    held_by,
    noted_code_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

    from .texts import Place

# The flag of the code of functions that are local to others
_NESTED = 16

# How many files, and how many places of functions, are remembered
_MOST_CELLS, _MOST_PLACES = 16, 256

# By the name of the file, with its lines
_cells: dict[str, tuple[list[str], Cell]] = {}

# By the identity of the code, which is kept
_places: dict[int, tuple[CodeType, Place]] = {}


class Functions:
    """Describes functions by their text, while one session is written."""

    def __init__(self) -> None:
        # The namespaces of doctests: those of functions that are written together are
        # one in the other interpreter, too.
        self._namespaces: dict[int, dict[str, Any]] = {}
        # Tells which classes are one in the other interpreter.
        self._session = os.urandom(16).hex()

    def reduce(self, value: FunctionType | type) -> Any:
        """Return how a function or class is pickled.

        Args:
            value: The function or class.

        Returns:
            What `__reduce__` may return; `NotImplemented` for one that a name leads to,
            or whose text is nowhere.
        """
        if is_found_by_name(value):
            return NotImplemented
        if isinstance(value, type):
            return self._reduce_class(value)
        return self._reduce_function(value)

    def _reduce_function(self, function: FunctionType) -> Any:
        task = getattr(function, "bandsaw_task", None)
        if task is not None:
            decorate, *arguments = task.decoration
            return decorate, (task.callable, *arguments, task.advice_parameters)
        place = place_of(function)
        home = function.__globals__.get("__name__")
        if place is None or not isinstance(home, str):
            return NotImplemented
        namespace = None
        read: dict[str, Any] = {}
        if is_of_doctest(function):
            namespace = self._namespace_for(function.__globals__)
            read = _values_of(function.__globals__, names_read(function.__code__))
        elif vars(sys.modules.get(home, builtins)) is not function.__globals__:
            return NotImplemented
        code, held = function.__code__, held_by(function)
        modules = _modules_below(code, [*held[-1].values(), *read.values()])
        made = (
            importable_module_name(home),
            namespace,
            place,
            code.co_name,
            function.__qualname__,
        )
        return make_function, made, (held, read, modules), None, None, fill_function

    def _reduce_class(self, cls: type) -> Any:
        origin = origin_of(cls)
        if origin is None:
            return NotImplemented
        if origin.cls is not cls:
            return inner_class, (origin.cls, cls.__qualname__)
        names = origin.namespace
        now, later = _values_of(names, origin.now), _values_of(names, origin.later)
        modules = _modules_below(origin.code, [*now.values(), *later.values()])
        made = (
            self._session,
            origin.tokens(),
            self._namespace_for(names),
            origin.place,
            cls.__qualname__,
            now,
            modules,
        )
        changed = [
            (path, attribute, vars(inner_class(cls, path))[attribute])
            for path, attribute in origin.changed
        ]
        return make_class, made, (later, changed), None, None, fill_class

    def _namespace_for(self, names: dict[str, Any]) -> dict[str, Any]:
        """Return what stands for the names of a doctest."""
        start = {"__name__": names.get("__name__")}
        return self._namespaces.setdefault(id(names), start)


def _values_of(namespace: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: namespace[name] for name in sorted(names) if name in namespace}


def _modules_below(code: CodeType, values: Iterable[Any]) -> list[str]:
    """Return the loaded modules that code uses through the names of packages."""
    names = names_of_code(code)
    packages = [f"{v.__name__}." for v in values if isinstance(v, ModuleType)]
    return sorted(
        module
        for module in list(sys.modules)
        for package in packages
        if module.startswith(package)
        and names.issuperset(module[len(package) :].split("."))
    )


def make_function(
    home: str,
    namespace: dict[str, Any] | None,
    place: Place,
    name: str,
    qualname: str,
) -> FunctionType:
    """Make a function that does not hold anything yet.

    Args:
        home: The name of its module.
        namespace: Its global names, `None` for those of the module.
        place: Its text.
        name: The name of its code.
        qualname: Its qualified name.

    Raises:
        NotMovableError: If this Python has not its syntax.
    """
    if namespace is None:
        code, namespace = code_of(*place), vars(import_module(home))
    else:
        code, namespace["__builtins__"] = noted_code_of(*place), builtins
    return function_of(code, namespace, name, qualname)


def fill_function(function: FunctionType, state: Any) -> None:
    """Give a function what it holds.

    Args:
        function: The function.
        state: What `Functions.reduce` has returned as its state.
    """
    held, read, modules = state
    for module in modules:
        import_module(module)
    give(function, held)
    function.__globals__.update(read)


# Texts


def place_of(function: FunctionType) -> Place | None:
    """Return the text of a function, `None` if it does not compile to what is loaded.

    Args:
        function: The function.
    """
    code = function.__code__
    known, place = _places.get(id(code), (None, None))
    if known is not code:
        place = _find_place(function)
        if place is not None:
            if len(_places) >= _MOST_PLACES:
                _places.clear()
            _places[id(code)] = code, place
    return place


def _find_place(function: FunctionType) -> Place | None:
    import linecache

    code = function.__code__
    path = code.co_filename
    for _ in "ab":
        lines = linecache.getlines(path, function.__globals__)
        for statement in _statements_of(path, lines, code):
            place = place_in(statement, code)
            if place is not None:
                return place
        linecache.checkcache(path)  # The file may have been written anew.
    return None


def _statements_of(path: str, lines: list[str], code: CodeType) -> Iterable[Statement]:
    known, cell = _cells.get(path, (None, None))
    if cell is None or known != lines:
        if len(_cells) >= _MOST_CELLS:
            _cells.clear()
        _, cell = _cells[path] = lines, Cell(path, "".join(lines))
    flags = code.co_flags & _future_flags()
    for node in cell.nodes:
        statement = Statement(cell, node, flags)
        if statement.line <= code.co_firstlineno <= statement.node.end_lineno:
            yield statement


def _future_flags() -> int:
    import __future__

    flags = 0
    for name in __future__.all_feature_names:
        flags |= getattr(__future__, name).compiler_flag
    # Generators have the flag that nested scopes had.
    return flags & ~_NESTED


def place_in(statement: Statement, code: CodeType) -> Place | None:
    """Return where in a statement the text of a function is, `None` if it is not there.

    Args:
        statement: The statement.
        code: The code of the function.
    """
    digest = code_digest(code)
    for node in statement.functions_at(code.co_firstlineno):
        place = _place_of_node(statement, node, code)
        try:
            # Private names of classes, for example, have other code here.
            found = [find_code(compiled(*place), code.co_name)]
            *_, text, _, before, after = place
            if statement.cell.imports:
                tree = syntax_tree(f"{before}{text}{after}")
                for each in statement.compiled(tree.body):
                    found.append(find_code(each, code.co_name))
        except (LookupError, SyntaxError):
            continue
        if digest in map(code_digest, found):
            return place
    return None


def _place_of_node(statement: Statement, node: Any, code: CodeType) -> Place:
    """Return where a function is, and what makes a statement of it."""
    import ast

    cell, line = statement.cell, node.lineno
    text = cell.text_of(node)
    around = f"def _make({', '.join(code.co_freevars)}):"
    before, after = "", ""
    if isinstance(node, ast.Lambda):
        before, after = "(", ")"
        if code.co_flags & _NESTED:
            before = f"{around} return ("
    else:
        text = cell.indentation_of(line) + text
        if code.co_flags & _NESTED:
            before = f"{around}\n"
        elif text[0].isspace():
            before = "if 1:\n"
    return cell.name, line, text, statement.flags, before, after
