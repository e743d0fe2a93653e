"""Runs tasks in another interpreter process on this machine."""

from __future__ import annotations

from ..interpreter import Interpreter
from ..transports.process import ProcessTransport
from .remote import RemoteAdvice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Dict, Optional, Union

    from ..session import Session


class SubprocessAdvice(RemoteAdvice):
    """Continues each session in a fresh interpreter process.

    Args:
        directory: Where to keep the files of the exchange while it takes place. By
            default the temporary directory of the session.
        interpreter: The interpreter; by default the one that runs this process.

    Attributes:
        interpreter: The interpreter.
    """

    def __init__(
        self,
        directory: Union[str, Path, None] = None,
        interpreter: Optional[Interpreter] = None,
    ) -> None:
        super().__init__(directory)
        self.interpreter = Interpreter() if interpreter is None else interpreter
        self._transport = ProcessTransport()

    def interpreter_for(self, session: Session) -> Interpreter:
        """Return the interpreter that was given."""
        return self.interpreter

    def transport_for(self, session: Session) -> ProcessTransport:
        """Return the transport to a process on this machine."""
        return self._transport

    def settings_for(self, session: Session) -> Dict[str, Any]:
        """Add where the process finds modules, and where it may make files."""
        return {
            **super().settings_for(session),
            "path": self.interpreter.import_path(),
            "temporary_directory": str(session.temp_dir),
        }
