"""The definitions of a notebook's cells, which have no module that could be imported.

What a session reaches of them travels as statements of source, see `gathering`, and is
executed in a `__main__` of its own, see `mains`.
"""

from __future__ import annotations

from ...runtime.lazy import load_on_access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .functions import Functions
    from .gathering import Definitions, Gathering
    from .mains import Main

__all__ = ["Definitions", "Functions", "Gathering", "Main"]

# Each end needs its part.
__getattr__, __dir__ = load_on_access(
    __name__,
    Definitions="gathering",
    Functions="functions",
    Gathering="gathering",
    Main="mains",
)
