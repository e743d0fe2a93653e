"""Packages whose modules are loaded when somebody asks for them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


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
