"""Reads pickles that name modules by what they are called in another version."""

from __future__ import annotations

from _pickle import Unpickler, loads as load_as_named
from io import BytesIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Sequence

# What numpy 2 has renamed is the same in numpy 1: its arrays and numbers name these.
_RENAMED = {"numpy._core": "numpy.core"}


def is_renamed(error: ModuleNotFoundError) -> bool:
    """Tell if a module that is missing has another name here.

    Args:
        error: What says that it is missing.
    """
    return error.name in _RENAMED


class _RenamingUnpickler(Unpickler):
    def find_class(self, module_name: str, name: str) -> Any:
        for theirs, ours in _RENAMED.items():
            if module_name == theirs or module_name.startswith(f"{theirs}."):
                module_name = ours + module_name[len(theirs) :]
        return super().find_class(module_name, name)


def loads(content: bytes) -> Any:
    """Read a value, whatever its modules are called here.

    Args:
        content: The pickle.
    """
    try:
        return load_as_named(content)
    except ModuleNotFoundError as error:
        if not is_renamed(error):
            raise
    return load_renamed(BytesIO(content))


def load_renamed(stream: IO[bytes], buffers: Sequence[Any] = ()) -> Any:
    """Read a value whose modules are called otherwise here.

    Args:
        stream: Where the pickle is.
        buffers: The buffers that stand beside it.
    """
    return _RenamingUnpickler(stream, buffers=list(buffers) or None).load()
