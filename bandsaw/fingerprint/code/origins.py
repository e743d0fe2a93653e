"""Find the owner of a module: the user, an installed distribution, or Python.

`importlib.metadata` would do for the distributions. But the first answer of a process
would take more than twice as long with it: it takes long to import, reads metadata as
messages, and, where a distribution is not called like its package, all of them. Here
only what is needed is read, and what takes long is remembered.
"""

from __future__ import annotations

import os
import sys

from ...interpreter import is_own_source
from ...runtime.file_cache import cached_facts
from ...runtime.fork import call_at_reset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    Distribution = tuple[str, str]

OWN = "own"
INSTALLED = "installed"
PYTHON = "python"
BANDSAW = "bandsaw"

_BANDSAW = __name__.partition(".")[0]

_origins: dict[tuple[str, str | None], str] = {}

# Changes with the way in which directories are read.
_KIND = "distributions-1"

_METADATA = ((".dist-info", "METADATA"), (".egg-info", "PKG-INFO"))

_distributions: dict[tuple[str, str], Distribution | None] = {}
call_at_reset(_distributions.clear)


def origin_of_namespace(namespace: Mapping[str, Any]) -> str:
    """Return the owner of the module in which a function was defined.

    Args:
        namespace: The `__globals__` of the function, or the `__dict__` of a module.

    Returns:
        One of the constants of this module.
    """
    return owner_of_module(namespace.get("__name__"), namespace.get("__file__"))


def origin_of_class(cls: type) -> str:
    """Return the owner of the module in which a class was defined.

    Args:
        cls: The class.

    Returns:
        One of the constants of this module.
    """
    name = cls.__module__
    if name == "builtins":
        return PYTHON
    return owner_of_module(name, getattr(sys.modules.get(name), "__file__", None))


def owner_of_module(name: object, path: object) -> str:
    """Return the owner of a module.

    Args:
        name: The name of the module, if it has one.
        path: The path of its file, if it has one.

    Returns:
        One of the constants of this module.
    """
    if type(name) is not str:
        name = ""
    if type(path) is not str:
        path = None
    owner = _origins.get((name, path))
    if owner is None:
        owner = _origins[name, path] = _find_origin(name, path)
    return owner


def _find_origin(name: str, path: str | None) -> str:
    root = name.partition(".")[0]
    if root == _BANDSAW:
        return BANDSAW
    if path is None:
        # The user wrote it: at a prompt, in a notebook, in a namespace for `exec`.
        return PYTHON if _is_built_in(name) else _owner_of_directories(name)
    path = os.path.abspath(path)
    if is_own_source(path) and is_own_source(os.path.realpath(path)):
        return OWN
    return INSTALLED if _is_installed(path) else PYTHON


def _is_built_in(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    origin = getattr(spec, "origin", None)
    return origin in ("built-in", "frozen") or name in sys.builtin_module_names


def _owner_of_directories(name: str) -> str:
    # A namespace package has no file, but directories.
    try:
        directories = [str(path) for path in sys.modules[name].__path__]
    except Exception:
        return OWN
    if all(map(is_own_source, directories)):
        return OWN
    return INSTALLED


def _is_installed(path: str) -> bool:
    parts = path.split(os.sep)
    return "site-packages" in parts or "dist-packages" in parts


class Packages:
    """The installed distributions that code was found to use."""

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}

    @property
    def versions(self) -> dict[str, str]:
        """The versions by the names of the distributions, in the order of these."""
        return dict(sorted(self._versions.items()))

    def add_of(self, module_name: object) -> None:
        """Add the distribution of a module, if it is loaded and belongs to one.

        Args:
            module_name: The name of the module, or something else, which has none.
        """
        if type(module_name) is not str:
            return
        root = module_name.partition(".")[0]
        module = sys.modules.get(module_name) or sys.modules.get(root)
        path = getattr(module, "__file__", None)
        if module is None or not isinstance(path, str):
            return
        if origin_of_namespace(vars(module)) == INSTALLED:
            self.add(module_name, path)

    def add(self, module_name: str, path: str) -> None:
        """Add the distribution of an installed module, if there is one.

        Args:
            module_name: The name of the module.
            path: The path of its file, or of its directory.
        """
        distribution = distribution_of(module_name, path)
        if distribution is not None:
            self._versions[distribution[0]] = distribution[1]


def version_of_module(module: Any) -> str:
    """Return the name and version of the distribution of an installed module.

    Args:
        module: The module.

    Returns:
        For example ``"numpy 2.1.0"``; an empty text for any other module.
    """
    path = getattr(module, "__file__", None)
    if origin_of_namespace(vars(module)) != INSTALLED or not isinstance(path, str):
        return ""
    return " ".join(distribution_of(vars(module)["__name__"], path) or ())


