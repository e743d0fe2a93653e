"""Retry calls that have failed."""

from __future__ import annotations

from time import monotonic, perf_counter

from ..advice import Advice, check_choices
from ..exceptions import (
    ConfigurationError,
    InterpreterError,
    TaskMemoryError,
    TaskTimeoutError,
    keyword_only,
)
from ..result import Result
from ..runtime.fork import closed_gate
from ..session.cancellation import cancelled_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

    from ..session import Session
    from ..session.session import Branch
    from ..tasks import OwnTask, Task

    Wait = Union[float, Callable[[int], float]]
    Errors = Union[type[BaseException], tuple[type[BaseException], ...]]

# What another interpreter has ended a task for, which would happen again.
_LIMITS = (TaskMemoryError, TaskTimeoutError)

# How often a pause checks if Ctrl-C has ended what needs the call, in seconds.
_INTERVAL = 0.1


class RetryAdvice(Advice):
    """Retry the rest of the chain when it has failed.

    Each attempt has a context and attachments of its own. The session gets those of
    the last one. ``session.context["attempts"]`` lists the others: ``number``,
    ``error`` and ``seconds`` of each. Their attachments get a suffix, like
    ``stderr-attempt-1.txt``.

    Args:
        attempts: How many attempts there are at most.
        wait: How long to wait after a failure, in seconds, or a function that returns
            it for the number of the failed attempt, which begins at 1.
        on: The class of the exceptions after which there is another attempt, or a tuple
            of them. By default that is the failure of another interpreter, but not that
            a task took more time or memory than it may.
        timeout: How long all attempts may take together, in seconds. What is executed
            elsewhere is ended then.

    A task chooses with the parameter ``retry={"attempts": 5}``, in which each of these
    may be left out, or with ``retry=False``.

    Raises:
        ConfigurationError: If one of them makes no sense.
    """

    parameters: tuple[str, ...] = ("retry",)

    @keyword_only("wait", "on", "timeout")
    def __init__(
        self,
        attempts: int = 3,
        *,
        wait: Wait = 1.0,
        on: Errors = InterpreterError,
        timeout: float | None = None,
    ) -> None:
        self._settings: dict[str, Any] = {
            "attempts": attempts,
            "wait": wait,
            "on": on,
            "timeout": timeout,
        }
        _check("RetryAdvice", **self._settings)

    def check_task(self, task: Task) -> None:
        """Refuse a task whose parameter `retry` makes no sense."""
        self._settings_of(task)

    def _settings_of(self, task: Task | OwnTask) -> dict[str, Any] | None:
        """Return the settings for a task, `None` if there is to be one attempt."""
        parameters = task.advice_parameters.get("retry", True)
        if parameters is False:
            return None
        if parameters is True:
            return self._settings
        settings = {**self._settings, **check_choices(task, "retry", parameters)}
        _check(f"The parameter retry of task {task}", **settings)
        return settings

    def before(self, session: Session) -> None:
        """Walk on until an attempt does not fail, or was the last one."""
        settings = self._settings_of(session.full_task)
        if settings is None:
            session.proceed()
        else:
            _Attempts(session, **settings).make()

    def after(self, session: Session) -> None:
        """End an attempt."""
        if session.step != session.stop:
            session.proceed()


class _Attempts:
    """The attempts of one call."""

    def __init__(
        self,
        session: Session,
        attempts: int,
        wait: Wait,
        on: Errors,
        timeout: float | None,
    ) -> None:
        self._session = session
        self._most = attempts
        self._wait = wait
        self._on = on if isinstance(on, tuple) else (on,)
        self._timeout = timeout
        self._deadline = None if timeout is None else monotonic() + timeout

    def make(self) -> None:
        """Make the attempts, and conclude with the result of the last one."""
        session = self._session
        failed: list[dict[str, Any]] = []
        while True:
            branch, start = session.branch(), perf_counter()
            result = self._result_of(branch)
            pause = self._pause_after(len(failed) + 1, result.exception)
            if pause is None:
                break
            failed.append(
                {
                    "number": len(failed) + 1,
                    "error": _text_of(result.exception),
                    "seconds": perf_counter() - start,
                }
            )
            branch.keep_attachments(f"attempt-{len(failed)}")
            session.await_next_attempt()
            _sleep(session, pause)
        branch.merge()
        if failed:
            # There may be another advice of this kind.
            session.context.setdefault("attempts", []).extend(failed)
        session.conclude(result)

    def _result_of(self, branch: Branch) -> Result:
        if self._deadline is None:
            return branch.walk_on()
        late: list[bool] = []

        def end() -> None:
            late.append(True)
            branch.cancel()

        from threading import Timer

        timer = Timer(self._deadline - monotonic(), end)
        timer.daemon = True
        timer.start()
        try:
            result = branch.walk_on()
        except BaseException:
            if not late:
                raise
            error = TaskTimeoutError(
                f"All attempts to call {self._session.task} took longer together than "
                f"their timeout of {self._timeout:g} seconds."
            )
            result = Result(exception=error)
        finally:
            timer.cancel()
        return result

    def _pause_after(self, number: int, error: BaseException | None) -> float | None:
        """Return how long to wait for another attempt, `None` if there is none."""
        if error is None or number >= self._most or not self._is_meant(error):
            return None
        pause = self._wait(number) if callable(self._wait) else self._wait
        if not _is_duration(pause):
            raise ConfigurationError(
                f"The function wait of a RetryAdvice has returned {pause!r} for "
                f"attempt {number} of task {self._session.task}, which is no number of "
                "seconds."
            ) from error
        if self._deadline is not None and monotonic() + pause >= self._deadline:
            return None
        return pause

    def _is_meant(self, error: BaseException) -> bool:
        return any(
            isinstance(error, kind)
            and not (kind is InterpreterError and isinstance(error, _LIMITS))
            for kind in self._on
        )


def _text_of(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"


def _sleep(session: Session, seconds: float) -> None:
    """Wait as long as the session is not cancelled."""
    gate = closed_gate()
    deadline = monotonic() + seconds
    session.call_when_cancelled(gate.release)
    try:
        while not session.notice_interrupt():
            left = deadline - monotonic()
            if left <= 0:
                return
            gate.acquire(True, min(left, _INTERVAL))
    finally:
        session.forget_when_cancelled(gate.release)
    raise cancelled_error()


def _check(owner: str, attempts: Any, wait: Any, on: Any, timeout: Any) -> None:
    if type(attempts) is not int or attempts < 1:
        raise ConfigurationError(
            f"{owner} needs a positive number of attempts, and not {attempts!r}."
        )
    if not (callable(wait) or _is_duration(wait)):
        raise ConfigurationError(
            f"{owner} needs seconds, or a function of a number, to wait, and not "
            f"{wait!r}."
        )
    kinds = on if isinstance(on, tuple) else (on,)
    if not all(isinstance(k, type) and issubclass(k, BaseException) for k in kinds):
        raise ConfigurationError(
            f"{owner} needs a class of exceptions, or a tuple of them, and not {on!r}."
        )
    if timeout is not None and not (_is_number(timeout) and timeout > 0):
        raise ConfigurationError(
            f"{owner} needs a positive number of seconds as timeout, and not "
            f"{timeout!r}."
        )


def _is_duration(value: Any) -> bool:
    return _is_number(value) and 0 <= value < float("inf")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
