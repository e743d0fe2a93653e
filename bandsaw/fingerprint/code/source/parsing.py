"""Parse the source of a module and make its outline.

`ast` parses the text, and `scopes` tells what each function and class takes from its
module.
"""

from __future__ import annotations

import ast
import contextlib
import gc
from types import CodeType

from ....runtime.code_objects import code_digest, syntax_tree
from .outline import Assignment, Definition, Outline
from .scopes import Scope, Scopes
from .syntax import form_of_class, form_of_function, form_of_nodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Iterator

    # By qualified name and first line.
    Codes = dict[tuple[str, int], list[CodeType]]


def make_outline(source: bytes | str, compiled: CodeType | None) -> Outline:
    """Return the outline of a source text.

    Args:
        source: The text, or its bytes.
        compiled: What it is compiled to, if that is known.

    Raises:
        SyntaxError: If it is no Python.
    """
    tree = _parse(source)
    scopes = Scopes(tree, _may_declare(source))
    if compiled is None:
        # The future statements of this very module must not apply.
        compiled = compile(tree, "<source>", "exec", dont_inherit=True)
    codes: Codes = {}
    _collect_codes(compiled, "", codes)
    definitions = [
        _definition(node, name, scopes, codes) for node, name in scopes.definitions
    ]
    return Outline(definitions, _assignments(tree), scopes.module.imports)


def _parse(source: bytes | str) -> ast.Module:
    # So many new objects make the garbage collector visit all there are, again and
    # again, which takes a third of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        tree: ast.Module = syntax_tree(source)
        return tree
    finally:
        if was_enabled:
            gc.enable()


def _may_declare(source: bytes | str) -> bool:
    if isinstance(source, str):
        source = source.encode("utf-8", "surrogatepass")
    return b"global" in source or b"nonlocal" in source


def _collect_codes(code: CodeType, prefix: str, codes: Codes) -> None:
    for constant in code.co_consts:
        if not isinstance(constant, CodeType):
            continue
        name = prefix + constant.co_name
        codes.setdefault((name, constant.co_firstlineno), []).append(constant)
        # The body of a class does not have CO_OPTIMIZED set.
        is_class = not constant.co_flags & 1
        _collect_codes(constant, f"{name}." if is_class else f"{name}.<locals>.", codes)


def _definition(node: Any, name: str, scopes: Scopes, codes: Codes) -> Definition:
    decorators = getattr(node, "decorator_list", [])
    line = min([node.lineno, *(item.lineno for item in decorators)])
    is_class = isinstance(node, ast.ClassDef)
    inside = list(_scopes_inside(node, scopes))
    names, local_names = _resolve(inside)
    return Definition(
        name=name,
        kind="class" if is_class else "function",
        line=line,
        end=getattr(node, "end_lineno", line),
        form=form_of_class(node) if is_class else form_of_function(node),
        decorators=[_use(item, scopes.of[node]) for item in decorators],
        names=sorted(names),
        local_names=sorted(local_names),
        changed=sorted(_changed(inside)),
        code="" if is_class else _code(name, line, codes),
        annotations=_annotations(node, scopes.of[node]),
        imports=[item for scope in inside for item in scope.imports],
        unknown=sorted({name for scope, name in scopes.unknown if scope in inside}),
    )


def _annotations(node: Any, scope: Scope) -> tuple[str, list[str]]:
    """Return the form of all annotations, and the names that they read."""
    found: list[ast.AST] = []
    _collect_annotations(node, found)
    if not found:
        return "", []
    expressions: list[ast.stmt] = [ast.Expr(value=item) for item in found]  # type: ignore[arg-type]
    for item in found:
        for text in ast.walk(item):
            value = getattr(text, "value", None)
            if isinstance(text, ast.Constant) and isinstance(value, str):
                # The name of a class that is defined further down, for example.
                with contextlib.suppress(SyntaxError, ValueError):
                    tree = syntax_tree(value.strip(), "eval")
                    expressions.append(ast.Expr(value=tree.body))
    inner = Scopes(ast.Module(body=expressions, type_ignores=[])).module
    names = {chain for root, chain in inner.reads if scope.owner_of(root) is None}
    return form_of_nodes(found), sorted(names)


