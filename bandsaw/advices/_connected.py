"""The work of the advices with connections: their processes, and the routes to them."""

from __future__ import annotations

from ..runtime.lazy import late_attribute
from ..transports.far import ConnectionTransport
from ._far_calls import default_interpreter as default_interpreter
from ._far_environments import FarEnvironments
from ._routes import ShortRoutes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..connections import Connection
    from .connection import ConnectionAdvice

# How many processes there are at a time where each session has its own.
_MOST_AT_A_TIME = 256

# How long a connection may take to start, and stays without a process, in seconds.
_TIME_TO_START = 300.0
_TIME_TO_STAY = 60.0


def fresh_processes(name: str, connection: Connection) -> ConnectionTransport:
    """Return the transport to a process for each session behind one connection.

    Args:
        name: What the connection is called in an error.
        connection: The connection.
    """
    return ConnectionTransport(
        name,
        connection,
        connections=1,
        workers=_MOST_AT_A_TIME,
        lanes=_MOST_AT_A_TIME,
        tasks_per_worker=1,
        start_timeout=_TIME_TO_START,
        idle_timeout=_TIME_TO_STAY,
    )


def routes_of(
    advice: ConnectionAdvice, kind: type[ConnectionAdvice]
) -> ShortRoutes | None:
    """Return new short routes of an advice, `None` if it has to be asked each time.

    Args:
        advice: The advice.
        kind: The class that it has to decide as.
    """
    return ShortRoutes(advice) if ShortRoutes.fit(advice, kind) else None


class Place:
    """The resources that the sessions of one connection share.

    Args:
        name: The name of the connection.
        connection: The connection.
        most: How many commands there are at most, processes behind each, and sessions
            that are sent and not answered.
        tasks_per_worker: After how many sessions a process ends.
        timeouts: How long a start may take, and after how long idle ones end.

    Attributes:
        transport: The transport to the processes there.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        most: tuple[int, int, int],
        tasks_per_worker: int | None,
        timeouts: tuple[float, float],
    ) -> None:
        self._arguments = (name, connection, *timeouts)
        self.transport = ConnectionTransport(
            name, connection, *most, tasks_per_worker, *timeouts
        )

    @late_attribute
    def environments(self) -> FarEnvironments:
        """The environments there."""
        return FarEnvironments(*self._arguments)

    def forget_environments(self) -> None:
        """Look for each environment there when it is needed next."""
        vars(self).pop("environments", None)
