"""Forms of objects: their attributes, or what their own pickling returns."""

from __future__ import annotations

import copyreg
from itertools import islice

from .containers import mapping
from .definitions import lookup, module_with, named
from .form import Deferred, Form, Refused
from .leaves import packed_texts, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

_CONSTRUCTORS = (
    copyreg.__newobj__,  # type: ignore[attr-defined]
    copyreg.__newobj_ex__,  # type: ignore[attr-defined]
)
_FIELDS = ("__dataclass_fields__", "__attrs_attrs__")
_CONTAINERS = frozenset((tuple, list, dict, set, frozenset))

# Attributes of a class that replace the default pickling.
_OWN_PICKLING = frozenset(("__reduce__", "__reduce_ex__", "__getstate__"))

# Limits of the search for an address in what an object holds.
_SEARCHED_ITEMS = 1000
_SEARCHED_TEXT = 1000


def pickles_its_own_way(owner: type) -> bool:
    """Tell if a class itself, apart from its bases, defines how it is pickled.

    Methods that `dataclasses` and attrs make for classes with slots are ignored: they
    differ between versions.
    """
    for name in _OWN_PICKLING.intersection(owner.__dict__):
        function = owner.__dict__[name]
        if getattr(function, "__module__", None) == "dataclasses":
            continue
        code = getattr(function, "__code__", None)
        if code is not None and code.co_name == "slots_getstate":
            continue
        return owner.__module__ != "builtins"
    return False


def attributes(value: Any, until: type = object) -> dict[str, object]:
    """Return what a value holds in its attributes and slots.

    Args:
        value: The value.
        until: A base of its class; the slots of this and of its bases are left out.

    Returns:
        The attributes that are set, without what `functools.cached_property` keeps.
    """
    kind = type(value)
    found: dict[str, object] = {}
    for owner in kind.__mro__:
        if owner is until:
            break
        slots = owner.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name in ("__dict__", "__weakref__", "_attrs_cached_hash"):
                continue
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{owner.__name__.lstrip('_')}{name}"
            try:
                found[name] = getattr(value, name)
            except AttributeError:
                continue
    found.update(_without_cached(kind, getattr(value, "__dict__", {})))
    return found


def _without_cached(kind: type, state: dict[str, object]) -> dict[str, object]:
    # A value that was computed from others is not significant, and not always there.
    for name in state:
        for owner in kind.__mro__:
            if name in owner.__dict__ and _is_cached(owner.__dict__[name], name):
                return {
                    name: item
                    for name, item in state.items()
                    if not any(
                        _is_cached(owner.__dict__.get(name), name)
                        for owner in kind.__mro__
                    )
                }
    return state


def _is_cached(attribute: object, name: str) -> bool:
    return name == "_attrs_cached_hash" or (
        type(attribute).__name__ == "cached_property" and hasattr(attribute, "func")
    )


def with_attributes(label: bytes, value: Any, content: object, until: type) -> Form:
    """Take an object apart whose content is known.

    Args:
        label: What tells its kind from others.
        value: The object.
        content: What stands for it, apart from its class and its attributes.
        until: The base of its class that the content belongs to.

    Returns:
        The form.
    """
    kind = type(value)
    state = attributes(value, until)
    names = sorted(state)
    return Form(
        label + packed_texts(names),
        (kind, content, *[state[name] for name in names]),
        "%s",
        (".__class__", None, *[f".{name}" for name in names]),
    )


def expand_object(value: Any) -> bytes | Form:
    """Take an object apart of which nothing special is known.

    Args:
        value: The object.

    Returns:
        Its token or its form.

    Raises:
        Refused: If it cannot be pickled, or if its pickle holds its address.
    """
    kind = type(value)
    _refuse_unstable(value, kind)
    token = named(value) if callable(value) else None
    if token is not None:
        return token
    if has_fields(kind):
        return with_attributes(b"fields ", value, None, object)
    reduce = copyreg.dispatch_table.get(kind)
    try:
        reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
    except Exception as error:
        raise Refused(value, f"{type(error).__name__}: {error}") from error
    if isinstance(reduced, str):
        if not _refers_to(reduced, value):
            raise Refused(
                value, f"it pickles as {reduced!r}, which does not refer to it"
            )
        label = b"global " + text(reduced)
        return Form(label, (kind,), ".%s", ("__class__",))
    if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6:
        raise Refused(value, "its __reduce__ does not return what pickling needs")
    return _expand_reduced(value, kind, reduced)


