"""The contract of a serializer."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any


class Serializer(ABC):
    """Writes values to binary streams and reads them back.

    Several values may be written to one stream, one after the other. So reading one
    must not take more from the stream than belongs to it.
    """

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
