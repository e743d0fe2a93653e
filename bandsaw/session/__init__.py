"""One advised call of a task, its parts, and the forms in which it is saved."""

from __future__ import annotations

from ..identifier import Ids
from .attachments import Attachment, Attachments
from .session import Session, advise

__all__ = ["Attachment", "Attachments", "Ids", "Session", "advise"]
