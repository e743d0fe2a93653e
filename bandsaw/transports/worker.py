"""An interpreter process on this machine that continues sessions, seen from its parent.

The parent starts the process with a channel, a lifeline and perhaps pipes for its
output. It sends a handshake, then one job after the other: the saved session goes out,
log records, progress and output come in, and at last the answer. The thread that has
called the task does all of that itself. The process never outlives this one, and a
process that this one forks neither uses it nor keeps it alive.

The state of the process is `_workers`, all of them that have not ended yet.
"""

from __future__ import annotations

import sys
import time
from functools import partial

from ..exceptions import (
    InterpreterDiedError,
    InterpreterError,
    InterpreterStartError,
    ProtocolError,
    TaskTimeoutError,
)
from ..runtime.contexts import suppress
from ..runtime.fork import Lock, call_at_exit, call_at_reset, call_in_child
from ..runtime.log_forwarding import wanted_levels
from ..runtime.registries import held_locks
from ..session.route import Routes
from . import frames
from .background import run_in_background, wait_for_background
from .claims import NUMBERS, Offers
from .frames import Handshake, Prepare, SavedSession, SentSession
from .termination import GRACE, HAS_CLOSED, ProcessExited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Mapping, Sequence

    from ..session import Session
    from ..session.frame_format import SessionFrames
    from ..session.route import Route
    from .base import Job
    from .frames import Frame, SessionMessage
    from .lane import FarProcess
    from .local import LocalProcess, ProcessSpecification
    from .pipeline import QueuedCall

# How long an interpreter may take to start; on a busy cluster that may be minutes.
_TIME_TO_START = 300.0

# How often the exit of a process is checked while it is awaited, in seconds.
_INTERVAL = 0.05

# How long the end of the program waits for processes that end by themselves.
_TIME_TO_LEAVE = 10.0


_NO_VARIABLES: Mapping[str, str] = {}


