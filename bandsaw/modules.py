"""The module that defines an object, and its import in another interpreter."""

from __future__ import annotations

import contextvars
import os
import sys
from types import ModuleType

from .exceptions import MainGuardError, NotMovableError, SerializationError
from .runtime.contexts import contextmanager
from .runtime.fork import call_at_reset
from .runtime.functions import lru_cache
from .runtime.home import home_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Any, Callable, Iterator

# The flag of coroutine functions; importing `inspect`, which names it, takes long.
_COROUTINE = 128

MAIN_NAMES = ("__main__", "__mp_main__")

# The module names of the scripts that were started, by their paths.
_names_of_scripts: dict[str, str] = {}
call_at_reset(_names_of_scripts.clear)

_reading_data: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "bandsaw_reading_data", default=False
)
_imports_allowed: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "bandsaw_imports_allowed", default=False
)

#: What describes functions that cannot be imported, while a value is being written for
#: another interpreter, and notes which definitions of a notebook it leads to; `None` if
#: nothing does.
describer: contextvars.ContextVar[Any] = contextvars.ContextVar(
    "bandsaw_describer", default=None
)


#: What describes the classes of results, in a process that has made some from their
#: text; empty elsewhere.
result_describers: list[Any] = []
call_at_reset(result_describers.clear)


def is_found_by_name(value: Any) -> bool:
    """Tell if the name of a function or class leads to it, as pickle looks it up.

    Args:
        value: The function or class.
    """
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


def is_of_doctest(function: Any) -> bool:
    """Tell if a function was defined in a doctest, which is no module.

    Args:
        function: The function.
    """
    return str(function.__code__.co_filename).startswith("<doctest ")


def attribute_of(module: object, name: str) -> Any:
    """Return an attribute that a module has by now; it is not made to load itself.

    Modules of some libraries, and those of `importlib.util.LazyLoader`, do so when they
    are asked for anything, and may fail.

    Args:
        module: What is in `sys.modules`.
        name: The name of the attribute.

    Returns:
        The attribute, or `None`.
    """
    if type(module) is ModuleType:
        found = module.__dict__.get(name)  # Most are plain, and this is faster.
    else:
        try:
            found = object.__getattribute__(module, "__dict__").get(name)
        except AttributeError:
            return None
    if found is None and module is _remembered.script and name == "__file__":
        return _remembered.path
    return found


class _Remembered:
    """The script and its path, for calls that go on when it has come to its end."""

    script: ModuleType | None = None
    path: str | None = None


_remembered = _Remembered()


def remember_script() -> None:
    """Remember the path of the script, which Python deletes when the script ends."""
    script = sys.modules.get("__main__")
    path = attribute_of(script, "__file__")
    if path is not None:
        _remembered.script, _remembered.path = script, path


@call_at_reset
def _forget_script() -> None:
    _remembered.script = _remembered.path = None


