"""The contract of an extension, an observer of all sessions of a configuration."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Configuration
    from .reporting import Progress
    from .session import Session


class Extension:
    """Is told about the sessions of a configuration. Every method is optional."""

    def on_init(self, configuration: Configuration) -> None:
        """Called once per process, when the configuration is loaded.

        Args:
            configuration: The configuration that the extension was added to.
        """

    def on_session_created(self, session: Session) -> None:
        """Called before the first advice of a new session.

        Args:
            session: The new session.
        """

    def on_session_finished(self, session: Session) -> None:
        """Called when a session has ended, also when an advice failed.

        Args:
            session: The session; its result is `None` when there is none.
        """

    def on_before_task_executed(self, session: Session) -> None:
        """Called just before the task itself, in the interpreter that executes it.

        Args:
            session: The session that is about to execute its task.
        """

    def on_after_task_executed(self, session: Session) -> None:
        """Called just after the task itself, in the interpreter that executed it.

        Args:
            session: The session. Its result is not set yet.
        """

    def on_progress(self, progress: Progress) -> None:
        """Called when a task tells its progress, in the script that has called it.

        Args:
            progress: How far the task has come.
        """
