"""The process at the far end of a connection: its queue, and those that continue it.

Sessions arrive on lanes, see `bandsaw.transports.link`, and wait here for a process, in
the order in which they have come. The process that is free next gets the next one, so
it does not stand idle while its answer travels. This process only moves bytes, and
executes no code of the user's. When the connection ends it ends the others, removes
their files, and ends.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time
from collections import deque
from functools import partial
from marshal import loads

from ..exceptions import ProtocolError
from ..runtime.contexts import suppress
from ..runtime.home import Hold
from ..runtime.temporary import remove_when_left
from ..session.route import ROUTES_KEPT, RememberedSession, Routes, number_of
from ..transports import frames
from ..transports.background import run_in_background, wait_for_background
from ..transports.frames import SentSession, WholeSessionMessage
from ..transports.keeping import LACKING, KeptFiles, Storing, numbers_of
from ..transports.lending import READING, WAITING, LentLink, can_lend
from ..transports.link import (
    CREDIT,
    CREDIT_TOLD,
    DATA,
    DROP,
    ERROR,
    EXITED,
    LEAVE,
    MOST_UNDER_WAY,
    OPEN,
    OUTPUT,
    PIECE,
    PROBE,
    PROBED,
    SPECIFY,
    STOP,
    STREAMS,
    TAKEN,
    TIMED,
    UNREAD,
    Link,
    LinkEnded,
    beginning_of,
    pack_credit,
    pack_exit,
    read_credit,
)
from ..transports.local import LocalProcess
from ..transports.shared_directory import read_probe
from ..transports.termination import GRACE, HAS_CLOSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from ..transports.boot import KeptCode
    from ..transports.frames import Content

# How often it looks whether the caller has said something, in seconds.
_INTERVAL = 1.0

# After how many seconds without a sign of life the caller is given up. It may have been
# stopped for a while.
_SILENCE = 300.0

# How long a process may take to start, in seconds.
_TIME_TO_START = 300.0

# How long the end of all processes may take, in seconds.
_TIME_TO_LEAVE = 10.0

# How often all processes are looked after, in seconds.
_LONGEST_PATIENCE = 10.0

# What is read of a process at first: a large piece of memory costs as much as a call.
_SMALL_READ = 1 << 12

# How long the caller may take to be gone when its connection has ended, in seconds.
_TIME_TO_BE_GONE = 1.0

# How often the output of a dead process is read at most, which what it has started may
# still write.
_MOST_READS = 16

# How long a process waits for a session; this one tells it when to exit.
_FOREVER = 1e8

# How large a session may be that is kept until it was answered.
_LARGEST_KEPT = 1 << 16

# How often it looks if a process has gone on with a link that it was lent, in seconds.
_TIME_OF_A_LOAN = 0.025

# A link is lent after a call that has taken less, not long after the one before.
_LONGEST_SHORT_CALL = 0.005
_LONGEST_PAUSE = 0.1

# How much has to be allowed to be sent on a lane before a link is lent.
_LEAST_CREDIT = 1 << 14

# What is printed when no session is continued is sent on no lane.
_NO_LANE = 0


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


class _Specification:
    """A way to start processes that can replace each other.

    Args:
        directory: Where their code is.
        head: The first message to each of them.
        workers: How many processes there are at most.
        tasks_per_worker: After how many sessions one exits, `None` for never.
        idle_timeout: After how many seconds without a session one exits.
    """

    def __init__(
        self,
        directory: str,
        head: dict[str, Any],
        workers: int,
        tasks_per_worker: int | None,
        idle_timeout: float,
    ) -> None:
        self.directory = directory
        self.head = {**head, "idle_timeout": _FOREVER}
        self.workers = workers
        self.tasks_per_worker = tasks_per_worker
        self.idle_timeout = idle_timeout


class _Lane:
    """A lane: where sessions arrive, one after the other.

    Args:
        number: Its number.
        specification: What the processes are that continue its sessions.

    Attributes:
        credits: How much may be sent of each stream.
        is_timed: Whether the caller is told that the next session is taken.
        process: The process that continues its session.
        has_begun: Whether the process is sent the session.
        kind: Which kind of frame the session is.
        head_size: How large its head is.
        size: How large all of it is.
        left: How many bytes of it were not passed on.
        arrived: What has arrived, and was not passed on.
        kept: All of a small session.
        storing: The buffer that arrives, which is to be kept here.
        needs: The numbers of those that are kept here which the next session needs.
        taken: How much was passed on that the caller was not told of.
        begun_at: When a process has got its session.
    """

    def __init__(self, number: int, specification: _Specification) -> None:
        self.number = number
        self.specification = specification
        self.credits = dict.fromkeys(STREAMS, MOST_UNDER_WAY)
        self.is_timed = False
        self.process: _Process | None = None
        self.has_begun = False
        self.kind = self.head_size = self.size = self.left = self.taken = 0
        self.arrived: deque[Content] = deque()
        self.kept = b""
        self.storing: Storing | None = None
        self.needs: Sequence[int] = ()
        self.begun_at = 0.0

    def gather(self, size: int) -> memoryview:
        """Return what has arrived, at least so much of it if there is so much."""
        if len(self.arrived) > 1 and len(self.arrived[0]) < size:
            whole = b"".join(self.arrived)
            self.arrived.clear()
            self.arrived.append(whole)
        return memoryview(self.arrived[0])

    def find_session(self) -> bool:
        """Tell if the beginning of a session has arrived."""
        header = self.arrived[0]
        if len(header) < frames.HEADER_SIZE:
            header = self.gather(frames.HEADER_SIZE)
            if len(header) < frames.HEADER_SIZE:
                return False
        self.kind, self.head_size, size = frames.measure(header)
        self.size = self.left = frames.HEADER_SIZE + self.head_size + size
        return True

    def take(self, count: int) -> memoryview:
        """Take a piece of what has arrived.

        Args:
            count: How large it is at most.
        """
        content = memoryview(self.arrived.popleft())
        piece, rest = content[:count], content[count:]
        if rest:
            self.arrived.appendleft(rest)
        self.left -= len(piece)
        self.taken += len(piece)
        return piece

    def replace(self, content: bytes) -> None:
        """Let something else take the place of a session that has arrived."""
        rest = memoryview(self.arrived.popleft())[self.size :]
        if rest:
            self.arrived.appendleft(rest)
        self.arrived.appendleft(content)
        self.taken += self.size - len(content)  # It is what has arrived that is told.
        self.size = self.left = len(content)

    def begin_anew(self) -> None:
        """Let another process have the session, which the last one has not read."""
        self.taken -= len(self.kept) - self.left
        if self.left:
            self.arrived[0] = memoryview(self.arrived[0])[self.left :]
        self.arrived.appendleft(self.kept)
        self.process = None
        self.has_begun = False
        self.find_session()

    def end_session(self) -> None:
        """Be ready for the next session."""
        self.process = None
        self.has_begun = self.is_timed = False
        self.left = 0
        self.kept = b""
        self.needs = ()


class _Process:
    """A process that continues sessions.

    Args:
        started: The process.
        specification: What it was started with.
        outputs: The descriptors of its standard output and error, by the kind of
            message.

    Attributes:
        lane: The lane of the session that it continues.
        routes: The routes that it was told.
        jobs: How many sessions it was given.
        since: Since when it starts, or is idle.
        is_ready: Whether it has started.
        is_dead: Whether it has ended.
        has_closed: Whether it has closed its channel.
        was_ended: Whether it had to be ended after that.
        is_full: Whether its channel takes no more at the moment.
        read_size: How much is read of its channel at once.
        is_unread: Whether it has not read all of its session.
        called_at: When it has answered a call last.
        link: The link as it can be lent to it, `None` until it was.
        refuses_link: Whether it cannot use that.
    """

    def __init__(
        self,
        started: LocalProcess,
        specification: _Specification,
        outputs: dict[int, int],
    ) -> None:
        self.started = started
        self.specification = specification
        self.channel = started.channel_end
        self.outputs = outputs
        self.lane: _Lane | None = None
        self.routes = Routes()
        self.jobs = 0
        self.since = time.monotonic()
        self.is_ready = self.is_dead = self.has_closed = self.was_ended = False
        self.is_full = self.is_unread = False
        self.read_size = _SMALL_READ
        self.called_at = 0.0
        self.link: LentLink | None = None
        self.refuses_link = False
        # Tells if something was printed.
        self.printed = select.poll()
        for descriptor in outputs.values():
            self.printed.register(descriptor, select.POLLIN)
        # Of the frame that it is sending: its beginning, or how much of it is left
        self._beginning = b""
        self._left = 0
        self._is_answer = False

    def notice(self, piece: bytes) -> bool:
        """Notice what it has sent, and tell if an answer is complete.

        Args:
            piece: What it has sent.
        """
        if self._left:
            if len(piece) < self._left:
                self._left -= len(piece)
                return False
            place, self._left = self._left, 0
            if self._is_answer:
                return True
        else:
            piece = self._beginning + piece if self._beginning else piece
            place = 0
        while len(piece) - place >= frames.HEADER_SIZE:
            try:
                kind, head_size, size = frames.measure(piece, place)
            except ProtocolError:
                # The caller says what that is, and ends the process.
                self._left = sys.maxsize
                return False
            self._is_answer = kind in (frames.ANSWER, frames.VALUE, frames.HANDSHAKE)
            place += frames.HEADER_SIZE + head_size + size
            if place > len(piece):
                self._left = place - len(piece)
                self._beginning = b""
                return False
            if self._is_answer:
                self._beginning = b""
                return True
        self._beginning = piece[place:]
        return False

    def may_send(self, stream: int) -> bool:
        """Tell if some of a stream may be sent now."""
        return self.lane is None or self.lane.credits[stream] > 0

    @property
    def is_held(self) -> bool:
        """Whether something was printed that has to be sent before an answer."""
        lane = self.lane
        if lane is None or (lane.credits[OUTPUT] > 0 and lane.credits[ERROR] > 0):
            return False
        return any(
            source >= 0 and lane.credits[kind] <= 0
            for kind, source in self.outputs.items()
        )

    def end(self) -> None:
        """End it and everything that it has started."""
        self.started.end()
        self.started.close()


class _Server:
    def __init__(self, link: Link, code: KeptCode) -> None:
        self._link = link
        self._code = code
        self._specifications: dict[int, _Specification] = {}
        self._lanes: dict[int, _Lane] = {}
        # The lanes whose sessions wait for a process
        self._queue: deque[_Lane] = deque()
        self._processes: list[_Process] = []
        # Those of them that have no session, the one that was used last at the end
        self._idle: list[_Process] = []
        self._exiting: list[_Process] = []
        # What tells a process a route, and which log records are wanted then
        self._routes: dict[int, tuple[RememberedSession, Any]] = {}
        self._files = KeptFiles()
        self._is_leaving = False
        # The process that has the link, with the lane whose calls it may take
        self._borrower: tuple[_Process, LentLink, _Lane] | None = None
        # When the processes are looked after next, on the clock of `time.monotonic`
        self._look_at = self._look_at_loan = 0.0
        self._holds: dict[str, Hold] = {}
        # The directories of the caller that are here, too
        self._shared: list[str] = []
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
        """Serve until the connection ends, or nothing is left to be served."""
        link = self._link
        while link.now - link.heard < _SILENCE:
            if link.now >= self._look_at:
                self._look_at = link.now + self._look_after_processes(link.now)
            patience = _INTERVAL if self._borrower is None else _TIME_OF_A_LOAN
            link.turn(min(patience, self._look_at - link.now), self._take)
            if self._borrower is not None and link.now >= self._look_at_loan:
                self._look_at_loan = link.now + _TIME_OF_A_LOAN
                if not self._borrower[1].has_gone_on():
                    self._take_back()
            if self._is_leaving and not (self._processes or self._exiting):
                deadline = time.monotonic() + _INTERVAL
                while link.has_queue and time.monotonic() < deadline:
                    link.turn(_INTERVAL, self._take)
                return

    def _look_after_processes(self, now: float) -> float:
        """End processes that have to end, and return when to do so again."""
        patience = _LONGEST_PATIENCE
        if any(one.has_closed for one in (*self._processes, *self._exiting)):
            # Another thread may have been told of the end of one.
            self._note_ends()
            patience = GRACE / 10
        for process in list(self._processes):
            if process.has_closed or (
                self._borrower is not None and self._borrower[0] is process
            ):
                pass
            elif not process.is_ready:
                if now - process.since > _TIME_TO_START:
                    run_in_background(process.started.end_group)
            elif process.lane is None:
                left = process.since + process.specification.idle_timeout - now
                if left <= 0:
                    self._retire(process)
                else:
                    patience = min(patience, left)
        return patience

    def _take(self, kind: int, number: int, content: Content) -> None:
        """Take a message."""
        if kind != DATA:
            self._handle(kind, number, content)
            return
        lane = self._lanes.get(number)
        if lane is None:
            return  # Its process has ended.
        lane.arrived.append(content)
        if lane.has_begun:
            self._pass_on(lane)
        elif lane.storing is not None or not lane.left:
            self._look(lane)

    def _handle(self, kind: int, number: int, content: Content) -> None:
        lane = self._lanes.get(number)
        if kind == SPECIFY:
            digest, head, *others = loads(content)
            directory = self._code.path_of(digest)
            self._specifications[number] = _Specification(
                directory, loads(head), *others
            )
        elif kind == OPEN:
            self._lanes[number] = _Lane(number, self._specifications[loads(content)])
        elif kind == LEAVE:
            self._is_leaving = True
            for process in list(self._idle):
                self._retire(process)
        elif kind == PROBE:
            found = {path: read_probe(path) for path in loads(content)}
            self._shared = [path for path, probe in found.items() if probe]
            self._link.send(PROBED, 0, "\n".join(found.values()).encode("ascii"))
        elif kind == DROP:
            self._files.drop(number)
        elif kind not in (TIMED, CREDIT, STOP):
            answer = self._code.answer(kind, bytes(content))
            if answer is not None:
                self._link.send(answer[0], 0, answer[1])
        elif lane is None:
            pass  # Its process has ended.
        elif kind == TIMED:
            lane.is_timed = True
        elif kind == CREDIT:
            stream, count = read_credit(content)
            lane.credits[stream] += count
            if lane.process is not None:
                self._read_on(lane.process)
        else:
            self._close(lane)

    def _look(self, lane: _Lane) -> None:
        """Let the next session of a lane wait for a process, if there is one.

        What it needs here comes before.
        """
        while lane.arrived:
            if lane.storing is not None:
                self._store(lane, lane.storing)
            elif not lane.find_session():
                return
            elif lane.kind == frames.KEEP or lane.kind == frames.USE:
                is_keeping = lane.kind == frames.KEEP
                size = frames.HEADER_SIZE + lane.head_size if is_keeping else lane.size
                if len(lane.gather(size)) < size:
                    lane.left = 0  # It is looked at again when more has arrived.
                    return
                beginning = lane.take(size)[frames.HEADER_SIZE :]
                if is_keeping:
                    lane.storing = self._files.store(loads(beginning), lane.left)
                else:
                    lane.needs = numbers_of(beginning)
            else:
                self._queue.append(lane)
                self._dispatch()
                return

    def _store(self, lane: _Lane, storing: Storing) -> None:
        """Keep what has arrived of a buffer."""
        while lane.arrived and lane.left:
            storing.write(lane.take(lane.left))
        if lane.taken >= CREDIT_TOLD:
            self._tell_taken(lane)
        if not lane.left:
            self._files.add(storing)
            lane.storing = None

    def _tell_taken(self, lane: _Lane) -> None:
        self._link.send(CREDIT, lane.number, pack_credit(DATA, lane.taken))
        lane.taken = 0

    def _dispatch(self) -> None:
        """Let the sessions that wait have the processes that are free."""
        while self._queue and not self._is_leaving:
            lane = self._queue[0]
            specification = lane.specification
            process = self._take_idle(specification)
            if process is None:
                if len(self._processes) >= specification.workers:
                    if not self._idle:
                        return
                    # Those that are left are of no use for this session.
                    self._retire(self._idle[0])
                process = self._start(lane)
            self._queue.popleft()
            if process is None:
                continue
            process.lane, lane.process = lane, process
            process.jobs += 1
            if process.is_ready:
                self._begin(lane, process)

    def _take_idle(self, specification: _Specification) -> _Process | None:
        idle = self._idle
        for place in range(len(idle) - 1, -1, -1):
            if idle[place].specification is specification:
                return idle.pop(place)
        return None

    def _start(self, lane: _Lane) -> _Process | None:
        try:
            process = self._started(lane.specification)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            del self._lanes[lane.number]
            self._link.send(EXITED, lane.number, pack_exit(None, reason))
            return None
        self._processes.append(process)
        self._watch(process)
        return process

    def _started(self, specification: _Specification) -> _Process:
        from tempfile import gettempdir

        directory = specification.directory
        if directory not in self._holds:
            self._holds[directory] = Hold(directory)
        head = dict(specification.head)
        settings = head.get("settings") or {}
        parent = os.path.expanduser(settings.get("temporary_directory") or gettempdir())
        pipes = [os.pipe(), os.pipe()]
        try:
            started = LocalProcess(
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
        started.run_code(directory)
        sources = {kind: pair[0] for kind, pair in zip((OUTPUT, ERROR), pipes)}
        process = _Process(started, specification, sources)
        head["settings"] = {**settings, **started.settings}
        handshake = memoryview(frames.packed(frames.HANDSHAKE, head))
        with suppress(BrokenPipeError):  # It is gone, as is noticed soon.
            while handshake:
                handshake = handshake[os.write(process.channel, handshake) :]
        for descriptor in (process.channel, *sources.values()):
            os.set_blocking(descriptor, False)
        return process

    def _watch(self, process: _Process) -> None:
        """Take what a process sends and prints, as far as that may be sent."""
        for kind, source in process.outputs.items():
            if source >= 0 and process.may_send(kind):
                read = partial(self._read_output, process, kind)
                self._link.watch(source, read, makes_queue_longer=True)
        self._watch_channel(process)

    def _watch_channel(self, process: _Process) -> None:
        event = select.POLLOUT if process.is_full else 0
        if process.may_send(DATA) and not (process.is_held or process.has_closed):
            event |= select.POLLIN
        if event:
            come = self._come if process.is_full else self._read_channel
            self._link.watch(
                process.channel,
                partial(come, process),
                event,
                makes_queue_longer=event == select.POLLIN,
            )
        else:
            self._link.forget(process.channel)

    def _forget(self, process: _Process) -> None:
        for descriptor in (process.channel, *process.outputs.values()):
            self._link.forget(descriptor)

    def _come(self, process: _Process) -> None:
        """Do what can be done with the channel of a process that was full."""
        if process.lane is not None:
            self._pass_on(process.lane)
        self._read_channel(process)

    def _begin(self, lane: _Lane, process: _Process) -> None:
        """Let a process begin with the session of a lane."""
        lane.begun_at = self._link.now
        if lane.is_timed:
            self._link.send(TAKEN, lane.number)
        is_small = lane.size <= _LARGEST_KEPT
        content = lane.gather(lane.size if is_small else frames.HEADER_SIZE + 4)
        if is_small and not lane.kept and len(content) >= lane.size:
            lane.kept = bytes(content[: lane.size])
        if lane.kind == frames.CALL:
            if not self._prepare_call(lane, process, content):
                self._link.send(UNREAD, lane.number)
                del self._lanes[lane.number]
                self._free(process)
                return
        else:
            files = self._files.find(lane.needs)
            if files is None:
                self._link.send(UNREAD, lane.number, LACKING)
                del self._lanes[lane.number]
                self._free(process)
                return
            for file in files:
                with suppress(OSError):  # It has ended, as is noticed soon.
                    frames.send_descriptors(process.channel, frames.FILE, (file,))
            self._note_route(lane, process)
        lane.has_begun = True
        self._pass_on(lane)

    def _prepare_call(
        self, lane: _Lane, process: _Process, content: memoryview
    ) -> bool:
        """See to it that a process knows the route of a call, and tell if it does."""
        start = frames.HEADER_SIZE
        number = number_of(content[start:])
        if number in process.routes:
            return True
        if not lane.kept or number not in self._routes:
            return False
        remembered, levels = self._routes[number]
        # The same call as a whole session, which tells the process the route.
        session_message = WholeSessionMessage(remembered.whole(lane.kept[start + 4 :]))
        head = SentSession(**session_message.fields, route=number).encode()
        if levels is not None:
            head["levels"] = levels
        lane.replace(frames.packed(frames.JOB, head, session_message.pieces))
        process.routes.add(number)
        return True

    def _note_route(self, lane: _Lane, process: _Process) -> None:
        """Remember which route a session tells a process."""
        start = frames.HEADER_SIZE
        end = start + lane.head_size
        content = lane.gather(end)
        if len(content) < end:
            process.routes.clear()  # It may have been told too many.
            return
        head = loads(content[start:end])
        number = head.get("route")
        if number is None:
            return
        process.routes.add(number)
        # What is in a file is not here to be remembered.
        is_whole = head.get("file") is None and not lane.needs
        if lane.kept and number not in self._routes and is_whole:
            message, form = SentSession.open(head, memoryview(lane.kept)[end:], ())
            if len(self._routes) >= ROUTES_KEPT:
                self._routes.clear()
            self._routes[number] = RememberedSession(form), message.levels

    def _pass_on(self, lane: _Lane) -> None:
        """Write what has arrived of a session to the process that continues it."""
        process = lane.process
        assert process is not None
        arrived = lane.arrived
        is_full = False
        while arrived and lane.left:
            content = memoryview(arrived[0])[: lane.left]
            try:
                written = os.write(process.channel, content)
            except BlockingIOError:
                is_full = True
                break
            except OSError:
                # It does not read any more.
                process.is_unread |= lane.left == lane.size
                written = len(content)
            lane.left -= written
            lane.taken += written
            if written == len(arrived[0]):
                arrived.popleft()
            else:
                arrived[0] = memoryview(arrived[0])[written:]
        if lane.taken >= CREDIT_TOLD:
            self._tell_taken(lane)
        if is_full != process.is_full:
            process.is_full = is_full
            self._watch_channel(process)

    def _read_channel(self, process: _Process) -> bool:
        """Read from the channel of a process, and tell if there was something."""
        if self._borrower is not None and not self._take_back():
            return False
        lane = process.lane
        if process.has_closed:
            return False
        while lane is not None and process.printed.poll(0):
            if not self._read_outputs(process):
                break
        size = process.read_size
        if lane is not None:
            credit = lane.credits[DATA]
            if credit < size or min(lane.credits.values()) <= 0:
                if credit <= 0 or process.is_held:
                    self._watch_channel(process)
                    return False
                size = min(size, credit)
        try:
            piece = os.read(process.channel, size)
        except BlockingIOError:
            return False
        except OSError as error:
            process.is_unread |= error.errno == errno.ECONNRESET
            piece = b""
        if not piece:
            process.has_closed = True
            self._link.forget(process.channel)
            self._look_at = 0.0
            if process not in self._exiting:
                run_in_background(partial(_end_soon, process))
            return False
        process.read_size = PIECE if len(piece) >= _SMALL_READ else _SMALL_READ
        if lane is None:
            process.refuses_link |= piece == frames.bare(frames.LEND, b"")
            return True  # A thread has gone on when its session was answered.
        if not process.is_ready:
            if process.notice(piece):
                process.is_ready = True
                self._begin(lane, process)
            return True
        lane.credits[DATA] -= len(piece)
        # A short answer is waited for. What comes behind it here can wait for a turn.
        send = self._link.post if len(piece) < _SMALL_READ else self._link.send
        send(DATA, lane.number, piece)
        if process.notice(piece):
            is_call = lane.kind == frames.CALL
            lane.end_session()
            self._free(process)
            if lane.arrived:
                self._look(lane)
            elif is_call and process.lane is None:
                self._lend(lane, process)
        return True

    def _lend(self, lane: _Lane, process: _Process) -> None:
        """Lend the link to a process that has answered a call, if it may have more."""
        link, specification = self._link, lane.specification
        last, process.called_at = process.called_at, link.now
        if (
            link.now - lane.begun_at > _LONGEST_SHORT_CALL
            or link.now - last > _LONGEST_PAUSE
            or specification.workers != 1
            or specification.tasks_per_worker is not None
            or self._processes != [process]
            or process.is_dead
            or process.has_closed
            or process.refuses_link
            or self._is_leaving
            or min(lane.credits.values()) < _LEAST_CREDIT
            or not can_lend()
        ):
            return
        try:
            if process.link is None:
                process.link = LentLink()
                self._link.watch(process.link.bell, self._take_back)
            if not link.lend(self._take_back):
                return
            self._borrower = process, process.link, lane
            self._look_at_loan = link.now + _TIME_OF_A_LOAN
            process.link.lend(
                process.channel,
                link.descriptors,
                beginning_of(DATA, lane.number),
                lane.credits[DATA],
            )
        except OSError:
            # It has ended, as is noticed soon, or there are no descriptors left.
            if self._borrower is not None:
                self._take_back()

    def _take_back(self) -> bool:
        """Take the link back from a process, and tell if this one has it now.

        Raises:
            LinkEnded: If the process has ended while it was reading.
        """
        if self._borrower is None:
            return True
        process, lent, lane = self._borrower
        returned = lent.take_back()
        if returned is None:
            return False
        self._borrower = None
        phase, calls, taken, sent, rest = returned
        if phase == READING:
            raise LinkEnded("a process has ended that was reading it")
        link = self._link
        process.since = link.now
        self._look_at = min(
            self._look_at, link.now + process.specification.idle_timeout
        )
        if calls:
            process.called_at = link.now
            process.jobs += calls
        lane.taken += taken
        lane.credits[DATA] -= sent
        if lane.taken >= CREDIT_TOLD:
            self._tell_taken(lane)
        if phase != WAITING:
            # It continues a session that it has read itself.
            if process in self._idle:
                self._idle.remove(process)
            process.lane, lane.process = lane, process
            lane.kind, lane.has_begun, lane.begun_at = frames.CALL, True, link.now
        link.take_back(rest, self._take)
        return True

    def _read_output(self, process: _Process, kind: int) -> bool:
        """Read from an output of a process, and tell if there was something."""
        if self._borrower is not None and not self._take_back():
            return False
        source, lane = process.outputs[kind], process.lane
        size = PIECE if lane is None else min(PIECE, lane.credits[kind])
        if source < 0 or size <= 0:
            self._link.forget(source)
            return False
        try:
            piece = os.read(source, size)
        except BlockingIOError:
            return False
        if not piece:
            self._link.forget(source)
            process.printed.unregister(source)
            process.outputs[kind] = -1
            os.close(source)
            return False
        if lane is not None:
            lane.credits[kind] -= len(piece)
        self._link.send(kind, _NO_LANE if lane is None else lane.number, piece)
        return True

    def _read_outputs(self, process: _Process) -> bool:
        """Read once from each output of a process, and tell if there was something."""
        found = [self._read_output(process, kind) for kind in process.outputs]
        return any(found)

    def _read_on(self, process: _Process) -> None:
        """Go on when more may be sent."""
        if process.is_dead:
            self._finish(process)
        else:
            self._watch(process)

    def _free(self, process: _Process) -> None:
        """Let a process have the next session, or exit."""
        process.lane = None
        limit = process.specification.tasks_per_worker
        if process.is_dead or process.has_closed:
            return  # It is removed when all that it has printed was read.
        if self._is_leaving or (limit is not None and process.jobs >= limit):
            self._retire(process)
        else:
            process.since = self._link.now
            due = process.since + process.specification.idle_timeout
            if due < self._look_at:
                self._look_at = due
            self._idle.append(process)
        if self._queue:
            self._dispatch()

    def _retire(self, process: _Process) -> None:
        """Let a process exit that has no session."""
        if process in self._idle:
            self._idle.remove(process)
        self._processes.remove(process)
        self._exiting.append(process)
        try:
            os.write(process.channel, frames.packed(frames.EXIT, {}))
        except OSError:
            pass  # It is just about to be gone.

    def _reap(self) -> None:
        try:
            os.read(self._signals, 1 << 12)
        except BlockingIOError:
            pass
        self._note_ends()

    def _note_ends(self) -> None:
        for process in [*self._processes, *self._exiting]:
            if not process.is_dead and process.started.poll() is not None:
                process.is_dead = True
                self._take_back()
                if process in self._idle:
                    self._idle.remove(process)
                self._finish(process)

    def _finish(self, process: _Process) -> None:
        """Read all that a dead process has left, as far as it may be sent.

        What it has started may keep its output open.
        """
        while self._read_channel(process):
            pass
        lane = process.lane
        if lane is None:
            for _ in range(_MOST_READS):
                if not self._read_outputs(process):
                    break
        elif process.is_held or lane.credits[DATA] <= 0:
            return
        self._remove(process)
        if lane is not None:
            lane.process = None
            if process.is_unread and process.jobs > 1 and lane.kept:
                lane.begin_anew()
                self._queue.appendleft(lane)
            else:
                del self._lanes[lane.number]
                reason = HAS_CLOSED if process.was_ended else ""
                end = pack_exit(process.started.status, reason)
                self._link.send(EXITED, lane.number, end)
        self._dispatch()

    def _close(self, lane: _Lane) -> None:
        """Close a lane, and end the process that continues its session."""
        del self._lanes[lane.number]
        if lane.storing is not None:
            lane.storing.close()
        if lane in self._queue:
            self._queue.remove(lane)
        if lane.process is not None:
            self._remove(lane.process)
            self._dispatch()

    def _remove(self, process: _Process) -> None:
        """Forget a process, and end it with all that it has started."""
        self._forget(process)
        for descriptor in process.outputs.values():
            if descriptor >= 0:
                os.close(descriptor)
        os.close(process.channel)
        process.lane = None
        if process.link is not None:
            self._link.forget(process.link.bell)
            process.link.close()
        for processes in self._processes, self._idle, self._exiting:
            if process in processes:
                processes.remove(process)
        run_in_background(process.end)

    def close(self) -> None:
        """End all processes."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in [*self._processes, *self._exiting]:
            self._remove(process)
        wait_for_background(_TIME_TO_LEAVE)
        remove_when_left(self._shared, _TIME_TO_BE_GONE)


def _end_soon(process: _Process) -> None:
    """End a process that has closed its channel, unless it is just ending."""
    process.started.wait(GRACE)
    process.was_ended = process.started.poll() is None
    process.started.end_group()
