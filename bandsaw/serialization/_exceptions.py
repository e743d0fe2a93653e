"""Exceptions as arguments and attributes, and their restoration.

Calling the class with `args`, as pickle does, fails or gives another exception as soon
as an ``__init__`` wants other arguments than it passes on.
"""

from __future__ import annotations

from functools import lru_cache

from ..exceptions import SerializationError
from ..modules import allow_imports, describer, is_found_by_name
from ._classes import (
    attributes_of,
    class_names,
    field,
    find_class,
    is_native,
    native_base,
    native_members,
    required_class_names,
    set_attributes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    _Names = dict[str, str]


def arguments_and_attributes(
    exception: BaseException,
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments and the attributes of an exception.

    Args:
        exception: The exception.

    Returns:
        The arguments for the base that is written in C, and the attributes.

    Raises:
        SerializationError: If the base does not take the arguments any more.
    """
    cls = type(exception)
    # A class written in C knows arguments that are not in `args`, like the name of a
    # file, and attributes that are not in `__dict__`.
    reduce: Any = native_base(cls).__reduce__
    _, args, *state = reduce(exception)
    attributes: dict[str, Any] = dict(state[0]) if state and state[0] else {}
    attributes.update(attributes_of(exception))
    attributes.pop("args", None)
    made = make_exception(cls, list(args))
    # Not `==`: comparing the user's values can do anything.
    if len(made.args) != len(exception.args) or any(
        value is not other for value, other in zip(made.args, exception.args)
    ):
        # They were changed since the exception was made.
        attributes["args"] = exception.args
    attributes.update(_native_attributes(exception, made))
    return list(args), attributes


def _native_attributes(exception: BaseException, made: BaseException) -> dict[str, Any]:
    """Return what was set after an exception was made, like the name of a file."""
    attributes: dict[str, Any] = {}
    for name, member in native_members(type(exception)):
        # Who caught an AttributeError needs no copy of the object that lacks it.
        if name.startswith("__") or name == "obj":
            continue
        try:
            value = member.__get__(exception)
            other = member.__get__(made)
            if value is other or (type(value) is int and value == other):
                continue
            member.__set__(made, value)
        except (AttributeError, TypeError):
            continue  # It has no value, or cannot be set, so it was not set.
        attributes[name] = value
    return attributes


def is_initialised_by_python(cls: type[BaseException]) -> bool:
    """Tell if a class may want other arguments than those it leaves in `args`.

    Args:
        cls: The class.

    Returns:
        `True` if it, or a base of it, has an ``__init__`` or ``__new__`` in Python.
    """
    return any(
        not is_native(next(base for base in cls.__mro__ if name in vars(base)))
        for name in ("__init__", "__new__")
    )


def make_exception(cls: type[BaseException], args: list[Any]) -> BaseException:
    """Make an exception without running an ``__init__`` written in Python.

    Args:
        cls: The class.
        args: The arguments for the base that is written in C.

    Returns:
        The exception, without the attributes that its ``__init__`` would set.

    Raises:
        SerializationError: If the base does not take the arguments.
    """
    native: Any = native_base(cls)
    # Where two bases are written in C, the class inherits this from the first one.
    initialise = next(
        vars(base)["__init__"]
        for base in cls.__mro__
        if "__init__" in vars(base) and is_native(base)
    )
    try:
        exception: BaseException = native.__new__(cls, *args)
        initialise(exception, *args)
    except Exception as error:
        raise SerializationError(
            f"{cls.__qualname__} cannot be made of its arguments: {error}"
        ) from error
    return exception


def base_names(cls: type[BaseException]) -> list[_Names]:
    """Name the bases that can stand in for a class where it cannot be imported.

    Args:
        cls: The class of an exception.

    Returns:
        The names of its importable bases, the nearest first, none for a class that
        every Python has.
    """
    names: list[_Names] = []
    native = native_base(cls)
    if cls is native:
        return names
    for base in cls.__mro__[1:]:
        if issubclass(base, BaseException):
            try:
                names.append(required_class_names(base))
            except SerializationError:
                continue
            if base is native:
                break
    return names


def find_exception_class(
    names: Any, bases: list[Any]
) -> tuple[type[BaseException], bool]:
    """Find the class of an exception, or make one that inherits the nearest base.

    Args:
        names: The names of the class.
        bases: The names that `base_names` returned.

    Returns:
        The class, and if it is the one of these names.

    Raises:
        SerializationError: If the names need a module that may not be imported, or
            lead to something that is no class of an exception.
    """
    name = field(names, "type", str)
    module_name = field(names, "module", str)
    cls = find_class(name, module_name, BaseException)
    if cls is not None:
        return cls, True
    base: Any = _nearest(bases)
    return _make_class(name, module_name, base), False


def _nearest(bases: list[Any]) -> type[BaseException]:
    for names in bases:
        try:
            base = find_class(
                field(names, "type", str), field(names, "module", str), BaseException
            )
        except SerializationError:
            continue  # The next one is more general, and better than none.
        if base is not None:
            return base
    return Exception


# A class is made once, so that equal exceptions have the same type.
@lru_cache(maxsize=256)
def _make_class(
    name: str, module_name: str, base: type[BaseException]
) -> type[BaseException]:
    return type(name.rpartition(".")[2], (base,), {"__module__": module_name})


def reduce_exception(exception: BaseException) -> Any:
    """Return how pickle writes an exception.

    Args:
        exception: The exception.

    Returns:
        What ``__reduce__`` would return; `NotImplemented` if the class has one of its
        own, or needs none.
    """
    cls = type(exception)
    native: Any = native_base(cls)
    own: Any = cls
    if own is native or (
        own.__reduce_ex__ is not native.__reduce_ex__
        or own.__reduce__ is not native.__reduce__
        or getattr(own, "__getstate__", None)
        is not getattr(native, "__getstate__", None)
        or own.__setstate__ is not native.__setstate__
    ):
        return NotImplemented
    try:
        args, attributes = arguments_and_attributes(exception)
    except SerializationError:
        return NotImplemented
    restore: Any = restore_exception
    made: tuple[Any, ...] = class_names(cls), base_names(cls), args
    if _is_described(cls):
        restore, made = make_exception, (cls, args)
    # The attributes are set afterwards, as the exception may be in them.
    return restore, made, attributes or None, None, None, set_attributes


def _is_described(cls: type) -> bool:
    """Tell if a class travels by its text, since no name leads to it elsewhere."""
    describing = describer.get()
    return (
        describing is not None
        and not is_found_by_name(cls)
        and describing.reduce(cls) is not NotImplemented
    )


def restore_exception(
    names: _Names, bases: list[_Names], args: list[Any]
) -> BaseException:
    """Restore an exception from what `reduce_exception` has returned.

    Args:
        names: The names of its class.
        bases: The names of the bases that can stand in for it.
        args: The arguments.

    Returns:
        The exception, its attributes are not set yet.
    """
    with allow_imports():
        cls, _ = find_exception_class(names, bases)
    return make_exception(cls, args)
