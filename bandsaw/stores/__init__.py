"""Stores of cached results: bytes by name, whole or absent.

`LocalStore` keeps them in files, `MemoryStore` in this process, and `FsspecStore`
wherever fsspec leads, each loaded when it is asked for.
"""

from __future__ import annotations

from ..runtime.lazy import load_on_access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        base as base,
        fsspec as fsspec,
        local as local,
        memory as memory,
    )
    from .base import Item, Store
    from .fsspec import FsspecStore
    from .local import LocalStore
    from .memory import MemoryStore

__all__ = ["FsspecStore", "Item", "LocalStore", "MemoryStore", "Store"]

__getattr__, __dir__ = load_on_access(
    __name__,
    "base",
    "entries",
    "fsspec",
    "local",
    "locks",
    "memory",
    "pruning",
    "results",
    FsspecStore="fsspec",
    Item="base",
    LocalStore="local",
    MemoryStore="memory",
    Store="base",
)
