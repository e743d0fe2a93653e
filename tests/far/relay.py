"""A port in front of a server of ssh that delays, throttles, swallows and cuts."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from typing import Any, Coroutine, Iterator, NamedTuple, TypeVar

from tests.sshd import ALIAS
from tests.waiting import SECONDS

T = TypeVar("T")

#: In the order in which they follow each other: the ends tell their versions, agree on
#: keys, the user is let in, and commands run.
PHASES = ("banner", "key exchange", "authentication", "session")

# The number of the last message of a key exchange; what follows is encrypted.
NEWKEYS = 21

# How often the server answers until the user is in: that there is authentication, that
# it needs a key, that the key is a good one, and that its signature is.
ANSWERS = 4


class Fault(NamedTuple):
    """A fault of all bytes in both directions from a moment on.

    Attributes:
        kind: `swallow` or `cut`.
        phase: The phase with whose first byte it begins.
        after: How many bytes of the phase pass before.
    """

    kind: str
    phase: str
    after: int = 0


class Relay:
    """A port of 127.0.0.1 that leads to a server of ssh.

    Attributes:
        port: The port.
        options: The options with which ssh knows the host key of the server there.
        delay: How much later bytes arrive, in seconds each way.
        rate: How many bytes pass each way in a second; 0 if there is no limit.
        fault: What goes wrong with the connections that are made.
        connections: The connections so far, the open ones and the others.
    """

    port: int
    options = {"HostKeyAlias": ALIAS}

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self.rate = 0.0
        self.fault: Fault | None = None
        self.connections: list[Connection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: set[asyncio.Task[None]] = set()

    def swallow(self) -> None:
        """Let nothing pass from now on where there is a connection already."""
        self._fail_all("swallow")

    def cut(self) -> None:
        """Close the connections that there are."""
        self._fail_all("cut")

    def _fail_all(self, kind: str) -> None:
        for connection in list(self.connections):
            self._loop.call_soon_threadsafe(connection.fail, kind)

    def start(self) -> None:
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    async def _stop(self) -> None:
        self._server.close()
        for connection in self.connections:
            connection.fail("cut")
        await asyncio.gather(*self._tasks)

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = Connection(self, reader, writer)
        self.connections.append(connection)
        task = self._loop.create_task(connection.run())
        self._tasks.add(task)


class Connection:
    """A connection through the relay.

    Attributes:
        phase: The phase that it has reached.
        failed: What has gone wrong, if something has.
    """

    def __init__(
        self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.phase = PHASES[0]
        self.failed: str | None = None
        self._relay = relay
        self._near = reader, writer
        self._writers = [writer]
        self._progress = Progress()
        self._passed = 0

    async def run(self) -> None:
        reader, writer = self._near
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self._relay.target
            )
            self._writers.append(far_writer)
            if self.failed != "cut":
                await asyncio.gather(
                    self._pump(reader, far_writer, is_server=False),
                    self._pump(far_reader, writer, is_server=True),
                )
        finally:
            for each in self._writers:
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_server: bool,
    ) -> None:
        # Bytes that are under way do not keep others from being read.
        under_way: asyncio.Queue[Item] = asyncio.Queue()
        deliver = asyncio.ensure_future(self._deliver(under_way, writer))
        with contextlib.suppress(OSError):
            while True:
                data = await reader.read(65536)
                if not data:
                    break
                due = asyncio.get_running_loop().time() + self._relay.delay
                for phase, piece in self._progress.split(data, is_server):
                    had_failed = self.failed
                    passing = self._passing(phase, piece)
                    is_cut = self.failed == "cut" and not had_failed
                    under_way.put_nowait(Item(due, passing, is_cut))
        if self.failed == "swallow":
            # The other end hears nothing, not even that this one has gone.
            deliver.cancel()
        else:
            due = asyncio.get_running_loop().time() + self._relay.delay
            under_way.put_nowait(Item(due, b"", is_end=True))
        await asyncio.gather(deliver, return_exceptions=True)

    def _passing(self, phase: str, piece: bytes) -> bytes:
        """Return what passes of some bytes, and notes when a fault begins."""
        self.phase = max(self.phase, phase, key=PHASES.index)
        if self.failed:
            return b""
        fault = self._relay.fault
        count = len(piece)
        if fault is not None:
            if PHASES.index(phase) > PHASES.index(fault.phase):
                count = 0
            elif phase == fault.phase:
                count = min(count, fault.after - self._passed)
                self._passed += count
            if count < len(piece):
                self.failed = fault.kind
        return piece[:count]

    async def _deliver(
        self, under_way: asyncio.Queue[Item], writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            item = await under_way.get()
            await asyncio.sleep(max(0, item.due - loop.time()))
            if self._relay.rate:
                await asyncio.sleep(len(item.data) / self._relay.rate)
            writer.write(item.data)
            await writer.drain()
            if item.is_cut:
                self.fail("cut")
            if item.is_end:
                writer.write_eof()
                return

    def fail(self, kind: str) -> None:
        """Let nothing pass any more, and closes it if it is cut."""
        self.failed = kind
        if kind == "cut":
            for writer in self._writers:
                writer.transport.abort()


class Item(NamedTuple):
    """One end of a relay, and the fault that is to happen there."""

    due: float
    data: bytes
    is_cut: bool = False
    is_end: bool = False


class Progress:
    """Tells which phase the bytes of a connection belong to."""

    def __init__(self) -> None:
        self._sides = {True: Side(), False: Side()}
        self._answers = 0
        self._is_asked = False

    def split(self, data: bytes, is_server: bool) -> Iterator[tuple[str, bytes]]:
        """Return bytes in pieces, each with its phase.

        Args:
            data: What has arrived.
            is_server: Whether it has arrived from the server.
        """
        for phase, piece in self._sides[is_server].split(data):
            yield phase or self._encrypted_phase(is_server), piece

    def _encrypted_phase(self, is_server: bool) -> str:
        # All that can be seen is that the ends take turns.
        if not is_server:
            self._is_asked = True
        elif self._is_asked:
            self._is_asked = False
            self._answers += 1
        is_in = self._answers + self._is_asked > ANSWERS
        return PHASES[3] if is_in else PHASES[2]


class Side:
    """The bytes that one end has sent before it encrypts."""

    def __init__(self) -> None:
        self._plain = b""
        self._banner_end: int | None = None
        self._keys_end: int | None = None
        self._packet = 0

    def split(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Return bytes in pieces, each with its phase, which is empty if encrypted."""
        start = len(self._plain)
        if self._keys_end is None:
            self._plain += data
            self._parse()
            for phase, end in ((0, self._banner_end), (1, self._keys_end)):
                if self._plain[start:end]:
                    yield PHASES[phase], self._plain[start:end]
                if end is None:
                    return
                start = max(start, end)
            data = self._plain[start:]
        if data:
            yield "", data

    def _parse(self) -> None:
        if self._banner_end is None:
            self._packet = self._plain.find(b"\n") + 1
            self._banner_end = self._packet or None
        while self._banner_end and len(self._plain) >= self._packet + 6:
            size, _, number = struct.unpack_from(">IBB", self._plain, self._packet)
            end = self._packet + 4 + size
            if len(self._plain) < end:
                return
            self._packet = end
            if number == NEWKEYS:
                self._keys_end = end
                return


@contextlib.contextmanager
def relay_to(target: int) -> Iterator[Relay]:
    """Open a port that leads to a server of ssh, and closes it."""
    relay = Relay(target)
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()
