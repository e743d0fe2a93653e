"""The process at the far end of a connection: it starts those that continue sessions.

It moves bytes between them and the connection, and executes no code of the user's. When
the connection ends it ends them, removes their files, and ends.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from marshal import loads

from ..exceptions import ProtocolError
from ..runtime.home import Hold
from ..transports import frames
from ..transports.background import run_beside, wait_for_all_beside
from ..transports.link import (
    CHANNEL,
    ERROR,
    EXITED,
    OPEN,
    OUTPUT,
    STOP,
    STREAMS,
    Link,
    LinkEnded,
    pack_exit,
)
from ..transports.local import LocalProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..transports.boot import KeptCode
    from ..transports.link import Stream

# How often it looks whether the caller has said something, in seconds.
_INTERVAL = 1.0

# After how many seconds without a sign of life the caller is given up. It may have been
# stopped for a while.
_SILENCE = 300.0

# How long the end of all processes may take, in seconds.
_TIME_TO_LEAVE = 10.0


def serve(source: int, target: int, code: KeptCode) -> None:
    """Start and serve processes until the connection ends.

    Args:
        source: The descriptor on which the messages of the caller arrive.
        target: The descriptor to which messages to the caller are written.
        code: The code that is kept here.
    """
    server = _Server(Link(source, target), code)
    is_terminated = False
    try:
        server.run()
    except (LinkEnded, ProtocolError):
        pass  # The caller is gone, or makes no sense.
    except _Terminated:
        is_terminated = True
    finally:
        server.close()
    if is_terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


class _Terminated(BaseException):
    """A cluster, for example, that has cancelled the job of this process."""


class _Process:
    """A process that continues sessions.

    Args:
        started: The process.
        streams: Its channel, its output and its error.
    """

    def __init__(self, started: LocalProcess, streams: list[Stream]) -> None:
        self.started = started
        self.streams = streams

    def end(self) -> None:
        """End it and everything that it has started."""
        self.started.end()
        self.started.close()


class _Server:
    def __init__(self, link: Link, code: KeptCode) -> None:
        self._link = link
        self._code = code
        self._processes: dict[int, _Process] = {}
        self._exiting: dict[int, _Process] = {}
        self._holds: dict[str, Hold] = {}
        # A signal only has to end the wait.
        self._signals, target = os.pipe()
        for descriptor in self._signals, target:
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(target, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._be_terminated)
        link.watch(self._signals, self._reap)

    def _be_terminated(self, *_: object) -> None:
        raise _Terminated

    def run(self) -> None:
        """Serve until the connection ends."""
        link = self._link
        while time.monotonic() - link.heard < _SILENCE:
            for kind, number, content in link.turn(_INTERVAL):
                if kind == OPEN:
                    self._open(number, content)
                elif kind == STOP:
                    self._stop(number)
                else:
                    answer = self._code.answer(kind, content)
                    if answer is not None:
                        link.send(answer[0], 0, answer[1])
            if self._exiting:
                self._tell_exits()

    def _open(self, number: int, content: bytes) -> None:
        digest, head = loads(content)
        try:
            self._start(number, self._code.path_of(digest), loads(head))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._link.send(EXITED, number, pack_exit(None, reason))

    def _start(self, number: int, directory: str, head: dict[str, Any]) -> None:
        from tempfile import gettempdir

        if directory not in self._holds:
            self._holds[directory] = Hold(directory)
        settings = head.get("settings") or {}
        parent = os.path.expanduser(settings.get("temporary_directory") or gettempdir())
        pipes = [os.pipe(), os.pipe()]
        try:
            process = LocalProcess(
                sys.executable,
                [sys.executable],
                dict(os.environ),
                parent,
                [target for _, target in pipes],
            )
        except BaseException:
            for source, _ in pipes:
                os.close(source)
            raise
        finally:
            for _, target in pipes:
                os.close(target)
        process.run_code(directory)
        first = STREAMS * number
        outputs = [
            self._link.attach(first + place, source, "r")
            for place, (source, _) in zip((OUTPUT, ERROR), pipes)
        ]
        channel = self._link.attach(
            first + CHANNEL, process.channel_end, "rw", tuple(outputs)
        )
        self._processes[number] = _Process(process, [channel, *outputs])
        head["settings"] = {**settings, **process.settings}
        channel.receive(frames.packed(frames.HANDSHAKE, head))

    def _stop(self, number: int) -> None:
        process = self._processes.pop(number, None) or self._exiting.pop(number, None)
        if process is not None:
            for stream in process.streams:
                stream.close()
            run_beside(process.end)

    def _reap(self) -> None:
        try:
            os.read(self._signals, 1 << 12)
        except BlockingIOError:
            pass
        for number, process in list(self._processes.items()):
            if process.started.poll() is not None:
                self._exiting[number] = self._processes.pop(number)
                for stream in process.streams:
                    # What it has started may keep them open.
                    stream.is_last = True
                    stream.read_all()

    def _tell_exits(self) -> None:
        """Tell of the ends of processes of which everything was sent."""
        for number, process in list(self._exiting.items()):
            if not any(stream.is_read for stream in process.streams):
                del self._exiting[number]
                status = process.started.status
                self._link.send(EXITED, number, pack_exit(status))
                for stream in process.streams:
                    stream.close()
                run_beside(process.end)

    def close(self) -> None:
        """End all processes."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for number in [*self._processes, *self._exiting]:
            self._stop(number)
        wait_for_all_beside(_TIME_TO_LEAVE)
