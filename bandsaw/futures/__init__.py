"""Many calls at once: they are submitted, and walk in threads when it is their turn."""

from __future__ import annotations

from .calls import Future, submit
from .mapping import Results, UnorderedResults

__all__ = ["Future", "Results", "UnorderedResults", "submit"]
