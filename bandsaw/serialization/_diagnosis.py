"""The place in a value that cannot be pickled, or in a pickled one that cannot be read.

The latter is read once more, by the unpickler that is written in Python, which can be
made to go on after a failure. That takes long, and is done only to explain an error.
"""

from __future__ import annotations

import pickle
from io import BytesIO
from types import FunctionType

from ..modules import describer
from ._pythons import find_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Callable,
        ClassVar,
        Iterator,
        Sequence,
    )

# How many parts of a value are looked at.
_MOST_PARTS = 200_000


class _Unreadable:
    """A stand-in for a part of the value that cannot be read."""

    def __init__(self, *state: Any) -> None:
        self.state = state


class _UnreadableClass:
    """A stand-in for a class that is missing; its instances are unreadable."""

    def __call__(self, *args: Any, **kwargs: Any) -> _Unreadable:
        return _Unreadable(args, kwargs)


# The one that is written in Python is not public, but in every Python.
_Unpickler: Any = pickle._Unpickler


class _LenientUnpickler(_Unpickler):  # type: ignore[misc]
    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Unpickler.dispatch)

    def find_class(self, module_name: str, name: str) -> Any:
        try:
            return find_class(super().find_class, module_name, name)
        except Exception:
            return _UnreadableClass()

    def _reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack.pop()
        self._make(args, function, *args)

    def _new(self) -> None:
        args = self.stack.pop()
        self._make_new(self.stack.pop(), args, {})

    def _new_with_names(self) -> None:
        kwargs, args = self.stack.pop(), self.stack.pop()
        self._make_new(self.stack.pop(), args, kwargs)

    def _make_new(self, kind: Any, args: Any, kwargs: Any) -> None:
        if isinstance(kind, _UnreadableClass):
            self.stack.append(_Unreadable(args, kwargs))
        else:
            self._make((args, kwargs), kind.__new__, kind, *args, **kwargs)

    def _make(self, state: Any, function: Any, *args: Any, **kwargs: Any) -> None:
        try:
            self.stack.append(function(*args, **kwargs))
        except Exception:
            self.stack.append(_Unreadable(state))

    def _build(self) -> None:
        state = self.stack[-1]
        if isinstance(self.stack[-2], _Unreadable):
            self.stack[-2].state += (self.stack.pop(),)
            return
        try:
            _Unpickler.load_build(self)
        except Exception:
            if self.stack and self.stack[-1] is state:
                self.stack.pop()
            self.stack[-1] = _Unreadable(state)

    dispatch[pickle.REDUCE[0]] = _reduce
    dispatch[pickle.NEWOBJ[0]] = _new
    dispatch[pickle.NEWOBJ_EX[0]] = _new_with_names
    dispatch[pickle.BUILD[0]] = _build


def unreadable_part(content: bytes | memoryview, buffers: Sequence[Any] = ()) -> str:
    """Return the path to the innermost part of a value that cannot be read.

    Args:
        content: The pickled value.
        buffers: The buffers that stand beside it.

    Returns:
        A path like ``['model'].trees[0]``; empty if it is the value itself, or if that
        cannot be told.
    """
    try:
        unpickler = _LenientUnpickler(BytesIO(content), buffers=list(buffers) or None)
        value = unpickler.load()
    except Exception:
        return ""
    return _path_in(value)


def unwritable_part(value: Any, write: Callable[[Any], object]) -> str:
    """Return the path to the innermost part of a value that cannot be written.

    Args:
        value: The value.
        write: Writes a part, or raises an exception.

    Returns:
        A path like ``['model'].trees[0]``; empty if it is the value itself, or if that
        cannot be told.
    """
    path = ""
    left = _MOST_PARTS
    seen = {id(value)}
    is_found = True
    while is_found:
        is_found = False
        for part, place in _parts(value, path):
            left -= 1
            if left < 0:
                return path
            if id(part) in seen or not _fails(write, part):
                continue
            seen.add(id(part))
            value, path, is_found = part, place, True
            break
    return path


def _fails(write: Callable[[Any], object], part: Any) -> bool:
    try:
        write(part)
    except Exception:
        return True
    return False


def _path_in(value: Any) -> str:
    waiting: list[tuple[Any, str]] = [(value, "")]
    seen: set[int] = set()
    best = None
    while waiting and len(seen) < _MOST_PARTS:
        part, path = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, _Unreadable) and (best is None or path.startswith(best)):
            best = path
        # The first part comes first.
        waiting.extend(reversed(list(_parts(part, path))))
    return best or ""


def _parts(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    if isinstance(value, _Unreadable):
        for state in value.state:
            if isinstance(state, dict):
                yield from ((part, f"{path}.{name}") for name, part in state.items())
            else:
                yield from ((part, path) for part in _items(state))
        return
    if isinstance(value, dict):
        yield from ((part, f"{path}[{key!r}]") for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((part, f"{path}[{index}]") for index, part in enumerate(value))
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict) and not isinstance(value, type):
        yield from ((part, f"{path}.{name}") for name, part in attributes.items())
    for kind in type(value).__mro__:
        for name in _texts(kind.__dict__.get("__slots__", ())):
            if hasattr(value, name):
                yield getattr(value, name), f"{path}.{name}"
    # Otherwise a function is written by its name only.
    if isinstance(value, FunctionType) and describer.get() is not None:
        before = f"{path}, " if path else ""
        for what, name, part in _held_by(value):
            yield part, f"{before}{what} {name!r}"


def _held_by(function: FunctionType) -> Iterator[tuple[str, str, Any]]:
    """Yield what a function holds: what it is, its name, and the value."""
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        try:
            yield "captured variable", name, cell.cell_contents
        except ValueError:
            pass  # It has no value yet.
    defaults = function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    for name, value in zip(names[len(names) - len(defaults) :], defaults):
        yield "default value of", name, value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield "default value of", name, value


def _items(state: Any) -> Iterator[Any]:
    if isinstance(state, (list, tuple)):
        for part in state:
            # The arguments of a call are no part that has a name.
            yield from _items(part) if isinstance(part, (list, tuple)) else (part,)
    else:
        yield state


def _texts(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)
