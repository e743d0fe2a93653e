"""The contract of a transport, the one seam where a session leaves the process."""

from __future__ import annotations

import os

from ..exceptions import keyword_only
from ..modules import importable_module_name
from ..runtime.temporary import open_private
from ..serialization.recipients import writing_for
from ..tasks import full_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from types import FunctionType
    from typing import IO, Any, Callable

    from ..distribution import DistributionArchive
    from ..interpreter import Interpreter
    from ..serialization.recipients import Recipient
    from ..session import Session
    from ..session.cancellation import Cancellation
    from ..session.saved_format import SavedFormat


class JobSettings:
    """The conditions under which another interpreter continues a session.

    Args:
        process: What the runner is told of the process that it is in.
        directory: Where to make directories for the job. By default in the directory
            for temporary files of the configuration.
        timeout: How long the session may take there, in seconds.
        memory_limit: How many bytes it may take there beyond those of its arguments.
        output: Takes what the session writes to a standard stream, by the name of the
            stream. By default it is written where this process writes.
        observe: Is told what the session tells meanwhile: the kind and the facts.
        recipient: What the other interpreter can read, if it lacks modules.
    """

    @keyword_only(
        "directory", "timeout", "memory_limit", "output", "observe", "recipient"
    )
    def __init__(
        self,
        process: dict[str, Any],
        *,
        directory: Path | None = None,
        timeout: float | None = None,
        memory_limit: int | None = None,
        output: Callable[[str, str], None] | None = None,
        observe: Callable[[str, dict[str, Any]], None] | None = None,
        recipient: Recipient | None = None,
    ) -> None:
        self.process = process
        self.directory = directory
        self.timeout = timeout
        self.memory_limit = memory_limit
        self.output = output
        self.observe = observe
        self.recipient = recipient


class Job:
    """A session that another interpreter is to continue; a context manager around that.

    Args:
        session: The session.
        interpreter: The interpreter.
        settings: The conditions under which it continues the session.

    Attributes:
        session: The session.
        interpreter: The interpreter.
        settings: The conditions.
    """

    def __init__(
        self, session: Session, interpreter: Interpreter, settings: JobSettings
    ) -> None:
        self.session = session
        self.interpreter = interpreter
        self.settings = settings
        self._archive = session.distribution_archive
        self._directory: Path | None = None
        self._input: Path | None = None
        self._answer: IO[bytes] | None = None

    @property
    def archive(self) -> DistributionArchive:
        """The code that the interpreter needs.

        Raises:
            NotMovableError: If that is not the code that is loaded here.
        """
        self._archive.refuse_other_code(self._reaches)
        return self._archive

    def _reaches(self, function: FunctionType) -> bool:
        """Tell if the task reaches a function."""
        task_function = full_task(self.session.task).callable
        if task_function is None:
            return False
        from ..fingerprint.code import watched_code

        return watched_code(task_function)[1].follows(function)

    @property
    def run_id(self) -> str:
        """The id of the run that the session belongs to."""
        return self.session.run_id

    @property
    def cancellation(self) -> Cancellation:
        """The wish to have the job ended."""
        return self.session.cancellation

    @property
    def timeout(self) -> float | None:
        """The time limit of the session, in seconds."""
        return self.settings.timeout

    @property
    def memory_limit(self) -> int | None:
        """The memory limit of the session in bytes, beyond those of its arguments."""
        return self.settings.memory_limit

    @property
    def output_to(self) -> Callable[[str, str], None] | None:
        """The taker of the session's output, `None` for the output of this process."""
        return self.settings.output

    @property
    def parent_directory(self) -> str:
        """The directory in which to make directories for the job."""
        directory = self.settings.directory
        if directory is None:
            return self.session.configuration.temporary_path
        return str(directory)

    @property
    def directory(self) -> Path:
        """A private directory of this job on this machine."""
        if self._directory is None:
            import tempfile
            from pathlib import Path

            parent = self.parent_directory
            os.makedirs(parent, exist_ok=True)
            self._directory = Path(tempfile.mkdtemp(prefix="exchange-", dir=parent))
        return self._directory

    @property
    def input(self) -> Path:
        """The file with the saved session; it is written when it is first asked for."""
        if self._input is None:
            from ..session.zip_format import SessionFile

            path = self.directory / "session.zip"
            with open(path, "xb", opener=open_private) as stream:
                self.save_to(SessionFile(stream))
            self._input = path
        return self._input

    @property
    def output(self) -> Path:
        """The required path of the file with the answer."""
        return self.directory / "answer.zip"

    def save_to(self, form: SavedFormat) -> None:
        """Save the session for the interpreter.

        Args:
            form: Where to save it.
        """
        calls = self.session.root.mapped_calls
        if calls is not None:
            form.sharing = calls.sharing
        if self.settings.recipient is None:
            self.session.save_to(form)
            return
        with writing_for(self.settings.recipient):
            self.session.save_to(form)

    def modules_needed(self) -> tuple[str, list[str]]:
        """Name the module of the configuration, and the others that are needed."""
        function = self.session.full_task.function
        modules = [] if function is None else [function.__module__]
        configuration = self.session.configuration.module_name
        return (
            importable_module_name(configuration),
            [importable_module_name(module) for module in modules],
        )

    def read_output(self) -> SavedFormat:
        """Return the answer that is in the file `output`."""
        from ..session.zip_format import SessionFile

        self._answer = open(self.output, "rb")  # noqa: SIM115  (`close` closes it)
        return SessionFile(self._answer)

    def write_settings(self, **settings: Any) -> Path:
        """Write what the runner is told into a file and return its path.

        Args:
            **settings: What the transport adds to the settings.
        """
        import json

        path = self.directory / "settings.json"
        with open(path, "w", opener=open_private) as file:
            settings = {"originals": self._archive.originals, **settings}
            json.dump({**self.settings.process, **settings}, file)
        return path

    def close(self) -> None:
        """Remove the files of the job."""
        if self._answer is not None:
            self._answer.close()
        if self._directory is not None:
            import shutil

            shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Job:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.close()


@keyword_only("source", "target", "run_id", "settings")
def runner_arguments(
    *, source: str, target: str, run_id: str, settings: str
) -> list[str]:
    """Return the words of a command line that an archive's runner understands.

    Args:
        source: The path of the saved session, where the runner is.
        target: The path of the answer there.
        run_id: The id of the run.
        settings: The path of the settings there.
    """
    words = ["--input", source, "--output", target]
    # As a word of its own, an id like `-1` would be taken for an option.
    words += [f"--run-id={run_id}"] if run_id.startswith("-") else ["--run-id", run_id]
    return [*words, "--settings", settings]


class Transport:
    """Take a job to another interpreter and bring the answer back."""

    def run(self, job: Job) -> SavedFormat:
        """Have a job done.

        Nothing of the job is left where it was done, however this ends.

        Args:
            job: The job. When it is cancelled, this returns soon, in any way.

        Returns:
            The answer; it is read before the job is closed.

        Raises:
            InterpreterError: If there is no answer.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of all that was kept for later jobs. More jobs may follow."""
