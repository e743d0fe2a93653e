"""Chains of advices, and the table of the steps along each.

A walk along ``n`` advices takes ``2 n + 2`` steps, numbered from 0:

    before(0) … before(n-1)  task  after(n-1) … after(0)  end

`proceed` leads to the next step. `conclude` skips everything up to the `after` of the
advice before the concluding one; called from an `after`, it leads to the next step. No
session is known here and nothing is done: a session keeps the number of its step and
acts on what the table says.
"""

from __future__ import annotations

from _operator import methodcaller

from .exceptions import ConfigurationError
from .runtime.fork import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, Sequence

    from .advice import Advice
    from .config import Configuration
    from .extensions import Extension

    _Parts = tuple[tuple[Advice, ...], tuple[Extension, ...]]
    Arranged = Callable[[tuple[Advice, ...], tuple[Extension, ...]], _Parts]

NOT_STARTED = -1


class Walk:
    """The table of the steps along one chain.

    Attributes:
        advices: The advices of the chain.
        actions: What to call with the session, for each step.
        backwards: The same from the last one to the first, for a cursor.
        task: The number of the step that executes the task.
        end: The number of the last step.
        concluded: Where `conclude()` leads from the step of an advice, for each step.
        expecting: What to call with a session that begins: of an advice that has an
            `expect_session`, if no earlier one can keep the session from it.
    """

    __slots__ = (
        "actions",
        "advices",
        "backwards",
        "concluded",
        "end",
        "expecting",
        "task",
    )

    advices: tuple[Advice, ...]
    actions: tuple[Callable[[Any], object], ...]

    def __init__(self, advices: Sequence[Advice]) -> None:
        self.advices = tuple(advices)
        self.task = len(self.advices)
        self.end = 2 * self.task + 1
        # From the end, and from before the start (the index -1), it leads nowhere.
        self.concluded = tuple(
            self.end - step if step < self.task else step + 1
            for step in range(self.end + 1)
        )
        # One flat tuple of bound methods: looking the method up, or asking where to go,
        # at every step would double the price of a long chain.
        self.actions = (
            *(advice.before for advice in self.advices),
            methodcaller("_execute_task"),
            *(advice.after for advice in reversed(self.advices)),
            methodcaller("_reach_end"),
        )
        self.backwards = self.actions[::-1]
        self.expecting = _expecting(self.advices)

    def after(self, index: int) -> int:
        """Return the step in which an advice is called after the task."""
        return self.end - 1 - index

    def stop(self, step: int) -> int:
        """Return the step in which another interpreter stops that a session went to.

        Args:
            step: The step of the advice that has moved it. What was moved after the
                task has only the end before it.
        """
        return self.after(step) if step < self.task else self.end

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

    def step_of(self, frame: FrameType | None) -> int:
        """Return the step whose method a frame, or one below it, executes.

        Args:
            frame: The frame.

        Returns:
            The step, `NOT_STARTED` if there is none.
        """
        while frame is not None:
            for step, action in enumerate(self.actions):
                code = getattr(action, "__code__", None)
                if code is frame.f_code:
                    owner = frame.f_locals.get(next(iter(code.co_varnames), ""))
                    if owner is getattr(action, "__self__", None):
                        return step
            frame = frame.f_back
        return NOT_STARTED

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


def _expecting(advices: Sequence[Any]) -> tuple[Callable[[Any], object], ...]:
    for advice in advices:
        if hasattr(type(advice), "expect_session"):
            return (advice.expect_session,)
        # An override of `before` has no such mark.
        if getattr(advice.before, "always_proceeds", False) is not True:
            break
    return ()


_lock = Lock()


class AdviceChain:
    """A named chain, with everything that one call needs to know of its configuration.

    Decorated functions keep it, so what changes in the configuration is changed here.

    Attributes:
        name: The name of the chain.
        advices: The advices of the chain.
        walk: The table of the steps along the chain, perhaps of what stands in for
            advices.
        extensions: The extensions of the configuration.
        concurrency: How many submitted calls walk at a time, `None` to find out.
        idle: Whether there is nothing to do but to call the function.
    """

    __slots__ = (
        "_arranged",
        "_extensions",
        "_longer",
        "advices",
        "concurrency",
        "extensions",
        "idle",
        "name",
        "walk",
    )

    def __init__(
        self,
        name: str,
        extensions: tuple[Extension, ...],
        arranged: Arranged | None = None,
    ) -> None:
        self.name = name
        self._arranged = arranged
        self.concurrency: int | None = None
        # The chains that tasks make of this one, by the steps that they add.
        self._longer: dict[tuple[Advice, ...], AdviceChain] = {}
        self.replace((), extensions)

    def replace(
        self, advices: tuple[Advice, ...], extensions: tuple[Extension, ...]
    ) -> None:
        """Change the advices or the extensions for all calls that start from now on."""
        self.advices, self._extensions = advices, extensions
        if self._arranged is not None:
            advices, extensions = self._arranged(advices, extensions)
        self.walk = Walk(advices)
        self.extensions = extensions
        self.idle = not advices and not extensions
        for steps, chain in self._longer.items():
            chain._arranged = self._arranged
            chain.replace((*self.advices, *steps), self._extensions)

    @property
    def configured_extensions(self) -> tuple[Extension, ...]:
        """The extensions of the configuration, whatever stands in for them."""
        return self._extensions

    def arrange(self, arranged: Arranged | None) -> None:
        """Let other advices and extensions stand in for those that are configured.

        Args:
            arranged: Returns them; `None` for those that are configured.
        """
        self._arranged = arranged
        self.replace(self.advices, self._extensions)

    def begin_anew(self) -> AdviceChain:
        """Return the chain without advices, of which calls need a new one."""
        self.replace((), ())
        self.idle = False
        self.concurrency = None
        return self

    def for_task(self, task: Any) -> AdviceChain:
        """Return the chain of a task's calls: this one, and the steps the task adds.

        Args:
            task: The task, as `bandsaw.tasks.full_task` gives it.
        """
        steps: tuple[Advice, ...] = task.steps
        if not steps:
            return self
        with _lock:
            chain = self._longer.get(steps)
            if chain is None:
                chain = self._longer[steps] = AdviceChain(
                    self.name, self._extensions, self._arranged
                )
                chain.replace((*self.advices, *steps), self._extensions)
            return chain


if TYPE_CHECKING:
    _Chains = dict[str, AdviceChain]
else:
    _Chains = dict


class AdviceChains(_Chains):
    """The chains of a configuration; a call looks its own up as fast as a dict can."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def __missing__(self, name: str) -> AdviceChain:
        raise ConfigurationError(
            f"Unknown advice chain {name!r}. The configuration "
            f"{self._configuration.module_name} has {', '.join(map(repr, self))}."
        )
