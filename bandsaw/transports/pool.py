"""Resident interpreter processes on this machine that all threads share."""

from __future__ import annotations

import threading

from ..exceptions import InterpreterError
from ..runtime.fork import call_in_child
from ..session.frame_form import SessionFrames
from .base import Job, Transport
from .frames import Parcel
from .termination import ProcessExited
from .worker import ProcessSpecification, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session import Session
    from ..session.route import Route

# How often a job that waits for a process checks if it was cancelled, in seconds.
_INTERVAL = 0.1


class PoolTransport(Transport):
    """Keeps interpreter processes, each of which does one job after the other.

    A process that dies is replaced by the next job that needs one. So is one whose
    environment, working directory or code are not those of this process any more.

    Args:
        workers: How many processes there are at most.
        tasks_per_worker: After how many jobs a process ends. Left out, it stays.
        idle_timeout: After how many seconds without a job a process ends.
    """

    def __init__(
        self,
        workers: int,
        tasks_per_worker: int | None = None,
        idle_timeout: float = 60.0,
    ) -> None:
        self._workers = workers
        self._tasks_per_worker = tasks_per_worker
        self._idle_timeout = idle_timeout
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._count = 0
        self._specification: ProcessSpecification | None = None
        call_in_child(self._forget)

    def run(self, job: Job) -> SessionFrames:
        """Have a job done by the first process that is free."""
        form = SessionFrames()
        job.save_to(form)
        specification = self._specification_of(job)
        route = job.session.route
        if route is not None and not any(specification.piped):
            route.specification = specification
        with Parcel(form) as parcel:
            del form
            while True:
                worker = self._take(job.session, specification)
                if worker is None:
                    worker = self._start(job, specification)
                is_new = not worker.jobs
                try:
                    worker.claim(job.session)
                except InterpreterError:
                    self._put_back(worker)
                    raise
                try:
                    answer = worker.run(job, parcel)
                except ProcessExited as left:
                    self._give_up_place()
                    if is_new:
                        raise left.death from None
                    continue  # No process has begun with the job.
                except BaseException:
                    self._give_up_place()
                    raise
                self._put_back(worker)
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
        worker = self._take(session, route.specification)
        if worker is None:
            self._give_up_place()
            return None
        if route.number not in worker.routes:
            self._put_back(worker)
            return None
        try:
            worker.claim(session)
        except InterpreterError:
            self._put_back(worker)
            raise
        try:
            answer = worker.call(session, route, content)
        except ProcessExited:
            self._give_up_place()
            return None
        except BaseException:
            self._give_up_place()
            raise
        self._put_back(worker)
        return answer

    def _specification_of(self, job: Job) -> ProcessSpecification:
        specification = ProcessSpecification(job)
        # Comparing one with itself is faster by far.
        if self._specification != specification:
            self._specification = specification
        return self._specification

    def _take(
        self, session: Session, specification: ProcessSpecification
    ) -> Worker | None:
        """Take a process, or the place of one that is to be started."""
        with self._changed:
            while True:
                if session.notice_interrupt():
                    raise InterpreterError("The call was cancelled.")
                worker = self._take_idle(specification)
                if worker is not None:
                    return worker
                if self._count == self._workers and self._idle:
                    # Those that are left are of no use for this job.
                    self._idle.pop(0).retire()
                    self._count -= 1
                if self._count < self._workers:
                    self._count += 1
                    return None
                self._changed.wait(_INTERVAL)

    def _start(self, job: Job, specification: ProcessSpecification) -> Worker:
        try:
            return Worker(specification, job.parent_directory, self._idle_timeout)
        except BaseException:
            self._give_up_place()
            raise

    def _take_idle(self, specification: ProcessSpecification) -> Worker | None:
        """Take the process that was used last, if there is one."""
        for worker in self._idle[::-1]:
            if worker.specification == specification:
                self._idle.remove(worker)
                if worker.is_alive():
                    return worker
                self._count -= 1
                worker.retire()
        return None

    def _put_back(self, worker: Worker) -> None:
        if worker.jobs == self._tasks_per_worker:
            worker.retire()
            self._give_up_place()
            return
        with self._changed:
            self._idle.append(worker)
            self._changed.notify()

    def _give_up_place(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify()

    def close(self) -> None:
        """Let the processes that are idle end."""
        with self._changed:
            idle, self._idle = self._idle, []
            self._count -= len(idle)
        for worker in idle:
            worker.retire()

    def _forget(self) -> None:
        self._changed = threading.Condition()
        self._idle = []
        self._count = 0
