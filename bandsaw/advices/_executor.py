"""The work of the `ExecutorAdvice`: what it submits, and what becomes of that."""

from __future__ import annotations

import os
from functools import partial

from ..exceptions import InterpreterDiedError, InterpreterError
from ..runner.engine import LACKS_CODE, PROCESS_ID, continue_here
from ._engine_calls import Answer, Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from typing import Callable

    from ..runner.host import Answer as AnyAnswer
    from ._engine_calls import Call


class ExecutorEngine(Engine):
    """The processes of a `concurrent.futures.Executor`.

    Args:
        executor: The executor.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @property
    def slots(self) -> int | None:
        """The number of its processes, if it has the attribute of Python's own."""
        slots = getattr(self._executor, "_max_workers", None)
        return slots if isinstance(slots, int) and slots > 0 else None

    def submit(self, call: Call) -> Future[AnyAnswer]:
        """Let a session be continued by the executor."""
        answer = Answer()
        code = call.code
        code.note_for_forks()
        owner = PROCESS_ID, os.getpid(), code.key, code.settings, code.directory
        # Executors write with whichever protocol of pickle.
        buffers = [bytearray(view) for view in call.views()]
        self._send(answer, partial(continue_here, owner), call, buffers)
        return answer

    def _send(
        self,
        answer: Answer,
        function: Callable[..., AnyAnswer],
        call: Call,
        buffers: list[bytearray],
        archive: bytes | None = None,
    ) -> None:
        try:
            sent = self._executor.submit(function, archive, call.request, buffers)
        except RuntimeError as error:  # Also one that is broken
            raise self._failure(error) from error
        answer.sent = sent
        if answer.cancelled():
            sent.cancel()

        def take(done: Future[AnyAnswer]) -> None:
            if done.cancelled():
                answer.cancel_here()
                return
            error = done.exception()
            if error is not None:
                answer.fail(error)
            elif done.result() == LACKS_CODE and archive is None:
                try:
                    self._send(answer, function, call, buffers, call.code.content())
                except Exception as failure:
                    answer.fail(failure)
            else:
                answer.fulfil(done.result())

        sent.add_done_callback(take)

    def failure_of(self, error: BaseException) -> InterpreterError | None:
        """Return what is told of a pool that is broken."""
        if isinstance(error, InterpreterError):
            return error
        return self._failure(error)

    def _failure(self, error: BaseException) -> InterpreterError:
        name = type(self._executor).__name__
        text = f"{type(error).__name__}: {error}"
        return InterpreterDiedError(f"The {name} has not continued the session: {text}")
