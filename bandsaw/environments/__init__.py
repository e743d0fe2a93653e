"""Which Python and which packages a task needs, made when it needs them."""

from __future__ import annotations

from .._lazy import load_on_access
from .environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import commands as commands
    from . import credentials as credentials
    from . import environment as environment
    from . import index as index
    from . import inline as inline
    from . import locks as locks
    from . import making as making
    from . import progress as progress
    from . import pythons as pythons
    from . import requirements as requirements
    from . import resolution as resolution
    from . import specification as specification
    from . import store as store
    from . import tools as tools
    from . import wheels as wheels

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