def distribution_of(module_name: str, path: str) -> Distribution | None:
    """Return the installed distribution that a module belongs to.

    Args:
        module_name: The name of the module.
        path: The path of its file, or of its directory.

    Returns:
        The name and version of the distribution; without one, the name of the package
        and its `__version__`; `None` if there is neither.
    """
    root = module_name.partition(".")[0]
    place = _directory_of(root, path)
    # Several distributions may share a package that has no file of its own.
    key = (root, place if _has_file(place, root) else path)
    if key not in _distributions:
        _distributions[key] = _find(root, place, path) or _by_attribute(root)
    return _distributions[key]


def _directory_of(root: str, path: str) -> str:
    """Return the directory on the search path in which a package was found."""
    directory = os.path.dirname(os.path.abspath(path))
    parts = directory.split(os.sep)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] in ("site-packages", "dist-packages"):
            return os.sep.join(parts[: index + 1])
    if root in parts:
        return os.sep.join(parts[: parts.index(root)])
    return directory


def _has_file(place: str, root: str) -> bool:
    return os.path.isfile(os.path.join(place, root, "__init__.py")) or not (
        os.path.isdir(os.path.join(place, root))
    )


def _find(root: str, place: str, path: str) -> Distribution | None:
    try:
        names = os.listdir(place)
    except OSError:
        return None
    # Most distributions have the name of their package. The others need not be read
    # then, which takes long in a large environment.
    found = _of_same_name(root, place, names)
    if found is None:
        status = os.stat(place)
        packages = cached_facts(
            _KIND, place, status, lambda: _packages_of_directory(place, names)
        )
        found = _choose(packages, root, place, path)
    return None if found is None else _read_metadata(place, found)


def _of_same_name(root: str, place: str, names: list[str]) -> str | None:
    wanted = _normalized(root)
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix not in (".dist-info", ".egg-info"):
            continue
        if _normalized(stem.partition("-")[0]) != wanted:
            continue
        if _has_file(place, root) and root in _top_level_names(place, name):
            return name
    return None


def _normalized(name: str) -> str:
    import re

    return re.sub("[-_.]+", "-", name).lower()


def _packages_of_directory(place: str, names: list[str]) -> dict[str, list[str]]:
    """Return the metadata directories by the names of the packages they describe."""
    packages: dict[str, list[str]] = {}
    for name in sorted(names):
        if name.endswith((".dist-info", ".egg-info")):
            for package in _top_level_names(place, name):
                packages.setdefault(package, []).append(name)
    return packages


def _choose(packages: Any, root: str, place: str, path: str) -> str | None:
    try:
        candidates = list(packages.get(root, ()))
    except (AttributeError, TypeError):
        return None  # The file in which it is remembered was damaged.
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    relative = os.path.relpath(os.path.abspath(path), place).replace(os.sep, "/")
    for name in candidates:
        if any(file == relative for file in _files(place, name)):
            return str(name)
    return None


def _top_level_names(place: str, name: str) -> list[str]:
    text = _read(os.path.join(place, name, "top_level.txt"))
    if text is not None:
        return text.split()
    found = set()
    for file in _files(place, name):
        first, slash, _ = file.partition("/")
        if slash and not first.endswith((".dist-info", ".egg-info")):
            found.add(first)
        elif first.endswith((".py", ".so", ".pyd")):
            found.add(first.partition(".")[0])
    return sorted(found)


def _files(place: str, name: str) -> list[str]:
    """Return the files of a distribution, relative to where it is installed."""
    record = _read(os.path.join(place, name, "RECORD"))
    if record is not None:
        return [line.split(",", 1)[0] for line in record.splitlines()]
    sources = _read(os.path.join(place, name, "installed-files.txt"))
    return [line.replace("../", "", 1) for line in (sources or "").splitlines()]


def _read_metadata(place: str, name: str) -> Distribution | None:
    directory = os.path.join(place, name)
    for suffix, file in _METADATA:
        if name.endswith(suffix):
            text = _read(os.path.join(directory, file)) or _read(directory)
            break
    else:
        return None
    title = version = None
    for line in (text or "").splitlines():
        if not line:
            break  # The description follows.
        if title is None and line.startswith("Name:"):
            title = line[5:].strip()
        elif version is None and line.startswith("Version:"):
            version = line[8:].strip()
    return (title, version) if title and version else None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _by_attribute(root: str) -> Distribution | None:
    # Not by `getattr`: the module's own __getattr__ may import other modules.
    version = getattr(sys.modules.get(root), "__dict__", {}).get("__version__")
    return (root, version) if type(version) is str else None
