"""The default serializer: pickle, which writes nearly everything."""

from __future__ import annotations

from io import BytesIO

from ..exceptions import BandsawError, SerializationError
from ..runtime.lazy import LateModule
from .recipients import current_recipient
from .serializer import Serializer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pickle import Pickler
    from typing import IO, Any, Sequence

# Importing pickle takes longer than all of bandsaw, and a script whose sessions never
# leave the process does not pay for it. An import statement for each value would take
# as long as reading a small one.
_pickle: Any = LateModule("_pickle")
_pickling: Any = LateModule("bandsaw.serialization._pickling")

# To make a new one takes five times as long as to write a number. One that is in use is
# not among them.
_picklers: list[tuple[Any, list[bytes]]] = []
_PICKLERS_KEPT = 16


class _Pieces:
    """A stream that keeps what is written to it as it is."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.write = pieces.append


def _make_pickler() -> tuple[Any, list[bytes]]:
    """Make a pickler that refuses large buffers, and where its output goes."""
    pieces: list[bytes] = []
    pickler = _pickling.BufferingPickler(
        _Pieces(pieces), _pickling.PROTOCOL, buffer_callback=_keep_small
    )
    pickler.hand_over = _copy_small
    return pickler, pieces


def _copy_small(buffer: memoryview) -> Any:
    if buffer.nbytes >= _pickling.SMALLEST_BUFFER:
        raise BufferError
    return _pickle.PickleBuffer(bytearray(buffer.tobytes()))


def _keep_small(buffer: Any) -> bool:
    if buffer.raw().nbytes >= _pickling.SMALLEST_BUFFER:
        raise BufferError
    return True


class PickleSerializer(Serializer):
    """A `Serializer` that uses `pickle`.

    Exceptions come back with their attributes, whatever arguments their ``__init__``
    wants. One whose class cannot be imported where it is read comes back as one of a
    class of the same name that inherits its nearest base that can.

    Read only what comes from a source that you trust: a pickle can run any code.
    """

    runs_code = True

    def serialize(self, value: Any, stream: IO[bytes]) -> None:
        """Write a value to a stream.

        Args:
            value: The value.
            stream: The binary stream that the value is written to. What it holds after
                an error is of no use.

        Raises:
            SerializationError: If the value, or something in it, cannot be pickled.
        """
        pickler: Any = _pickling.ValuePickler(stream, _pickling.PROTOCOL)
        pickler.recipient = current_recipient()
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
            The buffers of numpy arrays and of torch's tensors, and of all else that
            hands them over to pickle. Those of arrays that are not contiguous are not
            contiguous either.

        Raises:
            SerializationError: If the value, or something in it, cannot be pickled.
        """
        buffers: list[memoryview]
        pickler, buffers = _pickling.make_pickler(stream)
        pickler.recipient = current_recipient()
        self._dump(pickler, value)
        return buffers

    def dumps_without_buffers(self, value: Any) -> bytes | None:
        """Write a value that has no large buffers.

        Args:
            value: The value.

        Returns:
            What `serialize_with_buffers` writes; `None` if there are large buffers, or
            if the value cannot be written.
        """
        try:
            pickler, pieces = _picklers.pop()
        except IndexError:
            pickler, pieces = _make_pickler()
        pickler.recipient = current_recipient()
        try:
            pickler.dump(value)
        except Exception:
            return None  # That pickler is not used again.
        # What it has written is not to be kept in memory.
        pickler.clear_memo()
        content: bytes = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if len(_picklers) < _PICKLERS_KEPT and pickler.storages is None:
            _picklers.append((pickler, pieces))
        return content

    @staticmethod
    def _dump(pickler: Pickler, value: Any) -> None:
        try:
            pickler.dump(value)
        except BandsawError:
            raise  # It is more specific: a task that cannot be moved, for example.
        except RecursionError as error:
            raise SerializationError(
                f"{type(value).__qualname__} is nested too deeply to be pickled."
            ) from error
        except (_pickle.PicklingError, AttributeError, TypeError) as error:
            raise SerializationError(
                f"{type(value).__qualname__} cannot be pickled: {error}"
                f"{_place_in(value, current_recipient())}"
            ) from error

    def deserialize(self, stream: IO[bytes]) -> Any:
        """Read the next value from a stream, and leave the rest of the stream alone.

        Args:
            stream: The binary stream that the value was written to.

        Returns:
            The value.
        """
        start = stream.tell() if stream.seekable() else None
        try:
            return _pickle.load(stream)
        except Exception as error:
            if start is None or not _pickling.is_of_other_version(error):
                raise
        stream.seek(start)
        return _pickling.load_of_other_version(stream)

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
        except Exception as error:
            if not _pickling.is_of_other_version(error):
                raise
        return _pickling.load_of_other_version(BytesIO(content), buffers)

    def unreadable_part(
        self, content: bytes | memoryview, buffers: Sequence[memoryview]
    ) -> str:
        """Return the path to the part of a value that cannot be read.

        Args:
            content: What was written.
            buffers: The buffers that were left out.

        Returns:
            The path to it, empty if it is the value itself.
        """
        from ._diagnosis import unreadable_part

        return unreadable_part(content, buffers)


def _place_in(value: Any, recipient: Any) -> str:
    """Say where in a value is what cannot be pickled, with a space before it."""
    from ._diagnosis import unwritable_part

    def write(part: Any) -> None:
        pickler: Any = _pickling.ValuePickler(BytesIO(), _pickling.PROTOCOL)
        pickler.recipient = recipient
        pickler.dump(part)

    try:
        path = unwritable_part(value, write)
    except Exception:  # Attributes of the user's may do anything.
        return ""
    return f" (at {path})" if path else ""
