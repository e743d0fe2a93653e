"""The status of a build: a line that changes, or log records."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextvars import ContextVar

from ..runtime.notebooks import shows_lines_that_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

logger = logging.getLogger("bandsaw.environments")

#: Is told of the stages in the current context by a build for another process, which
#: shows them in place of this one.
told: ContextVar[Callable[[str], object] | None] = ContextVar("told", default=None)

# After how many seconds a build without a terminal is told of by warnings.
_PATIENCE = 10.0

# How often what a build has done is measured for the line, in seconds.
_MEASURING_INTERVAL = 1.0

# How often it is shown that another process is waited for, in seconds. That process may
# show its line on the same terminal.
_WAITING_INTERVAL = 1.0


class BuildStatus:
    """Shows the stages of a build; a context manager around the build.

    On a terminal and in a notebook it is one line that changes. Elsewhere each stage is
    a log record of `bandsaw.environments`, of level `WARNING` if the build takes long.
    Each line that a command writes is a record of level `DEBUG`.

    Args:
        label: The label of the environment.
        done: The last words when the build has succeeded.
        measure: Returns what is done in a few words, like the number of packages.
    """

    def __init__(
        self, label: str, done: str, measure: Callable[[], str] = lambda: ""
    ) -> None:
        self._label = label
        self._done = done
        self._measure = measure
        self._measured = ""
        self._next_measuring = 0.0
        self._stage = self._last_line = self._stage_warned_of = ""
        self._tell = told.get()
        self._has_line = self._tell is None and shows_lines_that_change()

    def __enter__(self) -> BuildStatus:
        self._start = time.monotonic()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._has_line and self._stage:
            self._draw("")
        if kind is not None or not self._stage:
            return
        done = f"Environment {self._label!r} {self._done}"
        if self._has_line:
            _write(f"{done} ({self._facts()})\n")
        elif self._stage_warned_of and self._tell is None:
            logger.warning("%s (%s)", done, self._facts())
        else:
            self._log(logging.INFO, "%s", done)

    def show(self, stage: str, line: str) -> None:
        """Show the current stage; called now and then while it lasts.

        Args:
            stage: The stage.
            line: What a command has just written, empty if that is nothing.
        """
        is_new = stage != self._stage
        if is_new:
            self._last_line = ""
        self._stage, self._last_line = stage, line or self._last_line
        text = f"Environment {self._label!r}: {stage}"
        if (line or is_new) and self._tell is not None:
            self._tell(f"{text}{line and ': '}{line}")
        if self._has_line:
            facts = self._facts(_MEASURING_INTERVAL)
            self._draw(f"{text} ({facts}) {self._last_line}")
            return
        if line:
            self._log(logging.DEBUG, "Environment %r, %s: %s", self._label, stage, line)
        is_late = time.monotonic() - self._start >= _PATIENCE
        if is_late and stage != self._stage_warned_of:
            self._stage_warned_of = stage
            if self._tell is None:
                logger.warning("%s (%s)", text, self._facts())
            else:
                self._tell(f"{text}: {self._facts()}")
        elif is_new:
            self._log(logging.INFO, "%s", text)

    def _facts(self, interval: float = 0.0) -> str:
        now = time.monotonic()
        if not interval or now >= self._next_measuring:
            self._measured = self._measure()
            self._next_measuring = now + interval
        seconds = f"{now - self._start:.0f} s"
        return ", ".join(filter(None, (self._measured, seconds)))

    @staticmethod
    def _log(level: int, text: str, *values: object) -> None:
        logger.log(level, text, *values)

    @staticmethod
    def _draw(text: str) -> None:
        try:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
        except (AttributeError, OSError, ValueError):
            columns = 0  # It is a notebook.
        width = (columns or 80) - 1
        printable = "".join(filter(str.isprintable, text))[:width]
        # Blanks remove what was there, also in a notebook.
        _write(f"\r{printable:{width}}" + ("" if text else "\r"))


class WaitStatus(BuildStatus):
    """Shows that another process is waited for, which builds; called now and then.

    Args:
        label: The label of the environment.
        builder: Names that process; returns `None` if it is this one, which shows the
            stages already.
    """

    def __init__(self, label: str, builder: Callable[[], str | None]) -> None:
        super().__init__(label, "is no longer waited for")
        self._builder = builder

    def __enter__(self) -> WaitStatus:
        super().__enter__()
        self._due = self._start + _WAITING_INTERVAL
        return self

    def __call__(self) -> None:
        """Show for whom this process waits, once in an interval."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _WAITING_INTERVAL
        builder = self._builder()
        if builder is not None:
            self.show(f"waiting for {builder}, which makes it", "")


class FarBuildStatus(BuildStatus):
    """Shows the stages of a build on another machine, which sends its log records."""

    def show_text(self, text: str) -> None:
        """Show what the far end tells.

        Args:
            text: What its `BuildStatus` has given to `told`.
        """
        stage, _, line = text.partition(f"{self._label!r}: ")[2].partition(": ")
        self.show(stage, line)

    @staticmethod
    def _log(level: int, text: str, *values: object) -> None:
        """Log nothing, since the records of the far end arrive here."""


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # The terminal is gone; the build goes on.
