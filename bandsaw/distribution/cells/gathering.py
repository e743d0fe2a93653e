"""Find the statements of a notebook's cells that a session reaches.

In come the names of the notebook that the task and its arguments lead to. Each name
becomes an item: the import that has bound it, the statement that defines it, or its
value, pickled. What an item needs when it is executed comes before it, with all that
this may call; everything else comes later. The latest binding of a name counts.
"""

from __future__ import annotations

import builtins
import sys
from functools import partial
from operator import getitem
from types import FunctionType, ModuleType

from ...config import configuration_of_notebook
from ...exceptions import BandsawError, NotMovableError
from ...modules import describer
from ...runtime.caller_warnings import warn_caller
from ...runtime.code_objects import code_digest
from ...runtime.contexts import contextmanager
from ...runtime.fork import Lock, call_at_reset
from .captured import CapturedValue
from .classes import ABSENT, FIXED, Classes, members_of, unwrapped
from .functions import Functions, place_in
from .mains import (
    ATTRIBUTE,
    FUNCTION,
    SOURCES,
    STATEMENT,
    VALUE,
    note_own,
    packed,
    unnamed_function,
)
from .statements import Cells, Statement, names_read
from .texts import held_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from ...serialization import Serializer
    from ...serialization.buffers import HeldContent
    from .texts import Place

    # The key of each function that has no name, and the function
    Keys = dict[int, tuple[str, FunctionType]]

# What IPython puts beside the user's names, and what means nothing without a shell
_OF_SHELL = frozenset(("In", "Out", "exit", "get_ipython", "quit"))

_NO_SOURCE = (
    "is nowhere in the source of a cell, a prompt from Python 3.13 on, a script, or a "
    "command of 'python -c' from Python 3.10 on. Move it to a module"
)

# More captured data is told of, in bytes.
_LARGE = 1 << 24

# The names of such data
_told: set[str] = set()
call_at_reset(_told.clear)

# How many definitions are remembered, by what leads to them
_MOST_KNOWN = 64


class _Node:
    """A name, or a function without one, and how another interpreter gets it.

    Attributes:
        items: What is to be executed for it.
        now: What is needed when it is executed.
        later: What is needed when it is called.
    """

    def __init__(
        self,
        items: Sequence[tuple[Any, ...]] = (),
        now: Iterable[str] = (),
        later: Iterable[str] = (),
    ) -> None:
        self.items = items
        self.now = list(now)
        self.later = list(later)


class Definitions:
    """The parts of the cells that a session needs.

    Attributes:
        content: The items, packed.
        buffers: The large data that they have captured.
        names: The names and keys that are defined.
    """

    def __init__(
        self,
        content: bytes,
        buffers: Sequence[HeldContent],
        names: Iterable[str],
        bindings: Mapping[str, Any],
        values: Sequence[tuple[Callable[[], Any], CapturedValue]],
        statements: list[Statement] | None,
        names_of_configuration: frozenset[str],
        classes: Mapping[type, list[int]],
        keys: Keys,
        serializer: Serializer,
    ) -> None:
        self.content = content
        self.buffers = buffers
        self.names = frozenset(names)
        self._bindings = bindings
        self._values = values
        # Those that there were, if they tell more than the values of names
        self._is_of_configuration = statements is not None
        self._count = 0 if statements is None else len(statements)
        self._last = statements[-1] if statements else None
        self._names_of_configuration = names_of_configuration
        self._classes = classes
        self._keys = keys
        # Known by its identity as long as this is kept
        self._serializer = serializer

    def is_current(self, namespace: Mapping[str, Any]) -> bool:
        """Tell if the names still mean the same, and hold the same.

        Args:
            namespace: The namespace of the cells.
        """
        for name, value in self._bindings.items():
            if namespace.get(name, ABSENT) is not value:
                return False
        for cls, members in self._classes.items():
            if members != members_of(cls):
                return False
        if self._is_of_configuration and not self._is_configured(namespace):
            return False
        if not self._values:
            return True
        try:
            with _noting({}, dict(self._keys)):
                return all(known.is_still(get()) for get, known in self._values)
        except Exception:
            return False  # What is wrong is told when it is gathered again.

    def _is_configured(self, namespace: Mapping[str, Any]) -> bool:
        """Tell if no statement has changed the configuration of the notebook since."""
        statements = statements_of(namespace)
        count, names = self._count, self._names_of_configuration
        if len(statements) < count or (count and statements[count - 1] != self._last):
            return False
        for new in statements[count:]:
            if not names.isdisjoint(new.bound) or any(map(new.is_call_of, names)):
                return False
        if len(statements) > count:
            self._count, self._last = len(statements), statements[-1]
        return True

    def within(self, write: Callable[[Any], bytes | None]) -> Callable[[Any], Any]:
        """Have values written that need nothing else of the cells.

        Args:
            write: Writes a value.

        Returns:
            A function that returns `None` for a value that needs more.
        """

        def write_within(value: Any) -> bytes | None:
            noted: dict[str, Any] = {}
            with _noting(noted, dict(self._keys)):
                content = write(value)
            return content if self.names.issuperset(noted) else None

        return write_within


