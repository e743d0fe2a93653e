"""The contract of a transport, the one seam where a session leaves the process."""

from __future__ import annotations

import json
from pathlib import Path

from .._temporary import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from .._cancellation import Cancellation
    from ..distribution import DistributionArchive
    from ..interpreter import Interpreter


class Job:
    """A saved session that another interpreter is to continue.

    Args:
        directory: A private directory of this job on this machine. Whoever made it
            removes it.
        archive: The code that the other interpreter needs.
        interpreter: Which interpreter it is.
        run_id: The id of the run.
        settings: What the runner is told of the process it is in.
        cancellation: The wish to have the job ended.

    Attributes:
        input: The file with the saved session.
        output: The file for the answer.
    """

    def __init__(
        self,
        directory: Path,
        archive: DistributionArchive,
        interpreter: Interpreter,
        run_id: str,
        settings: Dict[str, Any],
        cancellation: Cancellation,
    ) -> None:
        self.directory = directory
        self.archive = archive
        self.interpreter = interpreter
        self.run_id = run_id
        self.settings = settings
        self.cancellation = cancellation
        self.input = directory / "session.zip"
        self.output = directory / "answer.zip"

    def write_settings(self, **settings: Any) -> Path:
        """Write what the runner is told into a file and return its path.

        Args:
            **settings: What the transport adds to the settings.
        """
        path = self.directory / "settings.json"
        with open(path, "w", opener=open_private) as file:
            json.dump({**self.settings, **settings}, file)
        return path


def runner_arguments(source: str, target: str, run_id: str, settings: str) -> List[str]:
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

    def run(self, job: Job) -> None:
        """Have a job done.

        On return the answer is in the file `job.output`. Nothing of the job is left
        where it was done, however this ends.

        Args:
            job: The job. When it is cancelled, this returns soon, in any way.

        Raises:
            InterpreterError: If there is no answer.
        """
        raise NotImplementedError
