"""For whom values are written: what their recipient lacks is closed, not lost.

The state is a context variable: what is written in other threads and contexts at the
same time is for others.
"""

from __future__ import annotations

import contextvars
import os
import sys
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from ..methods import BoundTask, TaskMethod
from ..runtime.contexts import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Iterator

# What is pickled by its name, and belongs to the module that it names.
_NAMED = (type, FunctionType, TaskMethod)
# What is pickled by its name in the object that it belongs to, which is touched then.
_METHODS = (MethodType, BoundTask, BuiltinFunctionType)

_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep


class Recipient:
    """An interpreter that will read what is written.

    Args:
        modules: The names of the outermost modules that it could import.

    Attributes:
        met: The outermost modules of the values that were written for it.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self._modules = frozenset(modules)
        self._lacking: dict[type, str | None] = {}
        self._lacking_behind: dict[str, str | None] = {}
        self.met: set[str] = set()

    def lacks(self, value: Any) -> str | None:
        """Return the name of the module that a value needs and the recipient lacks.

        Args:
            value: The value itself counts, not what is in it.

        Returns:
            The name of the outermost module, `None` if it lacks none.
        """
        if isinstance(value, _NAMED):
            if isinstance(value, type):
                return self._lacks_class(value)
            return self._lacks_module(value.__module__ or "builtins")
        if isinstance(value, _METHODS):
            owner = value.__self__
            if owner is not None and not isinstance(owner, ModuleType):
                return self.lacks(owner)
            return self._lacks_module(getattr(value, "__module__", None) or "builtins")
        return self._lacks_class(type(value))

    def _lacks_class(self, kind: type) -> str | None:
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

    def _lacks_module(self, name: str) -> str | None:
        root = name.partition(".")[0]
        if root not in self._modules and root != "__main__":
            return root
        self.met.add(root)
        return self._lacks_behind(name)

    def _lacks_behind(self, name: str) -> str | None:
        """Return what a module of the user's own has imported and the recipient lacks.

        The recipient has the module's file, and may not be able to import it. If it can
        do without, what was closed is opened all the same.
        """
        if name in self._lacking_behind:
            return self._lacking_behind[name]
        self._lacking_behind[name] = None  # Modules may import each other.
        module = sys.modules.get(name)
        if module is None or not _is_own(module):
            return None
        for attribute, value in list(vars(module).items()):
            if attribute.startswith("__"):
                continue  # What has loaded the module, for example
            if isinstance(value, ModuleType):
                imported: str | None = value.__name__
            else:
                imported = getattr(value, "__module__", None)
            if isinstance(imported, str) and imported != name:
                found = self._lacks_module(imported)
                if found is not None:
                    self._lacking_behind[name] = found
                    return found
        return None


def _is_own(module: ModuleType) -> bool:
    """Tell if a module is neither installed nor of the standard library."""
    path = getattr(module, "__file__", None)
    return (
        isinstance(path, str)
        and not path.startswith(_STANDARD_LIBRARY)
        and f"-packages{os.sep}" not in path
    )


_recipient: contextvars.ContextVar[Recipient | None] = contextvars.ContextVar(
    "bandsaw_recipient", default=None
)


#: Returns for whom values are written, `None` if that has all that this one has.
current_recipient = _recipient.get


@contextmanager
def writing_for(recipient: Recipient | None) -> Iterator[None]:
    """Write values for a recipient inside of the block.

    Args:
        recipient: The recipient, `None` for one that has all that this process has.
    """
    token = _recipient.set(recipient)
    try:
        yield
    finally:
        _recipient.reset(token)
