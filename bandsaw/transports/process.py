"""A fresh interpreter process on this machine for each job, the next one started ahead.

While a job is done, or just afterwards when that was quick, the process for the next
one is started. It imports what that will need, and waits.
"""

from __future__ import annotations

from functools import partial

from ..exceptions import InterpreterError, InterpreterStartError, keyword_only
from ..runtime.fork import Lock, call_in_child
from ..session.frame_format import SessionFrames
from .background import pause_background, run_in_background
from .base import Job, Transport
from .local import ProcessSpecification
from .termination import ProcessExited
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .frames import SessionMessage
    from .local import LocalProcess


# How long after an answer the process of the next job is started, in seconds.
_PAUSE = 0.01


class ProcessTransport(Transport):
    """Start an interpreter process for each job, which ends when its job is done.

    The process finds the environment, the working directory and the standard streams of
    this one, but for an empty standard input. It never outlives this process.

    Args:
        starts_ahead: Whether to start the process of the next job while one is done.
        idle_timeout: How long a process that was started ahead waits, in seconds.
    """

    @keyword_only("starts_ahead", "idle_timeout")
    def __init__(
        self, *, starts_ahead: bool = True, idle_timeout: float = 60.0
    ) -> None:
        self._starts_ahead = starts_ahead
        self._idle_timeout = idle_timeout
        self._lock = Lock()
        self._spare: Worker | None = None
        self._is_starting = False
        call_in_child(self._forget)

    def run(self, job: Job) -> SessionFrames:
        """Have a job done by a process that has done none before."""
        specification = ProcessSpecification(job)
        spare = self._take_spare(specification)
        # One that is new starts while the session is saved.
        worker = self._start(job, specification) if spare is None else spare
        try:
            form = SessionFrames()
            job.save_to(form)
            session_message = specification.session_message(form)
        except BaseException:
            self._keep(worker)
            raise
        with session_message:
            del form
            if spare is not None:
                try:
                    return self._run(spare, job, session_message, specification)
                except ProcessExited:  # No process has begun with the job.
                    worker = self._start(job, specification)
            try:
                return self._run(worker, job, session_message, specification)
            except ProcessExited as left:
                raise left.death from None

    def keep(
        self, process: LocalProcess, specification: ProcessSpecification, job: Job
    ) -> None:
        """Keep a process for the next job, as if this had started it ahead.

        Args:
            process: The process, which has its code.
            specification: What it was started with.
            job: A job like the next one.
        """
        worker = self._start(job, specification, process)
        worker.prepare(job)
        self._keep(worker)

    def _run(
        self,
        worker: Worker,
        job: Job,
        session_message: SessionMessage,
        specification: ProcessSpecification,
    ) -> SessionFrames:
        try:
            worker.claim(job.session)
        except InterpreterError:
            worker.kill()
            raise
        if not self._starts_ahead:
            answer = worker.run(job, session_message)
            worker.retire()
            return answer
        # Starting a process holds up all threads. So a quick answer comes first.
        ahead = _Once(lambda: self._start_ahead(job, specification))
        answer = worker.run(job, session_message, meanwhile=ahead)
        worker.retire()
        # A program that ends now needs none, and a call that follows at once has no
        # use for one that has just been started.
        run_in_background(partial(_call_later, ahead))
        return answer

    def _start(
        self,
        job: Job,
        specification: ProcessSpecification,
        process: LocalProcess | None = None,
    ) -> Worker:
        return Worker(
            specification, job.parent_directory, self._idle_timeout, process=process
        )

    def _take_spare(self, specification: ProcessSpecification) -> Worker | None:
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is None:
            return None
        if spare.specification == specification and spare.is_alive():
            return spare
        # It has not worked, so nothing waits for a proper end.
        spare.kill()
        return None

    def _start_ahead(self, job: Job, specification: ProcessSpecification) -> None:
        with self._lock:
            spare = self._spare
            if self._is_starting or (spare is not None and spare.is_alive()):
                return
            self._is_starting = True
        try:
            spare = self._start(job, specification)
            spare.prepare(job)
            self._keep(spare)
        except (InterpreterStartError, OSError):
            pass  # The next call tries it again, and says why.
        finally:
            self._is_starting = False

    def _keep(self, worker: Worker) -> None:
        """Keep a process that has not worked for the next job, if that is wanted."""
        superfluous: Worker | None = worker
        if self._starts_ahead:
            with self._lock:
                superfluous, self._spare = self._spare, worker
        if superfluous is not None:
            superfluous.kill()

    def close(self) -> None:
        """End the process that was started ahead."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.kill()

    def _forget(self) -> None:
        self._spare = None
        self._is_starting = False


def _call_later(function: Callable[[], None]) -> None:
    if pause_background(_PAUSE):
        function()


class _Once:
    """Call a function the first time that this object is called, and never again."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def __call__(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function()
