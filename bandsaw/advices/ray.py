"""Run tasks on a Ray cluster."""

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
    engines.RayEngine.wait_in_task(future, timeout)


class RayAdvice(EngineAdvice):
    """Continue sessions in the workers of a Ray cluster.

    They need nothing but Ray: bandsaw and your code come along, once for each worker.
    Needs the extra ``bandsaw[ray]``. A task chooses with the parameter
    ``ray={"num_cpus": 1, "num_gpus": 0, "resources": {"name": 1}}``, each of which may
    be left out.

    Args:
        address: The address of the cluster, as `ray.init` takes it. Without it, the one
            that this process is connected to, or that ``RAY_ADDRESS`` names, else one
            on this machine, which the first session starts.
        num_cpus: How many processors a task needs.
        num_gpus: How many graphics cards, which Ray chooses for it by
            ``CUDA_VISIBLE_DEVICES``. A part of one can be shared.
        resources: What else a task needs, as nodes have it.
        copy_arguments: Whether a task gets copies of large arrays among its arguments.
            They are read-only otherwise: all tasks of a node share them.

    Attributes:
        copy_arguments: Whether a task gets copies of large arrays.
    """

    parameters: tuple[str, ...] = ("ray",)

    def __init__(
        self,
        address: str | None = None,
        *,
        num_cpus: float = 1,
        num_gpus: float = 0,
        resources: Mapping[str, float] | None = None,
        copy_arguments: bool = False,
    ) -> None:
        super().__init__()
        waits_in_tasks["ray"] = _wait_in_task
        self._address = address
        self._options = {
            "num_cpus": num_cpus,
            "num_gpus": num_gpus,
            "resources": None if resources is None else dict(resources),
        }
        self.copy_arguments = copy_arguments

    def environment_for(self, session: Session) -> str:
        """Return what tells the cluster from others."""
        return f"ray:{self._address or ''}"

    def _make_transport(self) -> EngineTransport:
        engine = engines.RayEngine(self._address, self._options)
        arrays = engines.COPIED if self.copy_arguments else engines.SHARED
        return engines.EngineTransport(engine, arrays)
