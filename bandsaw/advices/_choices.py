"""Options of a cache that users choose by name."""

from __future__ import annotations

from ..advice import check_choices
from ..exceptions import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tasks import OwnTask, Task

#: What of the code is significant, by the name of the choice.
CODE_CHOICES = ("reachable", "own", "version", "ignore")


def parameters_of(task: Task | OwnTask) -> dict[str, Any]:
    """Return what a task has chosen for caches.

    Args:
        task: The task.

    Raises:
        ConfigurationError: If its parameter `cache` makes no sense.
    """
    parameter = task.advice_parameters.get("cache", True)
    if not isinstance(parameter, dict):
        # Published releases let everything but False pass.
        return {}
    check_choices(task, "cache", parameter)
    code = parameter.get("code", CODE_CHOICES[0])
    if code not in CODE_CHOICES:
        raise ConfigurationError(
            f"Task {task}: the cache's code={code!r} is unknown. It is one of "
            f"{', '.join(map(repr, CODE_CHOICES))}."
        )
    return parameter
