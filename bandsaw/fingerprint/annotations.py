"""What annotations are as values: the same on every Python, whose classes differ."""

from __future__ import annotations

from .form import Form
from .leaves import text
from .names import name_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def _expand_special(value: Any) -> bytes:
    return name_token("typing", value._name)


def _expand_alias(value: Any) -> bytes | Form:
    if getattr(value, "_special", False):  # `List` itself, before Python 3.9
        return _expand_special(value)
    arguments = value.__args__
    if value.__origin__ is tuple and arguments == ((),):  # Before Python 3.11
        arguments = ()
    parts = (value.__origin__, arguments, getattr(value, "__metadata__", ()))
    return Form(
        b"annotation ", parts, ".%s", ("__origin__", "__args__", "__metadata__")
    )


def _expand_reference(value: Any) -> bytes:
    return b"annotation of name " + text(value.__forward_arg__)


EXPANDERS: dict[str, Callable[[Any], bytes | Form]] = {
    "_SpecialForm": _expand_special,
    "_SpecialGenericAlias": _expand_special,
    "_GenericAlias": _expand_alias,
    "_AnnotatedAlias": _expand_alias,
    "_CallableGenericAlias": _expand_alias,
    "_UnionGenericAlias": _expand_alias,
    "ForwardRef": _expand_reference,
}
