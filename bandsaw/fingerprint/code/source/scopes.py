"""The scopes of a module: which names are read, bound and changed in each of them.

A visitor of the syntax tree notes, scope by scope, which dotted names are read, which
are bound and which are changed. From that follows, by Python's rules for scopes, what
each function and class takes from its module. `symtable` knows these rules, too, but
not dotted names, changes of values or parts of a text, so that the visitor would be
needed all the same; with its tables, parsing takes a tenth to a fifth longer.
"""

from __future__ import annotations

import ast

from ....runtime.code_objects import CHANGING_METHODS
from .outline import Import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Iterator

# Methods that fill a new object, which is no change of one.
_MAKERS = frozenset(
    (
        "__attrs_post_init__",
        "__init__",
        "__new__",
        "__post_init__",
        "__setstate__",
        "model_post_init",
    )
)

# The nodes of Python 3.8 to 3.13. Others are taken as they are, and listed.
_KNOWN_NODES = """
    Add And AnnAssign Assert Assign AsyncFor AsyncFunctionDef AsyncWith
    Attribute AugAssign AugLoad AugStore Await BinOp BitAnd BitOr BitXor BoolOp
    Break Call ClassDef Compare Constant Continue Del Delete Dict DictComp Div
    Eq ExceptHandler Expr Expression ExtSlice FloorDiv For FormattedValue
    FunctionDef FunctionType GeneratorExp Global Gt GtE If IfExp Import
    ImportFrom In Index Invert Is IsNot JoinedStr LShift Lambda List ListComp
    Load Lt LtE MatMult Match MatchAs MatchClass MatchMapping MatchOr
    MatchSequence MatchSingleton MatchStar MatchValue Mod Module Mult Name
    NamedExpr Nonlocal Not NotEq NotIn Or Param ParamSpec Pass Pow RShift Raise
    Return Set SetComp Slice Starred Store Sub Subscript Try TryStar Tuple
    TypeAlias TypeIgnore TypeVar TypeVarTuple UAdd USub UnaryOp While With Yield
    YieldFrom alias arg arguments comprehension keyword match_case withitem
"""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Scope:
    """The names that are bound and read in one scope.

    Attributes:
        parent: The scope around it, `None` for the module.
        is_class: Whether it is the body of a class, which is no scope for functions.
        is_comprehension: Whether `:=` binds a name in the scope around it.
        is_maker: Whether it is part of a method that fills a new object.
        bound: The names that are bound here.
        module_names: The names that are declared to be global.
        outer_names: The names that are declared to be nonlocal.
        reads: The first parts of dotted names that are read here, with the whole names.
        changes: The dotted names that are rebound or whose value is changed. After a
            dot, the names of attributes, of whatever, that are; and after `=`, those
            of objects that were there before.
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
        "is_maker",
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
        self.is_maker: bool = (
            is_comprehension and parent is not None and parent.is_maker
        )
        self.bound: set[str] = set()
        self.module_names: set[str] = set()
        self.outer_names: set[str] = set()
        self.reads: set[tuple[str, str]] = set()
        self.changes: set[str] = set()
        self.imports: list[Import] = []
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

    def all(self) -> Iterator[Scope]:
        """Yield this scope and all scopes inside."""
        waiting = [self]
        while waiting:
            scope = waiting.pop()
            yield scope
            waiting += scope.inner


class Scopes:
    """The scopes of a module, found by a visit to each node of its syntax tree.

    Args:
        tree: The syntax tree of the module, or of a part of it.
        has_declarations: Whether there may be statements `global` or `nonlocal`.

    Attributes:
        module: The scope of the module.
        of: The scope of each function, class and comprehension, by its node.
        outside: What the header of a function or class reads in the scope around it.
        definitions: The functions and classes with their qualified names.
        unknown: Where kinds of syntax were found that are not known, with their names.
    """

    def __init__(self, tree: ast.Module, has_declarations: bool = True) -> None:
        self.module = Scope(None)
        self.of: dict[ast.AST, Scope] = {}
        self.outside: dict[ast.AST, Scope] = {}
        self.definitions: list[tuple[Any, str]] = []
        self.unknown: list[tuple[Scope, str]] = []
        self._has_declarations = has_declarations
        self._prefix = ""
        for statement in tree.body:
            self._visit(statement, self.module)

    def _visit(self, node: ast.AST, scope: Scope) -> None:
        kind = type(node)
        special = _VISITORS.get(kind)
        if special is None:
            self.unknown.append((scope, kind.__name__))
            special = Scopes._visit_children
        special(self, node, scope)

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
        else:
            scope.reads.add((root, chain))
        if not isinstance(node.ctx, ast.Load):
            # An attribute that an object gets is none of its class.
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                self._change(node.value, scope)
                if not scope.is_maker:
                    scope.changes.add(f"={node.attr}")
            else:
                self._change(node, scope)

    def _visit_subscript(self, node: ast.Subscript, scope: Scope) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._change(node, scope)
        chain = _name_in_globals(node)
        if chain is not None:
            scope.reads.add((chain, chain))
        self._visit_children(node, scope)

    @staticmethod
    def _change(target: Any, scope: Scope) -> None:
        """Note that what a dotted name refers to, or an attribute, is changed."""
        attributes: list[str] = []
        steps: list[str] = []
        while isinstance(target, (ast.Subscript, ast.Attribute)):
            if isinstance(target, ast.Attribute):
                attributes.append(target.attr)
                steps.append(target.attr)
            else:
                steps.clear()  # Which item is not known.
            target = target.value
        is_name = isinstance(target, ast.Name)
        if attributes:
            scope.changes.update(f".{name}" for name in attributes)
            if not (scope.is_maker and is_name and target.id == "self"):
                scope.changes.update(f"={name}" for name in attributes)
        if is_name:
            chain = target.id
            if steps:
                chain = ".".join([chain, *reversed(steps)])
            scope.changes.add(chain)

    def _visit_call(self, node: ast.Call, scope: Scope) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in CHANGING_METHODS:
            self._change(function.value, scope)
        chain, root = _chain(node)
        if root is not None:
            # `getattr` with a literal name takes nothing else from the value.
            scope.reads.add((root, chain))
            self._visit_all((node.func, *node.args[2:]), scope)
        else:
            self._visit_children(node, scope)

    def _visit_augmented_assignment(self, node: ast.AugAssign, scope: Scope) -> None:
        if isinstance(node.target, ast.Name):
            scope.reads.add((node.target.id, node.target.id))
        self._change(node.target, scope)
        self._visit_children(node, scope)

    def _visit_annotated_assignment(self, node: ast.AnnAssign, scope: Scope) -> None:
        self._visit_all((node.target, node.value), scope)

    def _visit_function(self, node: Any, scope: Scope) -> None:
        self._bind(node.name, scope)
        self._visit_all(node.decorator_list, scope)
        self._visit_parameters(node, scope)
        inner = Scope(scope)
        inner.is_maker = node.name in _MAKERS
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
        # The first iterable is evaluated outside, the rest in a scope of its own.
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
            # Without `as` the name refers to the outermost package.
            module = alias.name if alias.asname else bound
            scope.imports.append(Import(module, 0, None, bound))
            if not alias.asname and alias.name != bound:
                scope.imports.append(Import(alias.name, 0, None, ""))
            self._bind(bound, scope)

    def _visit_import_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name
            item = Import(node.module or "", node.level or 0, alias.name, bound)
            scope.imports.append(item)
            if alias.name != "*":
                self._bind(bound, scope)


_VISITORS: dict[type, Callable[[Scopes, Any, Scope], None]] = {
    # Not every version has all of them.
    **dict.fromkeys(
        (getattr(ast, name) for name in _KNOWN_NODES.split() if hasattr(ast, name)),
        Scopes._visit_children,
    ),
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


def _chain(node: ast.Attribute | ast.Call) -> tuple[str, str | None]:
    """Return the dotted name that an expression is, and its first part.

    A call of `getattr` with a literal name is an attribute, too.
    """
    parts = []
    target: ast.AST = node
    while True:
        if isinstance(target, ast.Attribute):
            parts.append(target.attr)
            target = target.value
            continue
        literal = _literal_attribute(target)
        if literal is None:
            break
        parts.append(literal.args[1].value)  # type: ignore[attr-defined]
        target = literal.args[0]
    if not isinstance(target, ast.Name):
        return "", None
    parts.append(target.id)
    return ".".join(reversed(parts)), target.id


def _literal_attribute(node: ast.AST) -> ast.Call | None:
    """Return a call like `getattr(module, "name")`, `None` for all else."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    if node.func.id != "getattr" or len(node.args) not in (2, 3):
        return None
    return node if _is_name(node.args[1]) else None


def _name_in_globals(node: ast.Subscript) -> str | None:
    """Return the name that is read by an expression like `globals()["name"]`."""
    call = node.value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    # Before Python 3.9, a node of its own was around the index.
    index: Any = getattr(node.slice, "value", None)
    index = index if isinstance(index, ast.AST) else node.slice
    if call.func.id != "globals" or call.args or not _is_name(index):
        return None
    return str(index.value)


def _is_name(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.isidentifier()
    )


def _declarations_first(body: list[ast.AST]) -> list[ast.AST]:
    """Put declarations before the rest, since they apply to the whole scope."""
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
