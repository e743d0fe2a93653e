"""The modules of bandsaw that a process from an archive begins with, in one file.

Such a process needs sixty of them. To find, open and read their files takes as long as
to execute what is in them, so the first process keeps their bytecode together.

A copy of it lies beside the main module of an archive and runs before anything of
bandsaw can be imported, so it knows the standard library only, of which it imports
nothing that an interpreter has not loaded by itself.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
from _frozen_importlib_external import (
    MAGIC_NUMBER,
    SourceFileLoader,
    spec_from_file_location,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Tuple

    # The path below the directory of the archive, the state of that file, the bytecode
    Kept = Tuple[str, Tuple[int, int], bytes]

_PACKAGE = "bandsaw"
_INIT = f"{os.sep}__init__.py"


def find_modules(directory: str) -> bool:
    """Let modules of bandsaw be imported from the file that holds them together.

    Args:
        directory: The directory that holds the content of an archive.

    Returns:
        Whether there is such a file.
    """
    try:
        with open(_path_in(directory), "rb") as file:
            content = file.read()
        if not content.startswith(MAGIC_NUMBER):
            return False
        modules = marshal.loads(memoryview(content)[len(MAGIC_NUMBER) :])
    except (EOFError, OSError, TypeError, ValueError):
        return False  # There is none, or it is damaged.
    if not isinstance(modules, dict):
        return False
    sys.meta_path.insert(0, _Finder(directory, modules))
    return True


def keep_modules(directory: str) -> None:
    """Keep the modules of bandsaw that are imported now together in a file.

    Args:
        directory: The directory that holds the content of an archive.
    """
    path = _path_in(directory)
    parent = os.path.dirname(path)
    beside = f"{path}.{os.urandom(8).hex()}"
    try:
        # Python has made none where it keeps bytecode elsewhere.
        os.makedirs(parent, 0o700, exist_ok=True)
        if not os.access(parent, os.W_OK):
            return
        content = MAGIC_NUMBER + marshal.dumps(_modules_below(directory))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(beside, flags, 0o600), "wb") as file:
            file.write(content)
        os.replace(beside, path)
    except OSError:
        # A home that can only be read, or a full disk
        try:
            os.unlink(beside)
        except OSError:
            pass


def _path_in(directory: str) -> str:
    name = f"startup.{sys.implementation.cache_tag}-{sys.flags.optimize}"
    return os.path.join(directory, _PACKAGE, "__pycache__", name)


def _modules_below(directory: str) -> dict[str, Kept]:
    found = {}
    below = os.path.join(directory, "")
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        loader, path = getattr(spec, "loader", None), getattr(spec, "origin", None)
        if (
            name.partition(".")[0] == _PACKAGE
            # It may be there under another name, too.
            and name == getattr(spec, "name", None)
            and isinstance(loader, SourceFileLoader)
            and isinstance(path, str)
            and path.startswith(below)
        ):
            state = _state_of(path)
            code = loader.get_code(name)
            found[name] = (path[len(below) :], state, marshal.dumps(code))
    return found


def _state_of(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size


class _Finder:
    """Find modules of bandsaw whose bytecode is known, as long as their files stay.

    Args:
        directory: The directory that holds the content of an archive.
        modules: What is known.
    """

    def __init__(self, directory: str, modules: dict[str, Kept]) -> None:
        self._directory = directory
        self._modules = modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """Return how a module is loaded, `None` if that is not known here."""
        kept = self._modules.pop(name, None)
        if kept is None:
            return None
        below, state, code = kept
        path = os.path.join(self._directory, below)
        try:
            if _state_of(path) != state:
                return None
        except OSError:
            return None
        return spec_from_file_location(
            name,
            path,
            loader=_Loader(name, path, code),
            submodule_search_locations=(
                [path[: -len(_INIT)]] if path.endswith(_INIT) else None
            ),
        )


class _Loader(SourceFileLoader):
    """Load a module by bytecode that was read with that of others.

    Args:
        name: The name of the module.
        path: The path of its file.
        bytecode: Its bytecode.
    """

    def __init__(self, name: str, path: str, bytecode: bytes) -> None:
        super().__init__(name, path)
        self._bytecode: bytes | None = bytecode

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code of the module, for its file as it is here."""
        bytecode, self._bytecode = self._bytecode, None
        if bytecode is None:
            return super().get_code(fullname)
        code: CodeType = marshal.loads(bytecode)
        # Another archive may share the file.
        _imp._fix_co_filename(code, self.path)  # type: ignore[attr-defined]
        return code