def _collect_annotations(node: Any, found: list[ast.AST]) -> None:
    if isinstance(node, ast.ClassDef):
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                found += [statement.target, statement.annotation]
            elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                _collect_annotations(statement, found)
    elif not isinstance(node, ast.Lambda):
        arguments = node.args
        every = [*arguments.args, *arguments.kwonlyargs]
        every += [*arguments.posonlyargs, arguments.vararg, arguments.kwarg]
        found += [item.annotation for item in every if item and item.annotation]
        if node.returns is not None:
            found.append(node.returns)


def _scopes_inside(node: Any, scopes: Scopes) -> Iterator[Scope]:
    """Yield the scopes that make up a definition.

    Functions and classes directly in the body of a class are definitions of their own.
    """
    apart = set()
    if isinstance(node, ast.ClassDef):
        for item in node.body:
            if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                apart.add(scopes.of[item])
    yield scopes.outside[node]
    waiting = [scopes.of[node]]
    while waiting:
        scope = waiting.pop()
        yield scope
        waiting += [inner for inner in scope.inner if inner not in apart]


def _resolve(inside: Iterable[Scope]) -> tuple[set[str], set[str]]:
    """Return the names that come from the module, and those from imports inside."""
    names: set[str] = set()
    local_names: set[str] = set()
    within = set(inside)
    for scope in within:
        for root, chain in scope.reads:
            owner = scope.owner_of(root)
            if owner is None:
                names.add(chain)
            elif owner in within and any(i.bound == root for i in owner.imports):
                local_names.add(chain)
    return names, local_names


def _changed(inside: Iterable[Scope]) -> set[str]:
    within = set(inside)
    return {
        name
        for scope in within
        for name in scope.changes
        if scope.owner_of(name.partition(".")[0]) not in within
    }


def _use(decorator: ast.expr, scope: Scope) -> tuple[str, list[str]]:
    """Return the form of a decorator, and the names that it reads from the module."""
    tree = ast.Module(body=[ast.Expr(value=decorator)], type_ignores=[])
    reads = {read for inner in Scopes(tree).module.all() for read in inner.reads}
    around = scope.parent or scope
    names = {chain for root, chain in reads if around.owner_of(root) is None}
    return form_of_nodes([decorator]), sorted(names)


def _code(name: str, line: int, codes: Codes) -> str:
    found = codes.get((name, line), [])
    # Two lambdas in one line cannot be told apart.
    return code_digest(found[0]) if len(found) == 1 else ""


def _assignments(tree: ast.Module) -> dict[str, Assignment]:
    """Return how the names of the module get their values."""
    statements: dict[str, list[ast.stmt]] = {}
    reads: dict[str, set[str]] = {}
    for statement in _module_statements(tree.body):
        scopes = Scopes(ast.Module(body=[statement], type_ignores=[]))
        names = _names_read(scopes.module)
        for name in _bound_names(scopes):
            statements.setdefault(name, []).append(statement)
            reads.setdefault(name, set()).update(names)
    return {
        name: Assignment(
            form_of_nodes(found),
            sorted(reads[name]),
            [(item.lineno, getattr(item, "end_lineno", item.lineno)) for item in found],
        )
        for name, found in statements.items()
    }


def _module_statements(body: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """Yield the statements that run when the module is imported, except definitions."""
    waiting = list(body)[::-1]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        inner = [
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, (ast.stmt, ast.ExceptHandler))
        ]
        waiting += inner[::-1]
        # The form of a loop that binds a name includes its body.
        if isinstance(node, ast.stmt) and (not inner or not isinstance(node, ast.If)):
            yield node


def _bound_names(scopes: Scopes) -> set[str]:
    module = scopes.module
    imported = {item.bound for item in module.imports}
    defined = {name for _, name in scopes.definitions}
    changed = {name.partition(".")[0] for name in module.changes if name[0] not in ".="}
    return (module.bound | changed) - imported - defined


def _names_read(module: Scope) -> set[str]:
    return {
        chain
        for scope in module.all()
        for root, chain in scope.reads
        if scope.owner_of(root) is None
    }
