"""Makes the index of a module from its source."""

from __future__ import annotations

import ast
import gc
import types

from .index import Assignment, Definition, Import, ModuleIndex, code_digest
from .scopes import Scope, Scopes
from .syntax import form_of, form_of_class, form_of_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Iterable, Iterator

    Codes = dict[tuple[str, int], list[types.CodeType]]


def make_index(source: bytes | str, compiled: CodeType | None) -> ModuleIndex:
    """Return the index of a source text.

    Args:
        source: The text, or its bytes.
        compiled: What it is compiled to, if that is known.

    Raises:
        SyntaxError: If it is no Python.
    """
    tree = _parse(source)
    scopes = Scopes(tree, _may_declare(source))
    if compiled is None:
        # The flags of this very module must not count.
        compiled = compile(tree, "<source>", "exec", dont_inherit=True)
    codes: Codes = {}
    _collect_codes(compiled, "", codes)
    definitions = [
        _definition(node, name, scopes, codes) for node, name in scopes.definitions
    ]
    imports = [Import(*item) for item in scopes.module.imports]
    return ModuleIndex(definitions, _assignments(tree), imports)


def _parse(source: bytes | str) -> ast.Module:
    # So many new objects make the garbage collector look at all there are, again and
    # again, which takes a third of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if was_enabled:
            gc.enable()


def _may_declare(source: bytes | str) -> bool:
    if isinstance(source, str):
        source = source.encode("utf-8", "surrogatepass")
    return b"global" in source or b"nonlocal" in source


def _collect_codes(code: types.CodeType, prefix: str, codes: Codes) -> None:
    """Find the code objects in a code object, by qualified name and first line."""
    for constant in code.co_consts:
        if not isinstance(constant, types.CodeType):
            continue
        name = prefix + constant.co_name
        codes.setdefault((name, constant.co_firstlineno), []).append(constant)
        # The body of a class has not CO_OPTIMIZED set.
        is_class = not constant.co_flags & 1
        _collect_codes(constant, f"{name}." if is_class else f"{name}.<locals>.", codes)


def _definition(node: Any, name: str, scopes: Scopes, codes: Codes) -> Definition:
    decorators = getattr(node, "decorator_list", [])
    line = min([node.lineno, *(item.lineno for item in decorators)])
    is_class = isinstance(node, ast.ClassDef)
    inside = list(_scopes_inside(node, scopes))
    names, free, local_names = _resolve(inside, scopes.of[node])
    imported = [item for scope in inside for item in scope.imports]
    return Definition(
        *_in_order_of_slots(
            name=name,
            kind="class" if is_class else "function",
            line=line,
            end=getattr(node, "end_lineno", line),
            form=form_of_class(node) if is_class else form_of_function(node),
            decorators=[_use(item, scopes.of[node]) for item in decorators],
            names=sorted(names),
            free=sorted(free),
            imports=imported,
            local_names=sorted(local_names),
            changed=sorted(_changed(inside)),
            code="" if is_class else _code(name, line, codes),
        )
    )


def _in_order_of_slots(**values: Any) -> list[Any]:
    return [values[name] for name in Definition.__slots__]


def _scopes_inside(node: Any, scopes: Scopes) -> Iterable[Scope]:
    """Return the scopes that make up a definition.

    The functions and classes right in the body of a class are definitions of their own.
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


def _resolve(
    inside: Iterable[Scope], own: Scope
) -> tuple[set[str], set[str], set[str]]:
    """Tell which names come from the module, from functions around, from imports."""
    names: set[str] = set()
    free: set[str] = set()
    local_names: set[str] = set()
    within = set(inside)
    for scope in within:
        for root, chain in scope.reads:
            owner = scope.owner_of(root)
            if owner is None:
                names.add(chain)
            elif owner not in within and owner is not own:
                free.add(root)
            elif any(item[3] == root for item in owner.imports):
                local_names.add(chain)
    return names, free, local_names


def _changed(inside: Iterable[Scope]) -> set[str]:
    within = set(inside)
    return {
        name
        for scope in within
        for name in scope.changes
        if scope.owner_of(name) not in within
    }


def _use(decorator: ast.expr, scope: Scope) -> list[Any]:
    """Return the form of a decorator, and the names that it reads from the module."""
    tree = ast.Module(body=[ast.Expr(value=decorator)], type_ignores=[])
    reads = {read for inner in Scopes(tree).module.all() for read in inner.reads}
    around = scope.parent or scope
    names = {chain for root, chain in reads if around.owner_of(root) is None}
    return [form_of([decorator]), sorted(names)]


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
            form_of(found),
            sorted(reads[name]),
            [[item.lineno, getattr(item, "end_lineno", item.lineno)] for item in found],
        )
        for name, found in statements.items()
    }


def _module_statements(body: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """Return the statements that run when the module is imported, but definitions."""
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
        # A loop that binds a name counts with all that it does.
        if isinstance(node, ast.stmt) and (not inner or not isinstance(node, ast.If)):
            yield node


def _bound_names(scopes: Scopes) -> set[str]:
    module = scopes.module
    imported = {item[3] for item in module.imports}
    defined = {name for _, name in scopes.definitions}
    return (module.bound | module.changes) - imported - defined


def _names_read(module: Scope) -> set[str]:
    return {
        chain
        for scope in module.all()
        for root, chain in scope.reads
        if scope.owner_of(root) is None
    }
