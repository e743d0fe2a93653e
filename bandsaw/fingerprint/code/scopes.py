"""Which names a piece of source takes from where, by Python's rules for scopes."""

from __future__ import annotations

import ast

from .instructions import CHANGING_METHODS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Scope:
    """What is bound and read in one scope.

    Attributes:
        parent: The scope around it, `None` for the module.
        is_class: Whether it is the body of a class, which is no scope for functions.
        bound: The names that are bound here.
        module_names: The names that are declared to be global.
        reads: The dotted names that are read here, each with its first part.
        changes: The names that are rebound or whose value is changed.
        imports: What is imported here.
        inner: The scopes inside.
    """

    __slots__ = (
        "bound",
        "changes",
        "imports",
        "inner",
        "is_class",
        "is_comprehension",
        "module_names",
        "outer_names",
        "parent",
        "reads",
    )

    def __init__(
        self,
        parent: Scope | None,
        is_class: bool = False,
        is_comprehension: bool = False,
    ) -> None:
        self.parent = parent
        self.is_class = is_class
        self.is_comprehension = is_comprehension
        self.bound: set[str] = set()
        self.module_names: set[str] = set()
        self.outer_names: set[str] = set()
        self.reads: set[tuple[str, str]] = set()
        self.changes: set[str] = set()
        self.imports: list[tuple[str, int, str | None, str]] = []
        self.inner: list[Scope] = []
        if parent is not None:
            parent.inner.append(self)

    def owner_of(self, name: str) -> Scope | None:
        """Return the scope in which a name that is read here is bound.

        Args:
            name: A name without dots.

        Returns:
            The scope, `None` if it is the module, or nothing of this source.
        """
        scope: Scope | None = self
        while scope is not None and scope.parent is not None:
            if name in scope.module_names:
                return None
            is_visible = scope is self or not scope.is_class
            if is_visible and name in scope.bound:
                return scope
            scope = scope.parent
        return None

    def all(self) -> Iterable[Scope]:
        """Return this scope and all scopes inside."""
        waiting = [self]
        while waiting:
            scope = waiting.pop()
            yield scope
            waiting += scope.inner


class Scopes:
    """Finds the scopes of a module.

    Args:
        tree: The syntax tree of the module, or of a part of it.
        has_declarations: Whether there may be statements `global` or `nonlocal`.

    Attributes:
        module: The scope of the module.
        of: The scope of each function, class and comprehension, by its node.
        outside: What the header of a function or class reads in the scope around it.
        definitions: The functions and classes with their qualified names.
    """

    def __init__(self, tree: ast.Module, has_declarations: bool = True) -> None:
        self.module = Scope(None)
        self.of: dict[ast.AST, Scope] = {}
        self.outside: dict[ast.AST, Scope] = {}
        self.definitions: list[tuple[Any, str]] = []
        self._has_declarations = has_declarations
        self._prefix = ""
        for statement in tree.body:
            self._visit(statement, self.module)

    def _visit(self, node: ast.AST, scope: Scope) -> None:
        special = _VISITORS.get(type(node))
        if special is not None:
            special(self, node, scope)
        else:
            self._visit_children(node, scope)

    def _visit_children(self, node: ast.AST, scope: Scope) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                for item in value:
                    if isinstance(item, ast.AST):
                        self._visit(item, scope)
            elif isinstance(value, ast.AST):
                self._visit(value, scope)

    def _visit_all(self, nodes: Iterable[ast.AST | None], scope: Scope) -> None:
        for node in nodes:
            if node is not None:
                self._visit(node, scope)

    def _visit_name(self, node: ast.Name, scope: Scope) -> None:
        if isinstance(node.ctx, ast.Load):
            scope.reads.add((node.id, node.id))
        else:
            self._bind(node.id, scope)

    @staticmethod
    def _bind(name: str, scope: Scope) -> None:
        if name in scope.module_names or scope.parent is None:
            scope.changes.add(name)
        if name not in scope.module_names and name not in scope.outer_names:
            scope.bound.add(name)

    def _visit_attribute(self, node: ast.Attribute, scope: Scope) -> None:
        chain, root = _chain(node)
        if root is None:
            self._visit(node.value, scope)
            return
        scope.reads.add((root, chain))
        if not isinstance(node.ctx, ast.Load):
            scope.changes.add(root)

    def _visit_subscript(self, node: ast.Subscript, scope: Scope) -> None:
        if not isinstance(node.ctx, ast.Load):
            target: Any = node
            while isinstance(target, (ast.Subscript, ast.Attribute)):
                target = target.value
            if isinstance(target, ast.Name):
                scope.changes.add(target.id)
        self._visit_children(node, scope)

    def _visit_call(self, node: ast.Call, scope: Scope) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in CHANGING_METHODS:
            target: Any = function.value
            while isinstance(target, (ast.Subscript, ast.Attribute)):
                target = target.value
            if isinstance(target, ast.Name):
                scope.changes.add(target.id)
        self._visit_children(node, scope)

    def _visit_augmented_assignment(self, node: ast.AugAssign, scope: Scope) -> None:
        if isinstance(node.target, ast.Name):
            scope.reads.add((node.target.id, node.target.id))
        self._visit_children(node, scope)

    def _visit_annotated_assignment(self, node: ast.AnnAssign, scope: Scope) -> None:
        self._visit_all((node.target, node.value), scope)

    def _visit_function(self, node: Any, scope: Scope) -> None:
        self._bind(node.name, scope)
        self._visit_all(node.decorator_list, scope)
        self._visit_parameters(node, scope)
        inner = Scope(scope)
        self._bind_parameters(node.args, inner)
        self._define(node, node.name, ".<locals>.", inner, node.body)

    def _visit_lambda(self, node: ast.Lambda, scope: Scope) -> None:
        self._visit_parameters(node, scope)
        inner = Scope(scope)
        self._bind_parameters(node.args, inner)
        self._define(node, "<lambda>", ".<locals>.", inner, [node.body])

    def _define(
        self, node: ast.AST, name: str, separator: str, scope: Scope, body: Any
    ) -> None:
        self.of[node] = scope
        before = self._prefix
        self.definitions.append((node, before + name))
        self._prefix = f"{before}{name}{separator}"
        if self._has_declarations:
            body = _declarations_first(body)
        for statement in body:
            self._visit(statement, scope)
        self._prefix = before

    def _visit_parameters(self, node: Any, scope: Scope) -> None:
        """Visit the default values, which the scope around evaluates."""
        outside = self.outside[node] = Scope(scope)
        self._visit_all((*node.args.defaults, *node.args.kw_defaults), outside)

    @staticmethod
    def _bind_parameters(arguments: ast.arguments, scope: Scope) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        scope.bound.update(argument.arg for argument in every)
        for argument in (arguments.vararg, arguments.kwarg):
            if argument is not None:
                scope.bound.add(argument.arg)

    def _visit_class(self, node: ast.ClassDef, scope: Scope) -> None:
        self._bind(node.name, scope)
        self._visit_all(node.decorator_list, scope)
        outside = self.outside[node] = Scope(scope)
        self._visit_all((*node.bases, *node.keywords), outside)
        inner = Scope(scope, is_class=True)
        self._define(node, node.name, ".", inner, node.body)

    def _visit_comprehension(self, node: Any, scope: Scope) -> None:
        first = node.generators[0]
        # Evaluated outside; all the rest is in a scope of its own.
        self._visit(first.iter, scope)
        inner = self.of[node] = Scope(scope, is_comprehension=True)
        for generator in node.generators:
            self._visit(generator.target, inner)
            if generator is not first:
                self._visit(generator.iter, inner)
            self._visit_all(generator.ifs, inner)
        elements = ("elt",) if hasattr(node, "elt") else ("key", "value")
        self._visit_all((getattr(node, name) for name in elements), inner)

    def _visit_named_expression(self, node: Any, scope: Scope) -> None:
        self._visit(node.value, scope)
        target = scope
        while target.is_comprehension and target.parent is not None:
            target = target.parent
        self._bind(node.target.id, target)

    def _visit_global(self, node: ast.Global, scope: Scope) -> None:
        scope.module_names.update(node.names)

    def _visit_nonlocal(self, node: ast.Nonlocal, scope: Scope) -> None:
        scope.outer_names.update(node.names)

    def _visit_handler(self, node: ast.ExceptHandler, scope: Scope) -> None:
        if node.name:
            self._bind(node.name, scope)
        self._visit_children(node, scope)

    def _visit_pattern(self, node: Any, scope: Scope) -> None:
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if name:
            self._bind(name, scope)
        self._visit_children(node, scope)

    def _visit_import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            # Without `as` the name leads to the outermost package.
            module = alias.name if alias.asname else bound
            scope.imports.append((module, 0, None, bound))
            if not alias.asname and alias.name != bound:
                scope.imports.append((alias.name, 0, None, ""))
            self._bind(bound, scope)

    def _visit_import_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name
            entry = (node.module or "", node.level or 0, alias.name, bound)
            scope.imports.append(entry)
            if alias.name != "*":
                self._bind(bound, scope)


