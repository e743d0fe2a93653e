"""Shows how far the making of an environment has come."""

from __future__ import annotations

import logging
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

logger = logging.getLogger("bandsaw.environments")

# How much of a line that a command writes is shown.
_WIDTH = 70


class Progress:
    """Shows the stages of a build; a context manager around it.

    On a terminal that is a line that moves, if `rich` is installed. Elsewhere each
    stage is a log record of `bandsaw.environments`, and each line that a command writes
    is one of level `DEBUG`.

    Args:
        label: What is built.
        end: What is said of it when that is done.
    """

    def __init__(self, label: str, end: str) -> None:
        self._label = label
        self._end = end
        self._stage = ""
        self._status: Any | None = None

    def __enter__(self) -> Progress:
        self._status = _status_on_terminal()
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._status is not None:
            self._status.stop()
        elif kind is None:
            logger.info("Environment %r %s", self._label, self._end)

    def show(self, stage: str, line: str) -> None:
        """Show what is done now.

        Args:
            stage: What is done.
            line: What a command has just written about that.
        """
        if self._status is not None:
            from rich.markup import escape

            text = escape(f"Environment {self._label}: {stage} ")
            self._status.update(f"{text}[dim]{escape(line[:_WIDTH])}")
        elif line:
            logger.debug("Environment %r, %s: %s", self._label, stage, line)
        elif stage != self._stage:
            logger.info("Environment %r: %s", self._label, stage)
        self._stage = stage


def _status_on_terminal() -> Any | None:
    """Return a line that moves, `None` where nobody would see it."""
    try:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
    except (AttributeError, ImportError, ValueError):
        return None
    return Console(stderr=True).status("")
