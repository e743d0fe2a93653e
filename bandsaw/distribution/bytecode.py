"""Keep the bytecode of an unpacked archive where Python is told to write none.

A copy of it lies beside the main module of an archive and runs before anything of
bandsaw can be imported, so it knows the standard library only, of which it imports
nothing that an interpreter has not loaded by itself.
"""

from __future__ import annotations

import _imp
import os
import sys
from _frozen_importlib_external import (
    BYTECODE_SUFFIXES,
    MAGIC_NUMBER,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
    cache_from_source,
)
from marshal import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any


class _Loader(SourceFileLoader):
    """Load modules, and keep the bytecode of those that had to be compiled."""

    # What type checkers know of it is not what importlib calls.
    def source_to_code(  # type: ignore[override]
        self, data: Any, path: Any, **options: Any
    ) -> CodeType:
        code: CodeType = super().source_to_code(data, path, **options)
        # A prefix refers to a directory of the user's own.
        if sys.dont_write_bytecode and sys.pycache_prefix is None:
            source = self.path_stats(path)
            numbers = 0, int(source["mtime"]), source["size"]
            head = b"".join((n & 0xFFFFFFFF).to_bytes(4, "little") for n in numbers)
            # It is written beside and renamed. Where it cannot be, nothing is raised.
            self.set_data(cache_from_source(path), MAGIC_NUMBER + head + dumps(code))
        return code


def keep_bytecode(directory: str) -> None:
    """Keep the bytecode of all modules below a directory from now on.

    What lies elsewhere is loaded as Python is told to.

    Args:
        directory: The directory that holds the content of an archive.
    """
    find = FileFinder.path_hook(
        (ExtensionFileLoader, _imp.extension_suffixes()),
        (_Loader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )
    below = os.path.join(directory, "")

    def find_below(path: str) -> Any:
        if path != directory and not path.startswith(below):
            raise ImportError
        return find(path)

    sys.path_hooks.insert(0, find_below)
    sys.path_importer_cache.pop(directory, None)
