"""To whom a module belongs: to the user, to an installed package, or to Python."""

from __future__ import annotations

import os
import sys

from ...interpreter import is_own_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

OWN = "own"
INSTALLED = "installed"
PYTHON = "python"
BANDSAW = "bandsaw"

_BANDSAW = __name__.partition(".")[0]

_owners: dict[tuple[str, str | None], str] = {}


def owner_of_namespace(namespace: Mapping[str, Any]) -> str:
    """Say to whom the module belongs in whose namespace a function was defined.

    Args:
        namespace: The `__globals__` of the function, or the `__dict__` of a module.

    Returns:
        One of the constants of this module.
    """
    return owner_of_module(namespace.get("__name__"), namespace.get("__file__"))


def owner_of_class(cls: type) -> str:
    """Say to whom the module of a class belongs.

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
    """Say to whom a module belongs.

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
    owner = _owners.get((name, path))
    if owner is None:
        owner = _owners[name, path] = _find_owner(name, path)
    return owner


def _find_owner(name: str, path: str | None) -> str:
    root = name.partition(".")[0]
    if root == _BANDSAW:
        return BANDSAW
    if path is None:
        # A prompt, a notebook, a namespace made for `exec`: somebody wrote it there.
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
