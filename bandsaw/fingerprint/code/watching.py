"""Check, at C speed, if the facts about the code of a task still hold."""

from __future__ import annotations

import os
import sys
import types
import weakref
from operator import attrgetter, getitem, is_, itemgetter

from ...methods import TaskMethod
from .constants import BOUND, Description, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping, Optional

    Status = Optional[tuple[int, int, int]]

# Values of these types are kept alive as long as the answer is remembered. Of others,
# which may be large, only the type is compared.
HELD = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    type,
    property,
    TaskMethod,
    *BOUND,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
)

_get_code = attrgetter("__code__")
_get_content = attrgetter("cell_contents")


class Watch:
    """All bindings that were followed, with the values that were found."""

    def __init__(self) -> None:
        self._namespaces: dict[int, tuple[Any, dict[str, object]]] = {}
        self._typed: dict[tuple[int, str], tuple[Any, str, type]] = {}
        self._identities: list[tuple[Any, str, Callable[[], object]]] = []
        self._absent: dict[int, tuple[Any, dict[str, None]]] = {}
        self._functions: list[types.FunctionType] = []
        self._codes: list[types.CodeType] = []
        self._cells: list[Any] = []
        self._contents: list[object] = []
        self._changeable: list[
            tuple[Callable[[], object], Description, Callable[[Any], Description]]
        ] = []
        self._files: dict[str, tuple[str, Status]] = {}
        self._groups: list[tuple[Any, Any, tuple[object, ...]]] = []
        self._singles: tuple[list[Any], list[str], list[object]] = ([], [], [])
        self._sizes: list[int] = []
        self._checks: list[Callable[[], bool]] = []

    def binding(self, namespace: Mapping[str, Any], name: str, value: object) -> None:
        """Watch what a name is bound to.

        Args:
            namespace: The `__dict__` of a module or class.
            name: The name.
            value: What it is bound to.
        """
        if isinstance(value, HELD):
            self._namespaces.setdefault(id(namespace), (namespace, {}))[1][name] = value
        else:
            self._typed[id(namespace), name] = namespace, name, type(value)

    def identity(self, namespace: Mapping[str, Any], name: str, value: object) -> None:
        """Watch that a name is bound to one value, without keeping that alive.

        Args:
            namespace: The `__dict__` of a module or class.
            name: The name.
            value: What it is bound to.
        """
        try:
            get: Callable[[], object] = weakref.ref(value)
        except TypeError:
            # Only small values of Python itself, and those with slots, are that simple.
            def get() -> object:
                return value

        self._identities.append((namespace, name, get))

    def absence(self, namespace: Mapping[str, Any], name: str) -> None:
        """Watch that a name is not bound in a namespace."""
        self._absent.setdefault(id(namespace), (namespace, {}))[1][name] = None

    def function(self, function: types.FunctionType) -> None:
        """Watch that a function keeps its code; some tools reload it in place."""
        self._functions.append(function)
        self._codes.append(function.__code__)

    def follows(self, function: types.FunctionType) -> bool:
        """Tell if a function is watched."""
        return any(each is function for each in self._functions)

    def cell(self, cell: Any, content: object) -> None:
        """Watch what a closure holds."""
        self._cells.append(cell)
        self._contents.append(content)

    def changeable(
        self,
        get: Callable[[], object],
        description: Description,
        describe: Callable[[Any], Description] = describe,
    ) -> None:
        """Watch the content of a value that can be changed in place.

        Args:
            get: Returns the value that is there now.
            description: The description of its content now.
            describe: Describes a value.
        """
        self._changeable.append((get, description, describe))

    def file(self, module: str, path: str, status: Status) -> None:
        """Watch the file of a module, as long as it is not imported."""
        self._files[path] = module, status

    def close(self) -> None:
        """Prepare for being asked often: nothing more will be watched."""
        for namespace, values in self._namespaces.values():
            if len(values) < 2:
                for name, value in values.items():
                    self._singles[0].append(namespace)
                    self._singles[1].append(name)
                    self._singles[2].append(value)
                continue
            get = itemgetter(*values)
            self._groups.append((get, namespace, tuple(values.values())))
        self._namespaces.clear()
        self._sizes = self._current_sizes()
        checks = (
            (self._functions, self._functions_are_the_same),
            (self._singles[0], self._singles_are_the_same),
            (self._groups, self._groups_are_the_same),
            (self._cells, self._cells_are_the_same),
            (self._typed, self._types_are_the_same),
            (self._identities, self._identities_are_the_same),
            (self._absent, self._nothing_new),
            (self._changeable, self._content_is_the_same),
            (self._files, self._files_are_the_same),
        )
        self._checks = [check for watched, check in checks if watched]

    def is_current(self) -> bool:
        """Tell if all is as it was found."""
        try:
            for check in self._checks:
                if not check():
                    return False
        except (LookupError, AttributeError, ValueError):
            return False  # A name is gone, or a cell is empty.
        return True

    def _functions_are_the_same(self) -> bool:
        return all(map(is_, map(_get_code, self._functions), self._codes))

    def _singles_are_the_same(self) -> bool:
        namespaces, names, values = self._singles
        return all(map(is_, map(getitem, namespaces, names), values))

    def _groups_are_the_same(self) -> bool:
        return all(
            all(map(is_, get(namespace), found))
            for get, namespace, found in self._groups
        )

    def _cells_are_the_same(self) -> bool:
        return all(map(is_, map(_get_content, self._cells), self._contents))

    def _types_are_the_same(self) -> bool:
        return all(
            type(namespace[name]) is kind
            for namespace, name, kind in self._typed.values()
        )

    def _identities_are_the_same(self) -> bool:
        return all(
            namespace[name] is get() for namespace, name, get in self._identities
        )

    def _nothing_new(self) -> bool:
        # A new name changes the size. To compare that is quicker than to look for each.
        sizes = self._current_sizes()
        if sizes == self._sizes:
            return True
        for namespace, names in self._absent.values():
            if any(name in namespace for name in names):
                return False
        self._sizes = sizes
        return True

    def _current_sizes(self) -> list[int]:
        return [len(namespace) for namespace, _ in self._absent.values()]

    def _content_is_the_same(self) -> bool:
        return all(
            describe(get()).is_same(description)
            for get, description, describe in self._changeable
        )

    def _files_are_the_same(self) -> bool:
        return all(
            module in sys.modules or status_of(path) == status
            for path, (module, status) in self._files.items()
        )


def status_of(path: str) -> Status:
    """Return what tells one content of a file from another, `None` if it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
