"""Names of classes and attributes of instances, as data represents them."""

from __future__ import annotations

from types import MemberDescriptorType, MethodDescriptorType, WrapperDescriptorType

from ..exceptions import NotMovableError, SerializationError
from ..modules import (
    find_loaded_object,
    import_object,
    imports_allowed,
    object_as_import,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, TypeVar

    _T = TypeVar("_T")

# What newer Pythons call differently, by the name that every Python knows.
_ALIASES = {
    ("re", "PatternError"): "error",
    ("signal", "itimer_error"): "ItimerError",
}

# The flag of classes that are made at run time.
_HEAP_TYPE = 1 << 9

# The only classes that data may import at any time: values that `import bandsaw` does
# not load. Making one of them does no more than keeping what the data says.
_VALUE_CLASSES = {
    "bandsaw.context": "Context",
    "bandsaw.environments.environment": "Environment",
    "bandsaw.execution": "Execution",
    "bandsaw.files": "File",
    "bandsaw.interpreter": "Interpreter",
    "bandsaw.result": "Result",
    # It finds only what is loaded.
    "bandsaw.tasks": "Task",
}

# The arguments of an exception, the only attribute of its kind that data may set.
_ARGS: Any = vars(BaseException)["args"]


def class_names(cls: type) -> dict[str, str]:
    """Return how data names a class.

    Args:
        cls: The class.

    Returns:
        The entries ``module`` and ``type`` of a representation.
    """
    name, module = object_as_import(cls)
    return {"module": module, "type": _ALIASES.get((module, name), name)}


def required_class_names(cls: type) -> dict[str, str]:
    """Return how data names a class, which must be importable by its name.

    Args:
        cls: The class.

    Returns:
        The entries ``module`` and ``type`` of a representation.

    Raises:
        SerializationError: If the names do not refer to the class.
    """
    names = class_names(cls)
    try:
        found: Any = import_object(names["type"], names["module"])
    except (ImportError, AttributeError, NotMovableError) as error:
        raise SerializationError(
            f"{cls.__qualname__} cannot be found again, as its class cannot be "
            f"imported: {error}"
        ) from error
    if found is not cls:
        raise SerializationError(
            f"{cls.__qualname__} cannot be found again, as another object has the "
            f"name {names['module']}.{names['type']}"
        )
    return names


def find_class(name: str, module_name: str, base: type) -> type | None:
    """Find the class that data names, without calling anything.

    A module that is not loaded is imported inside of
    `bandsaw.modules.allow_imports()` only, but for those of the values of bandsaw.

    Args:
        name: The (dotted) name of the class inside of its module.
        module_name: The name of the module.
        base: What the class must be a subclass of.

    Returns:
        The class, or `None` when there is none of that name.

    Raises:
        SerializationError: If the module would have to be imported, or the name does
            not lead to a subclass of `base`.
    """
    found: Any
    try:
        if imports_allowed() or _VALUE_CLASSES.get(module_name) == name:
            found = import_object(name, module_name)
        else:
            found = find_loaded_object(name, module_name)
    except (ImportError, AttributeError, NotMovableError):
        return None
    except SerializationError:
        raise
    except Exception as error:
        raise SerializationError(
            f"{module_name}.{name} cannot be imported: {error!r}"
        ) from error
    if not isinstance(found, type) or not issubclass(found, base):
        raise SerializationError(
            f"{module_name}.{name} is not a subclass of {base.__name__}, and no data "
            "may use it as one."
        )
    return found


def require_class(name: str, module_name: str, base: type) -> type:
    """Find the class that data names, as `find_class` does.

    Args:
        name: The (dotted) name of the class inside of its module.
        module_name: The name of the module.
        base: What the class must be a subclass of.

    Returns:
        The class.

    Raises:
        SerializationError: If there is no such class.
    """
    found = find_class(name, module_name, base)
    if found is None:
        raise SerializationError(f"There is no class {module_name}.{name}.")
    return found


def attributes_of(value: object) -> dict[str, Any]:
    """Return the attributes that an instance holds itself.

    Args:
        value: The instance.

    Returns:
        The values by name, from its ``__dict__`` and the slots of its classes.
    """
    attributes: dict[str, Any] = {}
    for name, slot in _slots(type(value)):
        try:
            attributes[name] = slot.__get__(value, type(value))
        except AttributeError:
            pass  # Nothing was assigned to this slot.
    attributes.update(getattr(value, "__dict__", {}))
    return attributes


def native_base(cls: type) -> type:
    """Return the base written in C that lays out the instances of a class.

    It need not be the first one in the order of inheritance: of several bases that are
    written in C, only one may add to the layout.

    Args:
        cls: The class.

    Returns:
        The base, `cls` itself when it is such a class.
    """
    while not is_native(cls):
        cls = cls.__base__  # type: ignore[assignment]  # Only `object` has none.
    return cls


def is_native(cls: type) -> bool:
    """Tell if a class is written in C.

    Args:
        cls: The class.
    """
    if not cls.__flags__ & _HEAP_TYPE:
        return True
    # Some Pythons make classes that are written in C as they make those in Python.
    return any(
        isinstance(member, (MethodDescriptorType, WrapperDescriptorType))
        and member.__objclass__ is cls
        for member in vars(cls).values()
    )


def native_members(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that the bases written in C keep outside of ``__dict__``.

    Args:
        cls: The class.

    Yields:
        The names, and the descriptors to get and set them with.
    """
    for owner in native_base(cls).__mro__:
        for name, member in vars(owner).items():
            if isinstance(member, MemberDescriptorType):
                yield name, member


def _slots(cls: type) -> Iterator[tuple[str, Any]]:
    for owner in cls.__mro__:
        if not is_native(owner):
            for name, member in vars(owner).items():
                if isinstance(member, MemberDescriptorType):
                    yield name, member


def set_attributes(value: object, attributes: dict[str, Any]) -> None:
    """Give an instance the attributes that `attributes_of` returned.

    Neither a property nor a ``__setattr__`` of its class is called.

    Args:
        value: The instance.
        attributes: The values by name.

    Raises:
        SerializationError: If the instance cannot hold one of them.
    """
    for name, attribute in attributes.items():
        member = _class_member(type(value), name)
        try:
            if isinstance(member, MemberDescriptorType) or member is _ARGS:
                member.__set__(value, attribute)
            else:
                value.__dict__[name] = attribute
        except (AttributeError, TypeError) as error:
            raise SerializationError(
                f"{type(value).__qualname__} has no attribute {name} any more."
            ) from error


def _class_member(cls: type, name: str) -> Any:
    for owner in cls.__mro__:
        if name in vars(owner):
            return vars(owner)[name]
    return None


def field(representation: Any, name: str, kind: type[_T]) -> _T:
    """Return an entry of a representation.

    Args:
        representation: The representation of a value as it was read.
        name: The name of the entry.
        kind: The type that the entry must have.

    Returns:
        The entry.

    Raises:
        SerializationError: If there is no such entry, or it is of another type.
    """
    entry = representation.get(name) if isinstance(representation, dict) else None
    if not isinstance(entry, kind):
        raise SerializationError(
            f"The data is damaged: {name!r} of the representation of a value should "
            f"be of type {kind.__name__}, not {type(entry).__name__}."
        )
    return entry
