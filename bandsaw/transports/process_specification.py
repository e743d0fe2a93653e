"""What an interpreter process on this machine is started with."""

from __future__ import annotations

import os
import sys

from .output import is_inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .base import Job


class Conditions:
    """What a process is started with; under equal ones, one does as well as another.

    Args:
        job: The job that needs a process.
    """

    __slots__ = ("_parts", "archive", "interpreter", "piped", "run", "settings")

    def __init__(self, job: Job) -> None:
        self.interpreter = job.interpreter
        self.archive = job.archive
        self.settings = job.settings.process
        self.run = job.session.run
        is_taken = job.output_to is not None
        self.piped = (
            is_taken or not is_inherited(sys.stdout, 1),
            is_taken or not is_inherited(sys.stderr, 2),
        )
        self._parts = (
            # Another one was made when another module was imported.
            id(self.archive),
            self.piped,
            _working_directory(),
            self.settings,
            self.interpreter.executable,
            self.interpreter.environment,
            # What is known of the run does not travel with every session.
            (id(self.run), repr(self.run.meta) if self.run.meta else ""),
            _environment(),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Conditions) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash((id(self.archive), self.piped))


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None  # It was removed.


def _environment() -> dict[Any, Any]:
    # A copy that decodes nothing is ten times faster; it is only compared.
    return dict(getattr(os.environ, "_data", os.environ))
