"""The normal form of syntax: the meaning of a piece of source, not its notation.

Comments, docstrings, annotations, blank lines and positions are ignored. The form is
the same on every Python, which the text of `ast.dump` is not.
"""

from __future__ import annotations

import ast

from ....runtime.hashing import sha256
from ...leaves import LEAVES, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

    Tokens = list[bytes]

_SILENT_FIELDS = frozenset(
    ("annotation", "ctx", "kind", "returns", "type_comment", "type_params")
)

# Annotations by which `dataclasses` tells what is no field of an instance.
_TELLING_ANNOTATIONS = frozenset(("ClassVar", "InitVar", "KW_ONLY"))

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

# By type, what makes up the form of a node: its tag and the names of its fields.
_shapes: dict[type, tuple[bytes, tuple[str, ...]]] = {}


def form_of_nodes(nodes: Iterable[ast.AST]) -> str:
    """Return the digest of the normal form of some nodes.

    Args:
        nodes: Expressions or statements, e.g. the decorators of a function.

    Returns:
        Hex digits.
    """
    tokens: Tokens = []
    for node in nodes:
        _emit(node, tokens)
    return _digest(tokens)


def form_of_function(node: Any) -> str:
    """Return the digest of the normal form of a function, without its decorators.

    Args:
        node: The definition of the function, or a lambda.

    Returns:
        Hex digits.
    """
    tokens: Tokens = []
    _emit_function(node, tokens)
    return _digest(tokens)


def form_of_class(node: ast.ClassDef) -> str:
    """Return the digest of the normal form of a class, without its members.

    Args:
        node: The definition of the class.

    Returns:
        Hex digits: of the bases, and of the statements of the body. Of functions and
        classes that are defined directly in the body, only the names are included.
    """
    tokens: Tokens = []
    _emit_class_header(node, tokens)
    for statement in node.body:
        if isinstance(statement, _DEFINITIONS):
            tokens.append(b"member " + text(statement.name))
        else:
            _emit_statement_of_class(statement, node, tokens)
    return _digest(tokens)


def _digest(tokens: Tokens) -> str:
    return sha256(b"".join(tokens)).hexdigest()


def _emit(node: ast.AST, tokens: Tokens) -> None:
    kind = type(node)
    special = _SPECIAL.get(kind)
    if special is not None:
        special(node, tokens)
        return
    shape = _shapes.get(kind)
    if shape is None:
        fields = tuple(name for name in kind._fields if name not in _SILENT_FIELDS)
        shape = _shapes[kind] = (b"(%b " % kind.__name__.encode("ascii"), fields)
    tokens.append(shape[0])
    for field in shape[1]:
        _emit_field(getattr(node, field, None), tokens)
    tokens.append(b")")


def _emit_field(value: Any, tokens: Tokens) -> None:
    if isinstance(value, ast.AST):
        _emit(value, tokens)
    elif isinstance(value, list):
        tokens.append(b"[")
        for item in value:
            _emit_field(item, tokens)
        tokens.append(b"]")
    else:
        tokens.append(_leaf(value))


def _leaf(value: Any) -> bytes:
    leaf = LEAVES.get(type(value))
    # A constant of a kind that is not known
    return b"?" + text(repr(value)) if leaf is None else leaf(value)


def _emit_name(node: ast.Name, tokens: Tokens) -> None:
    tokens.append(b"n" + text(node.id))


def _emit_constant(node: ast.Constant, tokens: Tokens) -> None:
    tokens.append(b"c" + _leaf(node.value))


def _emit_body(body: list[ast.stmt], tokens: Tokens) -> None:
    tokens.append(b"{")
    for statement in body:
        _emit(statement, tokens)
    tokens.append(b"}")


def _emit_nothing(node: ast.AST, tokens: Tokens) -> None:
    """Emit nothing: the statement does nothing."""


def _emit_expression_statement(node: ast.Expr, tokens: Tokens) -> None:
    value = node.value
    # Docstrings, and texts that stand where comments could.
    if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        tokens.append(b"(Expr ")
        _emit(value, tokens)
        tokens.append(b")")


def _emit_function(node: Any, tokens: Tokens) -> None:
    tokens.append(b"(%b " % type(node).__name__.encode("ascii"))
    _emit(node.args, tokens)
    if isinstance(node, ast.Lambda):
        _emit(node.body, tokens)
    else:
        _emit_body(node.body, tokens)
    tokens.append(b")")


def _emit_function_definition(node: Any, tokens: Tokens) -> None:
    tokens.append(b"def " + text(node.name))
    _emit_field(node.decorator_list, tokens)
    _emit_function(node, tokens)


def _emit_class_header(node: ast.ClassDef, tokens: Tokens) -> None:
    tokens.append(b"class ")
    _emit_field(node.bases, tokens)
    _emit_field(node.keywords, tokens)