class Gathering:
    """Notes what a session that is being written needs of the cells.

    Args:
        task: The task, as errors call it.
        serializer: What writes captured data.
    """

    def __init__(self, task: object, serializer: Serializer) -> None:
        self._task = task
        self._serializer = serializer
        self._main = sys.modules["__main__"]
        self._roots: dict[str, Any] = {}
        self._keys: Keys = {}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what values that are written inside of the block lead to."""
        with _noting(self._roots, self._keys, self._refuse):
            yield

    def add_function(self, function: FunctionType) -> None:
        """Note the function of a task."""
        if "<" in function.__qualname__:
            noting = _Noting(self._roots, self._keys, self._refuse)
            noting.reduce_definition(function)
        else:
            self._roots.setdefault(function.__qualname__.partition(".")[0], None)

    def add_configuration(self, configuration: object) -> None:
        """Note the configuration of the notebook, which all else may need."""
        names = [n for n, v in list(vars(self._main).items()) if v is configuration]
        for name in names:
            if not name.startswith("_"):
                self._roots.setdefault(name, None)

    def definitions(self) -> Definitions:
        """Return what was noted leads to.

        Raises:
            NotMovableError: If some of it cannot be had elsewhere.
        """
        namespace = vars(self._main)
        graph = _Graph(namespace, self._keys, self._refuse, self._serializer)
        if self._keys:
            return graph.definitions(self._roots)
        key = (id(namespace), id(self._serializer), *self._roots)
        known = _known.get(key)
        if known is None or not known.is_current(namespace):
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            known = _known[key] = graph.definitions(self._roots)
        return known

    def _refuse(self, reason: str) -> NotMovableError:
        return NotMovableError(
            f"Task {self._task} cannot be moved to another interpreter: {reason}."
        )


_known: dict[tuple[Any, ...], Definitions] = {}
_cells: dict[int, Cells] = {}
# Threads may submit calls of new cells at the same time.
_lock = Lock()


def statements_of(namespace: Mapping[str, Any]) -> list[Statement]:
    """Return all statements of a namespace, in the order of execution."""
    with _lock:
        cells = _cells.get(id(namespace))
        if cells is None or cells.namespace is not namespace:
            _cells.clear()
            cells = _cells[id(namespace)] = Cells(namespace)
        return cells.update()


class _Graph:
    """A search for what names lead to, until nothing new is reached.

    Args:
        namespace: The namespace of the cells.
        refuse: Makes the error for what cannot be had elsewhere.
        serializer: What writes captured data.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        keys: Keys,
        refuse: Callable[[str], NotMovableError],
        serializer: Serializer,
    ) -> None:
        self._serializer: Serializer | None = None
        self._configured_serializer = serializer
        self._buffers: list[HeldContent] = []
        self._namespace = namespace
        self._keys = keys
        self._error = refuse
        self._statements = statements_of(namespace)
        self._classes = Classes(namespace, self._statements, self._refused)
        self._nodes: dict[str, _Node] = {}
        self._functions: dict[str, FunctionType] = {}
        self._needed_by: dict[str, str | None] = {}
        self._bindings: dict[str, Any] = {}
        self._values: list[tuple[Callable[[], Any], CapturedValue]] = []
        # What is set by code that is executed elsewhere is fresh in each call.
        self._set_by_functions: set[str] = set()
        for statement in self._statements:
            self._set_by_functions |= statement.set_by_functions

    def definitions(self, roots: Mapping[str, Any]) -> Definitions:
        self._functions.update((n, f) for n, f in roots.items() if f is not None)
        configuration, names = configuration_of_notebook(), []
        if configuration is not None:
            # It has to be there before its serializer can read anything.
            get = self._namespace.get
            names = [name for name in roots if get(name) is configuration]
            self._follow(names)
        if self._configured_serializer.runs_code:
            self._serializer = self._configured_serializer
        self._follow(roots)
        items = [item for node in self._ordered() for item in node.items]
        content = packed(items)
        if SOURCES not in self._namespace:
            note_own(content)
        return Definitions(
            content,
            self._buffers,
            self._nodes,
            self._bindings,
            self._values,
            self._statements if configuration is not None else None,
            frozenset(names),
            self._classes.members,
            self._keys,
            self._configured_serializer,
        )

    def _follow(self, roots: Iterable[str]) -> None:
        queue: list[tuple[str, str | None]] = [(name, None) for name in roots]
        while queue:
            name, needed_by = queue.pop(0)
            if name in self._nodes:
                continue
            self._needed_by[name] = needed_by
            node = self._nodes[name] = self._node(name)
            queue += ((each, name) for each in (*node.now, *node.later))

    def _ordered(self) -> Iterator[_Node]:
        begun: set[str] = set()
        callable_now: set[str] = set()

        def emit(name: str) -> Iterator[_Node]:
            if name not in begun:
                begun.add(name)
                for each in self._nodes[name].now:
                    yield from emit_callable(each)
                yield self._nodes[name]

        def emit_callable(name: str) -> Iterator[_Node]:
            yield from emit(name)
            if name not in callable_now:
                callable_now.add(name)
                for each in self._nodes[name].later:
                    yield from emit_callable(each)

        for name in self._nodes:
            yield from emit(name)

    # What becomes of a name

    def _node(self, name: str) -> _Node:
        if name in self._functions:
            return self._function_node(name, self._functions[name])
        value = self._namespace.get(name, ABSENT)
        self._bindings[name] = value
        if name == "get_ipython":
            raise self._refused(name, "is the shell of the notebook")
        if value is ABSENT and name == "display" and hasattr(builtins, name):
            raise self._refused(name, "shows things on the page of the notebook only")
        if value is ABSENT or name[:2] == name[-2:] == "__":
            return _Node()  # It is a name of Python, or missing here, too.
        statement = self._binding_statement(name)
        if statement is None and name in _OF_SHELL:
            raise self._refused(name, "belongs to the shell of the notebook")
        if statement is None and name == "open":
            return _Node()  # That of IPython does what Python's does.
        if statement is not None:
            imported = self._import(name, value, statement)
            if imported is not None:
                return imported
        if isinstance(value, ModuleType):
            return self._module_node(name, value)
        if statement is not None and value is configuration_of_notebook():
            return self._configuration_node(name, statement)
        if statement is not None:
            statement = self._definition_inside(name, value, statement)
        if statement is not None and self._is_defined_by(name, value, statement):
            node = self._plain_node(statement)
            if self._is_class_of(value, statement):
                found = self._classes.changed(name, value, statement.node, statement)
                for changed in found:
                    self._add_attributes(node, *changed)
            elif isinstance(value, FunctionType):
                rebound, _ = self._classes.rebound_attributes(name)
                self._add_attributes(node, name, value, sorted(rebound))
            return node
        if statement is not None and self._is_inside(name, value, statement):
            return self._function_node(name, value)
        if self._belongs_to_cells(value):
            place = getattr(value, "__qualname__", "").partition(".")[0]
            if self._namespace.get(place) is not value and isinstance(value, type):
                raise self._refused(
                    name, f"is a class {value.__qualname__!r} without a source"
                )
        return self._value_node(name, value, statement)

    def _belongs_to_cells(self, value: Any) -> bool:
        """Tell if something was defined in a cell, and is no instance."""
        return (
            getattr(value, "__module__", None) == "__main__"
            and type(value).__module__ != "__main__"
        ) or (isinstance(value, type) and value.__module__ == "__main__")

    def _binding_statement(self, name: str) -> Statement | None:
        """Return the latest statement that binds a name."""
        for statement in reversed(self._statements):
            if name in statement.bound:
                return statement
            if "*" in statement.bound and self._is_of_star(name, statement):
                return statement
        return None

    def _is_of_star(self, name: str, statement: Statement) -> bool:
        module = sys.modules.get(getattr(statement.node, "module", None) or "")
        found = vars(module).get(name, ABSENT) if module is not None else ABSENT
        return found is self._namespace[name]

    def _import(self, name: str, value: Any, statement: Statement) -> _Node | None:
        """Return how a name is imported, `None` if another statement binds it."""
        import ast

        node = statement.node
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            text = _text_of_import(node, name)
            names = self._modules_below(name) if isinstance(value, ModuleType) else ()
            lines = [text, *(f"import {each}" for each in sorted(names))]
            item = (STATEMENT, statement.cell.name, statement.line, text, 0)
            if len(lines) > 1:
                item = (STATEMENT, statement.cell.name, 1, "\n".join(lines), 0)
            return _Node([item])
        if not isinstance(node, (ast.If, ast.Try)):
            return None
        is_importable = callable(value) or value is None
        if is_importable or isinstance(value, ModuleType):
            for each in ast.walk(node):
                if isinstance(each, (ast.Import, ast.ImportFrom)):
                    return self._plain_node(statement)
        return None

    def _module_node(self, name: str, module: ModuleType) -> _Node:
        text = f"import {module.__name__} as {name}"
        for each in sorted(self._modules_below(name)):
            text += f"\nimport {each}"
        return _Node([(STATEMENT, f"<import of {name}>", 1, text, 0)])

    def _modules_below(self, name: str) -> set[str]:
        """Return the loaded modules that are used through the name of a package."""
        found = set()
        for statement in self._statements:
            if name not in statement.reads[0] and name not in statement.reads[1]:
                continue
            for chain in statement.chains():
                if chain[0] == name:
                    found |= _modules_along(self._namespace[name], chain[1:])
        return found

    def _is_defined_by(self, name: str, value: Any, statement: Statement) -> bool:
        """Tell if a statement is the source of what a name means."""
        import ast

        node = statement.node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = unwrapped(value)
            if not isinstance(function, FunctionType):
                return bool(node.decorator_list)
            if function.__globals__ is not self._namespace:
                return bool(node.decorator_list)
            return statement.has_code_of(function)
        if isinstance(node, ast.ClassDef):
            if not isinstance(value, type):
                return bool(node.decorator_list)
            if value.__module__ != "__main__":
                return bool(node.decorator_list)
            return True
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            return False
        # A named tuple, a type variable, and the like are pickled by their names.
        is_function = isinstance(value, FunctionType)
        return self._belongs_to_cells(value) and not is_function

    @staticmethod
    def _definition_inside(name: str, value: Any, statement: Statement) -> Statement:
        """Return the definition of a task, for example, inside of an `if` or `try`.

        Args:
            name: A name.
            value: What it means.
            statement: What binds the name.

        Returns:
            The definition, the statement itself if it has none.
        """
        found = {}
        for inner in statement.functions_inside(name):
            function = unwrapped(value)
            if (
                inner.node.decorator_list
                and function is not value
                and isinstance(function, FunctionType)
                and inner.has_code_of(function)
            ):
                found[inner.text] = inner
        return found.popitem()[1] if len(found) == 1 else statement

    def _is_inside(self, name: str, value: Any, statement: Statement) -> bool:
        """Tell if a function is defined inside of a statement, like `if`."""
        return (
            isinstance(value, FunctionType)
            and value.__globals__ is self._namespace
            and value.__qualname__ == name
            and statement.has_code_of(value)
        )

    @staticmethod
    def _is_class_of(value: Any, statement: Statement) -> bool:
        """Tell if a value is a class that a statement defines as one."""
        is_of_cells = isinstance(value, type) and value.__module__ == "__main__"
        return is_of_cells and type(statement.node).__name__ == "ClassDef"

    def _add_attributes(
        self,
        node: _Node,
        path: str,
        owner: Any,
        attributes: Sequence[str],
        certain: Collection[str] = (),
    ) -> None:
        """Add attributes as they are now.

        Args:
            node: What becomes of the statement that defines it.
            path: The qualified name of a class or function.
            owner: The class or function.
            attributes: The names of the attributes.
            certain: The names of those that are not as the statement says if they
                cannot be pickled.
        """
        name, _, inner = path.partition(".")
        changed = set().union(*self._classes.rebound_attributes(path))
        for attribute in attributes:
            value = vars(owner).get(attribute, ABSENT)
            if value is ABSENT:
                continue
            try:
                captured, noted = self._captured(value)
            except BandsawError as error:
                if attribute not in certain:
                    continue
                what = f"{inner}.{attribute}" if inner else attribute
                raise self._refused(
                    name,
                    f"is a {_kind_of(owner)} whose attribute {what!r} was set later, "
                    f"and cannot be pickled ({error})",
                ) from error
            # Code that is executed there may set it anew, too.
            is_fixed = isinstance(value, FIXED) and attribute not in changed
            if not is_fixed:
                get_value = partial(_attribute_of, owner, attribute)
                self._values.append((get_value, captured))
            self._tell_size(f"The attribute '{path}.{attribute}'", captured.size)
            reference = captured.refer(self._buffers)
            item = (ATTRIBUTE, path, attribute, reference, is_fixed)
            node.items = [*node.items, item]
            node.now += [each for each in noted if each != name]

    def _configuration_node(self, name: str, statement: Statement) -> _Node:
        """Return how the configuration is made, and what was added to it later."""
        node = self._plain_node(statement)
        items, now, later = list(node.items), set(node.now), set(node.later)
        place = self._statements.index(statement)
        for each in self._statements[place + 1 :]:
            if each.is_call_of(name):
                added = self._plain_node(each)
                items += added.items
                now.update(added.now)
                later.update(added.later)
        return _Node(items, sorted(now - {name}), sorted(later))

    def _plain_node(self, statement: Statement) -> _Node:
        cell, flags = statement.cell.name, statement.flags
        item: tuple[Any, ...] = STATEMENT, cell, statement.line, statement.text, flags
        if statement.text[0].isspace():
            item = (*item, "if 1:\n", "")  # It is inside of another one.
        now, later = statement.reads
        return _Node([item], sorted(now - statement.bound), sorted(later))

    # Values, and functions without names

    def _value_node(self, name: str, value: Any, statement: Statement | None) -> _Node:
        try:
            captured, noted = self._captured(value)
        except BandsawError as error:
            import ast

            is_assigned = statement is not None and isinstance(
                statement.node, (ast.Assign, ast.AnnAssign)
            )
            if is_assigned and callable(value) and statement is not None:
                return self._plain_node(statement)
            if isinstance(error, NotMovableError):
                raise
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise self._refused(
                name, f"is an object of {kind}, which cannot be pickled ({error})"
            ) from error
        if name in noted:
            raise self._refused(name, _NO_SOURCE)
        self._tell_size(f"The variable {name!r}", captured.size)
        is_fixed = isinstance(value, FIXED) and name not in self._set_by_functions
        if not is_fixed:
            self._values.append((partial(getitem, self._namespace, name), captured))
        return _Node([(VALUE, name, captured.refer(self._buffers), is_fixed)], noted)

    def _tell_size(self, what: str, size: int) -> None:
        """Tell the size of much captured data, once for each place that holds it."""
        if size > _LARGE and what not in _told:
            _told.add(what)
            warn_caller(
                f"{what} holds {size >> 20} MiB, which travel to each process that "
                "runs a task that uses it. Give it as an argument, or read it in the "
                "task."
            )

    def _captured(self, value: Any) -> tuple[CapturedValue, list[str]]:
        """Return a value, written, and what it needs of the cells."""
        noted: dict[str, Any] = {}
        with _noting(noted, self._keys, self._error):
            captured = CapturedValue(value, self._serializer)
        self._functions.update((n, f) for n, f in noted.items() if f is not None)
        return captured, list(noted)

    def _function_node(self, key: str, function: FunctionType) -> _Node:
        if function.__globals__ is not self._namespace:
            raise self._refused(key, "is local to a function of a module")
        place = self._place_of(function)
        if place is None:
            raise self._refused(
                key,
                _NO_SOURCE,
            )
        try:
            captured, noted = self._captured(held_by(function))
        except NotMovableError:
            raise
        except BandsawError as error:
            raise self._refused(
                key,
                f"is the function {function.__qualname__!r}, which holds what cannot "
                f"be pickled ({error})",
            ) from error
        is_fixed = not any(held_by(function))
        if not is_fixed:
            self._values.append((partial(held_by, function), captured))
        self._tell_size(f"The function {function.__qualname__!r}", captured.size)
        reference = captured.refer(self._buffers)
        names = names_read(function.__code__)
        name = function.__code__.co_name
        item = (FUNCTION, key, place, name, function.__qualname__, reference, is_fixed)
        return _Node([item], noted, sorted(names))

    def _place_of(self, function: FunctionType) -> Place | None:
        """Return a text that has the function's code, with its place and flags."""
        code = function.__code__
        digest = code_digest(code)
        for statement in reversed(self._statements):
            if digest in statement.functions:
                place = place_in(statement, code)
                if place is not None:
                    return place
        return None

    # Refusals

    def _refused(self, name: str, reason: str) -> NotMovableError:
        chain = [name]
        while self._needed_by.get(chain[-1]) is not None:
            chain.append(str(self._needed_by[chain[-1]]))
        *between, root = map(repr, chain)
        if not between:
            return self._error(f"{root} {reason}")
        text = ", which uses ".join(reversed(between))
        return self._error(f"{root} uses {text}, and that {reason}")


