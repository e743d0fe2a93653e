"""Where the walk along a chain of advices can stand, and where its steps lead.

A walk along ``n`` advices takes ``2 n + 2`` steps, numbered from 0::

    before(0) … before(n-1)  task  after(n-1) … after(0)  end

`proceed` leads to the next step. `conclude` skips everything up to the `after` of the
advice before the concluding one; called from an `after`, it leads to the next step. No
session is known here and nothing is done: a session keeps the number of its step and
acts on what the table says.
"""

from __future__ import annotations

from operator import methodcaller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence

    from ._advice import Advice

NOT_STARTED = -1


class Walk:
    """The table of the steps along one chain.

    Attributes:
        advices: The advices of the chain.
        actions: What to call with the session, for each step.
        task: The number of the step that executes the task.
        end: The number of the last step.
    """

    __slots__ = ("actions", "advices", "end", "task")

    advices: tuple[Advice, ...]
    actions: tuple[Callable[[Any], object], ...]

    def __init__(self, advices: Sequence[Advice]) -> None:
        self.advices = tuple(advices)
        self.task = len(self.advices)
        self.end = 2 * self.task + 1
        # One flat tuple of bound methods: looking the method up, or asking where to go,
        # at every step would double the price of a long chain.
        self.actions = (
            *(advice.before for advice in self.advices),
            methodcaller("_execute_task"),
            *(advice.after for advice in reversed(self.advices)),
            methodcaller("_reach_end"),
        )

    def before(self, index: int) -> int:
        """Return the step in which an advice is called before the task."""
        return index

    def after(self, index: int) -> int:
        """Return the step in which an advice is called after the task."""
        return self.end - 1 - index

    def proceed(self, step: int) -> int:
        """Return where `proceed()` leads from a step."""
        return step + 1

    def conclude(self, step: int) -> int:
        """Return where `conclude()` leads from the step of an advice."""
        return self.end - step if step < self.task else step + 1

    def advice_index(self, step: int) -> int:
        """Return the place in the chain of the advice that acts in a step.

        Raises:
            ValueError: If in this step no advice acts.
        """
        if 0 <= step < self.task:
            return step
        if self.task < step < self.end:
            return self.end - 1 - step
        raise ValueError(f"no advice acts in step {step} of {self.end}")

    def describe(self, step: int) -> str:
        """Say in words what acts in a step, e.g. ``a.Cache.before() (1 of 2)``."""
        if step == self.task:
            return "the task"
        if not 0 <= step < self.end:
            return "the end" if step == self.end else "the start"
        index = self.advice_index(step)
        kind = type(self.advices[index])
        method = "before" if step < self.task else "after"
        place = f"{index + 1} of {len(self.advices)}"
        return f"{kind.__module__}.{kind.__qualname__}.{method}() ({place})"
