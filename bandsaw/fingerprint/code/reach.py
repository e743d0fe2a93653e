"""Find all that a loaded function reaches: functions, classes and constants.

In comes a function, with the functions and classes that its arguments hold
(`arguments.code_in`). Out comes a `Code`: parts by name, versions of packages. Between
them, a `Graph` of nodes grows until nothing new is reached:

1. `_code_node` removes wrappers (`constants.below`), asks for the owner of the rest
   (`origins`), and makes a node for what is the user's own. Of the rest, only the
   distribution is noted (`origins.Packages`).
2. When the turn of a node comes, its `_expand_...` looks for the definition in the
   source (`source.source_of`). This has a digest of the normal form, and the names that
   are used. Where no source compiles to the loaded code, the code object has both
   (`runtime.code_objects`).
3. Each name is followed from its module on (`lookup.follow`). A function or class is a
   node of step 1. A constant is a node of its content, which is plain data
   (`constants.describe`) or was made by a call (`made.Look`). What cannot be looked at,
   what is of this process only, and what the code changes itself, its state, are nodes
   of their assignment in the source.
4. What a function imports itself is followed in sources alone (`unloaded`), since it
   may not be loaded yet.

What code that is reached changes is known when all is followed: decorators, and
methods that nothing names, run only while modules are imported (`parts.Graph.running`).
All bindings that were followed are noted in a `Watch`, which tells at the next call if
the answer still holds. Where a value turns out to be state after it was taken for a
constant, the caller starts again, with the state that is known by then.
"""

from __future__ import annotations

import sys
from functools import partial
from operator import getitem
from types import FunctionType, ModuleType

from ...infos import text_of
from ...runtime.code_objects import (
    CHANGEABLE,
    changes_values,
    code_digest,
    has_unknown_instructions,
    names_of_code,
)
from .arguments import (
    code_in,
    contents_of_closure,
    functions_in,
    implementations_of,
)
from .constants import BOUND, below, bound_to, content_of, describe, is_code
from .lookup import (
    ABSENT,
    Namespace,
    follow,
    foreign_name,
    is_generated,
    is_of_bandsaw,
    label_of,
    members_of,
    namespace_of,
    origin,
)
from .made import (
    MOST_AGAIN,
    Look,
    held_attribute,
    in_order_of_modules,
    is_passing,
    makes_passing,
    reason_to_list,
)
from .origins import INSTALLED, OWN, Packages, origin_of_class, origin_of_namespace
from .parts import Graph
from .source import source_of
from .unloaded import Unloaded
from .watching import HELD, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Callable, Iterable, Mapping

    from .constants import Description
    from .lookup import Binding, Found
    from .made import Kinds, Known
    from .parts import Code, Node
    from .source.outline import Assignment, Definition


# What reads the annotations of classes, and the mark of code that does.
_READERS = frozenset(
    (
        "__annotations__",
        "__dataclass_fields__",
        "fields",
        "get_annotations",
        "get_type_hints",
    )
)
_READ = "annotations are read"

# Methods that run while classes are made.
_AT_IMPORT = frozenset(("__init_subclass__", "__set_name__"))
_OF_METACLASSES = frozenset(("__init__", "__new__", "__prepare__"))

# Packages with many classes to inherit that ignore annotations.
_BLIND = frozenset(("numpy", "pandas", "scipy", "sklearn", "torch"))


def _may_read(value: Any) -> bool:
    """Tell if a decorator or base may read annotations: an installed one may."""
    name = getattr(value, "__module__", None)
    if isinstance(value, ModuleType):
        name = value.__name__
    if not isinstance(name, str) or name.partition(".")[0] in _BLIND:
        return False
    module = sys.modules.get(name)
    if module is None:
        return False
    return origin_of_namespace(vars(module)) == INSTALLED


def _is_hidden_by_alias(chain: str, module: ModuleType) -> bool:
    """Tell if a name by which a module is used does not tell which one it is."""
    name = module.__name__
    if chain.partition(".")[0] == name.rpartition(".")[2] or chain.startswith(name):
        return False
    # The version of a package represents its outermost module.
    owner = origin_of_namespace(vars(module))
    return owner != OWN and ("." in name or owner != INSTALLED)