def _attribute_of(owner: Any, attribute: str) -> Any:
    return vars(owner).get(attribute)


def _kind_of(value: Any) -> str:
    return "class" if isinstance(value, type) else "function"


def _text_of_import(node: Any, name: str) -> str:
    """Return a statement that imports one name only."""
    import ast

    for alias in node.names:
        bound = alias.asname or alias.name.partition(".")[0]
        if bound == name or alias.name == "*":
            suffix = f" as {alias.asname}" if alias.asname else ""
            chosen = name if alias.name == "*" else alias.name + suffix
            if isinstance(node, ast.ImportFrom):
                return f"from {'.' * node.level}{node.module or ''} import {chosen}"
            text = f"import {chosen}"
    return text


def _modules_along(value: Any, names: Sequence[str]) -> set[str]:
    found = set()
    for name in names:
        value = vars(value).get(name)
        if not isinstance(value, ModuleType):
            break
        if value.__name__ in sys.modules:
            found.add(value.__name__)
    return found


@contextmanager
def _noting(
    roots: dict[str, Any],
    keys: Keys,
    refuse: Callable[[str], NotMovableError] = NotMovableError,
) -> Iterator[None]:
    token = describer.set(_Noting(roots, keys, refuse))
    try:
        yield
    finally:
        describer.reset(token)


