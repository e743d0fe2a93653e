"""The result of a task's execution: a value or an exception."""

from __future__ import annotations

from .serialization import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Result(SerializableValue):
    """The value that a task returned, or the exception that it raised.

    Attributes:
        value: What the task returned, `None` when it raised.
        exception: What the task raised, `None` when it returned.
    """

    __slots__ = ("exception", "value")

    def __init__(
        self, value: Any = None, exception: BaseException | None = None
    ) -> None:
        self.value = value
        self.exception = exception

    def serialized(self) -> dict[str, Any]:
        """Return what a serializer writes of the result."""
        return {"value": self.value, "exception": self.exception}

    @classmethod
    def deserialize(cls, values: dict[str, Any]) -> Result:
        """Make a result of what a serializer has read."""
        return cls(values["value"], values["exception"])

    def __reduce__(self) -> tuple[Any, ...]:
        return Result, (self.value, self.exception)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # How the published releases have pickled what is still in caches.
        self.value = state["value"]
        self.exception = state["exception"]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Result):
            return NotImplemented
        return bool(
            type(self.exception) is type(other.exception)
            and getattr(self.exception, "args", None)
            == getattr(other.exception, "args", None)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        # Neither the value nor the arguments of the exception need be hashable.
        return hash(type(self.exception))

    def __repr__(self) -> str:
        if self.exception is not None:
            return f"Result(exception={self.exception!r})"
        return f"Result({self.value!r})"
