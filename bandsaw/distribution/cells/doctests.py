"""Classes that a doctest defines, moved by their text.

A doctest is no module, and nothing tells the file of a class. But `doctest` lets
`linecache` read the examples of the one that runs, so these are found through it.

Another interpreter executes the statement that defines the class. Instances come back
as those of the class here: a process has a token for each class that it has sent, and a
class that was made of that knows the tokens of all processes that have sent it.
"""

from __future__ import annotations
import __future__

import builtins
import os
import sys
from types import CodeType
from weakref import WeakKeyDictionary, WeakValueDictionary

from ...exceptions import NotMovableError, SerializationError
from ...modules import import_module, result_describers
from ...runtime.fork import call_at_reset
from .classes import Classes
from .statements import Cell, Statement
from .texts import noted_code_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Sequence

    from .texts import Place

# What a class has that was made here: its outermost class, the names of its doctest,
# its text, and its tokens
_ORIGIN = "__bandsaw_origin__"

# The classes that were sent to other processes
_sent: WeakValueDictionary[str, type] = WeakValueDictionary()
_tokens: WeakKeyDictionary[type, str] = WeakKeyDictionary()

# The classes that were made, by the session that has brought them, and the last token
_made: WeakValueDictionary[tuple[str, str], type] = WeakValueDictionary()

call_at_reset(_sent.clear)
call_at_reset(_tokens.clear)
call_at_reset(_made.clear)


class Origin:
    """The definition of a class.

    Args:
        cls: The class, which may have others inside of it.
        namespace: The names of its doctest.
        statement: The statement that defines it.
        changed: Its attributes that are not as that says: the qualified name of the
            class that has it, and its name.
        received: The tokens that it came with.

    Attributes:
        cls: The class.
        namespace: The names.
        changed: The attributes.
        code: The code of the statement.
        now: The names that are read when it is executed.
        later: The names that its methods read.
        place: Its text.
    """

    def __init__(
        self,
        cls: type,
        namespace: dict[str, Any],
        statement: Statement,
        changed: Sequence[tuple[str, str]],
        received: tuple[str, ...] = (),
    ) -> None:
        self.cls = cls
        self.namespace = namespace
        self.changed = changed
        self.code: CodeType = statement.code
        now, self.later = statement.reads
        self.now = now - statement.bound
        line, text = statement.line, statement.text
        self.place: Place = statement.cell.name, line, text, statement.flags, "", ""
        self._received = received

    def tokens(self) -> tuple[str, ...]:
        """Return the tokens of all processes that send it, this one is the last."""
        token = _tokens.setdefault(self.cls, os.urandom(16).hex())
        _sent[token] = self.cls
        return (*self._received, token)


def origin_of(cls: type) -> Origin | None:
    """Return the definition of a class, `None` if no doctest that runs has it.

    Args:
        cls: The class.
    """
    made = vars(cls).get(_ORIGIN)
    if made is not None:
        root, namespace, (name, line, text, flags, *_), received = made
        cell = Cell(name, "\n" * (line - 1) + text)
        statements = [Statement(cell, node, flags) for node in cell.nodes]
    else:
        linecache: Any = sys.modules.get("linecache")
        runner = getattr(getattr(linecache, "getlines", None), "__self__", None)
        test: Any = getattr(runner, "test", None)
        namespace = getattr(test, "globs", {})
        root = namespace.get(cls.__qualname__.partition(".")[0])
        received = ()
        if not isinstance(root, type) or inner_class(root, cls.__qualname__) is not cls:
            return None
        statements = list(_statements_of(test))
    found = {}
    for statement in statements:
        changed = _changed(root, namespace, statement, statements)
        if changed is not None:
            found[statement.text] = statement, changed
    # Which one was executed last is unknown, if there are several.
    as_it_says = [each for each in found.values() if not each[1]]
    candidates = list(found.values()) if len(found) == 1 else as_it_says
    if len(candidates) != 1:
        return None
    return Origin(root, namespace, *candidates[0], received)


def _statements_of(test: Any) -> Iterator[Statement]:
    """Yield the statements of a doctest."""
    flags = 0
    for name in __future__.all_feature_names:
        feature = getattr(__future__, name)
        if test.globs.get(name) is feature:
            flags |= feature.compiler_flag
    for number, example in enumerate(test.examples):
        cell = Cell(f"<doctest {test.name}[{number}]>", example.source)
        for node in cell.nodes:
            yield Statement(cell, node, flags)


