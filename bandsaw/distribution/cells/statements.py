"""The statements of a notebook's cells, and the names that each binds and reads."""

from __future__ import annotations
import __future__

import sys
from types import CodeType, FunctionType

from ...runtime.code_objects import code_digest, syntax_tree
from ...runtime.contexts import suppress
from ...runtime.lazy import late_attribute
from .mains import SOURCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from typing import Any, Iterator, Mapping

# Magics that execute the body of their cell as Python, in the namespace of the cells
_PYTHON_MAGICS = frozenset(("capture", "prun", "time"))

# What files are called that are typed at a prompt
_OF_PROMPT = ("<python-input", "<stdin>")

# The flag of the code of functions; code of a module or class lacks it.
_OPTIMIZED = 1

# What runs at once, although it has code of its own before Python 3.12
_COMPREHENSIONS = frozenset(("<dictcomp>", "<genexpr>", "<listcomp>", "<setcomp>"))

_READS = frozenset(("LOAD_FROM_DICT_OR_GLOBALS", "LOAD_GLOBAL", "LOAD_NAME"))


class Statement:
    """A statement at the top level of a cell.

    Args:
        cell: The cell.
        node: The statement.
        flags: What `__future__` statements make of its compilation.

    Attributes:
        cell: The cell.
        node: The statement.
        flags: The flags.
    """

    def __init__(self, cell: Cell, node: ast.stmt, flags: int) -> None:
        self.cell = cell
        self.node: Any = node
        self.flags = flags

    @late_attribute
    def bound(self) -> set[str]:
        """The names that it binds; `*` stands for those of an import of all."""
        return set(bound_by(self.node))

    @late_attribute
    def line(self) -> int:
        """The number of its first line, that of the first decorator if there is one."""
        decorators = getattr(self.node, "decorator_list", ())
        first: int = min([self.node.lineno, *(each.lineno for each in decorators)])
        return first

    @late_attribute
    def text(self) -> str:
        """Its text."""
        if self.line != self.node.lineno:
            return self.cell.text_between(
                self.line, 0, self.node.end_lineno, self.node.end_col_offset
            )
        return self.cell.text_of(self.node)

    @late_attribute
    def code(self) -> CodeType:
        """Its code object, an empty one if it is no whole statement of Python."""
        return self._compiled([self.node])

    def compiled(self, nodes: list[ast.stmt]) -> Iterator[CodeType]:
        """Compile statements as if they had been in this one's place.

        Some magics compile the statements of a cell together. Python makes other code
        of the names that one of them imports then.

        Args:
            nodes: The statements.
        """
        yield self._compiled(nodes)
        if self.cell.imports:
            yield self._compiled([*self.cell.imports, *nodes])

    def _compiled(self, nodes: list[ast.stmt]) -> CodeType:
        import ast

        name, flags = self.cell.name, self.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = ast.Module(nodes, [])
        try:
            code: CodeType = compile(tree, name, "exec", flags, dont_inherit=True)
        except SyntaxError:  # Like `return` outside of a function
            code = compile("", name, "exec", dont_inherit=True)
        return code

    @late_attribute
    def functions(self) -> dict[str, CodeType]:
        """The code of all functions inside of it, by its digest."""
        return {
            code_digest(inner): inner
            for code in self.compiled([self.node])
            for inner in _functions_in(code)
        }

    def has_code_of(self, function: FunctionType) -> bool:
        """Tell if the code of a function is inside of it."""
        return code_digest(function.__code__) in self.functions

    @late_attribute
    def reads(self) -> tuple[set[str], set[str]]:
        """The global names that are read when it is executed, and those afterwards."""
        now: set[str] = set()
        later: set[str] = set()
        _add_names(self.code, now, later)
        return now, later - now

    @late_attribute
    def set_by_functions(self) -> set[str]:
        """The names that functions inside of it declare as global."""
        import ast

        nodes = ast.walk(self.node)
        return {n for node in nodes if isinstance(node, ast.Global) for n in node.names}

    def chains(self) -> Iterator[list[str]]:
        """Yield what it reads with dots, like `numpy.linalg`, as lists of names."""
        import ast

        for node in ast.walk(self.node):
            names: list[str] = []
            while isinstance(node, ast.Attribute):
                names.append(node.attr)
                node = node.value
            if names and isinstance(node, ast.Name):
                yield [node.id, *reversed(names)]

    @late_attribute
    def bound_attributes(self) -> set[tuple[str, str]]:
        """The attributes that it sets by name, each with what has it, like `A.B`.

        What has it is empty where that has no name.
        """
        return self._attributes("Store", "setattr")

    @late_attribute
    def deleted_attributes(self) -> set[tuple[str, str]]:
        """The attributes that it deletes, each with what had it."""
        return self._attributes("Del", "delattr")

    def _attributes(self, context: str, function: str) -> set[tuple[str, str]]:
        import ast

        found = set()
        for node in ast.walk(self.node):
            if isinstance(node, ast.Attribute):
                if type(node.ctx).__name__ == context:
                    found.add((_dotted(node.value), node.attr))
            elif isinstance(node, ast.Call) and _is_named(node.func, function):
                owner, attribute = [*node.args, None, None][:2]
                found.add((_dotted(owner), str(getattr(attribute, "value", ""))))
        return found

    def is_call_of(self, name: str) -> bool:
        """Tell if it does nothing but to call methods of what a name means."""
        import ast

        node = self.node
        while isinstance(node, (ast.Expr, ast.Call, ast.Attribute)):
            node = node.func if isinstance(node, ast.Call) else node.value
        is_name = isinstance(node, ast.Name) and node.id == name
        return is_name and isinstance(self.node, ast.Expr)

    def functions_inside(self, name: str) -> list[Statement]:
        """Return the functions of a name that the branches of an `if` or `try` define.

        Args:
            name: The name.

        Returns:
            Their definitions; none if something else may bind the name there, too.
        """
        import ast

        nodes, found = [self.node], []
        while nodes:
            node = nodes.pop()
            if isinstance(node, (ast.If, ast.Try, ast.ExceptHandler)):
                for parts in ("body", "handlers", "orelse", "finalbody"):
                    nodes += getattr(node, parts, ())
            elif node is not self.node and _is_function(node, name):
                found.append(Statement(self.cell, node, self.flags))
        return found if list(bound_by(self.node)).count(name) == len(found) else []

    def functions_at(self, line: int) -> Iterator[ast.AST]:
        """Yield the functions and lambdas inside of it that begin in a line."""
        import ast

        for node in ast.walk(self.node):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                # What was compiled from its text has no decorators.
                if line in (first, node.lineno):
                    yield node
            elif isinstance(node, ast.Lambda) and node.lineno == line:
                yield node