def working_directory() -> str | None:
    """Return the working directory, or `None` if it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


def absolute_path(path: str) -> str:
    """Return a path as an absolute one, as far as there is a working directory."""
    try:
        return os.path.abspath(path)
    except OSError:
        return path


def search_path() -> tuple[str, ...]:
    """Return the entries of `sys.path` that Python regards, as text."""
    path: tuple[object, ...] = tuple(sys.path)
    try:
        return _text_of_path(path)
    except TypeError:  # What is not hashable is not regarded either.
        return _text_of_path(tuple(e for e in path if isinstance(e, (str, bytes))))


@lru_cache(maxsize=4)
def _text_of_path(path: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(os.fsdecode(e) for e in path if isinstance(e, (str, bytes)))


def script_arguments() -> list[str]:
    """Return `sys.argv` as text, which a script may have changed to anything."""
    return [word if type(word) is str else _as_text(word) for word in sys.argv]


def _as_text(word: object) -> str:
    return os.fsdecode(word) if isinstance(word, (bytes, os.PathLike)) else str(word)


def _path_of_script() -> tuple[str | None, str | None]:
    """Return the path of the script as Python has it, and as an absolute one.

    Before Python 3.9 it is relative, and leads elsewhere once the script has changed
    its directory.
    """
    path = attribute_of(sys.modules.get("__main__"), "__file__")
    if not isinstance(path, str):
        return None, None
    return path, absolute_path(path)


_GIVEN_PATH_OF_SCRIPT, _PATH_OF_SCRIPT = _path_of_script()


def object_as_import(obj: Any) -> tuple[str, str]:
    """Say by which names an object can be imported.

    Objects of the script that was started count under the module name that the
    script's file has relative to `sys.path`.

    Args:
        obj: A function, class or anything else that knows its name and module.

    Returns:
        The (dotted) name of the object inside of its module, and the module's name.

    Raises:
        TypeError: If the object does not know its name.
    """
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    if name is None:
        raise TypeError(f"{type(obj).__name__} object {obj!r} has no name to import")
    return name, importable_module_name(getattr(obj, "__module__", None) or "builtins")


def importable_module_name(module_name: str) -> str:
    """Translate the name of the script that was started to the one of its file.

    Args:
        module_name: The name of a module as its members know it.

    Returns:
        The name under which another interpreter can import the module; the unchanged
        name, if there is none.
    """
    if module_name in MAIN_NAMES:
        return script_module_name() or module_name
    return module_name


def script_module_name() -> str | None:
    """Return the module name of the script that was started.

    Returns:
        The name, or `None` if what was started is not a module's file: a prompt,
        ``python -c``, a notebook, or a script whose name does not end with ``.py``. One
        that cannot be imported by the name that its file has gets a similar one.
    """
    if _script.name is not None:
        return _script.name
    spec = attribute_of(sys.modules.get("__main__"), "__spec__")
    if spec is not None and spec.name not in MAIN_NAMES:
        # Started with `python -m`, or already imported under its file's name
        return str(spec.name)
    path = script_path()
    if path is None:
        return None
    name = _names_of_scripts.get(path)
    if name is None:
        name = get_module_name_by_path(path) or _made_up_name(path)
        if name is not None:
            _names_of_scripts[path] = name
    return name


def script_path() -> str | None:
    """Return the absolute path of the script that was started, `None` without one."""
    path = attribute_of(sys.modules.get("__main__"), "__file__")
    if not isinstance(path, str):
        return None
    return _PATH_OF_SCRIPT if path == _GIVEN_PATH_OF_SCRIPT else absolute_path(path)


def _made_up_name(path: str) -> str | None:
    """Return a module name for a script that cannot be imported by the one it has.

    That is one with a dot, like ``my.script.py``, or the ``__main__.py`` of a directory
    or a zip file.
    """
    directory, file_name = os.path.split(path)
    stem, extension = os.path.splitext(file_name)
    if extension != ".py" or not ("." in stem or stem == "__main__"):
        return None
    if stem == "__main__":
        stem = os.path.basename(directory) + "_main"
    name = stem.replace(".", "_")
    while find_module(name) is not None:
        name += "_"
    return name


def get_module_name_by_path(file_path: str) -> str | None:
    """Return the name under which a file would be imported.

    Args:
        file_path: The path of a Python file.

    Returns:
        The dotted name relative to the longest entry of `sys.path` that contains the
        file, or `None` if there is none or the file is not importable by name.
    """
    # Python follows a link to a script before it puts its directory into `sys.path`.
    path = absolute_path(file_path)
    if not os.path.isabs(path):
        return None
    return _name_of_path(path) or _name_of_path(os.path.realpath(path))


def _name_of_path(path: str) -> str | None:
    stem, extension = os.path.splitext(path)
    if extension != ".py":
        return None
    for entry in sorted(map(absolute_path, search_path()), key=len, reverse=True):
        prefix = os.path.join(entry, "")
        if stem.startswith(prefix):
            names = stem[len(prefix) :].split(os.sep)
            # More than identifiers: `train-model.py` is imported by its name, too.
            if all(name and "." not in name for name in names) and (
                names[-1] != "__main__" or len(names) > 1
            ):
                return ".".join(names)
    return None


def get_loaded_module_name_by_path(file_path: str) -> str | None:
    """Return the name of the loaded module that comes from a file.

    Args:
        file_path: The path of a Python file.

    Returns:
        The name of the module, or `None` if no loaded module comes from that file.
    """
    wanted = os.path.realpath(file_path)
    for name, module in list(sys.modules.items()):
        path = attribute_of(module, "__file__")
        if isinstance(path, str) and os.path.realpath(path) == wanted:
            return importable_module_name(name)
    return None


def find_module(
    module_name: str, search_path: list[str] | None = None
) -> ModuleSpec | None:
    """Find a module from the outermost package inwards, importing nothing.

    Args:
        module_name: The absolute name of the module.
        search_path: Where to look for it; by default, where Python does.

    Returns:
        Where it is, or `None` if the search path has no such module.
    """
    from importlib.machinery import PathFinder

    spec = None
    parts = module_name.split(".")
    for depth in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:depth]), search_path)
        if spec is None:
            return None
        search_path = list(spec.submodule_search_locations or ())
    return spec


def source_directory(module_name: str) -> str | None:
    """Return the directory in which the user keeps the file of a module.

    A process that continues a session has a copy of it, but what lies beside the file,
    and what is written there, is the user's.

    Args:
        module_name: The name of the module, which need not be loaded.

    Returns:
        The absolute path, or `None` if there is no such file.
    """
    copies = os.path.join(home_directory(), "archives", "")
    places = [p for p in search_path() if not absolute_path(p).startswith(copies)]
    name = importable_module_name(module_name)
    for looked_through in (places, None):
        spec = find_module(name, looked_through)
        if spec is not None and spec.origin is not None and spec.has_location:
            return _directory_of(spec.origin)
    path = attribute_of(sys.modules.get(module_name), "__file__")
    return _directory_of(path) if isinstance(path, str) else None


def _directory_of(path: str) -> str:
    """Return the directory of a file, or of the zip file that it is in."""
    path = absolute_path(path)
    return os.path.dirname(zip_file_of(path) or path)


def zip_file_of(path: str) -> str | None:
    """Return the zip file that a path leads into, `None` if there is none.

    Args:
        path: The absolute path that a module says to be its file.
    """
    inside = path
    while path and not os.path.exists(path):
        path = os.path.dirname(path)
    if path == inside or not os.path.isfile(path):
        return None
    from zipfile import is_zipfile

    return path if is_zipfile(path) else None


def import_object(object_name: str, module_name: str) -> Any:
    """Import an object by the names that `object_as_import` gave.

    Args:
        object_name: The (dotted) name of the object inside of its module.
        module_name: The name of the module. The name of the running script's file
            leads to the running script.

    Returns:
        The object.

    Raises:
        ImportError: If there is no such module.
        AttributeError: If the module has no such object.
        SerializationError: If data names the object, and the module is not loaded; see
            `reading_data`.
    """
    if _reading_data.get() and not _imports_allowed.get():
        return find_loaded_object(object_name, module_name)
    target: Any = import_module(module_name)
    for part in object_name.split("."):
        if part == "<locals>":
            raise NotMovableError(
                f"{module_name}.{object_name} is local to a function and cannot be "
                "imported. Define it at the top level of its module."
            )
        try:
            target = getattr(target, part)
        except AttributeError as error:
            raise AttributeError(
                f"{error} when it is imported. Define it at the top level, not behind "
                "\"if __name__ == '__main__':\""
            ) from None
    return target


def find_loaded_object(object_name: str, module_name: str) -> Any:
    """Return an object of a loaded module; nothing is imported, and nothing called.

    Args:
        object_name: The (dotted) name of the object inside of its module.
        module_name: The name of the module.

    Raises:
        SerializationError: If the module is not loaded.
        AttributeError: If the module has no such object.
    """
    adopt_script()
    target: Any = sys.modules.get(module_name)
    if target is None:
        raise SerializationError(
            f"The data needs {object_name} of the module {module_name}, which is not "
            "loaded. Import it before: data does not import modules by itself."
        )
    for part in object_name.split("."):
        # Not `getattr`: it would run the `__getattr__` of a module.
        members = getattr(target, "__dict__", {})
        if part not in members:
            raise AttributeError(part)
        target = members[part]
    return target


def import_module(module_name: str) -> ModuleType:
    """Import a module; the script's own name refers to the script that is running.

    Args:
        module_name: The absolute name of the module.

    Returns:
        The module.
    """
    adopt_script()
    # Also for a module that is known: another thread may be importing it.
    __import__(module_name)
    module = sys.modules[module_name]
    if module_name == _script.name:
        _stand_for_script(module)
    return module


def adopt_script() -> None:
    """Make the script's module name refer to the script that runs in this process.

    Classes of the script come back from another interpreter under the name of the
    script's file. Importing that a second time would run the script's body again, and
    its classes would be others.
    """
    name = script_module_name()
    if name is not None and name != _script.name and name not in sys.modules:
        sys.modules[name] = sys.modules["__main__"]


class _Script:
    """The script of another process, on whose behalf this process continues a session.

    Attributes:
        name: Its module name, `None` in the process that runs the script itself.
    """

    name: str | None = None


_script = _Script()


class _ScriptModule(ModuleType):
    """A stand-in for `__main__` until something of the script is needed."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or _script.name is None:
            raise AttributeError(name)
        return getattr(import_module(_script.name), name)


