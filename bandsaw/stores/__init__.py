"""Where cached results are kept: bytes by name, whole or absent.

`LocalStore` keeps them in files, `MemoryStore` in this process, and `FsspecStore`
wherever fsspec leads, loaded when it is asked for.
"""

from __future__ import annotations

from ..runtime.lazy import load_on_access
from .base import Item, Store
from .local import LocalStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import fsspec as fsspec, memory as memory
    from .fsspec import FsspecStore
    from .memory import MemoryStore

__all__ = ["FsspecStore", "Item", "LocalStore", "MemoryStore", "Store"]

__getattr__, __dir__ = load_on_access(
    __name__, "fsspec", "memory", FsspecStore="fsspec", MemoryStore="memory"
)
