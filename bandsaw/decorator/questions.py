"""The methods of a task that concern its caches."""

from __future__ import annotations

import sys

from ..exceptions import ConfigurationError
from ..execution import Execution
from ..session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..advices.explanation import Explanation
    from ..config import Configuration
    from ..tasks import Task


def add_questions(
    function: Any, task: Task, configuration: Configuration, chain: str
) -> None:
    """Let the function of a task answer questions about its caches.

    Args:
        function: What the decorator has made; it gets the methods `is_cached`,
            `explain` and `forget`.
        task: The task.
        configuration: The configuration that has the chain.
        chain: The name of the chain.
    """

    def is_cached(*args: Any, **kwargs: Any) -> bool:
        """Tell if a call with these arguments would be answered from a cache."""
        session, caches = _ask(task, configuration, chain, args, kwargs)
        return any(cache.is_cached(session) for cache in caches)

    def explain(*args: Any, **kwargs: Any) -> Explanation:
        """Say why a call with these arguments is answered from a cache, or why not."""
        session, caches = _ask(task, configuration, chain, args, kwargs)
        explanations: list[Explanation] = []
        for cache in caches:
            explanations.append(cache.explain(session))
            if explanations[-1].is_hit:
                return explanations[-1]
        return explanations[0]

    def forget(*args: Any, **kwargs: Any) -> int:
        """Remove the results of calls with these arguments, and say how many."""
        session, caches = _ask(task, configuration, chain, args, kwargs)
        return sum(cache.forget(session) for cache in caches)

    function.is_cached = is_cached
    function.explain = explain
    function.forget = forget


def _ask(
    task: Task,
    configuration: Configuration,
    chain: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Session, list[Any]]:
    """Return the session of a call that is not made, and the caches of its chain."""
    _check_arguments(task, args, kwargs)
    session = Session(task, Execution.of_call(task, args, kwargs), configuration, chain)
    session.choose_chain()
    caches = [advice for advice in session.walk.advices if hasattr(advice, "is_cached")]
    if not caches:
        raise ConfigurationError(
            f"Task {task} has no cache: there is no CachingAdvice in chain {chain!r} "
            f"of {configuration.module_name}."
        )
    return session, caches


def _check_arguments(task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    owner, kind = _owner_of(task)
    if owner is not None and not (args and _belongs_to(args[0], owner, kind)):
        raise _unbound(task, kind, "is_cached")
    # Says what is wrong, in the words of Python.
    if task.bind(args, kwargs) is None:
        task.signature.bind(*args, **kwargs)


def check_class(task: Task, args: tuple[Any, ...]) -> None:
    """Refuse a call of a class method that does not know its class.

    What a class method binds by itself has the attributes of the function below it.

    Args:
        task: The task that is submitted.
        args: The positional arguments.

    Raises:
        TypeError: If it is a class method, and the first argument is not its class.
    """
    owner, kind = _owner_of(task)
    if owner is None or kind != "class":
        return
    if not (args and _belongs_to(args[0], owner, kind)):
        raise _unbound(task, kind, "submit")


def _unbound(task: Task, kind: str, method: str) -> TypeError:
    name = task.function.__qualname__
    hint = "; or put @task above @classmethod" if kind == "class" else ""
    return TypeError(
        f"{task} is a method, and does not know its {kind} here. Give that as the "
        f"first argument: {name}.{method}({kind}, ...){hint}."
    )


def _belongs_to(value: Any, owner: type, kind: str) -> bool:
    if kind == "class":
        return isinstance(value, type) and issubclass(value, owner)
    return isinstance(value, owner)


def _owner_of(task: Task) -> tuple[type | None, str]:
    """Return the class that a task is a method of, and what its first argument is."""
    path, _, name = task.function.__qualname__.rpartition(".")
    if not path or "<" in path:
        return None, ""
    owner: Any = sys.modules.get(task.function.__module__)
    for part in path.split("."):
        owner = getattr(owner, part, None)
    member: Any = vars(owner).get(name) if isinstance(owner, type) else None
    if member is None or isinstance(member, staticmethod):
        return None, ""
    return owner, "class" if isinstance(member, classmethod) else "instance"
