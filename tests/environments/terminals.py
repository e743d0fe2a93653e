"""A pseudo terminal, which keeps what is written to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import termios
from queue import Queue
from threading import Thread
from typing import Iterator

COLUMNS = 200


class Terminal:
    """A pseudo terminal.

    Attributes:
        stream: The stream whose lines it shows.
    """

    def __init__(self) -> None:
        self._screen, descriptor = pty.openpty()
        size = struct.pack("HHHH", 50, COLUMNS, 0, 0)
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, size)
        self.stream = os.fdopen(descriptor, "w", encoding="utf-8")
        self._texts: Queue[bytes] = Queue()
        self._reader = Thread(target=self._keep)
        self._reader.start()

    def _keep(self) -> None:
        # A terminal that is not read blocks what writes to it.
        text = b""
        with contextlib.suppress(OSError):  # On Linux it is the end.
            while True:
                piece = os.read(self._screen, 1 << 16)
                if not piece:
                    break
                *whole, text = (text + piece).split(b"\0")
                for one in whole:
                    self._texts.put(one)

    def read(self) -> str:
        """Return what was written since it was read."""
        self.stream.write("\0")
        self.stream.flush()
        return self._texts.get(timeout=60).decode("utf-8").replace("\r\n", "\n")

    def close(self) -> None:
        """Close both ends."""
        self.stream.close()
        self._reader.join()
        os.close(self._screen)


@contextlib.contextmanager
def pseudo_terminal() -> Iterator[Terminal]:
    """Make a pseudo terminal the standard error of this process for a while."""
    terminal = Terminal()
    try:
        with contextlib.redirect_stderr(terminal.stream):
            yield terminal
    finally:
        terminal.close()
