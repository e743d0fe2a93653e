"""What users choose by name for a cache."""

from __future__ import annotations

#: What of the code is significant, by the name of the choice.
CODE_CHOICES = ("reachable", "own", "version", "ignore")
