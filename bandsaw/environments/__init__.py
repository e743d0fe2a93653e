"""Which Python and which packages a task needs, made when it needs them."""

from __future__ import annotations

from ..runtime.lazy import load_on_access
from .environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        commands as commands,
        credentials as credentials,
        environment as environment,
        index as index,
        inline as inline,
        locks as locks,
        making as making,
        progress as progress,
        pythons as pythons,
        requirements as requirements,
        resolution as resolution,
        specification as specification,
        store as store,
        tools as tools,
        wheels as wheels,
    )

__all__ = ["Environment"]

# Whoever only receives a task that names an environment needs none of these.
__getattr__, __dir__ = load_on_access(
    __name__,
    "commands",
    "credentials",
    "index",
    "inline",
    "locks",
    "making",
    "progress",
    "pythons",
    "requirements",
    "resolution",
    "specification",
    "store",
    "tools",
    "wheels",
)