def _refers_to(name: str, value: object) -> bool:
    """Tell if a value is found again by the name that it is pickled as."""
    module = getattr(value, "__module__", None)
    if type(module) is str and lookup(module, name) is value:
        return True
    return module_with(value, name) is not None


def has_fields(kind: type) -> bool:
    """Tell if a class, of `dataclasses` or attrs, consists of its attributes.

    These are the same on every Python and in every version.

    Args:
        kind: The class.
    """
    if kind.__dict__.keys().isdisjoint(_FIELDS):
        return False
    return not any(map(pickles_its_own_way, kind.__mro__))


def _expand_reduced(value: Any, kind: type, reduced: Any) -> Form:
    function, args, state, items, pairs, setter = reduced + (None,) * (6 - len(reduced))
    try:
        items = None if items is None else list(items)
        pairs = None if pairs is None else dict(pairs)
    except Exception as error:
        raise Refused(value, f"{type(error).__name__}: {error}") from error
    if type(state) is dict and not state:
        state = None
    _refuse_addresses(value, (args, state, items, pairs))
    if function is _CONSTRUCTORS[0] and not (items or pairs or setter):
        plain = _plain_state(kind, state)
        if plain is not None and args and args[0] is kind:
            return object_form(args, plain)
    # The constructors of pickle are told apart by number: they move between modules.
    maker: object = function
    if function in _CONSTRUCTORS:
        maker = _CONSTRUCTORS.index(function)
    return Form(
        b"reduced ",
        (
            kind,
            maker,
            args,
            state,
            items,
            Deferred(mapping, b"items ", pairs or {}),
            setter,
        ),
        "%s",
        (".__class__", ".__reduce__", "", ".__dict__", "", "", ".__setstate__"),
    )


def object_form(args: tuple[Any, ...], state: dict[str, Any]) -> Form:
    """Return the form of an object that is nothing but its class and attributes.

    Args:
        args: The arguments of its constructor, of which the class is the first.
        state: The attributes.
    """
    names = sorted(state)
    return Form(
        b"object %d " % len(args) + packed_texts(names),
        (*args, *[state[name] for name in names]),
        ".%s",
        (*["__class__"] * len(args), *names),
    )


def is_model(kind: type) -> bool:
    """Tell if a class is a model of pydantic that is pickled as all of them are."""
    for owner in kind.__mro__:
        if owner.__qualname__ == "BaseModel" and owner.__module__ == "pydantic.main":
            return True
        if pickles_its_own_way(owner):
            return False
    return False


def model_state(value: Any) -> dict[str, object]:
    """Return what a model of pydantic consists of.

    Args:
        value: The model; which of its fields were given is not significant.
    """
    state = attributes(value)
    for name in ("__fields_set__", "__pydantic_fields_set__"):
        state.pop(name, None)
    return state


def expand_model(value: Any) -> Form:
    """Take a model of pydantic apart."""
    return object_form((type(value),), model_state(value))


def _plain_state(kind: type, state: Any) -> dict[str, object] | None:
    plain: dict[str, object] = {}
    parts: Iterable[Any] = state if type(state) is tuple else (state,)
    for part in parts:
        if type(part) is dict and set(map(type, part)) <= {str}:
            plain.update(_without_cached(kind, part))
        elif part is not None:
            return None
    return plain


def _refuse_unstable(value: Any, kind: type) -> None:
    if kind is object:
        raise Refused(value, "every bare object() is like any other")
    # Asking a class of others for its attributes may run their code, and change it.
    if kind.__module__ in _ITERATOR_MODULES and hasattr(kind, "__next__"):
        raise Refused(value, "an iterator is used up; pass a list")


_ITERATOR_MODULES = frozenset(
    ("builtins", "itertools", "collections", "_collections", "enum")
)


def _refuse_addresses(value: Any, parts: object) -> None:
    """Look for the numbers by which values are known in this process only."""
    address = id(value)
    digits = f"{address:x}"
    waiting: list[Any] = [parts]
    for _ in range(_SEARCHED_ITEMS):
        if not waiting:
            return
        item = waiting.pop()
        kind = type(item)
        if kind is int and item == address:
            raise Refused(value, "what it pickles holds its address")
        if kind is str and len(item) < _SEARCHED_TEXT and digits in item.lower():
            raise Refused(value, "what it pickles holds its address")
        if kind is dict:
            for key, content in islice(item.items(), _SEARCHED_ITEMS):
                if type(key) is int and key == id(content):
                    raise Refused(value, "what it pickles holds addresses")
                waiting.append(content)
        elif kind in _CONTAINERS:
            waiting += islice(item, _SEARCHED_ITEMS)
