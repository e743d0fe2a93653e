"""Waits for what other processes do."""

from __future__ import annotations

import threading
import time
from typing import Callable

# Only a failing test waits that long.
SECONDS = 60.0


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something is the case, and fails when it never is."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        threading.Event().wait(0.01)