class Worker:
    """An interpreter process.

    Args:
        specification: What it is started with.
        parent_directory: Where to make the directory for its temporary files.
        idle_timeout: How long it waits for a job, in seconds.
        variables: The environment variables that it has in addition.
        process: The process, if it was started already.

    Attributes:
        specification: What it was started with.
        variables: The environment variables that it has in addition.
        process: The process itself.
        jobs: How many jobs it was given.
        routes: The routes that it was told.
        is_sent: Whether it may have begun with what it was sent last.

    Raises:
        InterpreterStartError: If it cannot be started.
    """

    def __init__(
        self,
        specification: ProcessSpecification,
        parent_directory: str,
        idle_timeout: float,
        variables: Mapping[str, str] = _NO_VARIABLES,
        process: LocalProcess | FarProcess | None = None,
    ) -> None:
        self.specification = specification
        self.variables = dict(variables)
        self.jobs = 0
        self._executable = specification.name
        self._is_leaving = False
        self._lock = Lock()
        self._session: Session | None = None
        self.is_sent = False
        self.routes = Routes()
        self._offers: Offers | None = None
        # What the process was last told of the log records that are wanted here
        self._levels: dict[str, int] | None = None
        if process is None:
            process = specification.start(parent_directory, self.variables)
        self.process = process
        self._streams = process.streams
        self._pumped = [stream for stream in self._streams if stream is not None]
        self._is_ready = process.is_ready
        self._channel = process.open_channel(self._goes_on)
        _workers.add(self)
        # What was registered last is called first. So the processes have ended when
        # their directories, which were made before, are removed.
        call_at_exit(end_all, priority=-50)
        for stream in self._pumped:
            stream.watch(self._channel)
        run = specification.run.to_json()
        if run["meta"]:
            # It arrives as it does in a saved session.
            import json

            run = json.loads(json.dumps(run))
        handshake = Handshake(
            run=run,
            idle_timeout=idle_timeout,
            settings={
                **specification.settings,
                "originals": specification.archive.originals,
            },
        )
        # If it is gone, the first job finds out why.
        with suppress(EOFError):
            process.greet(self._channel, handshake)

    def is_alive(self) -> bool:
        """Tell if the process has not ended."""
        return self.process.poll() is None

    def _goes_on(self) -> bool:
        session = self._session
        if session is not None:
            session.notice_interrupt()  # That ends the process.
        return self.is_alive()

    def prepare(self, job: Job) -> None:
        """Have modules imported before they are needed.

        Args:
            job: A job like those that will follow.
        """
        with suppress(EOFError):
            configuration, modules = job.modules_needed()
            message = Prepare(configuration=configuration, modules=modules)
            self._channel.send(frames.PREPARE, message.encode())

    def claim(self, session: Any, jobs: int = 1) -> None:
        """Reserve the process for a session; cancelling that ends it from now on.

        Args:
            session: The session, which is continued next, or a pipeline.
            jobs: How many jobs it is given at once.

        Raises:
            InterpreterError: If it is cancelled. The process is as it was.
        """
        with self._lock:
            if session.is_cancelled:
                raise InterpreterError("The call was cancelled.")
            self._session = session
        self.jobs += jobs

    def run(
        self,
        job: Job,
        session_message: SessionMessage,
        meanwhile: Callable[[], None] | None = None,
    ) -> SessionFrames:
        """Have a job done.

        Args:
            job: The job, for which the process was claimed.
            session_message: The session of the job.
            meanwhile: Is called once, should the answer take its time.

        Returns:
            The answer.

        Raises:
            ProcessExited: If the process has ended before it took the job.
            InterpreterError: If there is no answer. The process is gone then.
        """
        self._lead_output(job.output_to)
        try:
            session_message.pack_for(self._channel)
        except BaseException:
            self.end()
            raise
        frame = self._exchange(
            job.session,
            self._frame_of(job, session_message),
            job.settings.observe,
            job,
            meanwhile,
        )
        return self._opened(frame)

    def _lead_output(self, taker: Callable[[str, str], None] | None) -> None:
        for stream, original in zip(self._streams, (sys.stdout, sys.stderr)):
            if stream is not None:
                stream.redirect(original, taker)

    def call(
        self, session: Session, route: Route, content: bytes
    ) -> SessionFrames | memoryview:
        """Have a call done that takes a route which the process was told.

        Args:
            session: The session, for which the process was claimed.
            route: The route.
            content: What `Route.pack` gave.

        Returns:
            A value as it was written, or an answer.

        Raises:
            ProcessExited: If the process has ended before it took the call.
            InterpreterError: If there is no answer. The process is gone then.
        """
        self._send_call(content)
        return self.finish(session, route)

    def begin(self, session: Any, content: bytes) -> bool:
        """Claim the process for a session and send its call, in any thread.

        Args:
            session: The session, or a pipeline.
            content: What `Route.pack` gave.

        Returns:
            Whether `finish` has to follow; not if the session is cancelled.
        """
        try:
            self.claim(session)
        except InterpreterError:
            return False
        self._send_call(content)
        return True

    def _send_call(self, content: bytes) -> None:
        self.is_sent = False
        if self._pumped:
            self._lead_output(None)
        try:
            self._channel.send_bare(frames.CALL, content)
            self.is_sent = True
        except EOFError:
            pass  # It may have exited before, and said so.
        except BaseException:
            self.end()  # It may have begun.
            raise

    def finish(self, session: Session, route: Route) -> SessionFrames | memoryview:
        """Wait for the answer to a call that was sent; see `call`.

        Args:
            session: The session, for which the process was claimed.
            route: The route.
        """
        frame = self._exchange(session, None, partial(route.observe, session))
        if frame[0] != frames.VALUE:
            return self._opened(frame)
        for stream in self._pumped:
            stream.drain()
        return frame[2]

    def send_ahead(self, calls: Sequence[QueuedCall]) -> None:
        """Send calls that the process begins when it has answered those before.

        Args:
            calls: The calls, which get their numbers.
        """
        offers = self._offers
        with suppress(EOFError):  # Waiting for the answer finds out why.
            if offers is None:
                offers = self._offers = Offers()
                for descriptor in list(offers.descriptors):
                    self._channel.send(frames.CLAIMS, descriptors=(descriptor,))
                offers.release_descriptors()
            count = sum([call.size for call in calls])
            self.jobs += count
            number = offers.offer(count)
            contents = []
            for call in calls:
                call.number = number
                kind = frames.MANY if call.is_list else frames.AHEAD
                contents.append((kind, bytes((number,)), call.content))
                number = (number + call.size) % NUMBERS
            self._channel.send_ahead(contents)

    def values(self) -> Iterable[tuple[int, memoryview]]:
        """Return the values that have come of calls that were sent together.

        Returns:
            The number of each call, and its value as it was written.
        """
        return () if self._offers is None else self._offers.values()

    def take_back(self) -> int:
        """Take all calls back that were sent ahead and that it has not begun.

        Returns:
            How many, from the last one on.
        """
        taken = 0 if self._offers is None else self._offers.take_back()
        self.jobs -= taken
        return taken

    def next_answer(
        self,
        observe: Callable[[str, dict[str, Any]], None],
        meanwhile: Callable[[], None],
    ) -> tuple[int, SessionFrames | memoryview]:
        """Wait for the next answer to one of several calls.

        Args:
            observe: Is told what the call tells meanwhile.
            meanwhile: Is called once, should the answer take its time.

        Returns:
            `VALUE` with a value as it was written, `ANSWER` with an answer, or `DONE`
            if there are `values`, with a content if calls need sessions.

        Raises:
            EOFError: If the process has ended; `frames.Unread` if it has not read all.
        """
        self._channel.meanwhile = meanwhile
        frame = self._await_answer(observe, None, (frames.VALUE, frames.DONE))
        kind = frame[0]
        return kind, self._opened(frame) if kind == frames.ANSWER else frame[2]

    def release(self) -> None:
        """Have no session any more, so that none can end the process."""
        with self._lock:
            self._session = None

    def end_group(self) -> None:
        """End the process with what it has started, while another thread waits."""
        self.process.end_group()

    def death(self, error: BaseException) -> BaseException:
        """End the process, and return what its end means for the call that it ran.

        Args:
            error: What was raised while an answer was awaited.
        """
        try:
            return self._death() if isinstance(error, EOFError) else error
        finally:
            self.end()

    def _opened(self, frame: Frame) -> SessionFrames:
        """Return the answer that a frame holds; the process ends if it is none."""
        _, head, content, descriptors = frame
        try:
            _, answer = SavedSession.open(
                head, content, descriptors, self._channel.shared_directory
            )
            for stream in self._pumped:
                stream.drain()
        except BaseException:
            self.end()
            raise
        return answer

    def _exchange(
        self,
        session: Session,
        send: Callable[[float | None], None] | None,
        observe: Callable[[str, dict[str, Any]], None] | None,
        job: Job | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Frame:
        """Send something, and wait for its answer; the process ends if there is none.

        Args:
            session: The session that is continued.
            send: Sends it, until a deadline; `None` if it was sent.
            observe: Is told what the session tells meanwhile.
            job: The limits of a session that has some.
            meanwhile: Is called once, should the answer take its time.
        """
        cancel = partial(self._cancel, session)
        session.call_when_cancelled(cancel)
        try:
            if not self._is_ready:
                self._await_handshake()
            self._channel.meanwhile = meanwhile
            deadline = None
            if job is not None and job.timeout is not None:
                deadline = time.monotonic() + job.timeout
            if send is not None:
                self.is_sent = False
                try:
                    send(deadline)
                    self.is_sent = True
                except EOFError:
                    pass  # It may have exited before, and said so.
            # The child maps the file by now, or will never.
            values = (frames.VALUE,) if job is None else ()
            return self._await_answer(observe, deadline, values)
        except BaseException as error:
            self._fail(error, job)
            raise
        finally:
            session.forget_when_cancelled(cancel)
            with self._lock:
                self._session = None

    def _fail(self, error: BaseException, job: Job | None) -> None:
        """End the process, and say what its end means for who waits for its answer.

        Args:
            error: What was raised while it was awaited.
            job: The limits of the session, if it has some.
        """
        try:
            if isinstance(error, EOFError):
                death = self._death(job)
                if self.is_sent and not isinstance(error, frames.Unread):
                    raise death from None
                is_lacking = isinstance(error, frames.Lacking)
                raise ProcessExited(death, is_lacking) from None
            if job is not None and type(error) is TimeoutError:
                raise TaskTimeoutError(
                    f"The call took longer than its timeout of {job.timeout:g} seconds "
                    f"in interpreter {self._executable}, which was ended."
                ) from None
        finally:
            self.end()

    def _cancel(self, session: Session) -> None:
        # Until the process has ended, the thread of the job does not let it go.
        with self._lock:
            if self._session is session:
                self.process.end_group()

    def _await_handshake(self) -> None:
        if self._is_ready:
            return
        name = f"Interpreter {self._executable}"
        try:
            Handshake.receive(self._channel, name, time.monotonic() + _TIME_TO_START)
        except EOFError:
            raise ProcessExited(self._death()) from None
        except TimeoutError:
            raise InterpreterStartError(
                f"{name} has not started within {_TIME_TO_START:g} seconds."
            ) from None
        self._is_ready = True

    def _frame_of(
        self, job: Job, session_message: SessionMessage
    ) -> Callable[[float | None], None]:
        """Return what sends a job, until a deadline."""
        message = SentSession(**session_message.fields)
        levels = wanted_levels()
        if levels is not self._levels and levels != self._levels:
            message.levels = self._levels = levels
            # Their calls were to have the other levels.
            self.routes.clear()
        held = held_locks.get()
        if held:
            message.held = held
        if job.memory_limit is not None:
            message.memory_limit = job.memory_limit
        route = job.session.route
        if (
            route is not None
            and route.specification is self.specification
            and route.number not in self.routes
        ):
            message.route = route.number
            self.routes.add(route.number)
        return partial(
            self._channel.send_session, frames.JOB, message.encode(), session_message
        )

    def _await_answer(
        self,
        observe: Callable[[str, dict[str, Any]], None] | None,
        deadline: float | None,
        values: Sequence[int],
    ) -> Frame:
        while True:
            frame = self._channel.receive(deadline)
            kind = frame[0]
            if kind == frames.ANSWER or kind in values:
                return frame
            if kind == frames.EXIT:
                raise frames.Left
            if kind in (frames.DONE, frames.LEND):
                # Another thread has looked for values before, or a link is refused.
                continue
            if kind not in frames.TOLD_BY_JOBS:
                raise ProtocolError(
                    f"Interpreter {self._executable} answers with a frame of kind "
                    f"{kind}, which is no answer."
                )
            if observe is not None:
                name, message = frames.TOLD_BY_JOBS[kind]
                message.decode(frame[1])
                observe(name, frame[1])

    def _death(self, job: Job | None = None) -> InterpreterError:
        """Find out how the process has ended."""
        process = self.process
        if process.poll() is None:
            # It has closed its end, or is just about to be gone.
            process.wait(GRACE)
        if process.poll() is None:
            process.end_group()
            return InterpreterDiedError(f"Interpreter {self._executable} {HAS_CLOSED}")
        for stream in self._pumped:
            stream.drain()
        more = ""
        if job is not None and job.memory_limit is not None:
            more += f" Its memory was limited to {job.memory_limit} bytes."
        stderr = self._streams[1]
        if stderr is not None and stderr.tail:
            more += " It wrote last:\n" + "\n".join(stderr.tail)
        return process.death(more)

    def end(self) -> None:
        """End the process and everything that it has started."""
        self.process.end()
        self._close()

    def kill(self) -> None:
        """End the process at once; it has not worked yet."""
        self.process.kill()
        self._close()

    def retire(self) -> None:
        """Let the process end by itself, and do not wait for it."""
        self.request_exit()
        run_in_background(self.await_exit)

    def request_exit(self) -> None:
        """Tell the process to exit when its job is done; idempotent."""
        if self._is_leaving:
            return
        self._is_leaving = True
        with suppress(EOFError, TimeoutError):
            self._channel.send(frames.EXIT, deadline=time.monotonic() + GRACE)

    def await_exit(self, deadline: float | None = None) -> None:
        """Wait until the process has ended by itself.

        Args:
            deadline: When to end it, on the clock of `time.monotonic`. Without, it may
                take as long as it likes.
        """
        while self.is_alive():
            if deadline is not None and time.monotonic() > deadline:
                self.end()
                return
            for stream in self._pumped:
                stream.wait(_INTERVAL)
            if not self._pumped:
                self.process.wait(None if deadline is None else _INTERVAL)
        for stream in self._pumped:
            stream.drain()
        self._close()

    def _close(self) -> None:
        # At the end of the program another thread may do the same, and be stopped.
        self._channel.close()
        for stream in self._pumped:
            stream.close()
        self.process.close()
        if self._offers is not None:
            self._offers.close()
            self._offers = None
        _workers.discard(self)

    def forget(self) -> None:
        """Let go of the process in a forked child: it is its parent's."""
        self.process.forget()
        self._channel.close()
        if self._offers is not None:
            self._offers.close()
        for stream in self._pumped:
            stream.close()


_workers: set[Worker] = set()


@call_at_reset
def end_all() -> None:
    """End all processes; at the end of the program, and for tests."""
    deadline = time.monotonic() + _TIME_TO_LEAVE
    for worker in list(_workers):
        if worker.jobs:
            worker.request_exit()
    # Those whose exit is awaited already, and what is just being started
    wait_for_background(_TIME_TO_LEAVE)
    for worker in list(_workers):
        if worker.jobs:
            worker.await_exit(deadline)
        else:
            worker.kill()


@call_in_child
def _forget_all() -> None:
    for worker in _workers:
        worker.forget()
    _workers.clear()
