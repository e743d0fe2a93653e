"""The one recipe for moving a session: save, ship, wait, restore, clean up."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from asyncio import CancelledError
from pathlib import Path

from .._advice import Advice
from .._session_file import SessionFile
from .._temporary import open_private
from ..exceptions import (
    InterpreterError,
    NotMovableError,
    SerializationError,
)
from ..modules import script_module_name
from ..result import Result
from ..runner import receive_answer
from ..transports.base import Job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, Optional, Union

    from ..interpreter import Interpreter
    from ..session import Session
    from ..transports.base import Transport


# What a caller may want to answer with another try, or another argument; an `OSError`
# is a full disk.
_FAILURES = (InterpreterError, NotMovableError, OSError, SerializationError)


class RemoteAdvice(Advice):
    """Continues sessions in another interpreter.

    A subclass says which interpreter that is and which transport leads there. The other
    interpreter walks along the rest of the chain, executes the task, and walks back to
    this advice; from there the session is carried on here.

    When the other interpreter fails, the session is concluded with an exception that
    says why, so that the earlier advices see it. What an advice raises there is raised
    here.

    Args:
        directory: Where to keep the files of the exchange while it takes place. By
            default the temporary directory of the session.

    Attributes:
        directory: The directory, `None` for the session's.
    """

    directory: Optional[Path]

    def __init__(self, directory: Union[str, Path, None] = None) -> None:
        self.directory = None if directory is None else Path(directory)

    def interpreter_for(self, session: Session) -> Interpreter:
        """Choose the interpreter that continues a session.

        Args:
            session: The session.
        """
        raise NotImplementedError

    def transport_for(self, session: Session) -> Transport:
        """Choose the transport that leads to the interpreter.

        Args:
            session: The session.
        """
        raise NotImplementedError

    def settings_for(self, session: Session) -> Dict[str, Any]:
        """Say what the other process has to know besides the session.

        Args:
            session: The session.
        """
        return {"script": script_module_name(), "arguments": sys.argv}

    def environment_for(self, session: Session) -> Optional[str]:
        """Say what is known of the environment in which the session is continued.

        A cache asks this: what is installed here does not count for a task that runs
        elsewhere.

        Args:
            session: The session.

        Returns:
            What tells the environment from others, `None` for that of this interpreter.
        """
        interpreter = self.interpreter_for(session)
        return None if interpreter.is_this_python else interpreter.executable

    def before(self, session: Session) -> None:
        """Continue the session elsewhere, then carry on with it here."""
        failure = self._move(session)
        if failure is None:
            session.proceed()
        else:
            session.conclude(Result(exception=failure))

    def after(self, session: Session) -> None:
        """End the walk in the other interpreter; `before` goes on with it."""

    def _move(self, session: Session) -> Optional[Exception]:
        with self._exchange_directory(session) as directory:
            job = Job(
                directory,
                session.distribution_archive,
                self.interpreter_for(session),
                session.run_id,
                self.settings_for(session),
                session.cancellation,
            )
            try:
                with open(job.input, "xb", opener=open_private) as stream:
                    session.save(stream)
                self.transport_for(session).run(job)
            except _FAILURES as error:
                failure: Optional[Exception] = error
            else:
                with open(job.output, "rb") as stream:
                    failure = receive_answer(session, SessionFile(stream))
            if session.cancellation.is_requested:
                raise CancelledError
            return failure

    @contextlib.contextmanager
    def _exchange_directory(self, session: Session) -> Iterator[Path]:
        parent = self.directory or session.temp_dir
        parent.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="exchange-", dir=str(parent)))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