class Cell:
    """A cell that was executed.

    Args:
        name: What tracebacks call it.
        text: Its text, in Python.

    Attributes:
        name: What tracebacks call it.
        nodes: Its statements.
        imports: A statement that imports the names that its statements import.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = [line.encode("utf-8") for line in text.splitlines(True)]
        self.nodes: list[ast.stmt] = []
        with suppress(SyntaxError, ValueError):
            self.nodes = syntax_tree(text).body
        names = _imported_by(self.nodes)
        text = f"import {', '.join(sorted(names))}"
        self.imports: list[ast.stmt] = syntax_tree(text).body if names else []

    def text_of(self, node: Any) -> str:
        """Return the text of an expression or a statement without its decorators."""
        return self.text_between(
            node.lineno, node.col_offset, node.end_lineno, node.end_col_offset
        )

    def text_between(self, line: int, column: int, end: int, end_column: int) -> str:
        """Return the text between two places; columns are numbers of bytes."""
        lines = self._lines[line - 1 : end]
        lines[-1] = lines[-1][:end_column]
        lines[0] = lines[0][column:]
        return b"".join(lines).decode("utf-8")

    def indentation_of(self, line: int) -> str:
        """Return the white space that a line begins with."""
        text = self._lines[line - 1].decode("utf-8")
        return text[: len(text) - len(text.lstrip())]


class Cells:
    """All cells that were executed in one namespace.

    Args:
        namespace: The namespace.

    Attributes:
        namespace: The namespace.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._texts: list[tuple[str, str, int]] = []
        self._flags = 0
        self._statements: list[Statement] = []

    def update(self) -> list[Statement]:
        """Return all statements, in the order of execution."""
        texts = list(_texts_of(self.namespace))
        if texts[: len(self._texts)] != self._texts:
            self._begin_anew()
        for name, text, flags in texts[len(self._texts) :]:
            self._add(name, text, flags)
        self._texts = texts
        return self._statements

    def _add(self, name: str, text: str, flags: int) -> None:
        cell = Cell(name, text)
        for node in cell.nodes:
            body = _body_of_magic(node)
            if body is not None:
                self._add(name, body, flags)
                continue
            self._flags |= _future_flags(node)
            self._statements.append(Statement(cell, node, self._flags | flags))