_VISITORS: dict[type, Callable[[Scopes, Any, Scope], None]] = {
    ast.AnnAssign: Scopes._visit_annotated_assignment,
    ast.AsyncFunctionDef: Scopes._visit_function,
    ast.Attribute: Scopes._visit_attribute,
    ast.AugAssign: Scopes._visit_augmented_assignment,
    ast.Call: Scopes._visit_call,
    ast.ClassDef: Scopes._visit_class,
    ast.ExceptHandler: Scopes._visit_handler,
    ast.FunctionDef: Scopes._visit_function,
    ast.Global: Scopes._visit_global,
    ast.Import: Scopes._visit_import,
    ast.ImportFrom: Scopes._visit_import_from,
    ast.Lambda: Scopes._visit_lambda,
    ast.Name: Scopes._visit_name,
    ast.NamedExpr: Scopes._visit_named_expression,
    ast.Nonlocal: Scopes._visit_nonlocal,
    ast.Subscript: Scopes._visit_subscript,
    **dict.fromkeys(_COMPREHENSIONS, Scopes._visit_comprehension),
}
for _name in ("MatchAs", "MatchMapping", "MatchStar"):
    if hasattr(ast, _name):  # From Python 3.10 on
        _VISITORS[getattr(ast, _name)] = Scopes._visit_pattern


def _chain(node: ast.Attribute) -> tuple[str, str | None]:
    """Return the dotted name that an expression is, and its first part."""
    parts = []
    target: ast.AST = node
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    if not isinstance(target, ast.Name):
        return "", None
    parts.append(target.id)
    return ".".join(reversed(parts)), target.id


def _declarations_first(body: list[ast.AST]) -> list[ast.AST]:
    """Put what is declared before what is bound; it counts for the whole scope."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            found.append(node)
        elif isinstance(node, ast.stmt) and not isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        ):
            waiting += [
                child
                for child in ast.iter_child_nodes(node)
                if not isinstance(child, ast.expr)
            ]
        elif isinstance(node, ast.ExceptHandler) or not isinstance(
            node, (ast.stmt, ast.expr)
        ):
            waiting += ast.iter_child_nodes(node)
    return [*found, *body]
