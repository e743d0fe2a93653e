"""Where the standard output and error of a child arrive: at the caller's."""

from __future__ import annotations

import codecs
import os
import select
import subprocess
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, TextIO, Tuple


class OutputStreams:
    """The standard output and error of a child.

    Those of this process are inherited. Where a stream of this process is something
    else, as in a notebook, what the child writes is pumped into it.

    Attributes:
        stdout: What `subprocess` takes for the child's standard output.
        stderr: What it takes for the standard error.
    """

    def __init__(self) -> None:
        self._pumps: List[Tuple[int, threading.Thread]] = []
        self._child_runs, self._child_ended = os.pipe()
        self.stdout = self._lead_to(sys.stdout, 1, sys.__stdout__)
        self.stderr = self._lead_to(sys.stderr, 2, sys.__stderr__)

    def _lead_to(
        self,
        stream: Optional[TextIO],
        descriptor: int,
        original: Optional[TextIO],
    ) -> Optional[int]:
        if stream is None:
            return subprocess.DEVNULL
        try:
            stream.flush()
            if stream.fileno() == descriptor:
                return None
        except (AttributeError, OSError, ValueError):
            pass
        # The child chooses its encoding as this process has done.
        encoding = getattr(original, "encoding", None) or "utf-8"
        source, target = os.pipe()
        thread = threading.Thread(
            target=_pump, args=(source, self._child_runs, stream, encoding), daemon=True
        )
        thread.start()
        self._pumps.append((target, thread))
        return target

    def __enter__(self) -> OutputStreams:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        # Closing it would tell nothing: a forked process may hold it open, too.
        os.write(self._child_ended, b"!")
        for target, _ in self._pumps:
            os.close(target)
        for _, thread in self._pumps:
            thread.join()
        os.close(self._child_ended)
        os.close(self._child_runs)


def _pump(source: int, child_runs: int, target: TextIO, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    readable = select.poll()
    readable.register(source)
    readable.register(child_runs)
    try:
        while True:
            # What a child of the child writes later is lost: it may keep the stream
            # open for as long as it likes.
            piece = b""
            if source in dict(readable.poll()):
                piece = os.read(source, 1 << 16)
            target.write(decoder.decode(piece, final=not piece))
            if not piece:
                break
            _flush(target)
        _flush(target)
    except (OSError, ValueError):
        pass  # The stream was closed meanwhile, or its disk is full.
    finally:
        os.close(source)


def _flush(stream: TextIO) -> None:
    flush = getattr(stream, "flush", None)
    if flush is not None:
        flush()
