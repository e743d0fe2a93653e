"""Forms of functions and classes: a name that refers to them, else their content."""

from __future__ import annotations

import sys
import types

from ..methods import BoundTask, TaskClassMethod, TaskMethod
from ..modules import importable_module_name
from .form import Form, Refused, shorten
from .leaves import packed_texts, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_HEAP_TYPE = 1 << 9

# What Python itself keeps in a class; it differs between versions.
UNSAID = frozenset(
    (
        "__abstractmethods__",
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__classcell__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__match_args__",
        "__module__",
        "__orig_bases__",
        "__parameters__",
        "__qualname__",
        "__static_attributes__",
        "__weakref__",
        "_abc_impl",
    )
)


def named(value: Any) -> bytes | None:
    """Return the token of a function, class or the like by its name.

    Args:
        value: A value that may have a name.

    Returns:
        The token, or `None` when the name does not refer to the value.
    """
    try:
        module = getattr(value, "__module__", None)
        name = getattr(value, "__qualname__", None)
    except Exception:
        # A value's own __getattr__ may raise any exception.
        return None
    if type(name) is not str or "<" in name:
        return None
    if type(module) is not str:
        # Functions and methods in C of the built-in module.
        module = "builtins"
    if lookup(module, name) is not value:
        return None
    return name_token(_public_module(module, name, value), name)


def name_token(module: str, name: str) -> bytes:
    """Return the token of what a module has under a name.

    Args:
        module: The name of the module.
        name: The name in it.
    """
    module = importable_module_name(module)
    return shorten(b"name " + text(module) + text(name))


def lookup(module: str, name: str) -> object:
    """Return what a module has under a dotted name, `None` if it has no such name.

    Args:
        module: The name of the module.
        name: The name in it.
    """
    target: object = sys.modules.get(module)
    try:
        for part in name.split("."):
            target = getattr(target, part)
    except Exception:
        # So may the __getattr__ of a module.
        return None
    return target


def module_with(value: object, name: str) -> str | None:
    """Return the name of a module that has a value under a name.

    Args:
        value: A value that does not know in which module it is.
        name: Its name.

    Returns:
        The name of the module, `None` if there is none. Of several, an extension module
        is chosen, and the first in the alphabet.
    """
    found = []
    for module, content in list(sys.modules.items()):
        # Not by `getattr`: the __getattr__ of a module may import others.
        if getattr(content, "__dict__", {}).get(name) is value:
            path = getattr(content, "__file__", None) or ""
            found.append((path.endswith(".py"), importable_module_name(module)))
    return min(found)[1] if found else None


def _public_module(module: str, name: str, value: object) -> str:
    # Versions of Python have moved classes, from pathlib to pathlib._local for example.
    while True:
        parent, _, last = module.rpartition(".")
        if not parent or last[0] != "_" or lookup(parent, name) is not value:
            return module
        module = parent


def expand_class(value: Any) -> bytes | Form:
    """Take a class apart, unless its name identifies it.

    Args:
        value: A class.

    Returns:
        Its token or its form.
    """
    token = named(value)
    if token is not None:
        return token
    module, name = str(value.__module__), value.__qualname__
    if not value.__flags__ & _HEAP_TYPE:
        return name_token(module, name)
    label = text(importable_module_name(module)) + text(name)
    fields = getattr(value, "_fields", None)
    if issubclass(value, tuple) and isinstance(fields, tuple):
        defaults = getattr(value, "_field_defaults", {})
        return Form(
            b"named tuple class " + label, (fields, defaults), ".%s", _FIELD_STEPS
        )
    members = getattr(value, "__members__", None)
    if isinstance(members, types.MappingProxyType):
        values = {key: member.value for key, member in members.items()}
        return Form(
            b"enum class " + label, (value.__bases__, values), "%s", (".__bases__", "")
        )
    content = {key: item for key, item in value.__dict__.items() if key not in UNSAID}
    names = sorted(content)
    return Form(
        b"class " + label + packed_texts(names),
        (type(value), value.__bases__, *map(content.__getitem__, names)),
        ".%s",
        ("__class__", "__bases__", *names),
    )


_FIELD_STEPS = ("_fields", "_field_defaults")


