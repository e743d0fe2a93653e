"""Run tasks on a Dask cluster."""

from __future__ import annotations

from ..session.cancellation import waits_in_tasks
from .engine import EngineAdvice, engines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Any, Mapping

    from ..session import Session
    from ._engine_calls import EngineTransport


def _wait_in_task(future: Future[Any], timeout: float | None) -> None:
    engines.DaskEngine.wait_in_task(future, timeout)


class DaskAdvice(EngineAdvice):
    """Continue sessions on the workers of a Dask cluster.

    They need nothing but Dask: bandsaw and your code come along, once for each worker.
    Needs the extra ``bandsaw[dask]``. A task chooses with the parameter
    ``dask={"resources": {"GPU": 1}, "priority": 0}``, each of which may be left out.

    Args:
        address_or_client: The address of the scheduler, a client, or a function that
            returns one of both, which the first session calls. Without it, the current
            client of this process, else a cluster on this machine, which the first
            session starts.
        resources: What a worker has to have for a task, as it was told when it started.
        priority: Tasks with a higher one come first.
        copy_arguments: Whether a task gets copies of large arrays among its arguments.
            They are read-only otherwise: the tasks of a worker share them.

    Attributes:
        copy_arguments: Whether a task gets copies of large arrays.
    """

    parameters: tuple[str, ...] = ("dask",)

    def __init__(
        self,
        address_or_client: Any = None,
        *,
        resources: Mapping[str, float] | None = None,
        priority: int = 0,
        copy_arguments: bool = False,
    ) -> None:
        super().__init__()
        waits_in_tasks["dask"] = _wait_in_task
        self._given = address_or_client
        self._options = {"resources": resources, "priority": priority}
        self.copy_arguments = copy_arguments

    def environment_for(self, session: Session) -> str:
        """Return what tells the cluster from others."""
        return f"dask:{self._given if isinstance(self._given, str) else ''}"

    def _make_transport(self) -> EngineTransport:
        engine = engines.DaskEngine(self._given, self._options)
        arrays = engines.COPIED if self.copy_arguments else engines.SHARED
        return engines.EngineTransport(engine, arrays)
