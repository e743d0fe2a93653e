"""The innermost step of a task that asks for an environment of its own."""

from __future__ import annotations

from ..exceptions import ConfigurationError
from ..serialization import SerializableValue
from .subprocess import SubprocessAdvice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    from ..config import Configuration
    from ..environments import Environment
    from ..environments.inline import InlineEnvironment
    from ..session import Session
    from ..tasks import Task

    AnyEnvironment = Union[Environment, InlineEnvironment]


class EnvironmentAdvice(SubprocessAdvice, SerializableValue):
    """Continue the sessions of a task in the environment that it asks for.

    It is no part of a configuration. So it travels with the task, and both ends walk
    along the same chain.

    Args:
        environment: The environment.
    """

    parameters: tuple[str, ...] = ()

    def __init__(self, environment: AnyEnvironment) -> None:
        super().__init__()
        self._environment = environment

    def _chosen(self, session: Session) -> Environment:
        return self._environment.environment

    def serialized(self) -> dict[str, Any]:
        """Return what a serializer writes of the advice."""
        return {"environment": self._environment.environment}

    @classmethod
    def deserialize(cls, values: dict[str, Any]) -> EnvironmentAdvice:
        """Make an advice of what a serializer has read."""
        return cls(values["environment"])

    def __reduce__(self) -> tuple[Any, ...]:
        return EnvironmentAdvice.deserialize, (self.serialized(),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EnvironmentAdvice):
            return NotImplemented
        return self._environment == other._environment

    def __hash__(self) -> int:
        return hash(self._environment)

    def __repr__(self) -> str:
        return f"EnvironmentAdvice({self._environment!r})"


def environment_step(
    task: Task, wanted: object, configuration: Configuration
) -> EnvironmentAdvice:
    """Return the step that the parameter `environment` of a task asks for.

    Args:
        task: The task.
        wanted: The parameter: an `Environment`, or ``"inline"`` for what the module of
            the task says in its metadata.
        configuration: The configuration of the task.

    Raises:
        ConfigurationError: If the parameter is something else.
    """
    from .. import environments

    environment: AnyEnvironment
    if isinstance(wanted, environments.Environment):
        environment = wanted.at(configuration.directory)
    elif wanted == "inline":
        inline = environments.inline.InlineEnvironment
        environment = inline.of(task.function, configuration.directory)
    else:
        raise ConfigurationError(
            f"Task {task}: environment={wanted!r} is neither a "
            "bandsaw.environments.Environment nor 'inline'."
        )
    return EnvironmentAdvice(environment)
