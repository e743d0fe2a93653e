"""The destinations of a child's standard output and error.

A child inherits those of this process. Where a stream of this process is something
else, as in a notebook, what the child writes is pumped into it. It can be attached to
the session instead.
"""

from __future__ import annotations

import codecs
import os
import select
import sys
from _weakrefset import WeakSet

from ..runtime.contexts import ExitStack, contextmanager
from ..runtime.fork import Lock, call_in_child
from ..runtime.temporary import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Callable, Iterator, TextIO

    from ..session import Session
    from .frames import Channel

# How many of the last lines of a child are kept, and how many characters of them.
_LINES_KEPT = 20
_CHARACTERS_KEPT = 5000


def _is_frame_of_ours(line: str) -> bool:
    """Tell if a line of the stack of a crashed process is below the task."""
    return line.startswith('  File "') and (
        line.startswith('  File "<string>"')
        or ("/archives/" in line and "/bandsaw/" in line)
    )


def _encoding_of(descriptor: int) -> str:
    """Return the encoding of a child's stream, which it chooses as this process did."""
    original = sys.__stdout__ if descriptor == 1 else sys.__stderr__
    return getattr(original, "encoding", None) or "utf-8"


# Of all children in this process, so that their lines do not mix.
_writing = Lock()
_outputs: WeakSet[TextOutput] = WeakSet()
call_in_child(_outputs.clear)


class TextOutput:
    """A standard stream of a child, as its output arrives here.

    Args:
        name: `stdout` or `stderr`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        encoding = _encoding_of(1 if name == "stdout" else 2)
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        # The pieces of a line that has not ended
        self._line: list[str] = []
        self._recipient: TextIO | None = None
        self._taker: Callable[[str, str], None] | None = None
        self._is_leading = False
        self._last_text = ""
        with _writing:
            _outputs.add(self)

    @property
    def tail(self) -> list[str]:
        """The last lines that were written, but for frames of the library."""
        lines = self._last_text.splitlines()
        return [line for line in lines if not _is_frame_of_ours(line)][-_LINES_KEPT:]

    def redirect(
        self, stream: TextIO | None, taker: Callable[[str, str], None] | None
    ) -> None:
        """Say where the stream leads from now on, and let its tail begin anew.

        Args:
            stream: A stream of this process, `None` if it has none.
            taker: Takes the name of the stream and the text instead.
        """
        self._last_text = ""
        self._recipient, self._taker = stream, taker
        self._is_leading = True

    def drain(self) -> None:
        """Pump what there is, also of a line that has not ended, and lead nowhere."""
        piece = self._read()
        while piece is not None:
            self._take(piece)
            piece = self._read() if piece else None
        if self._line:
            with _writing:
                self._emit_line("")
        self._is_leading = False

    def watch(self, channel: Channel) -> None:
        """Be pumped whenever a thread waits for a channel.

        Args:
            channel: The channel.
        """
        raise NotImplementedError

    def wait(self, seconds: float) -> None:
        """Pump what is written within a time.

        Args:
            seconds: The time.
        """
        raise NotImplementedError

    def _read(self) -> bytes | None:
        """Read once; nothing at the end, `None` if there is nothing now."""
        raise NotImplementedError

    def _pump(self) -> bool:
        """Read once, and tell if there may be more."""
        piece = self._read()
        if piece is not None:
            self._take(piece)
        return bool(piece)

    def _take(self, piece: bytes) -> None:
        text = self._decoder.decode(piece, final=not piece)
        self._last_text = (self._last_text + text)[-_CHARACTERS_KEPT:]
        with _writing:
            is_alone = not any(
                other._is_leading and other._name == self._name
                for other in _outputs
                if other is not self
            )
            # A progress bar ends its lines with a carriage return.
            end = 1 + max(text.rfind("\n"), text.rfind("\r"))
            if is_alone:
                end = len(text)
            if end or is_alone:
                self._emit_line(text[:end])
            if text[end:]:
                self._line.append(text[end:])

    def _emit_line(self, text: str) -> None:
        """Write a text, and the pieces of the line before it."""
        pieces, self._line = self._line, []
        self._emit("".join(pieces) + text)

    def _emit(self, text: str) -> None:
        if not text:
            return
        # The user's own, which may lack either
        write = getattr(self._recipient, "write", None)
        flush = getattr(self._recipient, "flush", None)
        try:
            if self._taker is not None:
                self._taker(self._name, text)
            elif write is not None:
                write(text)
                if flush is not None:
                    flush()
        except (OSError, ValueError):
            pass  # The stream was closed meanwhile, or its disk is full.

    def close(self) -> None:
        """Let go of it; idempotent."""
        self._is_leading = False


class ChildStream(TextOutput):
    """A standard stream of a child, pumped by the thread that waits for the child.

    Args:
        name: `stdout` or `stderr`.

    Attributes:
        target: The child's end.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._source, self.target = os.pipe()
        os.set_blocking(self._source, False)
        self._channel: Channel | None = None

    def close_target(self) -> None:
        """Close the child's end here, when the child has it."""
        target, self.target = self.target, -1
        if target >= 0:
            os.close(target)

    def watch(self, channel: Channel) -> None:
        """Be pumped whenever a thread waits for a channel."""
        self._channel = channel
        channel.watch(self._source, self._pump)

    def wait(self, seconds: float) -> None:
        """Pump what is written within a time."""
        if self._source >= 0:
            # Not `select`, which takes no descriptor above 1023
            readable = select.poll()
            readable.register(self._source, select.POLLIN)
            if readable.poll(1000 * seconds):
                self._pump()

    def _read(self) -> bytes | None:
        try:
            piece = os.read(self._source, 1 << 16) if self._source >= 0 else b""
        except BlockingIOError:
            return None
        except OSError:
            piece = b""
        if not piece:
            self._stop()
        return piece

    def _stop(self) -> None:
        source, self._source = self._source, -1
        if source >= 0:
            if self._channel is not None:
                self._channel.forget(source)
            os.close(source)

    def close(self) -> None:
        """Close both ends; idempotent."""
        self.close_target()
        self._stop()
        super().close()


@contextmanager
def attaching_output(session: Session) -> Iterator[Callable[[str, str], None]]:
    """Give what takes the output of a session, and attach it at the end.

    Args:
        session: The session.
    """
    files: dict[str, IO[str]] = {}
    with ExitStack() as stack:

        def take(stream: str, text: str) -> None:
            if stream not in files:
                path = os.path.join(session.temp_dir, f"{os.urandom(8).hex()}.txt")
                files[stream] = file = open(  # noqa: SIM115  (The stack closes it)
                    path, "w", encoding="utf-8", opener=open_private
                )
                stack.callback(file.close)
            files[stream].write(text)

        yield take
    for stream, file in sorted(files.items(), reverse=True):
        session.attachments.add(f"{stream}.txt", file.name)
