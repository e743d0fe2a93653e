"""The work of the `ConnectionAdvice`: its processes, and the routes to them."""

from __future__ import annotations

from ..interpreter import Interpreter
from ..transports.far import ConnectionTransport
from ._routes import ShortRoutes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..session import Session
    from .connection import ConnectionAdvice


def default_interpreter() -> Interpreter:
    """Return the Python that is found where a connection leads."""
    return Interpreter(path=(), executable="python3")


class Place:
    """What the sessions of one connection need.

    Args:
        advice: The advice that moves them.
        kind: The class that such an advice decides as, if they may take short routes.
        *arguments: Those of the transport.

    Attributes:
        transport: The transport to the processes there.
    """

    def __init__(
        self, advice: ConnectionAdvice, kind: type[ConnectionAdvice], *arguments: Any
    ) -> None:
        self.transport = ConnectionTransport(*arguments)
        self._routes: ShortRoutes | None = None
        if ShortRoutes.fit(advice, kind):
            self._routes = ShortRoutes(advice, self.transport)

    def move(self, session: Session) -> tuple[bool, Exception | None]:
        """Move a session that may take a short route.

        Args:
            session: The session.

        Returns:
            Whether it was moved, and why it cannot be carried on.
        """
        return (False, None) if self._routes is None else self._routes.move(session)
