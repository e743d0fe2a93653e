"""An extension that tells a backend what happens in the sessions."""

from __future__ import annotations

from ..extensions import Extension
from .backend import Backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session import Session
    from .telling import Teller


class TrackerExtension(Extension):
    """Tell a backend what happens in the sessions of a configuration.

    When a session is created, the backend is told about its run, its task, its
    execution, the session itself, and the distribution archive if one was built: once
    each, among the most recent ones. When it is finished, the backend is told its
    result, if there is one, and its attachments.

    Tracking never breaks a workflow. The first error of a backend becomes a warning of
    the logger `bandsaw.tracking`; the further ones are logged at level `DEBUG`. What
    failed is tried again at the next occasion.

    The value of an argument can be kept out of all records, whatever the backend:

        @bandsaw.task(tracking={"hide": ["password"]})
        def connect(user, password): ...

    Its name and type are tracked. The value is replaced also where the other arguments,
    the result, the message of an exception or the context repeat its text. The id of
    the execution is still made from all arguments.

    Args:
        backend: What keeps the facts.

    Raises:
        ValueError: If no backend is given.
        TypeError: If it is not a `Backend`.
    """

    parameters: tuple[str, ...] = ("tracking",)

    def __init__(self, backend: Backend) -> None:
        if backend is None:
            raise ValueError("Backend must be set")
        if not isinstance(backend, Backend):
            raise TypeError(f"{backend!r} is not of type `Backend`")
        self.backend = backend
        self._teller: Teller | None = None

    def on_session_created(self, session: Session) -> None:
        """Tell about everything that is known before the first advice."""
        (self._teller or self._make_teller()).tell_begin(session)

    def on_session_finished(self, session: Session) -> None:
        """Tell about the result and the attachments."""
        (self._teller or self._make_teller()).tell_end(session)

    def _make_teller(self) -> Teller:
        # A process that only loads the configuration does without what this needs.
        from .telling import Teller

        self._teller = Teller(self)
        return self._teller
