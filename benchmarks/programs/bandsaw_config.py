"""An empty chain, without extensions."""

from __future__ import annotations

import bandsaw

configuration = bandsaw.Configuration()