def expand_function(value: types.FunctionType) -> bytes | Form:
    """Take a function apart, unless its name identifies it.

    Args:
        value: A function written in Python.

    Returns:
        Its token or its form: code, default values and what its closure holds. What
        it finds in its module is identified by name.
    """
    token = named(value)
    if token is not None:
        return token
    wrapped = getattr(value, "__wrapped__", None)
    if wrapped is not None and hasattr(value, "bandsaw_task"):
        # How a task is advised is not what it does.
        return Form(b"task ", (wrapped,), ".%s", ("__wrapped__",))
    from .code.source import form_of  # What is named needs no look at its source.

    captured = value.__code__.co_freevars
    attributes = value.__dict__
    names = sorted(map(str, attributes))
    module = importable_module_name(value.__module__ or "")
    return Form(
        b"function "
        + text(module)
        + text(value.__qualname__)
        + packed_texts(captured)
        + packed_texts(names),
        (
            form_of(value),
            value.__defaults__,
            value.__kwdefaults__,
            *(value.__closure__ or ()),
            *map(attributes.__getitem__, names),
        ),
        ".%s",
        (
            "__code__",
            "__defaults__",
            "__kwdefaults__",
            *(f"__closure__[{name!r}]" for name in captured),
            *names,
        ),
    )


def expand_module(value: types.ModuleType) -> bytes:
    """Take a module apart, which is identified by its name and version.

    Args:
        value: The module.

    Returns:
        Its token.

    Raises:
        Refused: If its name does not refer to it.
    """
    name = vars(value).get("__name__")
    if type(name) is not str or sys.modules.get(name) is not value:
        raise Refused(value, "its name does not refer to it")
    from .code.origins import version_of_module  # What takes long to import.

    name = importable_module_name(name)
    return shorten(b"module " + text(name) + text(version_of_module(value)))


def _expand_code(value: types.CodeType) -> Form:
    # Everything that running it depends on; no file, line or variable's position.
    return Form(
        b"code ",
        (
            value.co_code,
            value.co_consts,
            value.co_names,
            value.co_varnames,
            value.co_freevars,
            value.co_cellvars,
            value.co_argcount,
            value.co_posonlyargcount,
            value.co_kwonlyargcount,
            value.co_flags,
            getattr(value, "co_exceptiontable", None),
        ),
        "%s",
        [None] * 11,
    )


def _expand_cell(value: Any) -> Form:
    try:
        return Form(b"cell 1 ", (value.cell_contents,), "%s", (None,))
    except ValueError:
        return Form(b"cell 0 ", ())


def _expand_method(value: Any) -> Form:
    names = ("__func__", "__self__")
    return Form(b"method ", (value.__func__, value.__self__), ".%s", names)


def _expand_builtin(value: Any) -> bytes | Form:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        token = named(value)
        if token is not None:
            return token
        name = value.__qualname__
        if value.__module__:
            return name_token(value.__module__, name)
        module = module_with(value, name)
        if module is None:
            raise Refused(value, f"its name {name!r} does not refer to it")
        return name_token(module, name)
    label = b"builtin method " + text(value.__name__)
    return Form(label, (owner,), ".%s", ("__self__",))


def _expand_descriptor(value: Any) -> Form:
    label = b"descriptor " + text(value.__name__)
    return Form(label, (value.__objclass__,), ".%s", ("__objclass__",))


def _expand_task_method(value: Any) -> bytes | Form:
    return named(value) or expand_function(value.func)


def _expand_wrapped(value: Any) -> Form:
    kind = staticmethod if isinstance(value, staticmethod) else classmethod
    label = b"wrapped " + text(kind.__name__)
    return Form(label, (value.__func__,), ".%s", ("__func__",))


def _expand_property(value: property) -> Form:
    names = ("fget", "fset", "fdel")
    return Form(b"property ", (value.fget, value.fset, value.fdel), ".%s", names)


EXPANDERS: dict[type, Callable[[Any], bytes | Form]] = {
    types.FunctionType: expand_function,
    types.CodeType: _expand_code,
    type((lambda cell: lambda: cell)(0).__closure__[0]): _expand_cell,  # type: ignore[index]
    types.MethodType: _expand_method,
    BoundTask: _expand_method,
    TaskMethod: _expand_task_method,
    types.BuiltinFunctionType: _expand_builtin,
    types.MethodDescriptorType: _expand_descriptor,
    types.WrapperDescriptorType: _expand_descriptor,
    types.ClassMethodDescriptorType: _expand_descriptor,
    types.GetSetDescriptorType: _expand_descriptor,
    types.MemberDescriptorType: _expand_descriptor,
    types.MethodWrapperType: _expand_builtin,
    staticmethod: _expand_wrapped,
    classmethod: _expand_wrapped,
    TaskClassMethod: _expand_wrapped,
    property: _expand_property,
}
