"""A connection: the command that leads to a Python elsewhere, and the server behind it.

It begins in phases that an error names:

- *starting the command*;
- *reaching Python*: the loader is sent, until it answers;
- *handshake*: bandsaw's first code is sent, until it says which Python it is;
- *sending code*: what is not kept there yet, until the server has started, and has said
  whether both ends share a directory;
- *running*: the server lets processes continue the sessions that it is sent. It runs no
  code of the user's, so it notices when the connection ends, and ends them.

One thread of this process starts it and ends it. In between, the threads that wait for
answers move its messages, one of them at a time, and that thread only if there is none.

The state of the process is `_connections`, all of them that have not ended yet.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from _thread import start_new_thread
from collections import deque
from marshal import dumps

from ..exceptions import (
    InterpreterDiedError,
    InterpreterError,
    InterpreterStartError,
    ProtocolError,
)
from ..runtime.contexts import suppress
from ..runtime.fork import Lock, call_at_exit, call_at_reset, call_in_child, closed_gate
from ..session.cancellation import is_cancelled
from . import boot
from .boot import Code
from .far_command import (
    HANDSHAKE,
    RUNNING,
    SENDING_CODE,
    STARTING_WORKER,
    Closed,
    FarCommand,
    Lost,
)
from .keeping import Keeping
from .lane import LaneOutput, LaneStream
from .link import (
    CREDIT,
    DATA,
    DROP,
    ERROR,
    EXITED,
    LEAVE,
    OPEN,
    OUTPUT,
    PROBE,
    PROBED,
    SPECIFY,
    STOP,
    STREAMS,
    TAKEN,
    UNREAD,
    Link,
    LinkEnded,
    read_credit,
    read_exit,
)
from .shared_directory import OfferedDirectories
from .worker import end_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from ..connections import Connection
    from ..distribution import DistributionArchive
    from .far_start import StartingCommand
    from .lane import FarProcess
    from .link import Content


# What serves at the far end; nothing here imports it.
_SERVER = "bandsaw.runner.server"

# How often a thread that waits looks if it still has to, in seconds.
_INTERVAL = 0.1

# After how many seconds without a sign of life a connection is lost.
_SILENCE = 60.0

# How long the processes there may take to exit, in seconds.
_TIME_TO_LEAVE = 5.0


class FarConnection:
    """A command that runs, and the server behind it.

    Args:
        name: What it is called in an error.
        connection: What makes the words of the command.
        python: The Python there.
        parent_directory: Where to make a directory that the other end may share.
        start_timeout: How long it may take until the server has started, in seconds.
        idle_timeout: After how many seconds without a process it ends.
        started: The command, if it is being started already.

    Attributes:
        name: What it is called in an error.
        words: The words of the command.
        failure: Why it cannot be used any more, `None` if it can.
        was_closed: Whether that is because nothing needed it.
        is_usable: Whether lanes can be opened over it, and have sessions.
        load: How many lanes it has, or is to have.
        used_at: When it was used last, on the clock of `time.monotonic`.
        shared_directory: The directory for large buffers that both ends share, `None`
            if they share none.
        keeping: The large buffers that are kept there.
        link: The link to the server, `None` until there is one.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        python: str,
        parent_directory: str,
        start_timeout: float,
        idle_timeout: float,
        started: StartingCommand | None = None,
    ) -> None:
        self.name = name
        self.failure: InterpreterError | None = None
        self.was_closed = False
        self.is_usable = True
        self.load = 0
        self.shared_directory: str | None = None
        self._parent_directory = parent_directory
        self._offered: OfferedDirectories | None = None
        self._command = FarCommand(name, connection, python, start_timeout, started)
        self.words = self._command.words
        # A process there ends after that time, and this one after the same once more.
        self._idle_timeout = 2 * idle_timeout
        self.used_at = time.monotonic()
        self._changed = threading.Condition()
        self._is_started = self._has_ended = False
        # The calls for which it is to start
        self._waiting = 0
        self._requests: deque[Callable[[], None]] = deque()
        self._lanes: dict[int, FarProcess] = {}
        self._count = 0
        self._starts: dict[tuple[Any, ...], int] = {}
        self.keeping = Keeping(lambda number: self.post(DROP, number))
        self.link: Link | None = None
        # The code that is there, what is asked for, and what cannot be there
        self._kept: set[str] = set()
        self._asked: deque[Code] = deque()
        self._refused: dict[str, str] = {}
        self._printed = {kind: LaneStream(None, kind) for kind in (OUTPUT, ERROR)}
        self._outputs = {
            OUTPUT: LaneOutput("stdout", self._printed[OUTPUT]),
            ERROR: LaneOutput("stderr", self._printed[ERROR]),
        }
        # Held by the thread that moves the messages
        self._moving = Lock()
        self._is_moved_here = self._was_moved_elsewhere = False
        self._movers: dict[FarProcess, None] = {}
        # That of them whose thread moves them
        self._mover: FarProcess | None = None
        self._pause = closed_gate()
        self._trouble: Exception | None = None
        self._wake_source, self._wake_target = os.pipe()
        for descriptor in self._wake_source, self._wake_target:
            os.set_blocking(descriptor, False)
        _connections.add(self)
        call_at_exit(close_all, priority=-60)
        try:
            start_new_thread(self._serve, ())
        except RuntimeError as error:
            self._end(Lost(str(error), InterpreterStartError))

    @property
    def phase(self) -> str:
        """The phase that it is in, or has failed in."""
        return self._command.phase

    @property
    def is_busy(self) -> bool:
        """Whether it has sessions that were not answered."""
        return any(lane.is_busy for lane in list(self._lanes.values()))

    def change_load(self, count: int) -> None:
        """Count lanes that it has, or is to have.

        Args:
            count: How many there are more.
        """
        with self._changed:
            self.load += count

    def request(self, function: Callable[[], None]) -> None:
        """Have the thread that moves the messages call a function.

        Args:
            function: The function.
        """
        self._requests.append(function)
        self._wake()

    def _wake(self) -> None:
        """End the wait of the thread that moves the messages."""
        with self._changed:
            # Once it is closed, its number may be that of another file.
            if self._wake_target >= 0:
                with suppress(BlockingIOError):
                    os.write(self._wake_target, b".")
        self._go_on()

    def _go_on(self) -> None:
        """Let the thread of the connection look after it."""
        with suppress(RuntimeError):  # It does so already.
            self._pause.release()

    def await_start(self, code: Code, tell: Callable[[str], object]) -> None:
        """Wait until the server has started.

        Args:
            code: Some code that it needs.
            tell: Is told why it waits in a queue.

        Raises:
            InterpreterError: If it cannot be started, or if the call is cancelled.
        """
        self.used_at = time.monotonic()
        if code.digest in self._kept and self._is_started:
            return
        self._refused.pop(code.digest, None)
        self.request(lambda: self._want(code))
        is_unwanted = is_cancelled.get()
        told = ""
        with self._changed:
            self._waiting += 1
        try:
            with self._changed:
                while self.failure is None:
                    if self._is_started and code.digest in self._kept:
                        return
                    reason = self._refused.get(code.digest)
                    if reason is not None:
                        raise self._command.error(
                            reason, InterpreterStartError, STARTING_WORKER
                        )
                    self._changed.wait(_INTERVAL)
                    if self._command.waits_for != told:
                        told = self._command.waits_for
                        tell(told)
                    if is_unwanted():
                        raise InterpreterError("The call was cancelled.")
                raise self.error()
        finally:
            with self._changed:
                self._waiting -= 1
                is_left = not (self._waiting or self._is_started or self.failure)
            if is_left:
                self.close()

    def error(self) -> InterpreterError:
        """Return why it cannot be used, an exception for each call."""
        failure = self.failure
        assert failure is not None
        return type(failure)(*failure.args)

    def add(self, lane: FarProcess) -> int:
        """Return the number of a new lane.

        Args:
            lane: The lane.

        Raises:
            InterpreterError: If it cannot be used any more.
        """
        with self._changed:
            if self.failure is not None:
                raise self.error()
            self._count += 1
            self._lanes[self._count] = lane
            return self._count

    def open(self, lane: FarProcess, start: tuple[Any, ...]) -> None:
        """Open a lane.

        Args:
            lane: The lane.
            start: How to start a process that continues its sessions.
        """
        with self._changed:
            number = self._starts.get(start)
            if number is None:
                number = self._starts[start] = len(self._starts) + 1
                self.post(SPECIFY, number, dumps(start, 2))
            self.post(OPEN, lane.number, dumps(number, 2))

    def stays(self) -> bool:
        """Tell if it is usable when it has seen that a lane is busy."""
        with self._changed:
            return self.is_usable

    def post(self, kind: int, number: int, content: Content = b"") -> bool:
        """Send a message in any thread, and tell if that was possible.

        Args:
            kind: What it is.
            number: The number of a lane.
            content: What it holds.
        """
        link = self.link
        return link is not None and link.post(kind, number, content)

    def has_room(self) -> bool:
        """Tell if a message is soon sent; this waits a little if not."""
        link = self.link
        if link is not None:
            link.await_room(_INTERVAL)
        return link is None or not link.is_full

    def remove(self, lane: FarProcess) -> None:
        """Close a lane, and forget it.

        Args:
            lane: The lane.
        """
        with self._changed:
            is_known = self._lanes.pop(lane.number, None) is not None
            self.load -= is_known
        if is_known and self.failure is None:
            self.post(STOP, lane.number)

    def move(
        self, lane: FarProcess, is_over: Callable[[], object], seconds: float
    ) -> None:
        """Move messages, or wait while another thread does so.

        Args:
            lane: The lane on whose behalf the thread waits.
            is_over: Tells if there is nothing more to wait for.
            seconds: How long to wait at most.
        """
        link = self.link
        assert link is not None
        try:
            self._movers[lane] = None
            self._was_moved_elsewhere = True
            if not self._moving.acquire(False):
                if self._is_moved_here:
                    self._wake()
                lane.gate.acquire(True, seconds)
                return
            try:
                self._mover = lane
                deadline = time.monotonic() + seconds
                left = seconds
                while left > 0 and not (
                    is_over() or lane.has_news or self._trouble or self.failure
                ):
                    link.turn(left, self._handle)
                    left = deadline - link.now
            except Exception as error:
                self._note_trouble(error)
            finally:
                self._mover = None
                self._moving.release()
        finally:
            self._movers.pop(lane, None)
            if self._movers:
                self._let_another_move()

    def _let_another_move(self) -> None:
        for lane in list(self._movers):
            lane.wake()
            return

    def _turn(self, seconds: float) -> None:
        """Move what can be moved, and note what goes wrong."""
        link = self.link
        assert link is not None
        try:
            link.turn(seconds, self._handle)
        except Exception as error:
            self._note_trouble(error)

    def _note_trouble(self, error: Exception) -> None:
        self._trouble = error
        self._go_on()

    def await_end(self, seconds: float) -> None:
        """Wait until it has ended.

        Args:
            seconds: How long at most.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended, seconds)

    def close(self) -> None:
        """Let the connection end, which takes its time."""
        with self._changed:
            self.is_usable = False
        self._wake()

    def forget(self) -> None:
        """Let go of it in a forked child: it is its parent's."""
        self.failure = InterpreterDiedError(f"{self.name} belongs to another process.")
        self.is_usable = False
        if self.link is not None:
            self.link.close()
        self._command.forget()
        self._close_descriptors()

    # What follows runs in the thread of the connection.

    def _serve(self) -> None:
        failure: Lost
        try:
            self._command.start()
            self._offered = OfferedDirectories(self._parent_directory)
            beginning = self._command.reach_python(self._watch_start, self._wake_source)
            self._begin_link(beginning)
            self._await_server()
            self._look_after()
        except Lost as lost:
            failure = lost
        except LinkEnded:
            failure = self._command.ended()
        except ProtocolError as error:
            failure = Lost(str(error), ProtocolError)
        except BaseException as error:
            failure = Lost(f"{type(error).__name__}: {error}")
        self._end(failure)

    def _watch_start(self) -> None:
        self._take_requests()
        self._check_start()

    def _check_start(self) -> None:
        if not self.is_usable:
            raise Closed("it is not needed any more")
        self._command.check_start()

    def _take_requests(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_source, 1 << 16)
        requests = self._requests
        while requests:
            requests.popleft()()

    def _begin_link(self, beginning: bytes) -> None:
        command = self._command
        link = Link(command.stdout, command.stdin, beginning, self._wake)
        link.watch(self._wake_source, self._take_requests)
        if not command.said_all:
            link.watch(command.stderr, self._read_error)
        self.link = link

    def _read_error(self) -> None:
        self._command.read_error()
        if self._command.said_all and self.link is not None:
            self.link.forget(self._command.stderr)

    def _await_server(self) -> None:
        self._take_requests()
        while not self._is_started:
            self._move_here()
            self._check_start()

    def _look_after(self) -> None:
        link = self.link
        assert link is not None
        while True:
            if self._movers or self._was_moved_elsewhere:
                self._was_moved_elsewhere = False
                self._pause.acquire(True, _INTERVAL)
                self._raise_trouble()
            else:
                self._move_here()
            now = time.monotonic()
            if self.is_usable and now - self.used_at > self._idle_timeout:
                with self._changed:
                    # A lane that gets a session now is seen, or asks if this stays.
                    self.is_usable = False
                    self.is_usable = bool(self._waiting or self.is_busy)
            if not self.is_usable:
                raise Closed("it is not needed any more")
            if now - link.heard > _SILENCE:
                self._move_here(0)
                if time.monotonic() - link.heard > _SILENCE:
                    raise Lost(f"there was no sign of life for {_SILENCE:g} seconds")

    def _move_here(self, seconds: float = _INTERVAL) -> None:
        if self._moving.acquire(True, _INTERVAL):
            self._is_moved_here = True
            try:
                if not self._movers or not seconds:
                    self._turn(seconds)
            finally:
                self._is_moved_here = False
                self._moving.release()
            self._let_another_move()
        self._raise_trouble()

    def _raise_trouble(self) -> None:
        if self._trouble is not None:
            raise self._trouble

    # What follows runs in the thread that moves the messages.

    def _want(self, code: Code) -> None:
        """Ask for some code, unless it is there or asked for."""
        for one in (code.shared, code):
            if one is None or one.digest in self._kept:
                continue
            if any(one.digest == other.digest for other in self._asked):
                continue
            self._asked.append(one)
            if len(self._asked) == 1:
                self._ask()

    def _ask(self) -> None:
        # One after the other: what is sent for one must not end up in the next.
        command = self._command
        if self.link is not None and command.phase != HANDSHAKE and self._asked:
            digest = self._asked[0].digest
            self.link.send(boot.ASK, 0, dumps([digest], 2))

    def _handle(self, kind: int, number: int, content: Content) -> None:
        lane = self._lanes.get(number)
        if kind in STREAMS:
            if lane is not None:
                lane.receive(kind, content)
                if lane is not self._mover:
                    lane.wake()
            elif kind != DATA:
                self._print(kind, content)
        elif kind in (CREDIT, TAKEN, UNREAD, EXITED):
            if lane is not None:  # Else it was closed here meanwhile.
                self._note(kind, lane, content)
        elif kind != boot.PING:
            self._handle_code(kind, bytes(content))

    def _print(self, kind: int, content: Content) -> None:
        """Print what is no part of a session, at the exit of a process for example."""
        self._printed[kind].pieces.append(content)
        output = self._outputs[kind]
        output.redirect(sys.stdout if kind == OUTPUT else sys.stderr, None)
        output.drain()

    def _note(self, kind: int, lane: FarProcess, content: Content) -> None:
        """Note what the server tells of a lane."""
        if kind == CREDIT:
            stream, count = read_credit(content)
            if stream == DATA:
                lane.allowed += count
        elif kind == TAKEN:
            lane.taken_at = time.monotonic()
        elif kind == UNREAD:
            lane.is_unread = lane.has_ended = True
            if content:
                lane.is_lacking = True
                self.keeping.give_up()
        else:
            status, reason = read_exit(content)
            if status is None:
                lane.failure = self._command.error(
                    reason, InterpreterStartError, STARTING_WORKER
                )
            lane.status, lane.reason = status, reason
            lane.has_ended = True
        if lane.has_ended:
            lane.has_news = True
            with self._changed:
                self.load -= self._lanes.pop(lane.number, None) is not None
        lane.wake()

    def _handle_code(self, kind: int, content: bytes) -> None:
        """Go on with sending the code, and with starting the server."""
        link, command = self.link, self._command
        assert link is not None
        if kind == boot.HELLO:
            command.phase = SENDING_CODE
            self._ask()
        elif kind == boot.LACKS and content and self._asked:
            link.uploads.append(iter(self._asked[0].messages()))
        elif kind in (boot.LACKS, boot.KEPT) and self._asked:
            self._note_kept()
        elif kind == boot.STARTED:
            command.phase = RUNNING
        elif kind == PROBED and self._offered is not None:
            answers = content.decode("ascii", "replace").split("\n")
            self.shared_directory = self._offered.choose(answers)
            with self._changed:
                self._is_started = True
                self._changed.notify_all()
            self._ask()
        elif kind == boot.FAILED:
            reason = content.decode("utf-8", "replace")
            if not self._is_started:
                raise Lost(reason, InterpreterStartError)
            code = self._asked.popleft()
            with self._changed:
                self._refused[code.digest] = reason
                self._changed.notify_all()
            self._ask()
        else:
            raise ProtocolError(f"The far end has sent a message of kind {kind}.")

    def _note_kept(self) -> None:
        code = self._asked.popleft()
        shared = code.shared
        with self._changed:
            self._kept.add(code.digest)
            self._changed.notify_all()
        if self.link is not None and not self._is_started and shared is not None:
            self.link.send(boot.START, 0, dumps((shared.digest, _SERVER), 2))
            assert self._offered is not None
            self.link.send(PROBE, 0, dumps(self._offered.paths, 2))
        else:
            self._ask()

    # Its end

    def _end(self, lost: Lost) -> None:
        command = self._command
        failure = command.error(lost.reason, lost.kind)
        with self._changed:
            self.was_closed = isinstance(lost, Closed)
            self.failure = failure
            self.is_usable = False
            lanes = list(self._lanes.values())
            self._changed.notify_all()
        self._wake()
        for lane in lanes:
            lane.wake()
        # Whatever thread has moved messages does so no longer.
        with self._moving:
            if self.was_closed and self._is_started:
                self._leave()
            if self.link is not None:
                self.link.close()
            command.close_input()
            command.end(_TIME_TO_LEAVE if self.was_closed and self._is_started else 0)
            if not self._is_started:
                command.cancel_job()
            if self._offered is not None:
                self._offered.remove()
            with self._changed:
                command.close()
                self._close_descriptors()
                self._has_ended = True
                self._changed.notify_all()
        _connections.discard(self)

    def _leave(self) -> None:
        """Let the processes there exit, and print what they print then."""
        link = self.link
        deadline = time.monotonic() + _TIME_TO_LEAVE
        with suppress(LinkEnded, ProtocolError):
            assert link is not None
            link.send(LEAVE)
            while time.monotonic() < deadline:
                link.turn(_INTERVAL, self._handle)

    def _close_descriptors(self) -> None:
        descriptors = self._wake_source, self._wake_target
        self._wake_source = self._wake_target = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)


_connections: set[FarConnection] = set()


@call_at_reset
def close_all() -> None:
    """End all connections; at the end of the program, and for tests."""
    if not _connections:
        return
    end_all()  # The processes behind them may still have something to do.
    connections = list(_connections)
    for connection in connections:
        connection.close()
    for connection in connections:
        connection.await_end(2 * _TIME_TO_LEAVE)


@call_in_child
def _forget_all() -> None:
    for connection in _connections:
        connection.forget()
    _connections.clear()


_codes: dict[str, Code] = {}
call_at_reset(_codes.clear)


def code_of(archive: DistributionArchive) -> Code:
    """Return the code of an archive.

    Args:
        archive: The archive.
    """
    directory = archive.directory
    code = _codes.get(directory)
    if code is None:
        shared = os.path.dirname(os.path.realpath(os.path.join(directory, "bandsaw")))
        if shared not in _codes:
            _codes[shared] = Code(shared)
        code = _codes[directory] = Code(directory, _codes[shared])
    return code