def _texts_of(namespace: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield the names and the texts of what was executed in a namespace, and flags."""
    if SOURCES in namespace:
        yield from namespace[SOURCES]
        return
    texts = namespace.get("In")
    if isinstance(texts, list):  # IPython puts it there.
        for number, text in enumerate(texts):
            yield f"Cell In[{number}]", text, 0
        return
    path = namespace.get("__file__")
    if isinstance(path, str):
        with suppress(OSError, UnicodeDecodeError), open(
            path, encoding="utf-8"
        ) as file:
            yield path, file.read(), 0
        return
    # From Python 3.10 on
    words = getattr(sys, "orig_argv", ())
    place = len(words) - len(sys.argv)
    if sys.argv[:1] == ["-c"] and words[place - 1 : place] == ["-c"]:
        yield "<string>", words[place], 0
    # What is typed at a prompt, from Python 3.13 on
    linecache: Any = sys.modules.get("linecache")
    for key, entry in list(getattr(linecache, "cache", {}).items()):
        if len(entry) == 4 and entry[3].startswith(_OF_PROMPT):
            name = key if isinstance(key, str) else entry[3]
            yield name, "".join(entry[2]), 0


def _body_of_magic(node: Any) -> str | None:
    """Return what a cell magic executes as Python, `None` for anything else."""
    import ast

    call = node.value if isinstance(node, ast.Expr) else None
    if not (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "run_cell_magic"
        and len(call.args) == 3
    ):
        return None
    magic, _, body = map(ast.literal_eval, call.args)
    if magic not in _PYTHON_MAGICS:
        return None
    shell: Any = sys.modules["IPython.core.getipython"].get_ipython()
    return str(body if shell is None else shell.transform_cell(body))


def _future_flags(node: Any) -> int:
    import ast

    if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
        return 0
    flags = 0
    for alias in node.names:
        feature = getattr(__future__, alias.name, None)
        flags |= getattr(feature, "compiler_flag", 0)
    return flags


def _imported_by(nodes: list[ast.stmt]) -> set[str]:
    """Return the names that statements import at their own level."""
    import ast

    names: set[str] = set()
    for statement in nodes:
        for node in ast.walk(statement):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names.update(bound_by(node))
    return names - {"*"}


def bound_by(node: Any) -> Iterator[str]:
    """Yield the names that a statement binds, not those of functions inside of it."""
    import ast

    nodes = [node]
    while nodes:
        node = nodes.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                yield node.id
        elif not isinstance(node, ast.Lambda):
            nodes.extend(ast.iter_child_nodes(node))


def _is_function(node: Any, name: str) -> bool:
    import ast

    is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    return is_function and node.name == name


def _is_named(node: Any, name: str) -> bool:
    return getattr(node, "id", None) == name


def _dotted(node: Any) -> str:
    """Return the names that an expression consists of, nothing if it is another one."""
    import ast

    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def _functions_in(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & _OPTIMIZED:
                yield inner
            yield from _functions_in(inner)


def _add_names(code: CodeType, now: set[str], later: set[str]) -> None:
    """Add the global names that code reads, those of functions to the later ones."""
    import dis

    now.update(i.argval for i in dis.get_instructions(code) if i.opname in _READS)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            is_later = inner.co_flags & _OPTIMIZED
            is_later = is_later and inner.co_name not in _COMPREHENSIONS
            _add_names(inner, later if is_later else now, later)


def names_read(code: CodeType) -> set[str]:
    """Return the global names that the code of a function reads."""
    names: set[str] = set()
    _add_names(code, names, names)
    return names
