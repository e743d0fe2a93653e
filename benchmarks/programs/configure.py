"""Imports the configuration of the tutorial, as a script with it does."""

from __future__ import annotations

import tutorial_config  # noqa: F401
