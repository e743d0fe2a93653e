"""An extension that notes when a session came to its turning points."""

from __future__ import annotations

from .datetime import current_timestamp
from .extensions import Extension

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .session import Session


class TimestampsExtension(Extension):
    """Note in the context of a session when its task was executed.

    `session.context["timestamps"]` gets the entries `session_created`, `before_task`,
    `after_task` and `session_finished`: ISO 8601, UTC, with milliseconds. The entries
    for the task are missing when an advice concluded the session without it. What is
    noted once stays: a second extension of this kind, or a session that is walked again
    from a saved state, changes nothing.
    """

    parameters: tuple[str, ...] = ()

    def on_session_created(self, session: Session) -> None:
        """Note the time at which the session began."""
        _note(session, "session_created")

    def on_before_task_executed(self, session: Session) -> None:
        """Note the time just before the task, by the clock of the machine it is on."""
        _note(session, "before_task")

    def on_after_task_executed(self, session: Session) -> None:
        """Note the time just after the task, by the clock of the machine it is on."""
        _note(session, "after_task")

    def on_session_finished(self, session: Session) -> None:
        """Note the time at which the session ended."""
        _note(session, "session_finished")


def _note(session: Session, event: str) -> None:
    context = session.context
    timestamps = context["timestamps"]
    # Something else that the user keeps under that name is the user's.
    if isinstance(timestamps, type(context)) and event not in timestamps:
        timestamps[event] = current_timestamp()