class _Noting(Functions):
    """Notes the functions and classes of the cells that a pickler comes across."""

    def __init__(
        self,
        roots: dict[str, Any],
        keys: Keys,
        refuse: Callable[[str], NotMovableError],
    ) -> None:
        super().__init__()
        self._roots = roots
        self._keys = keys
        self._refuse = refuse

    def reduce_definition(self, value: Any) -> Any:
        """Return how a function or class of the cells is pickled."""
        main = sys.modules["__main__"]
        root, _, rest = value.__qualname__.partition(".")
        found = vars(main).get(root)
        for name in rest.split(".") if rest else ():
            found = getattr(found, name, None)
        if found is value:
            self._roots.setdefault(root, None)
            return NotImplemented
        if isinstance(value, type):
            reduced = self.reduce(value)
            if reduced is not NotImplemented:
                return reduced
            raise self._refuse(
                f"a value of the class {value.__qualname__!r} was made before that was "
                "defined anew, so make it again"
                if found is not None
                else f"the class {value.__qualname__!r} is local to a function"
            )
        if value.__globals__ is not vars(main):
            return self.reduce(value)
        new_key = f"{value.__qualname__} {len(self._keys)}"
        key, _ = self._keys.setdefault(id(value), (new_key, value))
        self._roots.setdefault(key, value)
        return unnamed_function, (key,)
