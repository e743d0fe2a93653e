"""The contract of an advice, and the call of a task with a chain of them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, TypeVar

    from .config import Configuration
    from .execution import Execution
    from .result import Result
    from .session import Session
    from .tasks import Task

    _Before = TypeVar("_Before", bound=Callable[..., None])


def always_proceeds(before: _Before) -> _Before:
    """Mark a `before` that proceeds whatever the session is.

    A later advice can prepare then what it will need, before this one begins.

    Args:
        before: The method.
    """
    before.always_proceeds = True  # type: ignore[attr-defined]
    return before


class Advice:
    """A step that runs before and after a task is executed.

    In each of its two methods an advice calls exactly one of `session.proceed()` and
    `session.conclude(result)`, once. Both methods just proceed by default, so a
    subclass overrides the one it needs.

    Everything that follows happens inside of that call. So an advice can wrap the rest
    of the walk in ``try``/``finally``:

        class Timer(Advice):
            def before(self, session):
                start = time.perf_counter()
                try:
                    session.proceed()
                finally:
                    print(time.perf_counter() - start)

    A class may declare ``parameters``, a tuple of the names of all parameters of tasks
    that it reads. When every advice and extension of a chain does, another parameter is
    warned of where a function is decorated.
    """

    def check_task(self, task: Task) -> None:
        """Called when a function is decorated with parameters, in each process.

        Args:
            task: The task.

        Raises:
            ConfigurationError: If a parameter makes no sense to this advice.
        """

    @always_proceeds
    def before(self, session: Session) -> None:
        """Called before the task is executed.

        Args:
            session: The session that is advised.
        """
        session.proceed()

    def after(self, session: Session) -> None:
        """Called after the task was executed, or a later advice concluded.

        Args:
            session: The session that is advised; `session.result` is set.
        """
        session.proceed()


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
    # A process that only loads its configuration does without what this needs.
    from .session import Session, advise

    return advise(Session(task, execution, configuration, advice_chain))
