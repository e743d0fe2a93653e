"""The status of a build: a line on the terminal, or log records."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

logger = logging.getLogger("bandsaw.environments")

#: Is told what is shown in the current context, too.
told: ContextVar[Callable[[str], object]] = ContextVar("told", default=str)

# How many characters of a command's output line are shown.
_WIDTH = 70


class BuildStatus:
    """Shows the stages of a build; a context manager around the build.

    On a terminal it is one line that is updated, if `rich` is installed. Elsewhere each
    stage is a log record of `bandsaw.environments`, and each line that a command writes
    is a record of level `DEBUG`.

    Args:
        label: The label of the environment.
        done: The last words when the build has succeeded.
    """

    def __init__(self, label: str, done: str) -> None:
        self._label = label
        self._done = done
        self._stage = ""
        self._line: Any | None = None

    def __enter__(self) -> BuildStatus:
        self._line = _line_on_terminal()
        if self._line is not None:
            self._line.start()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._line is not None:
            self._line.stop()
        elif kind is None:
            logger.info("Environment %r %s", self._label, self._done)

    def show(self, stage: str, line: str) -> None:
        """Show the current stage.

        Args:
            stage: The stage.
            line: What a command has just written, empty when the stage begins.
        """
        if line or stage != self._stage:
            told.get()(f"Environment {self._label!r}: {stage}{line and ': '}{line}")
        if self._line is not None:
            from rich.markup import escape

            text = escape(f"Environment {self._label}: {stage} ")
            self._line.update(f"{text}[dim]{escape(line[:_WIDTH])}")
        elif line:
            logger.debug("Environment %r, %s: %s", self._label, stage, line)
        elif stage != self._stage:
            logger.info("Environment %r: %s", self._label, stage)
        self._stage = stage


def _line_on_terminal() -> Any | None:
    """Return a line that can be updated, `None` without a terminal or rich."""
    try:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
    except (AttributeError, ImportError, ValueError):
        return None
    return Console(stderr=True).status("")
