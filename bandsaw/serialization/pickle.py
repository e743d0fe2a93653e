"""The default serializer: pickle, which writes nearly everything."""

from __future__ import annotations

from functools import lru_cache

from ..exceptions import BandsawError, SerializationError
from .serializer import Serializer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pickle import Pickler
    from typing import IO, Any, Type


@lru_cache(maxsize=None)
def _pickler_class() -> Type[Pickler]:
    from pickle import Pickler

    from ._exceptions import reduce_exception

    class ExceptionPickler(Pickler):
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, BaseException):
                return reduce_exception(value)
            return NotImplemented

    return ExceptionPickler


# Every supported Python reads it, whichever wrote it.
_PROTOCOL = 5


class PickleSerializer(Serializer):
    """A `Serializer` that uses `pickle`.

    Exceptions come back with their attributes, whatever arguments their ``__init__``
    wants. One whose class cannot be imported where it is read comes back as one of a
    class of the same name that inherits its nearest base that can.

    Read only what comes from somebody you trust: a pickle can run any code.
    """

    def serialize(self, value: Any, stream: IO[bytes]) -> None:
        """Write a value to a stream.

        Args:
            value: The value.
            stream: The binary stream that the value is written to. What it holds after
                an error is of no use.

        Raises:
            SerializationError: If the value, or something in it, cannot be pickled.
        """
        # Importing pickle takes longer than all of bandsaw. A script whose sessions
        # never leave the process does not pay for it.
        from pickle import PicklingError

        try:
            _pickler_class()(stream, _PROTOCOL).dump(value)
        except BandsawError:
            raise  # It says more: a task that cannot be moved, for example.
        except RecursionError as error:
            raise SerializationError(
                f"{type(value).__qualname__} is nested too deeply to be pickled."
            ) from error
        except (PicklingError, AttributeError, TypeError) as error:
            if isinstance(error, BandsawError):
                raise  # It says more than the pickler can.
            raise SerializationError(
                f"{type(value).__qualname__} cannot be pickled: {error}"
            ) from error

    def deserialize(self, stream: IO[bytes]) -> Any:
        """Read the next value from a stream, and leave the rest of the stream alone.

        Args:
            stream: The binary stream that the value was written to.

        Returns:
            The value.
        """
        from pickle import load

        return load(stream)
