"""Ways for a session to reach another interpreter and to come back."""

from __future__ import annotations

from ..runtime.lazy import load_on_access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        base as base,
        memory as memory,
        pool as pool,
        process as process,
        ssh as ssh,
    )

__getattr__, __dir__ = load_on_access(
    __name__, "base", "memory", "pool", "process", "ssh"
)
