"""Many calls at once: they are submitted, and walk in threads when it is their turn."""

from __future__ import annotations

from .calls import Future, submit

__all__ = ["Future", "submit"]
