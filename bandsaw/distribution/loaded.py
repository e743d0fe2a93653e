"""The functions that are loaded, and whether the text of a module compiles to them.

A module may be edited after it was loaded, and reloaders like IPython's autoreload give
loaded functions other code. An archive has to hold the text of what is loaded.
"""

from __future__ import annotations

import os
import sys
import warnings
from _operator import itemgetter
from types import CodeType, FunctionType

from ..modules import attribute_of, importable_module_name, script_module_name
from ..runtime.functions import partial
from ..runtime.lazy import late_attribute
from ..runtime.own_files import copy_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from typing import Any, Callable, Iterable, Iterator, Mapping

    Found = tuple[str, FunctionType]

# What code is compiled as at a prompt or in a cell of a terminal.
_TYPED = ("<ipython-input", "<python-input", "<stdin>")

# The flag of the code of functions; code of a module or class lacks it.
_OPTIMIZED = 1

# Kinds of `functools`, by their names, as that takes long to import
_WRAPPING = {"cached_property": "func", "_lru_cache_wrapper": "__wrapped__"}


class LoadedCode:
    """The functions of some modules as they are loaded at one moment.

    Args:
        modules: The namespace of each module by the module's name.

    Attributes:
        functions: All functions that the modules define.
        codes: The code of each.
    """

    def __init__(self, modules: Mapping[str, dict[str, Any]]) -> None:
        self._owners = {id(namespace): name for name, namespace in modules.items()}
        self._modules = modules
        # The functions that a module defines, and where in it each was found.
        self._defined: dict[str, list[Found]] = {name: [] for name in modules}
        # Those that were found elsewhere, perhaps from before a reload.
        self._strays: dict[str, list[Found]] = {name: [] for name in modules}
        # The names in a module of functions that were put there from a notebook.
        self._foreign: dict[str, list[str]] = {name: [] for name in modules}
        self._main_travels = script_module_name() is not None
        self._seen: set[tuple[int, bool]] = set()
        self._bindings: list[tuple[Callable[[Any], Any], Any, tuple[Any, ...]]] = []
        for name, namespace in modules.items():
            self._add_namespace(name, "", namespace)
        self.functions = [f for found in self._defined.values() for _, f in found]
        self.functions += [f for found in self._strays.values() for _, f in found]
        self.codes = [function.__code__ for function in self.functions]

    @property
    def is_current(self) -> bool:
        """Whether the functions still have their code, and in IPython their names.

        Elsewhere, to bind a name anew is what the program does by itself.
        """
        if [function.__code__ for function in self.functions] != self.codes:
            return False
        if "IPython" not in sys.modules:
            return True
        try:
            return all(get(names) == values for get, names, values in self._bindings)
        except KeyError:  # A name is gone.
            return False

    def is_from(self, module: str, path: str) -> bool:
        """Tell if all functions of a module say that they are from its file.

        Args:
            module: The name of the module.
            path: The path of its file.
        """
        if self._foreign[module]:
            return False
        files = {f.__code__.co_filename for _, f in self._defined[module]}
        return not any(
            file.startswith(_TYPED) or not (_is_file(file, path) or file[:1] == "<")
            for file in files
        )

    def misfit(self, module: str, text: Text) -> str | None:
        """Return where something is that is loaded, and differs from the text.

        Args:
            module: The name of the module.
            text: A text of the module.

        Returns:
            The dotted name of a function or constant, `None` if the text fits.
        """
        for where, _ in _undefined(text, self._defined[module]):
            return where
        for name in self._foreign[module]:
            if text.has_function(name):
                return f"{module}.{name}"
        namespace = self._modules[module]
        for name, value in text.constants.items():
            if name in namespace and not _holds(namespace[name], value):
                return f"{module}.{name}"
        return None

    def strays(self, module: str, source: bytes, path: str) -> list[Found]:
        """Return functions of a module, outside of it, that are not in its text.

        They are from before a reload of the module.

        Args:
            module: The name of the module.
            source: The text of the module.
            path: The path of its file.
        """
        found = self._strays[module]
        return list(_undefined(Text(source, path), found)) if found else []

    def _add_namespace(self, module: str, path: str, namespace: Any) -> None:
        watched = {}
        for name, value in list(namespace.items()):
            if self._add(module, f"{path}{name}", value):
                watched[name] = value
        if watched:
            # `itemgetter` gives a tuple of two or more only.
            names = [*watched, next(iter(watched))]
            values = tuple(namespace[name] for name in names)
            self._bindings.append((itemgetter(*names), namespace, values))

    def _add(self, module: str, path: str, value: Any) -> bool:
        """Add the functions of a value, and tell if it is one that may have some."""
        kind = type(value)
        if kind is FunctionType:
            owner = self._owners.get(id(value.__globals__))
            if self._is_new(value, module == owner):
                self._add_function(module, path, value, owner)
        elif kind is property:
            for each in (value.fget, value.fset, value.fdel):
                self._add(module, path, each)
        elif kind.__name__ in _WRAPPING and kind.__module__ == "functools":
            self._add(module, path, getattr(value, _WRAPPING[kind.__name__]))
        elif issubclass(kind, (staticmethod, classmethod)):
            self._add(module, path, value.__func__)
        elif issubclass(kind, partial):
            self._add(module, path, value.func)
        elif issubclass(kind, type):
            owner = value.__dict__.get("__module__")
            if not isinstance(owner, str):
                return False
            owner = importable_module_name(owner)
            if owner not in self._modules:
                return False
            if self._is_in_place(value, owner):
                module, path = owner, value.__qualname__
            if self._is_new(value, module == owner):
                self._add_namespace(module, f"{path}.", vars(value))
        else:
            return False
        return True

    def _is_new(self, value: object, is_at_home: bool) -> bool:
        key = id(value), is_at_home
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _is_in_place(self, cls: type, owner: str) -> bool:
        found: Any = None
        members: Mapping[str, Any] = self._modules[owner]
        for part in cls.__qualname__.split("."):
            found = members.get(part)
            members = vars(found) if isinstance(found, type) else {}
        return found is cls

    def _add_function(
        self, module: str, path: str, function: FunctionType, owner: str | None
    ) -> None:
        if owner is not None:
            found = self._defined if module == owner else self._strays
            found[owner].append((f"{module}.{path}", function))
        elif (
            function.__globals__.get("__name__") == "__main__"
            and not self._main_travels
        ):
            self._foreign[module].append(path)
        task = function.__dict__.get("bandsaw_task")
        if task is not None:
            # Its closure may be from before a reload.
            self._add(module, path, getattr(task, "callable", None))
            return
        self._add(module, path, function.__dict__.get("__wrapped__"))
        for cell in function.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # It is empty.
                continue
            if type(content) is FunctionType:
                self._add(module, path, content)


