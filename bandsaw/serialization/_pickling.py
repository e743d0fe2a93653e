"""Pickle as `PickleSerializer` uses it: some values are written in their own way.

It is loaded for the first value that is written, or cannot be read as it is.
"""

from __future__ import annotations

import sys
from _pickle import PickleBuffer, Pickler
from io import BytesIO
from operator import attrgetter
from types import FunctionType, ModuleType

from ..modules import (
    describer,
    import_module,
    import_object,
    importable_module_name,
    is_found_by_name,
    script_module_name,
)
from ._arrays import (
    is_array,
    is_dtype,
    is_storage,
    loses_views,
    reduce_array,
    reduce_dtype,
    reduce_resolved,
    reduce_storage,
)
from ._exceptions import reduce_exception
from ._pythons import is_of_other_version, load_of_other_version, reducer
from .buffers import ClosedContent

__all__ = [
    "PROTOCOL",
    "BufferingPickler",
    "ValuePickler",
    "SMALLEST_BUFFER",
    "is_of_other_version",
    "load_of_other_version",
    "make_pickler",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Callable

    from .buffers import Buffer
    from .recipients import Recipient

# Every supported Python reads it, whichever wrote it.
PROTOCOL = 5

# How many classes are remembered; a program may go on making new ones.
_MOST_CLASSES = 1000


# The module is imported where there are such values only.
_OPAQUE = "bandsaw.serialization.opaque"

# Smaller buffers are copied: a mapping of a file costs more.
SMALLEST_BUFFER = 1 << 16


class _Reducers(dict):  # type: ignore[type-arg]
    """The reducer of each class, `None` where pickle itself writes the instances."""

    def __missing__(self, cls: type) -> Callable[..., Any] | None:
        if len(self) >= _MOST_CLASSES:
            self.clear()
        found: Callable[..., Any] | None
        if issubclass(cls, BaseException):
            found = reduce_exception
        elif is_storage(cls):
            found = reduce_storage
        elif is_dtype(cls):
            found = reduce_dtype
        elif loses_views(cls):
            found = reduce_resolved
        elif cls.__name__ == "Opaque" and cls.__module__ == _OPAQUE:
            found = _reduce_opaque
        else:
            found = reducer(cls)
        self[cls] = found
        return found


def _reduce_opaque(value: Any) -> Any:
    return value.__reduce_ex__(PROTOCOL)


_reducers = _Reducers()

_OF_TORCH = (reduce_storage, reduce_dtype, reduce_resolved)


class ValuePickler(Pickler):
    """Write exceptions and some other values in its own way.

    Attributes:
        recipient: For whom it writes, `None` if that has all that this process has.
        storages: The storages of torch that it has met, by their address.
    """

    recipient: Recipient | None = None
    storages: dict[int, Any] | None = None

    def reducer_override(self, value: Any) -> Any:
        reduce = _reducers[type(value)]
        if reduce is not None:
            if reduce in _OF_TORCH:
                return self._reduce_of_torch(reduce, value)
            if reduce is _reduce_opaque:
                return self._reduce_opaque(value)
            return reduce(value)
        if self.recipient is not None:
            module = self.recipient.lacks(value)
            if module is not None:
                return self._close(value, module)
        kind = type(value)
        if kind is FunctionType or issubclass(kind, type):
            return _by_name_of_script(value)
        if kind is ModuleType and describer.get() is not None:
            return _by_import(value)
        return NotImplemented

    def _reduce_of_torch(self, reduce: Callable[..., Any], value: Any) -> Any:
        module = None if self.recipient is None else self.recipient.lacks(value)
        if module is not None:
            return self._close(value, module)
        if reduce is not reduce_storage:
            return reduce(value)
        if self.storages is None:
            self.storages = {}
        return reduce_storage(value, self.storages)

    def _reduce_opaque(self, value: Any) -> Any:
        return _reduce_opaque(value)

    def _close(self, value: Any, module: str) -> tuple[Any, ...]:
        """Return what stands for a value whose recipient lacks its module."""
        from .opaque import close

        stream = BytesIO()
        # What is in it is closed with it, however it was to be read.
        ValuePickler(stream, PROTOCOL).dump(value)
        return close(value, module, stream.getvalue())


def _by_name_of_script(value: Any) -> Any:
    """Name a class or function of the script by the script's module.

    Read in another script, `__main__` would mean that one.
    """
    if value.__module__ != "__main__":
        return _by_text(value)
    name = script_module_name()
    if name is None:
        # It is defined in a cell of a notebook, or the like.
        describing = describer.get()
        if describing is None:
            return NotImplemented
        return describing.reduce_definition(value)
    main = sys.modules.get("__main__")
    if sys.modules.get(name, main) is not main:
        return _by_text(value)
    try:
        is_found = attrgetter(value.__qualname__)(main) is value
    except AttributeError:
        is_found = False
    if is_found:
        return import_object, (value.__qualname__, name)
    return _by_text(value)


def _by_text(value: Any) -> Any:
    """Write what no name leads to by its text, where that is wanted."""
    describing = describer.get()
    if describing is None or is_found_by_name(value):
        return NotImplemented
    return describing.reduce(value)


def _by_import(module: ModuleType) -> Any:
    name = importable_module_name(module.__name__)
    if sys.modules.get(module.__name__) is not module:
        return NotImplemented
    return import_module, (name,)


class BufferingPickler(ValuePickler):
    """Write arrays in its own way, too.

    Attributes:
        hand_over: Takes a buffer, and returns what stands for it in the pickle.
    """

    hand_over: Callable[[Buffer], Any]

    def _reduce_opaque(self, value: Any) -> Any:
        return value.reduce_with(self.hand_over)

    def _close(self, value: Any, module: str) -> tuple[Any, ...]:
        from .opaque import close

        stream = BytesIO()
        pickler, buffers = make_pickler(stream)
        pickler.dump(value)
        closed = [self.hand_over(ClosedContent(buffer)) for buffer in buffers]
        return close(value, module, stream.getvalue(), closed)

    def reducer_override(self, value: Any) -> Any:
        if is_array(type(value)) and (
            self.recipient is None or self.recipient.lacks(value) is None
        ):
            return reduce_array(value, self.hand_over)
        return super().reducer_override(value)


def make_pickler(stream: IO[bytes]) -> tuple[BufferingPickler, list[Any]]:
    """Make a pickler that leaves large buffers out.

    Args:
        stream: What it writes to.

    Returns:
        The pickler, and the buffers that it has left out so far.
    """
    buffers: list[Any] = []
    # pickle takes only contiguous buffers. Something small stands for the others.
    stand_ins: dict[int, tuple[bytearray, Buffer]] = {}

    def hand_over(buffer: Buffer) -> Any:
        if isinstance(buffer, memoryview) and buffer.nbytes < SMALLEST_BUFFER:
            return PickleBuffer(bytearray(buffer.tobytes()))
        stand_in = bytearray(1)
        stand_ins[id(stand_in)] = stand_in, buffer
        return PickleBuffer(stand_in)

    def keep_in_stream(buffer: Any) -> bool:
        content = buffer.raw()
        if id(content.obj) in stand_ins:
            _, content = stand_ins[id(content.obj)]
        elif content.nbytes < SMALLEST_BUFFER:
            return True
        buffers.append(content)
        return False

    pickler = BufferingPickler(stream, PROTOCOL, buffer_callback=keep_in_stream)
    pickler.hand_over = hand_over
    return pickler, buffers
