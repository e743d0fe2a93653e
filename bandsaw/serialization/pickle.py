"""The default serializer: pickle, which writes nearly everything."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from ..exceptions import BandsawError, SerializationError
from ..runtime.lazy import LateModule
from .readers import current_reader
from .serializer import Serializer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pickle import Pickler
    from typing import (
        IO,
        Any,
        Callable,
        Sequence,
    )

    from .readers import Reader


@lru_cache(maxsize=None)
def _pickler_class() -> type[Pickler]:
    from _pickle import Pickler

    from ._exceptions import reduce_exception

    class ExceptionPickler(Pickler):
        reader: Reader | None = None

        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, BaseException):
                return reduce_exception(value)
            if self.reader is not None:
                module = self.reader.lacks(value)
                if module is not None:
                    return _closed(value, module)
            return NotImplemented

    return ExceptionPickler


def _is_renamed(error: ModuleNotFoundError) -> bool:
    from ._renamed import is_renamed

    return is_renamed(error)


def _closed(value: Any, module: str) -> tuple[Any, ...]:
    """Return what stands for a value whose reader lacks its module."""
    from .opaque import Opaque, close

    if isinstance(value, Opaque):
        return value.__reduce__()
    stream = BytesIO()
    # What is in it is closed with it, however it was to be read.
    _pickler_class()(stream, _PROTOCOL).dump(value)
    return close(value, module, stream.getvalue())


@lru_cache(maxsize=None)
def _buffering_pickler_class() -> type[Pickler]:
    from ._arrays import is_array, reduce_array

    exception_pickler = _pickler_class()

    class BufferingPickler(exception_pickler):  # type: ignore[misc,valid-type]
        hand_over: Callable[[memoryview], Any]

        def reducer_override(self, value: Any) -> Any:
            if is_array(type(value)) and (
                self.reader is None or self.reader.lacks(value) is None
            ):
                return reduce_array(value, self.hand_over)
            return exception_pickler.reducer_override(self, value)

    return BufferingPickler


# Imported for the first value: an import statement each time takes as long as reading a
# small one.
_pickle: Any = LateModule("_pickle")

# Every supported Python reads it, whichever wrote it.
_PROTOCOL = 5

# Smaller buffers are copied: a mapping of a file costs more.
_SMALLEST_BUFFER = 1 << 16


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
        pickler: Any = _pickler_class()(stream, _PROTOCOL)
        pickler.reader = current_reader()
        self._dump(pickler, value)

    def serialize_with_buffers(
        self, value: Any, stream: IO[bytes]
    ) -> Sequence[memoryview]:
        """Write a value to a stream, but for large buffers that need no copy.

        Args:
            value: The value.
            stream: The binary stream that the value is written to. What it holds after
                an error is of no use.

        Returns:
            The buffers of numpy arrays, and of all else that hands them over to pickle.
            Those of arrays that are not contiguous are not contiguous either.

        Raises:
            SerializationError: If the value, or something in it, cannot be pickled.
        """
        buffers: list[memoryview] = []
        # pickle takes only contiguous buffers. Something small stands for the others.
        stand_ins: dict[int, tuple[bytearray, memoryview]] = {}

        def hand_over(buffer: memoryview) -> Any:
            from _pickle import PickleBuffer

            if buffer.nbytes < _SMALLEST_BUFFER:
                return PickleBuffer(bytearray(buffer.tobytes()))
            stand_in = bytearray(1)
            stand_ins[id(stand_in)] = stand_in, buffer
            return PickleBuffer(stand_in)

        def keep_in_stream(buffer: Any) -> bool:
            content = buffer.raw()
            if id(content.obj) in stand_ins:
                _, content = stand_ins[id(content.obj)]
            elif content.nbytes < _SMALLEST_BUFFER:
                return True
            buffers.append(content)
            return False

        pickler: Any = _buffering_pickler_class()(
            stream, _PROTOCOL, buffer_callback=keep_in_stream
        )
        pickler.hand_over = hand_over
        pickler.reader = current_reader()
        self._dump(pickler, value)
        return buffers

    @staticmethod
    def _dump(pickler: Pickler, value: Any) -> None:
        # Importing pickle takes longer than all of bandsaw. A script whose sessions
        # never leave the process does not pay for it.
        from _pickle import PicklingError

        try:
            pickler.dump(value)
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
        from _pickle import load

        start = stream.tell() if stream.seekable() else None
        try:
            return load(stream)
        except ModuleNotFoundError as error:
            if start is None or not _is_renamed(error):
                raise
        from ._renamed import load_renamed

        stream.seek(start)
        return load_renamed(stream)

    def deserialize_with_buffers(
        self, content: bytes | memoryview, buffers: Sequence[memoryview]
    ) -> Any:
        """Read a value from what `serialize_with_buffers` has written.

        Args:
            content: What was written; what stands behind the value is of no interest.
            buffers: The buffers that were left out. Arrays go on using them.

        Returns:
            The value.
        """
        loads = _pickle.loads
        try:
            return loads(content, buffers=buffers) if buffers else loads(content)
        except ModuleNotFoundError as error:
            if not _is_renamed(error):
                raise
        from ._renamed import load_renamed

        return load_renamed(BytesIO(content), buffers)

    def unreadable_part(
        self, content: bytes | memoryview, buffers: Sequence[memoryview]
    ) -> str:
        """Say which part of a value it is that cannot be read, to explain an error.

        Args:
            content: What was written.
            buffers: The buffers that were left out.

        Returns:
            The path to it, empty if it is the value itself.
        """
        from ._diagnosis import unreadable_part

        return unreadable_part(content, buffers)
