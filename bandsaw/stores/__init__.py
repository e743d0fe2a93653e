"""Where cached results are kept: bytes by name, whole or absent.

`LocalStore` keeps them in files, `MemoryStore` in this process, and `FsspecStore`
wherever fsspec leads, loaded when it is asked for.
"""

from __future__ import annotations

from .base import Item, Store
from .local import LocalStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .fsspec import FsspecStore
    from .memory import MemoryStore

__all__ = ["FsspecStore", "Item", "LocalStore", "MemoryStore", "Store"]


def __getattr__(name: str) -> Any:
    if name == "MemoryStore":
        from .memory import MemoryStore

        return MemoryStore
    if name == "FsspecStore":
        from .fsspec import FsspecStore

        return FsspecStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
