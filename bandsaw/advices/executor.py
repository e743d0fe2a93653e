"""Run tasks in the processes of an executor."""

from __future__ import annotations

from ..exceptions import check_methods
from ..runtime.lazy import late_attribute
from .engine import EngineAdvice, engines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Executor
    from typing import Callable

    from ..interpreter import Interpreter
    from ..session import Session
    from ._engine_calls import EngineTransport


class ExecutorAdvice(EngineAdvice):
    """Continue sessions in the processes of a `concurrent.futures.Executor`.

    That is a process pool of Python or of loky, or one that reaches other machines, as
    those of mpi4py, Parsl or executorlib do. bandsaw has to be installed there.

    Args:
        executor: The executor, or a function that returns it, which is called when the
            first session is to be moved. It is not shut down by bandsaw.

    Raises:
        ConfigurationError: If it is neither.
    """

    parameters: tuple[str, ...] = ()

    def __init__(self, executor: Executor | Callable[[], Executor]) -> None:
        super().__init__()
        if not callable(executor):
            needed = "a concurrent.futures.Executor or a function that returns one"
            check_methods("ExecutorAdvice", needed, executor, "submit")
        self._executor = executor

    @late_attribute
    def _interpreter(self) -> Interpreter:
        return engines.Interpreter()

    def environment_for(self, session: Session) -> str | None:
        """Return `None`: the processes have the packages of this interpreter."""
        return None

    def _make_transport(self) -> EngineTransport:
        executor = self._executor
        made = executor() if callable(executor) else executor
        return engines.EngineTransport(engines.ExecutorEngine(made), engines.OWN)
