"""The contract of an advice, the choices of tasks, and the call with a chain."""

from __future__ import annotations

from .exceptions import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, TypeVar

    from .config import Configuration
    from .execution import Execution
    from .result import Result
    from .session import Session
    from .tasks import OwnTask, Task

    _Before = TypeVar("_Before", bound=Callable[..., None])

#: The parameters of tasks that the library reads, each with the keys that it may have.
#: They are known where no advice of the chain reads them, too: a chain may leave an
#: advice out for a while.
KNOWN_KEYS: dict[str, tuple[str, ...]] = {
    "cache": ("code", "compare_python", "ignore"),
    "connection": ("name", "timeout", "memory_limit"),
    "dask": ("resources", "priority"),
    "environment": (),
    "metrics": ("tags",),
    "ray": ("num_cpus", "num_gpus", "resources"),
    "retry": ("attempts", "wait", "on", "timeout"),
    "ssh": ("remote",),
    "subprocess": ("interpreter", "timeout", "memory_limit"),
    "tracking": ("hide",),
    "version": (),
}


def check_choices(task: Task | OwnTask, name: str, chosen: Any) -> dict[str, Any]:
    """Refuse what a task has chosen, unless it is a dict with known keys.

    Args:
        task: The task.
        name: The name of its parameter, one of the library's.
        chosen: The value of the parameter.

    Returns:
        What it has chosen.

    Raises:
        ConfigurationError: If that is something else.
    """
    if not isinstance(chosen, dict):
        known = ", ".join(map(repr, KNOWN_KEYS[name]))
        raise ConfigurationError(
            f"The parameter {name} of task {task} has to be a dict with keys like "
            f"{known}, and not {chosen!r}."
        )
    for key in chosen:
        if key not in KNOWN_KEYS[name]:
            raise unknown_key(task, name, key)
    return chosen


def unknown_key(task: Task | OwnTask, name: str, key: object) -> ConfigurationError:
    """Return the error about a key that a parameter of a task does not have.

    Args:
        task: The task.
        name: The name of its parameter, one of the library's.
        key: The key.
    """
    import difflib

    nearest = difflib.get_close_matches(str(key), KNOWN_KEYS[name], 1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return ConfigurationError(
        f"The parameter {name} of task {task} has the unknown key {key!r}.{hint} "
        f"Known are {', '.join(map(repr, KNOWN_KEYS[name]))}."
    )


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
