"""Describe values that code names: plain data by content, and the code it holds."""

from __future__ import annotations

import functools
import sys
import types

from ...methods import BoundTask, TaskMethod
from .. import fingerprint
from ..leaves import LEAVES, text
from ..objects import attributes, has_fields, is_model, model_state
from ..standard import CONTENTS
from .origins import OWN, origin_of_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

    from .made import Look

_ATOMS = frozenset(LEAVES) | {range}
_SEQUENCES = frozenset((list, tuple))
_SETS = frozenset((set, frozenset))
_CONTAINERS = _SEQUENCES | _SETS | {dict}
_FIXED_CONTAINERS = frozenset((tuple, frozenset))

# Standard classes whose values may hold code, and those whose values can be changed.
_NOT_PLAIN = frozenset(
    ("partial", "cached_property", "_lru_cache_wrapper", "BaseException")
)
_CHANGEABLE = frozenset(("deque", "OrderedDict", "array", "set"))

# A value that is nested deeper is no table of constants, and may be endless.
_DEPTH_LIMIT = 50

# How deep attributes of values without identity are looked at.
_ATTRIBUTES_LIMIT = 3

# What has its function as the attribute `__func__`.
BOUND = (types.MethodType, BoundTask, staticmethod, classmethod)

# Values of these types are followed to the code behind them.
_CODE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    type,
    property,
    TaskMethod,
    *BOUND,
    functools.singledispatchmethod,
)


class Description:
    """The content of a value.

    Attributes:
        token: What represents it, apart from the targets.
        targets: The functions and classes that it holds, in an order that depends on
            nothing but the value.
        is_plain: Whether the token and the targets represent it completely.
        is_fixed: Whether it cannot be changed in place.
    """

    __slots__ = ("is_fixed", "is_plain", "targets", "token")

    def __init__(
        self,
        token: bytes,
        targets: Iterable[object] = (),
        is_plain: bool = True,
        is_fixed: bool = True,
    ) -> None:
        self.token = token
        self.targets = tuple(targets)
        self.is_plain = is_plain
        self.is_fixed = is_fixed

    def is_same(self, other: Description) -> bool:
        """Tell if another description has an equal token and the same targets."""
        return (
            self.token == other.token
            and self.is_plain == other.is_plain
            and tuple(map(id, self.targets)) == tuple(map(id, other.targets))
        )


def bound_to(value: object) -> object:
    """Return the object that a method is bound to, `None` for all else.

    Args:
        value: Any value; methods of classes and functions of modules have no object.
    """
    if not isinstance(value, (types.MethodType, types.BuiltinFunctionType, BoundTask)):
        return None
    owner = value.__self__
    return None if isinstance(owner, (type, types.ModuleType)) else owner


def is_code(value: object) -> bool:
    """Tell if a value is followed to the code behind it, instead of being described."""
    return isinstance(value, _CODE) or wrapped_by(value) is not None


def wrapped_by(value: object) -> object:
    """Return the `__wrapped__` of a value, which `functools.wraps` sets for example.

    Args:
        value: Any value.

    Returns:
        What it wraps, or `None`.
    """
    if isinstance(value, type):
        return None
    try:
        # Not by `getattr`: an own __getattr__ may return something for any name.
        return object.__getattribute__(value, "__dict__").get("__wrapped__")
    except Exception:
        return None


def below(value: Any) -> list[object]:
    """Return what a wrapper wraps, whose code is followed as well as its own.

    Args:
        value: Any value.
    """
    if isinstance(value, property):
        return [item for item in (value.fget, value.fset, value.fdel) if item]
    if isinstance(value, functools.singledispatchmethod):
        return [value.dispatcher]
    task = (
        getattr(value, "bandsaw_task", None)
        if isinstance(value, types.FunctionType)
        else None
    )
    if task is not None:
        return [task.callable]
    wrapped = wrapped_by(value)
    return [] if wrapped is None else [wrapped]


def describe(value: object) -> Description:
    """Describe the content of a value.

    Args:
        value: Any value; nothing of it is called.

    Returns:
        The description; it is incomplete if it is not plain.
    """
    leaf = LEAVES.get(type(value))
    if leaf is not None:
        return Description(leaf(value))
    try:
        fixed = _plain(value)
        if fixed is not None:
            return Description(fingerprint(value), is_fixed=fixed)
        return _describe(value, 0, set())
    except Exception:
        # Another thread is changing it, or a method of its class raised an exception.
        return _opaque(value)


def place_of(code: Any) -> tuple[str, str, int]:
    """Return what functions and classes are sorted by, the same in every process.

    Args:
        code: The function or class.
    """
    line = code.__code__.co_firstlineno if isinstance(code, types.FunctionType) else 0
    name = getattr(code, "__qualname__", type(code).__qualname__)
    return str(getattr(code, "__module__", None)), name, line


def content_of(value: object, depth: int = 0) -> str:
    """Return the fingerprint of a value that is no plain data, if it has one.

    Args:
        value: Any value. Of one without identity, the attributes that have one are
            significant.
        depth: How many values without identity are around it.
    """
    try:
        return fingerprint(value).hex()
    except Exception:
        return _content_of_attributes(value, depth)