def _emit_class_definition(node: ast.ClassDef, tokens: Tokens) -> None:
    tokens.append(b"in " + text(node.name))
    _emit_field(node.decorator_list, tokens)
    _emit_class_header(node, tokens)
    tokens.append(b"{")
    for statement in node.body:
        _emit_statement_of_class(statement, node, tokens)
    tokens.append(b"}")


def _emit_statement_of_class(
    statement: ast.stmt, owner: ast.ClassDef, tokens: Tokens
) -> None:
    if isinstance(statement, ast.AnnAssign):
        # Decorators and bases may read annotations, as dataclasses do. So it is
        # significant that a name is annotated, but not how, unless it is no field then.
        if owner.decorator_list or owner.bases or owner.keywords:
            tokens.append(b"declared ")
            tokens.extend(_telling_names(statement.annotation))
        if statement.value is None:
            _emit(statement.target, tokens)
        _emit_annotated_assignment(statement, tokens)
        return
    _emit(statement, tokens)


def _telling_names(annotation: ast.AST) -> list[bytes]:
    names = {
        getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(annotation)
    }
    for node in ast.walk(annotation):
        value = getattr(node, "value", None)
        if isinstance(node, ast.Constant) and isinstance(value, str):
            names |= {name for name in _TELLING_ANNOTATIONS if name in value}
    return [text(name) for name in sorted(names & _TELLING_ANNOTATIONS)]


def _emit_annotated_assignment(node: ast.AnnAssign, tokens: Tokens) -> None:
    if node.value is not None:
        tokens.append(b"(Assign [")
        _emit(node.target, tokens)
        tokens.append(b"]")
        _emit(node.value, tokens)
        tokens.append(b")")


def _emit_joined_text(node: ast.JoinedStr, tokens: Tokens) -> None:
    parts: list[Any] = []
    for part in node.values:
        if not isinstance(part, ast.Constant):
            parts.append(part)
        elif parts and isinstance(parts[-1], str):
            parts[-1] += str(part.value)
        elif part.value:
            parts.append(str(part.value))
    if not parts or (len(parts) == 1 and isinstance(parts[0], str)):
        tokens.append(b"c" + text("".join(parts)))
        return
    tokens.append(b"(JoinedStr ")
    for part in parts:
        if isinstance(part, str):
            tokens.append(b"c" + text(part))
        else:
            _emit(part, tokens)
    tokens.append(b")")


def _emit_formatted_value(node: ast.FormattedValue, tokens: Tokens) -> None:
    tokens.append(b"(FormattedValue %d " % node.conversion)
    _emit(node.value, tokens)
    if node.format_spec is not None:
        _emit(node.format_spec, tokens)
    else:
        tokens.append(b"c" + text(""))
    tokens.append(b")")


def _emit_index(node: Any, tokens: Tokens) -> None:
    # Python 3.8 only
    _emit(node.value, tokens)


def _emit_extended_slice(node: Any, tokens: Tokens) -> None:
    # Python 3.8 only
    tokens.append(b"(Tuple ")
    _emit_field(node.dims, tokens)
    tokens.append(b")")


def _emit_scope_declaration(node: Any, tokens: Tokens) -> None:
    tokens.append(b"(%b " % type(node).__name__.encode("ascii"))
    tokens.extend(text(name) for name in sorted(node.names))
    tokens.append(b")")


def _emit_import_from(node: ast.ImportFrom, tokens: Tokens) -> None:
    tokens.append(b"(ImportFrom %d " % (node.level or 0))
    tokens.append(text(node.module or ""))
    _emit_field(node.names, tokens)
    tokens.append(b")")


_SPECIAL: dict[type, Callable[[Any, Tokens], None]] = {
    ast.AnnAssign: _emit_annotated_assignment,
    ast.AsyncFunctionDef: _emit_function_definition,
    ast.ClassDef: _emit_class_definition,
    ast.Constant: _emit_constant,
    ast.Expr: _emit_expression_statement,
    ast.FormattedValue: _emit_formatted_value,
    ast.FunctionDef: _emit_function_definition,
    ast.Global: _emit_scope_declaration,
    ast.ImportFrom: _emit_import_from,
    ast.JoinedStr: _emit_joined_text,
    ast.Lambda: _emit_function,
    ast.Name: _emit_name,
    ast.Nonlocal: _emit_scope_declaration,
    ast.Pass: _emit_nothing,
}
# What Python 3.8 makes of subscripts; later ones only keep the names.
if hasattr(ast, "ExtSlice") and hasattr(ast.Index, "_fields") and ast.Index._fields:
    _SPECIAL[ast.Index] = _emit_index
    _SPECIAL[ast.ExtSlice] = _emit_extended_slice
