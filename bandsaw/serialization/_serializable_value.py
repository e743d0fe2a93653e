"""The contract of values that say themselves what a serializer writes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SerializableValue(ABC):
    """A value that says what is written of it, and can be made from that again.

    The class must be importable: data names it, and never contains it::

        class Point(SerializableValue):
            def __init__(self, x, y):
                self.x, self.y = x, y

            def serialized(self):
                return {"x": self.x, "y": self.y}

            @classmethod
            def deserialize(cls, values):
                return cls(**values)
    """

    __slots__ = ()

    @abstractmethod
    def serialized(self) -> Any:
        """Return what is to be written of the value.

        Returns:
            Anything that the serializer can write, usually a dict.
        """

    @classmethod
    @abstractmethod
    def deserialize(cls, values: Any) -> Any:
        """Make a value from what was written of it.

        Args:
            values: What `serialized()` returned.

        Returns:
            A value that equals the one that was written.
        """
