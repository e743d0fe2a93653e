"""Find the function that takes a value apart: by its type, its bases, its library."""

from __future__ import annotations

import sys
import types
import weakref

from . import containers, definitions, objects
from .form import Deferred, Form, Refused, expand_deferred, expand_with
from .leaves import text
from .registry import find_stand_in
from .standard import ANNOTATIONS, CONTENTS, expand_enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping, Union

    Expander = Callable[[Any], Union[bytes, Form]]


def _refuse(value: Any) -> Form:
    raise Refused(value)


_EXACT: dict[type, Expander] = {
    **containers.EXPANDERS,
    **definitions.EXPANDERS,
    Deferred: expand_deferred,
    types.ModuleType: definitions.expand_module,
    weakref.ProxyType: _refuse,
    weakref.CallableProxyType: _refuse,
}


def expand(value: Any) -> bytes | Form:
    """Take a value apart that is not a leaf.

    Args:
        value: Any value whose type is not among the leaves.

    Returns:
        Its token, of any length, or its form.

    Raises:
        Refused: If the value has no stable identity.
    """
    kind = type(value)
    expander = _EXACT.get(kind)
    if expander is not None:
        return expander(value)
    stand_in = find_stand_in(kind)
    if stand_in is not None:
        parts = (kind, stand_in(value))
        return Form(b"stand-in ", parts, "%s", (".__class__", ""), stands_in=True)
    if issubclass(kind, types.ModuleType):
        return definitions.expand_module(value)
    # The `__class__` of a value may be wrong, or raise an error.
    if issubclass(kind, type):
        return definitions.expand_class(value)
    enum = sys.modules.get("enum")
    if enum is not None and issubclass(kind, enum.Enum):
        return expand_enum(value)
    for owner in kind.__mro__:
        module, name = str(owner.__module__), owner.__qualname__
        content = CONTENTS.get((module, name))
        if content is not None:
            return _expand_standard(value, owner, *content)
        library = _library(module.partition(".")[0])
        if library is not None and name in library:
            return expand_with(library[name], value)
        if objects.pickles_its_own_way(owner):
            break
    return objects.expand_object(value)


def _expand_standard(
    value: Any, owner: type, name: str, stand_for: Callable[[Any], object]
) -> bytes | Form:
    if name == "lru_cache":
        token = definitions.named(value)
        if token is not None:
            return token
    try:
        content = stand_for(value)
    except Exception as error:
        raise Refused(value, str(error)) from error
    if type(value) is owner:
        return Form(b"standard " + text(name), (content,), "%s", (None,))
    label = b"standard subclass " + text(name)
    return objects.with_attributes(label, value, content, owner)


# Of pydantic.
_MODELS: dict[str, Expander] = {"BaseModel": objects.expand_model}


def _library(root: str) -> Mapping[str, Expander] | None:
    # Values of a library exist only where it has been imported.
    if root == "typing":
        return ANNOTATIONS
    if root == "pydantic":
        return _MODELS
    if root in ("numpy", "torch", "scipy", "xarray"):
        from . import arrays

        return arrays.LIBRARIES[root]
    if root == "pyarrow":
        from .arrow import ARROW

        return ARROW
    if root in ("pandas", "polars"):
        from . import dataframes

        return dataframes.PANDAS if root == "pandas" else dataframes.POLARS
    return None
