"""Modules and attributes that are made when something of them is asked for.

An import statement in a function does that, too, and is the rule. `LateModule` is for
where that would take as long as what is to be done.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from functools import cached_property
    from types import ModuleType
    from typing import Any, Callable

    late_attribute = cached_property
else:

    class late_attribute:
        """An attribute that is made when it is asked for, and can be set.

        Unlike a `functools.cached_property`, it is the same object for all threads, and
        needs no lock that a forked child could find locked.

        Args:
            make: Makes its value.
        """

        def __init__(self, make):
            self._make = make
            self.__doc__ = make.__doc__

        def __set_name__(self, owner, name):
            self._name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            return vars(instance).setdefault(self._name, self._make(instance))


class LateModule:
    """A module that is imported at the first access to one of its members.

    After that, a member is a plain attribute.

    Args:
        name: The full name of the module.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        member = getattr(_import_module(self.__name__), name)
        setattr(self, name, member)
        return member


def load_on_access(
    package: str, *modules: str, **members: str
) -> tuple[Callable[[str], Any], Callable[[], Any]]:
    """Make the functions `__getattr__` and `__dir__` of a package.

    Args:
        package: The name of the package.
        *modules: The names of its modules that are loaded on first access.
        **members: What the package exports of those modules: the name of the module by
            the name of the member.

    Returns:
        The two functions.
    """

    def get_attribute(name: str) -> Any:
        if name in members:
            member = getattr(_import_module(f"{package}.{members[name]}"), name)
            vars(sys.modules[package])[name] = member
            return member
        if name in modules:
            return _import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def list_names() -> Any:
        own = vars(sys.modules[package])
        return sorted({*own.get("__all__", own), *modules, *members})

    return get_attribute, list_names


def _import_module(name: str) -> ModuleType:
    # As that of `importlib`, which imports more than it needs for this.
    __import__(name)
    return sys.modules[name]
