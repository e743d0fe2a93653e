"""Keep facts about sessions: who called what, with which arguments and result."""

from __future__ import annotations

from ..runtime.lazy import load_on_access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import backend as backend, filesystem as filesystem, tracker as tracker

__getattr__, __dir__ = load_on_access(__name__, "backend", "filesystem", "tracker")