def _undefined(text: Text, functions: Iterable[Found]) -> Iterator[Found]:
    return (found for found in functions if not text.defines(found[1]))


def _is_file(file_of_code: str, path: str) -> bool:
    file_of_code = copy_of(file_of_code)
    if os.path.isabs(file_of_code):
        return os.path.normpath(file_of_code) == path
    return os.path.basename(file_of_code) == os.path.basename(path)


class Text:
    """A text of a module, and what it compiles to.

    Args:
        source: The text.
        path: The path of the module's file.

    Raises:
        SyntaxError: If it is no Python; or a `ValueError`.
    """

    def __init__(self, source: bytes, path: str) -> None:
        self._source = source
        self._path = path
        self._compiled = _compiled(source, path)

    def defines(self, function: FunctionType) -> bool:
        """Tell if the text compiles to a function."""
        if not (
            _is_file(function.__code__.co_filename, self._path)
            or self.has_function(function.__qualname__)
        ):
            return True  # It was generated, like the `__init__` of a data class.
        return self._compiled.has(function) or (
            "IPython" in sys.modules and self._compiled_as_patched.has(function)
        )

    def has_function(self, qualified_name: str) -> bool:
        """Tell if the text has a function of a name."""
        return qualified_name in self._compiled.by_qualified_name

    @late_attribute
    def constants(self) -> dict[str, Any]:
        """The values of names that the text binds once, to a literal."""
        return _constants_of(self._tree)

    @property
    def _tree(self) -> ast.Module:
        from ..runtime.code_objects import syntax_tree

        tree: ast.Module = syntax_tree(self._source)
        return tree

    @late_attribute
    def _compiled_as_patched(self) -> _Compiled:
        """The code that IPython's autoreload makes: other lines, and no `__future__`.

        It compiles methods in a class of another name, which shows in private names.
        """
        import ast

        tree = self._tree
        tree.body = [
            node
            for node in tree.body
            if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        ]
        names: dict[str, str] = {}
        for node in _classes_of(tree):
            # Leading underscores make no difference for private names.
            patched = "_" * len(names) + "autoreload_class__"
            names[patched], node.name = node.name, patched
        text = ast.unparse(tree) if sys.version_info >= (3, 9) else ""
        return _compiled(text, self._path, names)


def _classes_of(node: ast.AST) -> Iterator[ast.ClassDef]:
    """Yield the classes that can be reached from a module by their names."""
    import ast

    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _classes_of(child)


def _compiled(
    source: bytes | str, path: str, names: dict[str, str] | None = None
) -> _Compiled:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # They were given when it was loaded.
        code = compile(source, path, "exec", dont_inherit=True)
    return _Compiled(code, names or {})


