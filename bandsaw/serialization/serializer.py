"""The contracts of serializers, and of values that describe themselves to them."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Sequence


class Serializer(ABC):
    """Write values to binary streams and read them back.

    Several values may be written to one stream, one after the other. So reading one
    must not take more from the stream than belongs to it.

    Attributes:
        signs: Whether it reads only what it has signed itself.
        runs_code: Whether what it reads may run code. Only then may the source of a
            notebook's cells come with the values.
    """

    signs = False
    runs_code = False

    @abstractmethod
    def serialize(self, value: Any, stream: IO[bytes]) -> None:
        """Write a value to a stream.

        Args:
            value: The value.
            stream: The binary stream that the value is written to.

        Raises:
            SerializationError: If the serializer cannot write the value in a way that
                gives it back later.
        """

    @abstractmethod
    def deserialize(self, stream: IO[bytes]) -> Any:
        """Read the next value from a stream, and leave the rest of the stream alone.

        Args:
            stream: The binary stream that the value was written to.

        Returns:
            The value.
        """

    def serialize_with_buffers(
        self, value: Any, stream: IO[bytes]
    ) -> Sequence[memoryview]:
        """Write a value to a stream, but for large buffers that need no copy.

        Args:
            value: The value.
            stream: The binary stream that the value is written to.

        Returns:
            The buffers that were left out, which `deserialize_with_buffers` wants back
            in this order, each as one run of its bytes in the order of C. A serializer
            that does not say otherwise leaves none out.

        Raises:
            SerializationError: If the serializer cannot write the value in a way that
                gives it back later.
        """
        self.serialize(value, stream)
        return ()

    def deserialize_with_buffers(
        self, content: bytes | memoryview, buffers: Sequence[memoryview]
    ) -> Any:
        """Read a value from what `serialize_with_buffers` has written.

        Args:
            content: What was written; what stands behind the value is of no interest.
            buffers: The buffers that were left out. The value may go on using them.

        Returns:
            The value.
        """
        from io import BytesIO

        return self.deserialize(BytesIO(content))

    def unreadable_part(
        self, content: bytes | memoryview, buffers: Sequence[memoryview]
    ) -> str:
        """Return the path to the part of a value that cannot be read, for an error.

        Args:
            content: What `serialize_with_buffers` has written.
            buffers: The buffers that were left out.

        Returns:
            The path to it, like ``['model'].trees[0]``; empty if it cannot be told.
        """
        return ""

    def bound_to(self, subject: str) -> Serializer:
        """Return the serializer for the values that belong to something.

        A serializer that signs does not read what was signed for another subject. Any
        other serializer makes no difference.

        Args:
            subject: What the values belong to, e.g. the task and the execution.
        """
        return self


class SerializableValue(ABC):
    """A value that returns what is written of it, and can be restored from that.

    The class must be importable: data names it, and never contains it:

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
