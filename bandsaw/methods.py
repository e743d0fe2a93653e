"""Tasks that are methods: what they are asked is asked of their instance.

A bound method has the attributes of its function, which do not know the instance. So
`obj.work.is_cached(x)` needs something else than Python makes of a function.
"""

from __future__ import annotations

from itertools import repeat
from types import MethodType

from .runtime.functions import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

#: What a task has that is given the arguments of a call.
OF_CALLS = frozenset(("is_cached", "explain", "forget", "submit"))

#: What a task has that is given iterables of the arguments of many calls.
OF_ITERABLES = frozenset(("map", "map_unordered"))

_OF_FUNCTION = frozenset(("__doc__", "__module__"))


class BoundTask(partial):  # type: ignore[type-arg]
    """A bound method in all but its class. A call of it runs at the speed of C."""

    @property
    def __self__(self) -> Any:
        return self.args[0]

    @property
    def __func__(self) -> Callable[..., Any]:
        return self.func

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        function: Any = self.func
        return MethodType(function.__wrapped__, self.args[0])

    def __getattribute__(self, name: str) -> Any:
        if name in _OF_FUNCTION:
            return getattr(self.func, name)
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.func, name)
        if name in OF_CALLS:
            return partial(attribute, self.args[0])
        if name in OF_ITERABLES:
            return partial(_with_instance, attribute, self.args[0])
        return attribute

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundTask):
            return NotImplemented
        return self.func is other.func and self.args[0] is other.args[0]

    def __hash__(self) -> int:
        return hash((self.func, id(self.args[0])))

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.args[0], self.func.__name__)

    def __repr__(self) -> str:
        return f"<bound task {self.func.__qualname__} of {self.args[0]!r}>"


def _with_instance(
    function: Callable[..., Any], instance: Any, *iterables: Any, **options: Any
) -> Any:
    # An instance for each item, of which there would be no end without any other.
    return function(*(repeat(instance),) * bool(iterables), *iterables, **options)


class TaskMethod(partial):  # type: ignore[type-arg]
    """The attribute of a class that stands for a task.

    It is called by decorators that stand above it, and otherwise only binds. `inspect`
    sees through it.
    """

    def __new__(cls, function: Callable[..., Any]) -> TaskMethod:  # noqa: D102
        self = super().__new__(cls, function)
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(self, name, getattr(function, name))
        self.__dict__.update(function.__dict__)
        return self

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self.func
        if instance is owner or (owner is None and isinstance(instance, type)):
            # A class method above binds by itself, on some Pythons by way of this.
            return MethodType(self, instance)
        return BoundTask(self.func, instance)

    def __reduce__(self) -> str:
        return str(self.func.__qualname__)


class TaskClassMethod(classmethod):  # type: ignore[type-arg]
    """A class method that was made a task."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return BoundTask(self.__func__, type(instance) if owner is None else owner)


def method_of(function: Any) -> Any:
    """Return what stands for the function of a task where that was defined.

    Args:
        function: The function of the task.

    Returns:
        A `TaskMethod` for one that was defined in a class, else the function itself.
    """
    owner = function.__qualname__.rpartition(".")[0]
    if not owner or owner.endswith("<locals>"):
        return function
    return TaskMethod(function)
