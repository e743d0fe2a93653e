"""Find what a name that code uses refers to, without calling anything."""

from __future__ import annotations

import sys
from types import FunctionType, MappingProxyType, ModuleType

from ...modules import importable_module_name
from ..definitions import UNSAID
from .constants import is_code
from .origins import BANDSAW, OWN, origin_of_class, origin_of_namespace
from .source import source_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping, Sequence

    from .source.outline import Import

    Binding = tuple[Mapping[str, Any], str, object]

ABSENT = object()

# The file names of functions that a library has made, dataclasses for example. What
# they were made from is followed instead.
_GENERATED = ("<string>", "<attrs generated")

# What Python adds to an enumeration.
_OF_ENUMERATIONS = frozenset(
    (
        "__format__",
        "__new__",
        "__new_member__",
        "__reduce_ex__",
        "__repr__",
        "__str__",
        "_generate_next_value_",
        "_member_type_",
        "_new_member_",
    )
)


class Namespace:
    """The names of a module in which code was defined.

    Attributes:
        values: What they are bound to.
        name: The name under which another interpreter would import the module.
        source: The source of the module.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        name = values.get("__name__")
        self.module = name if type(name) is str else ""
        self.name = importable_module_name(self.module)
        path = values.get("__file__")
        self.source = source_of(path) if type(path) is str else None

    def absolute(self, item: Import) -> str:
        """Return the absolute name of the module that is imported here."""
        return absolute_name(item, self.module, "__path__" in self.values)

    def imports_of(self, name: str) -> list[Import]:
        """Return the imports that may have bound a name; without any, those of all."""
        if self.source is None:
            return []
        imports = self.source.outline.imports
        return imports.get(name) or imports.get("*") or []

    def imported_text(self, name: str) -> str:
        """Return the texts of the imports that may have bound a name."""
        texts = {
            f"{'.' * item.level}{item.module}:{item.attribute or ''}"
            for item in self.imports_of(name)
        }
        return " or ".join(sorted(texts))

    def assigns(self, name: str) -> bool:
        """Tell if the source gives the name a value, other than by an import."""
        return self.source is not None and name in self.source.outline.assignments


def absolute_name(item: Import, module: str, is_package: bool) -> str:
    """Return the absolute name of an imported module.

    Args:
        item: The import.
        module: The name of the module in which it stands.
        is_package: Whether that module is a package.
    """
    if not item.level:
        return item.module
    above = item.level - is_package
    parts = module.split(".")
    parts = parts[: len(parts) - above] if above <= len(parts) else []
    return ".".join([*parts, item.module] if item.module else parts)


class Found:
    """The object that a dotted name refers to.

    Attributes:
        value: The value, `ABSENT` when a module that is not imported yet comes next.
        space: The namespace of the module in which the last step was found.
        steps: The names and namespaces that were followed, with the values there.
        classes: The user's own classes on the way.
        rest: The names that were not followed, as the value is neither a module nor a
            class of the user's own.
        place: The last name that was followed, below its module.
    """

    __slots__ = ("classes", "place", "rest", "space", "steps", "value")

    def __init__(self, space: Namespace, value: object, name: str) -> None:
        self.space = space
        self.value = value
        self.place = name
        self.classes: list[type] = []
        self.steps: list[Binding] = [(space.values, name, value)]
        self.rest: list[str] = []


def follow(
    space: Namespace, chain: str, namespace: Callable[[Mapping[str, Any]], Namespace]
) -> Found | None:
    """Follow a dotted name through modules and classes.

    Args:
        space: Where it is used.
        chain: The name.
        namespace: Returns the namespace of a module's `__dict__`.

    Returns:
        What it refers to, `None` if its first part is not a name of the module.
    """
    name, *rest = chain.split(".")
    value = space.values.get(name, ABSENT)
    if value is ABSENT:
        return None
    found = Found(space, value, name)
    while rest:
        value = found.value
        if isinstance(value, ModuleType):
            names = vars(value)
            if origin_of_namespace(names) != OWN:
                break
            found.space = namespace(names)
            found.place = rest[0]
            value = names.get(rest[0], ABSENT)
            if is_made_on_access(found.space, rest[0], value):
                found.value = names["__getattr__"]
                found.steps.append((names, "__getattr__", found.value))
                break
            found.steps.append((names, rest[0], value))
        elif isinstance(value, type) and origin_of_class(value) == OWN:
            if _makes_its_attributes(value):
                break
            owner = owner_of_attribute(value, rest[0])
            if owner is None:
                break
            found.classes.append(value)
            found.place = f"{owner.__qualname__}.{rest[0]}"
            value = vars(owner)[rest[0]]
            found.steps.append((vars(owner), rest[0], value))
        else:
            break
        found.value = value
        del rest[0]
        if value is ABSENT:
            break
    found.rest = rest
    return found


def is_made_on_access(space: Namespace, name: str, value: object) -> bool:
    """Tell if the `__getattr__` of a module makes an attribute.

    It may keep what it has made, which must not make a difference.

    Args:
        space: The namespace of the module.
        name: The name of the attribute.
        value: What it is bound to.
    """
    if "__getattr__" not in space.values or isinstance(value, ModuleType):
        return False
    if space.source is None:
        return value is ABSENT
    outline = space.source.outline
    return not (
        name in outline.definitions
        or name in outline.assignments
        or name in outline.imports
        or "*" in outline.imports
    )


def _makes_its_attributes(cls: type) -> bool:
    # Versions of Python keep the members of an enumeration in different places.
    enum = sys.modules.get("enum")
    return enum is not None and isinstance(cls, enum.EnumMeta)


def owner_of_attribute(cls: type, name: str) -> type | None:
    """Return the class of the user's own that defines an attribute of a class.

    Args:
        cls: The class.
        name: The name of the attribute.

    Returns:
        The class itself or one of its bases; `None` if there is none.
    """
    for owner in cls.__mro__:
        if name in vars(owner):
            return owner if origin_of_class(owner) == OWN else None
    return None


def namespace_of(cls: type, functions: Sequence[FunctionType]) -> dict[str, Any]:
    """Return the namespace of the module in which a class was defined.

    Args:
        cls: The class.
        functions: The functions in its body, whose namespace it is.
    """
    for function in functions:
        # A decorator may have brought a function of another module.
        if function.__globals__.get("__name__") == cls.__module__:
            return function.__globals__
    return getattr(sys.modules.get(cls.__module__), "__dict__", {})


def members_of(cls: type) -> dict[str, Any]:
    """Return what the user has put into a class, the same on every Python.

    Args:
        cls: The class.
    """
    members = vars(cls)
    values = getattr(cls, "__members__", None)
    if isinstance(values, MappingProxyType):
        # How an enumeration keeps its members differs.
        found = {name: item for name, item in members.items() if is_code(item)}
        found.update({name: member.value for name, member in values.items()})
        return {name: found[name] for name in found if name not in _OF_ENUMERATIONS}
    return {
        name: value
        for name, value in members.items()
        if name not in UNSAID and (is_code(value) or not name.startswith("__"))
    }


def is_generated(value: object) -> bool:
    """Tell if a library has made the code of a member.

    Args:
        value: The member.
    """
    while isinstance(value, FunctionType):
        if value.__code__.co_filename.startswith(_GENERATED):
            return True
        value = value.__dict__.get("__wrapped__")  # Of what guards a `__repr__`.
    return False


def label_of(code: Any) -> str:
    """Return the name of a function or class, with the module in which it was defined.

    Args:
        code: The function or class.
    """
    is_function = isinstance(code, FunctionType)
    # `exec` may run in a namespace without a name.
    name = code.__globals__.get("__name__") if is_function else code.__module__
    module = importable_module_name(name if type(name) is str else "")
    return f"{module}.{code.__qualname__}"


def foreign_name(code: Any) -> str:
    """Return a name of a function or class that is not the user's own.

    Args:
        code: The function or class.

    Returns:
        The outermost package and the qualified name: modules inside of it move.
    """
    module = getattr(code, "__module__", None)
    root = module.partition(".")[0].lstrip("_") if type(module) is str else ""
    return f"{root}.{getattr(code, '__qualname__', type(code).__qualname__)}"


def is_of_bandsaw(
    space: Namespace, chain: str, namespace: Callable[[Mapping[str, Any]], Namespace]
) -> bool:
    """Tell if a dotted name refers to something that this library defines.

    Args:
        space: Where it is used.
        chain: The name.
        namespace: Returns the namespace of a module's `__dict__`.
    """
    found = follow(space, chain, namespace)
    if found is None:
        return False
    value = found.value
    if isinstance(value, ModuleType):
        return origin_of_namespace(vars(value)) == BANDSAW
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    return module is not None and origin_of_namespace(vars(module)) == BANDSAW


def origin(
    space: Namespace,
    name: str,
    value: object,
    namespace: Callable[[Mapping[str, Any]], Namespace],
) -> tuple[Namespace | None, str]:
    """Return the module that a name was imported from, and its name there.

    Args:
        space: The module in which it is used.
        name: Its name there.
        value: The value.
        namespace: Returns the namespace of a module's `__dict__`.

    Returns:
        The module and the name in it. If the value comes from a module that is not the
        user's own, `None` and the text of the import.
    """
    passed = set()
    while (space.name, name) not in passed:
        passed.add((space.name, name))
        if space.assigns(name):
            break
        for item in space.imports_of(name):
            attribute = name if item.attribute == "*" else item.attribute
            module = sys.modules.get(space.absolute(item))
            names: dict[str, Any] = getattr(module, "__dict__", {})
            if attribute is None or names.get(attribute, ABSENT) is not value:
                continue
            if origin_of_namespace(names) != OWN:
                return None, space.imported_text(name)
            space, name = namespace(names), attribute
            break
    return space, name
