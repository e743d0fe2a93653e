"""Follow, in sources alone, the imports that a function makes when it runs.

Nothing is imported for it. Whether the modules are loaded by now makes no difference,
so that the answer is the same before and after the first call.
"""

from __future__ import annotations

import os
from functools import partial

from ...interpreter import is_own_source
from ...modules import find_module
from .lookup import absolute_name
from .source import source_of
from .watching import status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

    from .parts import Graph, Node
    from .source import Source
    from .source.outline import Assignment, Definition, Import
    from .watching import Watch


class _Module:
    """A module of the user's own, known by its source.

    Attributes:
        name: Its absolute name.
        source: Its source.
        is_package: Whether other modules may be in it.
    """

    def __init__(self, name: str, source: Source, is_package: bool) -> None:
        self.name = name
        self.source = source
        self.is_package = is_package


class Unloaded:
    """Follow imports in sources.

    Args:
        graph: Gets a node for everything that is reached.
        watch: Watches the files.
        add_package: Called with the name and path of a module that is installed.
    """

    def __init__(
        self, graph: Graph, watch: Watch, add_package: Callable[[str, str], None]
    ) -> None:
        self._graph = graph
        self._watch = watch
        self._add_package = add_package
        self._modules: dict[str, _Module | None] = {}

    def follow_import(
        self, node: Node, module: str, item: Import, names: Iterable[str]
    ) -> None:
        """Follow what a function imports.

        Args:
            node: The node of the function.
            module: The absolute name of the module that is imported.
            item: The import.
            names: The dotted names that the function reads and that begin with a name
                which is bound by an import.
        """
        if item.attribute == "*":
            return
        for chain in names:
            root, _, rest = chain.partition(".")
            if root != item.bound:
                continue
            steps = [] if item.attribute is None else [item.attribute]
            self._follow(node, chain, module, steps + (rest.split(".") if rest else []))

    def _follow(self, node: Node, chain: str, name: str, steps: list[str]) -> None:
        module = self._module(name)
        if module is None:
            return
        if not steps:
            return  # The module itself, whatever is done with it.
        first, rest = steps[0], steps[1:]
        outline = module.source.outline
        definitions = outline.definitions.get(first)
        if definitions:
            for definition in definitions:
                self._add_definition(node, chain, module, definition)
        elif first in outline.assignments:
            self._add_assignment(node, chain, module, first)
        elif first in outline.imports or "*" in outline.imports:
            for item in outline.imports.get(first) or outline.imports["*"]:
                self._follow_on(node, chain, module, item, first, rest)
        elif module.is_package and self._module(f"{name}.{first}") is not None:
            self._follow(node, chain, f"{name}.{first}", rest)
        else:
            for definition in outline.definitions.get("__getattr__", ()):
                self._add_definition(node, chain, module, definition)

    def _follow_on(
        self,
        node: Node,
        chain: str,
        module: _Module,
        item: Import,
        name: str,
        rest: list[str],
    ) -> None:
        target = absolute_name(item, module.name, module.is_package)
        if item.attribute == "*":
            if self._module(target) is not None:
                self._follow(node, chain, target, [name, *rest])
        elif item.attribute is None:
            self._follow(node, chain, target, rest)
        else:
            self._follow(node, chain, target, [item.attribute, *rest])

    def _module(self, name: str) -> _Module | None:
        if name not in self._modules:
            self._modules[name] = self._find(name)
        return self._modules[name]

    def _find(self, name: str) -> _Module | None:
        try:
            spec = find_module(name)
        except Exception:
            return None  # A finder of another library may raise any exception.
        path = None if spec is None else spec.origin
        if spec is None or path is None or not os.path.isfile(path):
            return None
        if not is_own_source(os.path.abspath(path)):
            if "site-packages" in path or "dist-packages" in path:
                self._add_package(name, path)
            return None
        self._watch.file(name, path, status_of(path))
        source = source_of(path)
        if source is None:
            return None
        return _Module(name, source, spec.submodule_search_locations is not None)

    def _add_definition(
        self, node: Node, chain: str, module: _Module, definition: Definition
    ) -> None:
        label = f"{module.name}.{definition.name}"
        key = ("unloaded", label, definition.line)
        found = self._graph.node(
            key, definition.kind, lambda: label, self._expand, (module, definition)
        )
        node.add_edge(chain, found)

    def _expand(self, node: Node, subject: tuple[_Module, Definition]) -> None:
        module, definition = subject
        outline = module.source.outline
        node.text = partial(module.source.text, definition.lines)
        node.content = ["form", definition.form]
        names = list(definition.names)
        if definition.kind == "class":
            # Which bases and decorators read them is not known.
            form, used = definition.annotations
            node.content.append(form)
            names += used
        for form, used in definition.decorators:
            node.content.append(form)
            names += used
        node.chains = [*names, *definition.local_names]
        for chain in names:
            self._follow(node, chain, module.name, chain.split("."))
        for item in definition.imports:
            target = absolute_name(item, module.name, module.is_package)
            self.follow_import(node, target, item, definition.local_names)
        if definition.kind == "class":
            prefix = f"{definition.name}."
            for name in sorted(outline.definitions):
                if name.startswith(prefix) and "." not in name[len(prefix) :]:
                    for member in outline.definitions[name]:
                        self._add_definition(node, name, module, member)

    def _add_assignment(
        self, node: Node, chain: str, module: _Module, name: str
    ) -> None:
        label = f"{module.name}.{name}"
        assignment: Assignment = module.source.outline.assignments[name]

        def expand(constant: Node, _: object) -> None:
            constant.content = ["form", assignment.form]
            constant.text = lambda: module.source.text(assignment.lines)
            for inner in assignment.names:
                if inner.partition(".")[0] != name:
                    self._follow(constant, inner, module.name, inner.split("."))

        key = ("unloaded", label)
        found = self._graph.node(key, "constant", lambda: label, expand, module)
        node.add_edge(chain, found)
