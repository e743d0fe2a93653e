"""What belongs to a session: its parts, its ids, its files."""

from __future__ import annotations

from ._cancellation import Cancellation
from ._temporary import TemporaryDirectory
from .attachments import Attachments
from .context import Context
from .exceptions import ConfigurationError
from .identifier import Ids
from .run import get_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from .config import Configuration
    from .distribution import DistributionArchive
    from .environments.resolution import Resolution
    from .execution import Execution
    from .result import Result
    from .run import Run
    from .serialization import Serializer
    from .tasks import Task


class SessionParts:
    """The parts of a session, which know nothing of its walk.

    Attributes:
        task: The task that was called.
        execution: The arguments of the call.
        configuration: The configuration that has the chain.
        advice_chain: The name of the chain.
        result: What the task, or an advice in its place, has come to; `None` before.
        environments: Those through which the session has gone from this process.
    """

    # What every walk needs has slots, which are faster than an instance's dict. That is
    # there for what most sessions never need, and for what advices may want to add.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "advice_chain",
        "configuration",
        "execution",
        "result",
        "task",
    )

    # Only a session that is about to be restored has no task, no execution and no
    # configuration. Advices never see such a one, so for them they are not optional.
    task: Task
    execution: Execution
    configuration: Configuration
    result: Result
    advice_chain: str
    environments: tuple[Resolution, ...] = ()
    _context: Context | None = None
    _attachments: Attachments | None = None
    _cancellation: Cancellation | None = None
    _ids: Ids | None = None
    _run: Run | None = None
    _directory: TemporaryDirectory | None = None
    _directory_path: Path | None = None

    @property
    def context(self) -> Context:
        """The notes of advices and extensions."""
        context = self._context
        if context is None:
            context = self._context = Context()
        return context

    @context.setter
    def context(self, context: Context) -> None:
        self._context = context

    @property
    def attachments(self) -> Attachments:
        """The files that belong to the session, by name."""
        attachments = self._attachments
        if attachments is None:
            attachments = self._attachments = Attachments()
        return attachments

    @attachments.setter
    def attachments(self, attachments: Attachments) -> None:
        self._attachments = attachments

    @property
    def cancellation(self) -> Cancellation:
        """The wish of an asynchronous caller to have the session ended."""
        if self._cancellation is None:
            self._cancellation = Cancellation()
        return self._cancellation

    @property
    def ids(self) -> Ids:
        """The ids of the task, the execution and the run.

        Raises:
            ValueError: If the session has no task or no execution.
        """
        if self._ids is not None:
            return self._ids
        task: Any = self.task
        execution: Any = self.execution
        if task is None or execution is None:
            self._check_complete()
        return Ids(task.task_id, execution.execution_id, self.run.run_id)

    @property
    def session_id(self) -> str:
        """The id of the session, ``task_execution_run``."""
        return self.ids.session_id

    @property
    def run(self) -> Run:
        """The run of the workflow that the session belongs to."""
        return get_run() if self._run is None else self._run

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.run_id

    @property
    def serializer(self) -> Serializer:
        """The serializer of the configuration."""
        return self._required_configuration().serializer

    @property
    def distribution_archive(self) -> DistributionArchive:
        """The code that another interpreter needs to continue the session."""
        from .distribution import get_distribution_archive

        return get_distribution_archive(self._required_configuration())

    @property
    def temp_dir(self) -> Path:
        """A private directory of this session.

        It is removed when the call of the task returns. That of a session that is
        driven by hand stays until the session is collected or the process ends.
        """
        if self._directory_path is None:
            from pathlib import Path

            path = self._make_temp_dir(self._required_configuration())
            self._directory_path = Path(path)
        return self._directory_path

    def _make_temp_dir(self, configuration: Configuration) -> str:
        if self._directory is None:
            parent = configuration.temporary_directory
            self._directory = TemporaryDirectory(str(parent), "session-")
        return self._directory.path

    def remove_temp_dir(self) -> None:
        """Remove the private directory, if there is one."""
        if self._directory is not None:
            self._directory.remove()
            self._directory = self._directory_path = None

    def _required_configuration(self) -> Configuration:
        self._check("configuration")
        return self.configuration

    def _check_complete(self) -> None:
        self._check("task")
        self._check("execution")

    def _check(self, part: str) -> None:
        if getattr(self, part) is None:
            raise ConfigurationError(f"Incomplete session: it has no {part}.")