def _changed(
    cls: type,
    namespace: dict[str, Any],
    statement: Statement,
    statements: Sequence[Statement],
) -> list[tuple[str, str]] | None:
    """Return the attributes that are not as a statement says that may define a class.

    Returns:
        The attributes, or `None` if it does not define the class.
    """
    import ast

    name, node = cls.__qualname__, statement.node
    if name not in statement.bound:
        return None
    if not isinstance(node, ast.ClassDef):
        # A named tuple, for example
        return [] if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
    annotated = {
        getattr(part.target, "id", None)
        for part in node.body
        if isinstance(part, ast.AnnAssign)
    }
    if annotated != set(vars(cls).get("__annotations__", ())):
        return None

    def refuse(name: str, reason: str) -> NotMovableError:
        return NotMovableError(f"{name!r} {reason}")

    classes = Classes(namespace, statements, refuse)
    try:
        return [
            (path, attribute)
            for path, _, attributes, _ in classes.changed(name, cls, node, statement)
            for attribute in attributes
        ]
    except NotMovableError:
        return None


def inner_class(cls: type, qualname: str) -> Any:
    """Return a class that is inside of another one, or that itself.

    Args:
        cls: The outermost class.
        qualname: The qualified name of the other one.
    """
    found: Any = cls
    for name in qualname.split(".")[1:]:
        found = getattr(found, name, None)
    return found


def make_class(
    session: str,
    tokens: tuple[str, ...],
    namespace: dict[str, Any],
    place: Place,
    name: str,
    read: dict[str, Any],
    modules: Sequence[str],
) -> type:
    """Make a class that has no changed attributes yet; once for each session.

    Args:
        session: What identifies the session that brings it.
        tokens: The tokens of the processes that have sent it.
        namespace: The names of its doctest.
        place: The text of the statement that defines it.
        name: Its name.
        read: The names that are read when that is executed.
        modules: The modules that it uses through the names of packages.

    Raises:
        NotMovableError: If this Python has not its syntax.
    """
    key = session, tokens[-1]
    made = _made.get(key)
    if made is None:
        for module in modules:
            import_module(module)
        namespace["__builtins__"] = builtins
        namespace.update(read)
        exec(noted_code_of(*place), namespace)
        made = _made[key] = namespace[name]
        _note_origin(made, made, namespace, place, tokens)
    if not result_describers:
        result_describers.append(_MadeClasses())
    return made


def _note_origin(cls: type, *origin: Any) -> None:
    # A metaclass may refuse it.
    type.__setattr__(cls, _ORIGIN, origin)
    for name, inner in list(vars(cls).items()):
        is_inside = isinstance(inner, type)
        if is_inside and inner.__qualname__ == f"{cls.__qualname__}.{name}":
            _note_origin(inner, *origin)


def fill_class(cls: type, state: Any) -> None:
    """Give a class its changed attributes, and the names that its methods read.

    Args:
        cls: The class.
        state: The names, and the attributes with the class that has each.
    """
    read, attributes = state
    _, namespace, *_ = vars(cls)[_ORIGIN]
    namespace.update(read)
    for path, attribute, value in attributes:
        setattr(inner_class(cls, path), attribute, value)


class _MadeClasses:
    """Describes the classes of results that were made here."""

    def reduce(self, value: Any) -> Any:
        """Return how a class is pickled for the process that has sent it."""
        origin = vars(value).get(_ORIGIN) if isinstance(value, type) else None
        if origin is None:
            return NotImplemented
        *_, tokens = origin
        return sent_class, (tokens, value.__qualname__)

    reduce_definition: Callable[[_MadeClasses, Any], Any] = reduce


def sent_class(tokens: tuple[str, ...], qualname: str) -> Any:
    """Return a class that this process has sent.

    Args:
        tokens: The tokens of all processes that have sent it.
        qualname: The qualified name of the class.

    Raises:
        SerializationError: If it is no longer there.
    """
    # A process that was forked has the classes of its parent, too.
    for token in reversed(tokens):
        cls = _sent.get(token)
        if cls is not None:
            return inner_class(cls, qualname)
    raise SerializationError(f"The class {qualname} of a doctest is no longer there.")