def _is_part(chain: str, names: Iterable[str]) -> bool:
    """Tell if a dotted name is one of some names, or that of a part of one."""
    return any(chain == name or chain.startswith(f"{name}.") for name in names)


def _look_again(label: str, kinds: Kinds, known: Known, value: object) -> Description:
    return Look(label, kinds, known).describe(value)


def _describe_registered(value: list[object]) -> Description:
    return describe(in_order_of_modules(value))


class Reach:
    """Follow the names that the code of a function uses.

    Args:
        state: The names that are known to be changed by code that is reached.
        registered: The names that are known to be changed while modules are imported.

    Attributes:
        watch: The bindings that were followed.
        state: The names that code which is reached changes itself, like
            ``"package.module.COUNTS"``.
        registered: The names that decorators and the like change.
    """

    def __init__(
        self, state: Iterable[str] = (), registered: Iterable[str] = ()
    ) -> None:
        self.watch = Watch()
        self.state: set[str] = set(state)
        self.registered: set[str] = set(registered)
        self._lists: set[str] = set()
        self._decorating: set[Node] = set()
        self._known_constants: dict[str, tuple[object, Node]] = {}
        self._constants: set[str] = set()
        self._changes: list[tuple[Node, set[str]]] = []
        self._graph = Graph()
        self._packages = Packages()
        self._namespaces: dict[int, Namespace] = {}
        self._unloaded = Unloaded(self._graph, self.watch, self._packages.add)

    def code_of(self, function: FunctionType, others: Iterable[Any]) -> Code:
        """Return the code of a function.

        Args:
            function: The function, with the decorators that are part of the task.
            others: The functions and classes that come with its arguments.
        """
        for target in (function, *others):
            self._code_node(target)
        self._graph.grow()
        if self._changes:
            running = self._graph.running(self._decorating)
            for node, names in self._changes:
                if node in running:
                    self.state |= names
                else:
                    self.registered |= names
        self.watch.close()
        return self._graph.code(self._packages.versions)

    @property
    def is_mistaken(self) -> bool:
        """Whether a value was looked at before it was known how it is changed."""
        return not (
            self._constants.isdisjoint(self.state)
            and self._lists.isdisjoint(self.registered)
        )

    def _namespace(self, values: Mapping[str, Any]) -> Namespace:
        known = self._namespaces.get(id(values))
        if known is None:
            known = self._namespaces[id(values)] = Namespace(values)
        return known

    # What has code

    def _code_node(self, value: Any) -> Node | None:
        """Return the node of something that can be called, `None` if it is not own."""
        for inner in below(value):
            self._code_node(inner)
        if isinstance(value, BOUND):
            return self._code_node(value.__func__)
        implementations = implementations_of(value)
        if implementations is not None:
            return self._dispatch_node(value, implementations)
        if isinstance(value, FunctionType):
            return self._function_node(value)
        if isinstance(value, type):
            return self._class_node(value)
        name = "__name__" if isinstance(value, ModuleType) else "__module__"
        self._packages.add_of(getattr(value, name, None))
        return None

    def _function_node(self, function: FunctionType) -> Node | None:
        owner = origin_of_namespace(function.__globals__)
        if owner != OWN:
            if owner == INSTALLED:
                self._packages.add_of(function.__globals__.get("__name__"))
                # A decorator of a library need not say what it wraps.
                for target in code_in(contents_of_closure(function)):
                    self._code_node(target)
            return None
        label = partial(label_of, function)
        return self._graph.node(
            id(function), "function", label, self._expand_function, function
        )

    def _dispatch_node(
        self, function: Any, implementations: Mapping[type, Any]
    ) -> Node:
        def expand(node: Node, _: object) -> None:
            self.watch.changeable(lambda: implementations, describe(implementations))
            # The order of registration, which follows that of imports, is ignored.
            for cls in sorted(implementations, key=label_of):
                node.add_edge(label_of(cls), self._code_node(implementations[cls]))

        key = ("dispatch", id(function))
        label = f"{function.__module__}.{function.__qualname__} by type"
        return self._graph.node(key, "function", lambda: label, expand, function)

    def _expand_function(self, node: Node, function: FunctionType) -> None:
        self.watch.function(function)
        node.code = function.__code__
        space = self._namespace(function.__globals__)
        source = source_of(function.__code__.co_filename) or space.source
        definition = None if source is None else source.outline.find(function)
        if source is None or definition is None:
            # The source is not that of the code that is loaded.
            node.content = ["code", code_digest(function.__code__)]
            if has_unknown_instructions(function.__code__):
                self._graph.unseen[node.label] = (
                    "no source fits it, and it has instructions that are not known"
                )
            self._follow_closure(node, function, ())
            self._follow_code(node, space, function.__code__)
            return
        node.text = partial(source.text, definition.lines)
        node.content = ["form", definition.form]
        self._follow_closure(node, function, definition.changed)
        self._follow_definition(node, space, definition)

    def _follow_definition(
        self, node: Node, space: Namespace, definition: Definition
    ) -> None:
        if definition.unknown:
            self._graph.unseen[node.label] = (
                f"it has syntax that is not known: {', '.join(definition.unknown)}"
            )
        if definition.changed:
            changed = {
                self._label_of_change(space, name) for name in definition.changed
            }
            self._changes.append((node, changed))
        if any(chain.rpartition(".")[2] in _READERS for chain in definition.names):
            self.state.add(_READ)
        # It runs when the module is imported; what it returns is a value.
        node.is_at_import = True
        decorators = [
            self._follow_decorator(node, space, form, names)
            for form, names in definition.decorators
        ]
        node.is_at_import = False
        if definition.kind == "function" and any(decorators):
            self._follow_annotations(node, space, definition)
        for chain in definition.names:
            self._follow(node, space, chain, definition.changed)
        for item in definition.imports:
            module = space.absolute(item)
            self._unloaded.follow_import(node, module, item, definition.local_names)

    def _label_of_change(self, space: Namespace, name: str) -> str:
        found = None if name[0] in ".=" else follow(space, name, self._namespace)
        if found is None:
            return name
        label = self._label(found.space, found.place, found.value)
        return ".".join([label, *found.rest])

    def _follow_decorator(
        self, node: Node, space: Namespace, form: str, names: list[str]
    ) -> bool:
        """Follow a decorator; tell if it may read annotations."""
        # How a task is advised makes no difference to what it does.
        if any(is_of_bandsaw(space, name, self._namespace) for name in names):
            return False
        node.content.append(form)
        for chain in names:
            self._follow(node, space, chain, ())
        found = [follow(space, name, self._namespace) for name in names]
        for item in found:
            maker = None if item is None else self._class_node(type(item.value))
            if maker is not None:
                self._decorating.add(maker)
        return any(item is not None and _may_read(item.value) for item in found)

    def _follow_annotations(
        self, node: Node, space: Namespace, definition: Definition
    ) -> None:
        form, names = definition.annotations
        node.content += ["annotations", form]
        for chain in names:
            self._follow(node, space, chain, ())

    def _follow_closure(
        self, node: Node, function: FunctionType, changed: Iterable[str]
    ) -> None:
        names = function.__code__.co_freevars
        roots = {name.partition(".")[0] for name in changed}
        for name, cell in zip(names, function.__closure__ or ()):
            if name in roots:
                continue  # What code changes itself is state.
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            self.watch.cell(cell, value)
            self._follow_value(node, name, value, f"{node.label} with {name}")

    def _follow_code(self, node: Node, space: Namespace, code: CodeType) -> None:
        names = names_of_code(code)
        # Instructions do not tell which of the values they change.
        changed = names if changes_values(code, names) else frozenset()
        self._changes.append((node, {f".{name}" for name in changed}))
        for name in sorted(names):
            value = space.values.get(name, ABSENT)
            if isinstance(value, ModuleType):
                self._follow(node, space, name, ())
                for attribute in sorted(names & vars(value).keys()):
                    self._follow(node, space, f"{name}.{attribute}", ())
            elif value is not ABSENT:
                is_state = name in changed and type(value) in CHANGEABLE
                self._follow(node, space, name, (name,) if is_state else ())

    # Classes

    def _class_node(self, cls: type) -> Node | None:
        owner = origin_of_class(cls)
        if owner != OWN:
            if owner == INSTALLED:
                self._packages.add_of(cls.__module__)
            return None
        label = partial(label_of, cls)
        return self._graph.node(id(cls), "class", label, self._expand_class, cls)

    def _expand_class(self, node: Node, cls: type) -> None:
        members = dict(vars(cls))
        functions = [
            item for item in members.values() if isinstance(item, FunctionType)
        ]
        values = namespace_of(cls, functions)
        space = self._namespace(values)
        definition = None
        if space.source is not None:
            source = space.source
            lines = [function.__code__.co_firstlineno for function in functions]
            definition = source.outline.find_class(cls.__qualname__, lines)
        if definition is not None:
            node.text = partial(source.text, definition.lines)
            node.content = ["form", definition.form, source.doubt]
            self._follow_definition(node, space, definition)
            if definition.annotations[0] and self._are_annotations_read(
                space, cls, definition
            ):
                self._follow_annotations(node, space, definition)
        for base in (*cls.__bases__, type(cls)):
            node.add_edge("base", self._code_node(base))
        are_named = self._are_methods_named(cls)
        for name, value in sorted(members_of(cls).items()):
            node.is_at_import = name in _AT_IMPORT or (
                name in _OF_METACLASSES and issubclass(cls, type)
            )
            is_special = name.startswith("__") and name.endswith("__")
            may_be_unused = name == "__call__" or (are_named and not is_special)
            node.method = name if may_be_unused else None
            if name in members:
                self.watch.binding(vars(cls), name, members[name])
            if definition is not None and is_generated(value):
                continue
            target = self._code_node(value) if is_code(value) else None
            node.add_edge(name, target)
            if not is_code(value):
                self._follow_attribute(node, cls, name, value, definition is None)
            if target is None:
                place = f"{cls.__qualname__}.{name}"
                binding = vars(cls), name, members.get(name, value)
                self._follow_decorated(node, name, space, place, binding)
        node.is_at_import, node.method = False, None

    @staticmethod
    def _are_methods_named(cls: type) -> bool:
        """Tell if nothing but the user's own code calls the methods of a class."""
        return all(
            owner is object or owner is type or origin_of_class(owner) == OWN
            for owner in cls.__mro__
        )

    def _are_annotations_read(
        self, space: Namespace, cls: type, definition: Definition
    ) -> bool:
        if _READ in self.state or any(map(_may_read, (*cls.__mro__, type(cls)))):
            return True
        self._constants.add(_READ)
        names = {name for _, used in definition.decorators for name in used}
        found = [follow(space, name, self._namespace) for name in names]
        return any(item is not None and _may_read(item.value) for item in found)

    def _follow_attribute(
        self,
        node: Node,
        cls: type,
        name: str,
        value: object,
        is_without_source: bool,
    ) -> None:
        description = describe(value)
        label = f".{name}"
        if not description.is_plain:
            if is_without_source:
                node.content += [name, type(value).__qualname__]
            if vars(cls).get(name) is value and label not in self.state:
                self._follow_made_attribute(node, cls, name, value)
            return
        if not description.is_fixed:
            # What code that is reached changes is state. It is identified by its
            # assignment, which is a part of the class.
            if label in self.state and not is_without_source:
                return
            if name in vars(cls):
                self.watch.changeable(lambda: vars(cls)[name], description)
            self._constants.add(label)
        node.content += [name, description.token.hex()]
        self._follow_targets(node, name, description)

    def _follow_made_attribute(
        self, node: Node, cls: type, name: str, value: object
    ) -> None:
        """Follow an object in a class, but for what makes attributes of others."""
        kind = type(value)
        if hasattr(kind, "__get__") or origin_of_class(kind) == INSTALLED:
            return
        if functions_in(value, f"{cls.__qualname__}.{name}"):
            return  # A decorator has made it.
        self._constants.add(f".{name}")
        self.watch.identity(vars(cls), name, value)
        get = partial(getitem, vars(cls), name)
        description = self._look(f"{label_of(cls)}.{name}", value, get)
        node.content += [name, description.token.hex()]
        self._follow_targets(node, name, description)

    # Names

    def _follow(
        self, node: Node, space: Namespace, chain: str, changed: Iterable[str]
    ) -> None:
        found = follow(space, chain, self._namespace)
        if found is None:
            self.watch.absence(space.values, chain.partition(".")[0])
            return
        value = found.value
        label = self._label(found.space, found.place, value)
        is_state = _is_part(chain, changed) or label in self.state
        for namespace, name, bound in found.steps[: -1 if is_state else None]:
            if bound is ABSENT:
                self.watch.absence(namespace, name)
            else:
                self.watch.binding(namespace, name, bound)
        for cls in found.classes:
            node.add_edge(chain, self._class_node(cls))
        if value is ABSENT or found.classes:
            return
        if isinstance(value, ModuleType):
            self._packages.add_of(value.__name__)
            if _is_hidden_by_alias(chain, value):
                node.content += [chain, value.__name__]
        elif is_code(value) and bound_to(value) is None:
            self._follow_code_value(node, chain, value)
        elif is_state:
            space, place = self._origin(found.space, found.place, value)
            self._follow_assignment(node, chain, space, place, found.steps[-1])
        else:
            self._follow_constant(node, chain, found, label)

    def _follow_constant(
        self, node: Node, chain: str, found: Found, label: str
    ) -> None:
        value, namespace, name = found.value, *found.steps[-1][:2]
        known = self._known_constants.get(label)
        if known is not None and known[0] is value and not found.rest:
            node.add_edge(chain, known[1])
            return
        space, place = origin(found.space, name, value, self._namespace)
        if found.rest and space is not None:
            held = self._follow_attributes(node, chain, found, label)
            if held is not None:
                self._follow_held(node, chain, found, held)
                return
        description_of: Callable[[Any], Description] = describe
        if type(value) is list:
            if label in self.registered:
                description_of = _describe_registered
            else:
                self._lists.add(label)
        description = description_of(value)
        if space is None and not description.is_plain:
            self._follow_targets(node, chain, description)
            node.content += [chain, place]
        elif space is not None and self._is_left_to_assignment(
            node, space, place, value
        ):
            for target in description.targets:
                node.add_edge(chain, self._code_node(target))
            self._follow_assignment(node, chain, space, place, found.steps[-1])
        elif description.is_plain:
            if not (description.is_fixed and isinstance(value, HELD)):
                get = partial(getitem, namespace, name)
                self.watch.changeable(get, description, description_of)
            self._follow_described(node, chain, label, name, value, description)
        else:
            self.watch.identity(*found.steps[-1])
            look = self._look(label, value, partial(getitem, namespace, name))
            self._follow_described(node, chain, label, name, value, look)
            if not look.is_plain and space is not None and space.source is not None:
                self._follow_assignment(node, chain, space, place, found.steps[-1])
            elif not look.is_plain:
                node.content += [chain, content_of(value)]

    def _follow_described(
        self,
        node: Node,
        chain: str,
        label: str,
        name: str,
        value: object,
        description: Description,
    ) -> None:
        self._constants.add(label)
        key = ("constant", label)
        constant = self._constant_node(key, label, name, value, description)
        node.add_edge(chain, constant)
        if isinstance(value, HELD) and not description.targets:
            self._known_constants[label] = value, constant

    def _is_left_to_assignment(
        self, node: Node, space: Namespace, place: str, value: object
    ) -> bool:
        """Tell if the source tells more of a value than its content does."""
        if space.source is None:
            return bool(functions_in(value, place))
        if place in space.source.outline.definitions:
            return not describe(value).is_plain  # A decorator has made it.
        if node.is_at_import and not describe(value).is_plain:
            return True  # What a decorator does with it is done.
        if place not in space.source.outline.assignments:
            return False
        self._list(f"{space.name}.{place}", value)
        return is_passing(value) or self._is_made_of_times(space, place, {place})

    def _is_made_of_times(self, space: Namespace, place: str, passed: set[str]) -> bool:
        """Tell if nothing but times and temporary paths makes a value."""
        assignment = space.source and space.source.outline.assignments.get(place)
        if not assignment:
            return False
        has_times = False
        for chain in assignment.names:
            found = follow(space, chain, self._namespace)
            if found is None or chain in passed:
                continue  # A function of Python, like `str`.
            if isinstance(found.value, ModuleType):
                is_time = makes_passing(".".join([found.value.__name__, *found.rest]))
            elif is_code(found.value):
                name = foreign_name(found.value)
                is_time = makes_passing(".".join([name, *found.rest]))
            else:
                owner, inner = self._origin(found.space, found.place, found.value)
                passed |= {chain, inner}
                is_time = self._is_made_of_times(owner, inner, passed)
            if is_time is False:
                return False
            has_times = has_times or bool(is_time)
        return has_times

    def _look(
        self, label: str, value: object, get: Callable[[], object] | None
    ) -> Description:
        """Look at a value that is no plain data, and note what cannot be looked at.

        Args:
            label: What it is called.
            value: The value.
            get: Returns the value that is there now, if changes in it are significant.
        """
        known: Known = {}
        state, registered = frozenset(self.state), frozenset(self.registered)

        def is_state(path: str, attribute: str) -> bool:
            labels = {f"{path}.{attribute}", f"={attribute}"}
            if labels.isdisjoint(state):
                self._constants |= labels
                return False
            return True

        def is_registered(attribute: str) -> bool:
            if f"={attribute}" in registered:
                return True
            self._lists.add(f"={attribute}")
            return False

        kinds = is_state, is_registered
        look = Look(label, kinds, known)
        description = look.describe(value)
        self._graph.unseen.update(look.unseen)
        if get is not None and look.size <= MOST_AGAIN:
            again = partial(_look_again, label, kinds, known)
            self.watch.changeable(get, description, again)
        return description

    def _follow_attributes(
        self, node: Node, chain: str, found: Found, label: str
    ) -> tuple[str, object, Callable[[], object]] | None:
        """Follow the attributes of an object that are named, as far as it holds them.

        Returns:
            The label of the last one, its value and what returns it; `None` if there is
            none, or if the code changes it.
        """
        value, place = found.value, label
        for attribute in found.rest:
            held = held_attribute(value, attribute)
            if held is ABSENT:
                break
            labels = {f"{place}.{attribute}", f"={attribute}"}
            if not labels.isdisjoint(self.state):
                return None
            if place == label:
                self.watch.identity(*found.steps[-1])
            self._constants |= {place, *labels}
            kind = type(value)
            node.add_edge(chain, self._code_node(kind))
            get = partial(getattr, value, attribute)
            names = getattr(value, "__dict__", {})
            if attribute in names:
                self.watch.binding(names, attribute, held)
            elif isinstance(held, HELD):
                self.watch.changeable(get, describe(held))
            place, value = f"{place}.{attribute}", held
        return None if place == label else (place, value, get)

    def _follow_held(
        self,
        node: Node,
        chain: str,
        found: Found,
        held: tuple[str, object, Callable[[], object]],
    ) -> None:
        """Follow what an attribute of an object holds."""
        label, value, get = held
        if isinstance(value, ModuleType):
            node.content += [chain, value.__name__]
            return
        if is_code(value) and bound_to(value) is None:
            self._follow_code_value(node, chain, value)
            return
        name = label.rpartition(".")[2]
        description = describe(value)
        if is_passing(value):
            self._list(label, value)
            space, place = self._origin(found.space, found.place, found.value)
            self._follow_assignment(node, chain, space, place, found.steps[-1])
            return
        if not description.is_plain:
            description = self._look(label, value, get)
        elif not (description.is_fixed and isinstance(value, HELD)):
            self.watch.changeable(get, description)
        self._follow_described(node, chain, label, name, value, description)
        if not description.is_plain:
            space, place = self._origin(found.space, found.place, found.value)
            self._follow_assignment(node, chain, space, place, found.steps[-1])

    def _list(self, label: str, value: object) -> None:
        """List what counts by its assignment, and gives values that may differ."""
        reason = reason_to_list(value)
        if reason:
            self._graph.unseen[label] = reason

    def _label(self, space: Namespace, name: str, value: object) -> str:
        owner, place = self._origin(space, name, value)
        return f"{owner.name}.{place}"

    def _origin(
        self, space: Namespace, name: str, value: object
    ) -> tuple[Namespace, str]:
        owner, place = origin(space, name, value, self._namespace)
        return (space, name) if owner is None else (owner, place)

    def _follow_value(self, node: Node, name: str, value: object, label: str) -> None:
        """Follow what a closure holds."""
        if isinstance(value, ModuleType):
            self._packages.add_of(value.__name__)
            # Which names are taken from it is not known.
            for target in code_in([value]):
                node.add_edge(name, self._code_node(target))
            return
        if is_code(value) and bound_to(value) is None:
            self._follow_code_value(node, name, value)
            return
        description = describe(value)
        if not description.is_plain:
            self._list(label, value)
            content = content_of(value)
            if " " in content and not is_passing(value):  # It is no fingerprint.
                self._look(label, value, None)
            node.content += [name, content]
            for target in (*description.targets, *code_in([value])):
                node.add_edge(name, self._code_node(target))
            return
        if not description.is_fixed:
            self.watch.changeable(lambda: value, description)
        key = ("closure", label, description.token)
        node.add_edge(name, self._constant_node(key, label, name, value, description))

    def _constant_node(
        self,
        key: tuple[Any, ...],
        label: str,
        name: str,
        value: object,
        description: Description,
    ) -> Node:
        def expand(node: Node, _: object) -> None:
            node.content = [description.token.hex()]
            node.text = f"{name} = {text_of(value)}"
            self._follow_targets(node, name, description)

        return self._graph.node(key, "constant", lambda: label, expand, value)

    def _follow_targets(self, node: Node, name: str, description: Description) -> None:
        """Follow the functions and classes in a constant, with their places in it."""
        targets = description.targets
        is_one = len(set(map(id, targets))) == 1
        for place, target in enumerate(targets):
            label = name if is_one else f"{name}[{place}]"
            self._follow_code_value(node, label, target)

    def _follow_code_value(self, node: Node, name: str, value: object) -> None:
        """Follow a function or class that a name refers to."""
        found = self._code_node(value)
        node.add_edge(name, found)
        # What is not the user's own has no node.
        if found is None and name.rpartition(".")[2] != getattr(value, "__name__", ""):
            node.content += [name, foreign_name(value)]

    def _follow_decorated(
        self, node: Node, chain: str, space: Namespace, name: str, binding: Binding
    ) -> None:
        """Follow what a decorator has made an object of, like a cached property."""
        source = space.source
        definitions = None if source is None else source.outline.definitions.get(name)
        if source is not None and definitions is None:
            return
        targets = functions_in(binding[2], name)
        if targets:
            self.watch.identity(*binding)
        for target in targets:
            node.add_edge(chain, self._code_node(target))
        if targets or source is None:
            return

        # The object does not show what it is made of.
        def expand(decorated: Node, _: object) -> None:
            for definition in definitions or ():
                decorated.content += ["form", definition.form, source.doubt]
                decorated.chains += [*definition.names, *definition.local_names]
                self._follow_definition(decorated, space, definition)

        key = ("decorated", id(space.values), name)
        label = f"{space.name}.{name}"
        found = self._graph.node(key, "function", lambda: label, expand, space)
        node.add_edge(chain, found)

    def _follow_assignment(
        self, node: Node, chain: str, space: Namespace, name: str, binding: Binding
    ) -> None:
        """Identify a value that is no plain data by its assignment."""
        self._follow_decorated(node, chain, space, name, binding)
        source = space.source
        assignment = None if source is None else source.outline.assignments.get(name)
        if source is None or assignment is None:
            node.content += [chain, "assigned elsewhere"]
            return
        given: Assignment = assignment

        def expand(constant: Node, _: object) -> None:
            constant.content = ["form", given.form, source.doubt]
            constant.text = lambda: source.text(given.lines)
            for inner in given.names:
                self._follow(constant, space, inner, (name,))

        key = ("assignment", id(space.values), name)
        label = f"{space.name}.{name}"
        found = self._graph.node(key, "constant", lambda: label, expand, space)
        node.add_edge(chain, found)
