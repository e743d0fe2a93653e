"""For whom values are written: what their reader lacks is closed, not lost.

The state is a context variable: what is written in other threads and contexts at the
same time is for others.
"""

from __future__ import annotations

import contextlib
import contextvars
from types import BuiltinFunctionType, FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, Optional, Set

# What is pickled by its name, and belongs to the module that it names.
_NAMED = (type, FunctionType, BuiltinFunctionType)


class Reader:
    """An interpreter that will read what is written.

    Args:
        modules: The names of the outermost modules that it could import.

    Attributes:
        met: The outermost modules of the values that were written for it.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self._modules = frozenset(modules)
        self._lacking: Dict[type, Optional[str]] = {}
        self.met: Set[str] = set()

    def lacks(self, value: Any) -> Optional[str]:
        """Return the name of the module that a value needs and the reader lacks.

        Args:
            value: The value itself counts, not what is in it.

        Returns:
            The name of the outermost module, `None` if it lacks none.
        """
        if isinstance(value, _NAMED):
            if isinstance(value, type):
                return self._lacks_class(value)
            return self._lacks_module(value.__module__ or "builtins")
        return self._lacks_class(type(value))

    def _lacks_class(self, kind: type) -> Optional[str]:
        try:
            return self._lacking[kind]
        except KeyError:
            pass
        found = None
        for base in kind.__mro__:
            found = self._lacks_module(base.__module__)
            if found is not None:
                break
        self._lacking[kind] = found
        return found

    def _lacks_module(self, name: str) -> Optional[str]:
        root = name.partition(".")[0]
        if root in self._modules or root == "__main__":
            self.met.add(root)
            return None
        return root


_reader: contextvars.ContextVar[Optional[Reader]] = contextvars.ContextVar(
    "bandsaw_reader", default=None
)


def current_reader() -> Optional[Reader]:
    """Return for whom values are written, `None` if that has all that this one has."""
    return _reader.get()


@contextlib.contextmanager
def writing_for(reader: Optional[Reader]) -> Iterator[None]:
    """Write values for a reader inside of the block.

    Args:
        reader: The reader, `None` for one that has all that this process has.
    """
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)
