"""The contract of an advice, and the call of a task with a chain of them."""

from __future__ import annotations

from ._advice import Advice
from .session import Session, advise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Configuration
    from .execution import Execution
    from .result import Result
    from .tasks import Task

__all__ = ["Advice", "advise_task_with_chain"]


def advise_task_with_chain(
    task: Task,
    execution: Execution,
    configuration: Configuration,
    advice_chain: str = "default",
) -> Result:
    """Execute a task with the advices of a chain around it.

    Args:
        task: The task.
        execution: The arguments.
        configuration: The configuration that has the chain.
        advice_chain: The name of the chain.

    Returns:
        The result of the session.

    Raises:
        ValueError: If the configuration has no such chain.
        AdviceError: If an advice forgot to go on.
    """
    return advise(Session(task, execution, configuration, advice_chain))
