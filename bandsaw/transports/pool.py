"""Resident interpreter processes on this machine that all threads share."""

from __future__ import annotations

from collections import deque

from ..exceptions import InterpreterError, keyword_only
from ..runtime.fork import Lock, call_in_child, closed_gate
from ..session.frame_format import SessionFrames
from .base import Job, Transport
from .local import ProcessSpecification
from .termination import ProcessExited
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..session import Session
    from ..session.route import Route

# How often a job that waits for a process checks if it was cancelled, in seconds.
_INTERVAL = 0.1


# What certainly fits into the socket of a process that waits.
_LARGEST_SENT_BY_OTHERS = 1 << 14


class PoolTransport(Transport):
    """Keep interpreter processes, each of which does one job after the other.

    A process that dies is replaced by the next job that needs one. So is one whose
    environment, working directory or code are not those of this process any more.

    Args:
        workers: How many processes there are at most; or a list of the environment
            variables that each of them has in addition.
        tasks_per_worker: After how many jobs a process ends. Left out, it stays.
        idle_timeout: After how many seconds without a job a process ends.
    """

    @keyword_only("tasks_per_worker", "idle_timeout")
    def __init__(
        self,
        workers: int | list[dict[str, str]],
        *,
        tasks_per_worker: int | None = None,
        idle_timeout: float = 60.0,
    ) -> None:
        self._variables = [{}] * workers if isinstance(workers, int) else workers
        self._workers = len(self._variables)
        # Of the processes that are not there
        self._free_variables = list(self._variables)
        self._tasks_per_worker = tasks_per_worker
        self._idle_timeout = idle_timeout
        self._lock = Lock()
        self._idle: list[Worker] = []
        self._waiting: deque[Turn] = deque()
        self._count = 0
        self._specification: ProcessSpecification | None = None
        call_in_child(self._forget)

    def run(self, job: Job) -> SessionFrames:
        """Have a job done by the first process that is free."""
        form = SessionFrames()
        job.save_to(form)
        specification = self._specification_of(job)
        route = job.session.route
        if route is not None and specification.takes_routes:
            route.specification = specification
        with specification.session_message(form) as session_message:
            del form
            while True:
                worker = self._take(Turn(job.session, specification))
                if worker is None:
                    worker = self._start(job, specification)
                is_new = not worker.jobs
                try:
                    worker.claim(job.session)
                except InterpreterError:
                    self.put_back(worker)
                    raise
                try:
                    answer = worker.run(job, session_message)
                except ProcessExited as left:
                    self.give_up_place(worker)
                    if is_new and not left.is_lacking:
                        raise left.death from None
                    continue  # No process has begun with the job.
                except BaseException:
                    self.give_up_place(worker)
                    raise
                self.put_back(worker)
                return answer

    def call(
        self, session: Session, route: Route, content: bytes
    ) -> SessionFrames | memoryview | None:
        """Have a call done by a process that was told its route.

        Args:
            session: The session of the call.
            route: The route.
            content: What `Route.pack` gave.

        Returns:
            A value as it was written, or an answer; `None` if the session has to be
            moved as a whole.

        Raises:
            InterpreterError: If there is no answer.
        """
        turn = Turn(session, route.specification, route, content)
        worker = self.take_told(turn)
        if worker is None:
            return None
        if not turn.has_begun:
            try:
                worker.claim(session)
            except InterpreterError:
                self.put_back(worker)
                raise
        try:
            if turn.has_begun:
                answer = worker.finish(session, route)
            else:
                answer = worker.call(session, route, content)
        except ProcessExited:
            self.give_up_place(worker)
            return None
        except BaseException:
            self.give_up_place(worker)
            raise
        self.put_back(worker)
        return answer

    def take_told(self, turn: Turn) -> Worker | None:
        """Take a process that was told a route.

        Args:
            turn: The turn of a session that takes the route.

        Returns:
            The process; `None` if the session has to be moved as a whole.
        """
        worker = self._take(turn)
        if worker is None:
            self.give_up_place()
        elif not turn.has_begun and not turn.fits(worker):
            self.put_back(worker)
            return None
        return worker

    @property
    def is_wanted(self) -> bool:
        """Whether a session waits for a process."""
        return bool(self._waiting)

    @property
    def calls_are_counted(self) -> bool:
        """Whether a process ends after a number of calls."""
        return self._tasks_per_worker is not None

    def calls_left(self, worker: Worker) -> int | None:
        """Return how many more calls a process may get, `None` for any number.

        Args:
            worker: The process.
        """
        most = self._tasks_per_worker
        return None if most is None else most - worker.jobs

    def _specification_of(self, job: Job) -> ProcessSpecification:
        specification = ProcessSpecification(job)
        # Comparing one with itself is faster by far.
        if self._specification != specification:
            self._specification = specification
        return self._specification

    def _take(self, turn: Turn) -> Worker | None:
        """Take a process, or the place of one that is to be started."""
        with self._lock:
            worker = self._take_idle(turn.specification)
            if worker is not None:
                return worker
            if self._idle and self._count == self._workers:
                # Those that are left are of no use for this job.
                self._retire(self._idle.pop(0))
                return None
            if self._count < self._workers:
                self._count += 1
                return None
            self._waiting.append(turn.queue())
        try:
            turn.wait()
        except BaseException:
            self._give_up_turn(turn)
            raise
        worker = turn.worker
        if worker is not None and worker.specification != turn.specification:
            self._retire(worker)
            return None
        return worker

    def _retire(self, worker: Worker) -> None:
        """Let a process go whose place another one takes."""
        self._free_variables.append(worker.variables)
        worker.retire()

    def _give_up_turn(self, turn: Turn) -> None:
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return
        worker = turn.worker_after_all()
        if worker is None:
            self.give_up_place()
        elif turn.has_begun:
            worker.end()
            self.give_up_place(worker)
        else:
            self.put_back(worker)

    def _start(self, job: Job, specification: ProcessSpecification) -> Worker:
        variables = self._free_variables.pop(0)
        try:
            return Worker(
                specification, job.parent_directory, self._idle_timeout, variables
            )
        except BaseException:
            self._free_variables.append(variables)
            self.give_up_place()
            raise

    def _take_idle(self, specification: ProcessSpecification) -> Worker | None:
        """Take the process that was used last, if there is one."""
        idle = self._idle
        for place in range(len(idle) - 1, -1, -1):
            worker = idle[place]
            known = worker.specification
            if known is specification or known == specification:
                del idle[place]
                if worker.is_alive():
                    return worker
                self._count -= 1
                self._retire(worker)
        return None

    def put_back(self, worker: Worker) -> None:
        """Let the next session have a process.

        Args:
            worker: The process, which has nothing to do.
        """
        if worker.jobs == self._tasks_per_worker:
            worker.retire()
            self.give_up_place(worker)
            return
        with self._lock:
            if not self._waiting:
                self._idle.append(worker)
                return
            turn = self._waiting.popleft()
        turn.come(worker)

    def give_up_place(self, worker: Worker | None = None) -> None:
        """Let the next session have a place.

        Args:
            worker: The process that had it, `None` if none was started.
        """
        if worker is not None:
            self._free_variables.append(worker.variables)
        with self._lock:
            if not self._waiting:
                self._count -= 1
                return
            turn = self._waiting.popleft()
        turn.come(None)

    def close(self) -> None:
        """Let the processes that are idle end."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._count -= len(idle)
        for worker in idle:
            self._retire(worker)

    def _forget(self) -> None:
        self._idle = []
        self._waiting.clear()
        self._count = 0
        self._free_variables = list(self._variables)


class Turn:
    """The turn of a session to have a process.

    Args:
        session: The session, or a pipeline.
        specification: What the process has to be.
        route: The route that it takes, if it takes one.
        content: What is sent then.

    Attributes:
        worker: The process, `None` if it has the place of one that is to be started.
        has_begun: Whether the process has begun already.
    """

    def __init__(
        self,
        session: Any,
        specification: ProcessSpecification,
        route: Route | None = None,
        content: bytes = b"",
    ) -> None:
        self.specification = specification
        self.worker: Worker | None = None
        self.has_begun = False
        self._session = session
        self._route = route
        self._content = content
        self._has_come = False
        self._coming: Any = None

    def wait(self) -> None:
        """Wait until it has come.

        Raises:
            InterpreterError: If the session is cancelled.
        """
        while not self._coming.acquire(True, _INTERVAL):
            if self._session.notice_interrupt():
                raise InterpreterError("The call was cancelled.")

    def queue(self) -> Turn:
        """Be about to wait."""
        self._coming = closed_gate()
        return self

    def come(self, worker: Worker | None) -> None:
        """Let the session have its turn.

        The process need not stand idle until the thread of the session has woken up.

        Args:
            worker: The process, `None` for the place of one.
        """
        self.worker = worker
        try:
            if (
                worker is not None
                and self.fits(worker)
                and worker.specification is self.specification
                and len(self._content) <= _LARGEST_SENT_BY_OTHERS
            ):
                self.has_begun = self.begin(worker, self._content)
        finally:
            self._has_come = True
            self._coming.release()

    def fits(self, worker: Worker) -> bool:
        """Tell if a process was told the route of the session.

        Args:
            worker: The process.
        """
        return self._route is not None and self._route.number in worker.routes

    def begin(self, worker: Worker, content: bytes) -> bool:
        """Claim a process for the session and send its call, in any thread.

        Args:
            worker: The process.
            content: What is sent.

        Returns:
            Whether it was sent.
        """
        return worker.begin(self._session, content)

    def worker_after_all(self) -> Worker | None:
        """Return the process when another thread lets the turn come."""
        if not self._has_come:
            self._coming.acquire()
        return self.worker