def _content_of_attributes(value: object, depth: int) -> str:
    # One attribute without identity, like a lock, does not hide the others.
    found = [type(value).__qualname__]
    try:
        state = _content(value) if depth < _ATTRIBUTES_LIMIT else {}
    except Exception:
        state = {}
    for name in sorted(state):
        found += [name, content_of(state[name], depth + 1)]
    return " ".join(found) if state else "a value without identity"


def _content(value: object) -> dict[str, object]:
    if isinstance(value, (list, tuple)):
        return {str(index): item for index, item in enumerate(value)}
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if type(key) is str}
    return attributes(value)


def _plain(value: object) -> bool | None:
    """Tell if plain data is fixed, `None` if the value is something else."""
    fixed = True
    waiting: list[Any] = [value]
    seen = set()
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind in _CONTAINERS:
            if id(item) in seen:
                continue
            seen.add(id(item))
            fixed = fixed and kind in _FIXED_CONTAINERS
            for items in (item, item.values()) if kind is dict else (item,):
                if not _ATOMS.issuperset(map(type, items)):
                    waiting += [part for part in items if type(part) not in _ATOMS]
        elif kind in _ATOMS:
            continue
        elif kind is bytearray:
            fixed = False
        elif _is_standard(kind):
            fixed = fixed and kind.__name__ not in _CHANGEABLE
        else:
            return None
    return fixed


def _is_standard(kind: type) -> bool:
    return (
        kind.__module__,
        kind.__qualname__,
    ) in CONTENTS and kind.__name__ not in _NOT_PLAIN


def describe_with(
    value: Any, look: Look, depth: int = 0, above: set[int] | None = None
) -> Description:
    """Describe the content of a value, and what it holds that is no plain data.

    Args:
        value: The value.
        look: Describes what is no plain data.
        depth: How many values are around it.
        above: The addresses of these.
    """
    return _describe(value, depth, above or set(), look)


def _describe(
    value: Any, depth: int, above: set[int], look: Look | None = None
) -> Description:
    kind = type(value)
    leaf = LEAVES.get(kind)
    if leaf is not None:
        return Description(leaf(value))
    if look is not None:
        look.count()
        fixed = _plain(value) if kind in _CONTAINERS else None
        if fixed is not None:
            look.size += len(value)
            return Description(fingerprint(value), is_fixed=fixed)
    owner = bound_to(value)
    if is_code(value) and owner is None:
        return Description(b"code ", (value,))
    if id(value) in above and look is not None:
        return Description(b"circle ", is_fixed=False)
    if depth > _DEPTH_LIMIT or id(value) in above:
        return _opaque(value)
    if isinstance(value, types.ModuleType) and look is None:
        # What is used of a module of the user's own is not known.
        is_own = origin_of_namespace(vars(value)) == OWN
        name = text(value.__name__)
        return Description(b"module " + name, (value,), not is_own)
    if owner is not None:
        held = _describe(owner, depth + 1, above | {id(value)}, look)
        return Description(
            b"method " + text(value.__name__) + held.token,
            (value, *held.targets),
            held.is_plain,
            held.is_fixed,
        )
    parts = _parts(value)
    if parts is None:
        fixed = _plain(value)
        if fixed is not None:
            return Description(fingerprint(value), is_fixed=fixed)
        return _opaque(value) if look is None else look.other(value, depth, above)
    label, cls, items, fixed, ordered = parts
    above = above | {id(value)}
    described = [_describe(item, depth + 1, above, look) for item in items]
    if not ordered:
        described.sort(key=lambda part: (part.token, *map(place_of, part.targets)))
    targets = [target for part in described for target in part.targets]
    return Description(
        label + b"%d " % len(described) + b"".join(part.token for part in described),
        targets if cls is None else [cls, *targets],
        all(part.is_plain for part in described),
        fixed and all(part.is_fixed for part in described),
    )


def _parts(
    value: Any,
) -> tuple[bytes, type | None, list[Any], bool, bool] | None:
    """Take a value apart: label, own class, parts, if it is fixed, if it is ordered."""
    kind = type(value)
    if kind in _SEQUENCES:
        return kind.__name__.encode(), None, list(value), kind is tuple, True
    if kind in _SETS:
        return kind.__name__.encode(), None, list(value), kind is frozenset, False
    if kind is dict:
        return b"dict", None, list(value.items()), False, False
    if kind is types.MappingProxyType:
        return b"proxy", None, list(value.items()), False, False
    if kind is types.SimpleNamespace:
        return b"namespace", None, sorted(vars(value).items()), False, True
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return b"enum " + text(value._name_ or ""), kind, [], True, True
    if kind is functools.partial:
        keywords = sorted(value.keywords.items())
        return b"partial", None, [value.func, *value.args, *keywords], False, True
    if issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        return b"named tuple", kind, list(value), True, True
    if has_fields(kind):
        return b"data class", kind, sorted(attributes(value).items()), False, True
    if is_model(kind):
        return b"model", kind, sorted(model_state(value).items()), False, True
    return None


def _opaque(value: object) -> Description:
    return Description(b"?", (type(value),), is_plain=False, is_fixed=False)