def continue_script(module_name: str | None) -> None:
    """Let `__main__` mean the script of another process from now on.

    The script is imported at most once, under the name of its file, and only when
    something of it is needed. Calling its tasks meanwhile is refused.

    Args:
        module_name: The script's module name, or `None` if it cannot be imported.
    """
    _script.name = module_name
    if module_name is not None:
        _stand_for_script(_ScriptModule("__main__"))


def _stand_for_script(module: ModuleType) -> None:
    # A process of a pool knows its script by another name, and may have sent us here.
    for name in MAIN_NAMES:
        sys.modules[name] = module


def script_is_not_imported_yet() -> bool:
    """Tell if the body of another process's script may still run in this one."""
    return _script.name is not None and (
        _script.name not in sys.modules or _script_is_being_imported()
    )


def _script_is_being_imported() -> bool:
    spec = getattr(sys.modules.get(_script.name or ""), "__spec__", None)
    return getattr(spec, "_initializing", False)


def refuse_calls_of_imported_script(function: Any) -> Callable[..., Any]:
    """Guard a task against being called by the body of a script that is imported.

    Args:
        function: What calls the task.

    Returns:
        A function of the same kind that raises a `MainGuardError` during the import,
        and afterwards calls the task.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        _check_script_is_imported()
        return function(*args, **kwargs)

    async def call_coroutine_function(*args: Any, **kwargs: Any) -> Any:
        _check_script_is_imported()
        return await function(*args, **kwargs)

    if function.__code__.co_flags & _COROUTINE:
        return call_coroutine_function
    return call


def _check_script_is_imported() -> None:
    if _script_is_being_imported():
        path = (_script.name or "").replace(".", "/")
        raise MainGuardError(
            f"The script {path}.py calls a task at its top level, which "
            "another interpreter must not do again. Put what the script does behind "
            "\"if __name__ == '__main__':\"."
        )


def imports_allowed() -> bool:
    """Tell if data that is being read may cause the import of a module.

    Returns:
        `True` while a session is being restored, else `False`.
    """
    return _imports_allowed.get()


@contextmanager
def reading_data() -> Iterator[None]:
    """Import nothing inside of the block that `import_object` is asked for.

    That is for code to which data gives names. Inside of `allow_imports` it makes no
    difference.
    """
    token = _reading_data.set(True)
    try:
        yield
    finally:
        _reading_data.reset(token)


@contextmanager
def allow_imports() -> Iterator[None]:
    """Allow what is read inside of the block to import the modules that it names.

    The name of the running script's file refers to the running script there.
    """
    adopt_script()
    token = _imports_allowed.set(True)
    try:
        yield
    finally:
        _imports_allowed.reset(token)


def explain_missing_module(error: BaseException | None) -> str:
    """Say why a module is missing that is there, compiled for another Python.

    Args:
        error: What has failed, perhaps because of an import.

    Returns:
        A sentence, or nothing if that is not the reason.
    """
    while error is not None and not isinstance(error, ImportError):
        error = error.__cause__
    name = getattr(error, "name", None)
    if not name:
        return ""
    from importlib.machinery import EXTENSION_SUFFIXES

    directory, _, module = name.replace(".", os.sep).rpartition(os.sep)
    for entry in search_path():
        try:
            files = os.listdir(os.path.join(entry, directory))
        except OSError:
            continue
        for file in sorted(files):
            suffix = file[len(module) :]
            if (
                file.startswith(f"{module}.")
                and suffix.endswith((".so", ".pyd"))
                and suffix not in EXTENSION_SUFFIXES
            ):
                version = ".".join(map(str, sys.version_info[:3]))
                return (
                    f" The module {name} is compiled for another Python ({file}), and "
                    f"this is Python {version}. Compile it for that, too."
                )
    return ""


# Where installed packages are
_INSTALLED = ("site-packages", "dist-packages")

# With the search path that it was made for
_known: dict[tuple[str, ...], list[str]] = {}
call_at_reset(_known.clear)


def importable_modules() -> list[str]:
    """Return the names of all outermost modules that this process could import.

    Directories are listed, and nothing is opened. So it may name a little too much, and
    never too little but for what the user's own importers find.

    Returns:
        The names, sorted. The same list as long as the search path is the same.
    """
    path = search_path()
    known = _known.get(path)
    if known is None:
        names: set[str] = set(sys.builtin_module_names)
        for entry in path:
            names.update(_modules_in(entry or os.curdir))
        # Some are found by importers that do not look into directories.
        names.update(name for name in list(sys.modules) if "." not in name)
        known = sorted(names)
        _known.clear()
        _known[path] = known
    return known


def _modules_in(directory: str) -> set[str]:
    try:
        names = os.listdir(directory)
    except OSError:
        return set()
    is_installed = os.path.basename(directory) in _INSTALLED
    found = set()
    for name in names:
        stem, dot, suffix = name.partition(".")
        if suffix in ("py", "so", "pyd") or suffix.endswith((".so", ".pyd")):
            found.add(stem)
        elif not dot and (
            # A package of which every distribution holds a part has no file of its own.
            # Elsewhere that is just a directory.
            is_installed or os.path.isfile(os.path.join(directory, name, "__init__.py"))
        ):
            found.add(name)
    return found