class _Compiled:
    """The digests of all functions that the code of a module has inside.

    Args:
        code: The code of the module.
        names: What classes are called, by their names in the code.
    """

    def __init__(self, code: CodeType, names: dict[str, str]) -> None:
        self._names = names
        self.by_qualified_name: dict[str, set[str]] = {}
        self._by_name: dict[str, set[str]] = {}
        self._add_inner(code, "")

    def _add_inner(self, code: CodeType, prefix: str) -> None:
        from ..runtime.code_objects import code_digest

        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                name = self._names.get(inner.co_name, inner.co_name)
                qualified_name = f"{prefix}{name}"
                separator = "."
                if inner.co_flags & _OPTIMIZED:
                    separator = ".<locals>."
                    digest = code_digest(inner)
                    names = self.by_qualified_name.setdefault(qualified_name, set())
                    names.add(digest)
                    self._by_name.setdefault(name, set()).add(digest)
                self._add_inner(inner, f"{qualified_name}{separator}")

    def has(self, function: FunctionType) -> bool:
        """Tell if it has a function of that name and that code."""
        from ..runtime.code_objects import code_digest

        code = function.__code__
        name = code.co_name
        digest = code_digest(code)
        if digest not in self._by_name.get(name, ()):
            return False
        qualified_name = function.__qualname__
        if qualified_name.rpartition(".")[2] != name:
            return True  # It has taken the name of the function below it.
        return digest in self.by_qualified_name.get(qualified_name, (digest,))


def _constants_of(tree: ast.Module) -> dict[str, Any]:
    import ast

    bound: dict[str, int] = {}
    changed: set[str] = set()
    _count_bindings(tree, bound, changed)
    if "*" in bound or "globals" in bound:
        return {}  # Any name may be bound anew.
    constants = {}
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        try:
            value = ast.literal_eval(node.value)
        except (TypeError, ValueError, MemoryError, RecursionError):
            continue
        for name in names:
            if bound[name] == 1 and name not in changed:
                constants[name] = value
    return constants


def _count_bindings(tree: ast.Module, bound: dict[str, int], changed: set[str]) -> None:
    """Count how often names of the module are bound, and find what it may change."""
    import ast

    from ..runtime.code_objects import CHANGING_METHODS

    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    nodes: list[tuple[ast.AST, bool]] = [(tree, True)]
    while nodes:
        node, is_outside = nodes.pop()
        if isinstance(node, ast.Name):
            is_stored = not isinstance(node.ctx, ast.Load)
            if node.id == "globals" or (is_outside and is_stored):
                bound[node.id] = bound.get(node.id, 0) + 1
        elif isinstance(node, ast.Global):
            changed.update(node.names)
        elif isinstance(node, (ast.Subscript, ast.Attribute)):
            is_changing = (
                node.attr in CHANGING_METHODS
                if isinstance(node, ast.Attribute)
                else not isinstance(node.ctx, ast.Load)
            )
            if is_changing and isinstance(node.value, ast.Name):
                changed.add(node.value.id)
        elif isinstance(node, (*inner, ast.alias)) and is_outside:
            name = getattr(node, "asname", None) or getattr(node, "name", None)
            bound[str(name)] = bound.get(str(name), 0) + 1
        is_outside = is_outside and not isinstance(node, inner)
        nodes.extend((child, is_outside) for child in ast.iter_child_nodes(node))


def _holds(value: Any, literal: Any) -> bool:
    """Tell if a value is that of a literal, and perhaps more in a container."""
    if type(value) is not type(literal):
        return False
    if isinstance(literal, dict):
        return all(
            key in value and _holds(value[key], each) for key, each in literal.items()
        )
    if isinstance(literal, set):
        return literal.issubset(value)
    if isinstance(literal, list):
        return len(value) >= len(literal) and all(map(_holds, value, literal))
    # Not `==`, which would take `1` for `True`.
    return repr(value) == repr(literal)


def namespaces_of(modules: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the namespaces of those of some modules that can be judged by their text.

    Args:
        modules: The names of loaded modules.

    Returns:
        Each by the name of its module. What an importer of its own kind has loaded may
        have been compiled from something else than the text.
    """
    from _frozen_importlib_external import SourceFileLoader

    found = {}
    for name in modules:
        module = sys.modules.get(name)
        if module is None and name == script_module_name():
            module = sys.modules["__main__"]
        if type(attribute_of(module, "__loader__")) is SourceFileLoader:
            found[name] = object.__getattribute__(module, "__dict__")
    return found


def shell_count() -> int | None:
    """Return how many cells IPython has executed, `None` without IPython.

    Between two cells, a reloader may have changed what is loaded.
    """
    shell = _shell()
    return None if shell is None else getattr(shell, "execution_count", None)


def is_reloaded(module: str, changed: float) -> bool:
    """Tell if IPython's autoreload has loaded a module as it is in its file.

    Args:
        module: The name of the module.
        changed: The time at which the file was changed, in seconds.
    """
    magics = getattr(_shell(), "magics_manager", None)
    registry = getattr(magics, "registry", None) or {}
    reloader = getattr(registry.get("AutoreloadMagics"), "_reloader", None)
    times = getattr(reloader, "modules_mtimes", None) or {}
    failed = getattr(reloader, "failed", None) or {}
    return times.get(module) == changed and changed not in failed.values()


def _shell() -> Any:
    # From IPython 9 on, the package itself has it only after it was asked for.
    module = sys.modules.get("IPython.core.getipython")
    get_shell = attribute_of(module, "get_ipython")
    return None if get_shell is None else get_shell()
