"""Find the code that values hold: arguments of a call, and what decorators made."""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from types import (
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)

from ...methods import BoundTask
from ..leaves import LEAVES
from ..objects import attributes, pickles_its_own_way
from ..registry import find_stand_in
from .constants import below, is_code, place_of
from .origins import INSTALLED, OWN, origin_of_class, origin_of_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Iterable,
        Mapping,
        Sequence,
    )

_ATOMS = frozenset(LEAVES) | {range}
_COLLECTIONS: tuple[Any, ...] = (deque, frozenset, list, set, tuple)
_CONTAINERS = (dict, *_COLLECTIONS)


def code_in(values: Iterable[object]) -> tuple[Any, ...]:
    """Return the functions and classes that a task may come to call.

    Args:
        values: The arguments of a call.

    Returns:
        Functions and classes that are arguments, the classes of the others, and those
        of the user's own that these hold. In an order that depends on nothing but
        where they are defined.
    """
    found: dict[int, Any] = {}
    waiting: list[object] = []
    for value in values:
        kind = type(value)
        if kind not in _ATOMS:
            waiting.append(value)
            code = value if _has_code(value) else kind
            if code not in _CONTAINERS:
                found[id(code)] = code
    seen: set[int] = set()
    holders: dict[type, bool] = {}
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        code = value if _has_code(value) else type(value)
        if _is_own(code):
            found[id(code)] = code
        parts = _parts(value, holders)
        if not _ATOMS.issuperset(map(type, parts)):
            waiting += [part for part in parts if type(part) not in _ATOMS]
    return tuple(sorted(found.values(), key=place_of))


def functions_in(value: object, name: str) -> list[FunctionType]:
    """Return the functions of a name that a value holds.

    Args:
        value: What a decorator may have made of a function.
        name: The qualified name of the function.
    """
    return [
        code
        for code in code_in([value])
        if isinstance(code, FunctionType) and code.__qualname__ == name
    ]


def contents_of_closure(function: FunctionType) -> list[object]:
    """Return what the closure of a function holds.

    Args:
        function: The function.
    """
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    return found


def implementations_of(value: object) -> Mapping[type, Any] | None:
    """Return what `functools.singledispatch` chooses from, `None` for other values.

    Args:
        value: Any value.
    """
    if not isinstance(value, FunctionType):
        return None
    registry = value.__dict__.get("registry")
    return registry if isinstance(registry, MappingProxyType) else None


def _has_code(value: object) -> bool:
    return isinstance(value, (FunctionType, type))


def _is_own(code: Any) -> bool:
    if isinstance(code, FunctionType):
        return origin_of_namespace(code.__globals__) == OWN
    return origin_of_class(code) == OWN


def _parts(value: Any, holders: dict[type, bool]) -> Sequence[Any]:
    """Return the parts of a value that can be found without calling anything of it."""
    kind = type(value)
    if kind in _CONTAINERS:
        return _items(value)
    if isinstance(value, (MethodType, BoundTask)):
        return value.__func__, value.__self__
    if is_code(value):
        inner = [*below(value), getattr(value, "__func__", None)]
        if isinstance(value, FunctionType) and not _is_own(value):
            inner += contents_of_closure(value)
        return inner
    if isinstance(value, sys.modules["functools"].partial):
        return value.func, value.args, value.keywords, *attributes(value).values()
    if isinstance(value, ModuleType):
        names = vars(value)
        if origin_of_namespace(names) != OWN:
            return []
        return [names[name] for name in names if not name.startswith("__")]
    if kind is MappingProxyType:
        return _items(dict(value))
    if kind is SimpleNamespace:
        return list(vars(value).values())
    holds = holders.get(kind)
    if holds is None:
        holds = holders[kind] = _shows_attributes(kind)
    parts = list(attributes(value).values()) if holds else []
    if isinstance(value, _CONTAINERS):
        parts += _items(value)
    if isinstance(value, defaultdict):
        parts.append(value.default_factory)
    if hasattr(kind, "dtype") or hasattr(kind, "dtypes"):
        parts += _objects_in_array(value)
    return parts


def _objects_in_array(value: Any) -> list[Any]:
    """Return the objects in an array of numpy, or in a series or frame of pandas."""
    roots = {owner.__module__.partition(".")[0] for owner in type(value).__mro__}
    if roots.isdisjoint(("numpy", "pandas")):
        return []
    if hasattr(value, "dtypes") and hasattr(value, "columns"):
        dtypes = enumerate(value.dtypes.tolist())
        chosen = [place for place, dtype in dtypes if _holds_objects(dtype)]
        return [value.iloc[:, place].to_numpy() for place in chosen]
    if _holds_objects(value.dtype) and hasattr(value, "tolist"):
        return [value.tolist()]
    return []


def _holds_objects(dtype: Any) -> bool:
    return bool(getattr(dtype, "hasobject", str(dtype) == "object"))


def _shows_attributes(kind: type) -> bool:
    """Tell if the attributes of a class are all significant.

    What the user pickles or identifies a value by may leave some out on purpose. An
    installed class does not know the user's code that it leaves out.
    """
    return find_stand_in(kind) is None and not any(
        pickles_its_own_way(owner) and origin_of_class(owner) != INSTALLED
        for owner in kind.__mro__
    )


def _items(value: Any) -> list[Any]:
    # Not as its own class lists them: nothing of the value is called.
    if isinstance(value, dict):
        return [*dict.keys(value), *dict.values(value)]
    for kind in _COLLECTIONS:
        if isinstance(value, kind):
            return list(kind.__iter__(value))
    return []
