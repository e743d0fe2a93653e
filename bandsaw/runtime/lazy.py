"""Modules that are loaded when something of them is asked for.

An import statement in a function does that, too, and is the rule. `LateModule` is for
where that would take as long as what is to be done.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class LateModule:
    """A module that is imported at the first access to one of its members.

    After that, a member is a plain attribute.

    Args:
        name: The full name of the module.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        from importlib import import_module

        member = getattr(import_module(self.__name__), name)
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
        from importlib import import_module

        if name in members:
            return getattr(import_module(f"{package}.{members[name]}"), name)
        if name in modules:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def list_names() -> Any:
        import sys

        return sorted({*vars(sys.modules[package]), *modules, *members})

    return get_attribute, list_names
