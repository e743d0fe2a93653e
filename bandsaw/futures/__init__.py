"""Many calls at once: they are submitted, and walk in threads when it is their turn."""

from __future__ import annotations

from .calls import Future, submit
from .mapping import Lists, Results, UnorderedResults

__all__ = ["Future", "Lists", "Results", "UnorderedResults", "submit"]
