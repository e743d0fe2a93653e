"""The contract of a transport, the one seam where a session leaves the process."""

from __future__ import annotations

import os
from pathlib import Path

from ..runtime.temporary import open_private
from ..session.zip_form import SessionFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Callable, Sequence

    from ..distribution import DistributionArchive
    from ..interpreter import Interpreter
    from ..run import Run
    from ..session.cancellation import Cancellation
    from ..session.saved_form import SavedForm


class Job:
    """A session that another interpreter is to continue; a context manager around that.

    Args:
        save_to: Saves the session in a form.
        archive: The code that the other interpreter needs.
        interpreter: Which interpreter it is.
        run: The run that the session belongs to.
        settings: What the runner is told of the process it is in.
        cancellation: The wish to have the job ended.
        choose_directory: Says where to make directories for the job.
        continue_session: What the other interpreter does: continues the session in one
            form, writes its answer in another one, and calls the argument `deliver`
            while the files that the answer refers to are there.
        modules_needed: Names what the other interpreter will have to import: the
            `configuration` and other `modules`.
        timeout: How long the session may take there, in seconds.
        memory_limit: How many bytes it may take there beyond those of its arguments.
        levels: Which log records are wanted here, as `wanted_levels` tells.
        held: What is held on this machine until the session has ended, as
            `bandsaw.stores.flights.held` tells.
        observe: Is told what the session tells meanwhile: the kind and the facts.
        output: Takes what the session writes to a standard stream, by the name of the
            stream. Left out, it is written where this process writes.
    """

    def __init__(
        self,
        save_to: Callable[[SavedForm], None],
        archive: DistributionArchive,
        interpreter: Interpreter,
        run: Run,
        settings: dict[str, Any],
        cancellation: Cancellation,
        choose_directory: Callable[[], str],
        continue_session: Callable[..., None],
        modules_needed: Callable[[], dict[str, Any]],
        timeout: float | None = None,
        memory_limit: int | None = None,
        levels: dict[str, int] | None = None,
        held: Sequence[tuple[str, str]] = (),
        observe: Callable[[str, dict[str, Any]], None] | None = None,
        output: Callable[[str, str], None] | None = None,
    ) -> None:
        self.save_to = save_to
        self.archive = archive
        self.interpreter = interpreter
        self.run = run
        self.settings = settings
        self.cancellation = cancellation
        self.choose_directory = choose_directory
        self.continue_session = continue_session
        self.modules_needed = modules_needed
        self.timeout = timeout
        self.memory_limit = memory_limit
        self.levels = levels
        self.held = held
        self.observe = observe
        self.output_to = output
        self._directory: Path | None = None
        self._input: Path | None = None
        self._answer: IO[bytes] | None = None

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.run_id

    @property
    def directory(self) -> Path:
        """A private directory of this job on this machine."""
        if self._directory is None:
            import tempfile

            parent = self.choose_directory()
            os.makedirs(parent, exist_ok=True)
            self._directory = Path(tempfile.mkdtemp(prefix="exchange-", dir=parent))
        return self._directory

    @property
    def input(self) -> Path:
        """The file with the saved session; it is written when it is first asked for."""
        if self._input is None:
            path = self.directory / "session.zip"
            with open(path, "xb", opener=open_private) as stream:
                self.save_to(SessionFile(stream))
            self._input = path
        return self._input

    @property
    def output(self) -> Path:
        """Where the file with the answer has to be."""
        return self.directory / "answer.zip"

    def read_output(self) -> SavedForm:
        """Return the answer that is in the file `output`."""
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
            json.dump({**self.settings, **settings}, file)
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


def runner_arguments(source: str, target: str, run_id: str, settings: str) -> list[str]:
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
    """Takes a job to another interpreter and brings the answer back."""

    def run(self, job: Job) -> SavedForm:
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
