"""How far a task has come, told from wherever it runs to the script that called it."""

from __future__ import annotations

import contextvars

from .extensions import Extension
from .runtime.contexts import contextmanager, suppress
from .runtime.fork import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

    from .session import Session

# The session whose task runs in this context.
_session: contextvars.ContextVar[Session | None] = contextvars.ContextVar(
    "bandsaw_reporting_session", default=None
)


class Progress:
    """How far a task has come.

    Attributes:
        session: The session here in which the task runs, or in whose task it was
            called.
        task: The name of the task.
        done: How much is done.
        total: How much there is to do, `None` if that is unknown.
        message: What the task says of it, or `None`.
    """

    def __init__(
        self,
        session: Session,
        task: str,
        done: float,
        total: float | None = None,
        message: str | None = None,
    ) -> None:
        self.session = session
        self.task = task
        self.done = done
        self.total = total
        self.message = message

    def __repr__(self) -> str:
        return f"<Progress {self.done}/{self.total} of {self.task}>"


def progress(
    done: float, total: float | None = None, message: str | None = None
) -> None:
    """Tell how far the task that calls this has come.

    The extensions of the script that called the task are told, from whichever
    interpreter. Where there are none, or where no task runs, nothing happens.

    Args:
        done: How much is done, in any unit.
        total: How much there is to do, in the same unit.
        message: What to say of it.
    """
    session = _session.get() or _forwarding.session
    if session is None:
        return
    function = session.full_task.function
    name = str(session.task) if function is None else function.__qualname__
    facts = {
        "task": name,
        "done": _number(done),
        "total": None if total is None else _number(total),
        "message": None if message is None else str(message),
    }
    report(session, facts)


def _number(value: float) -> float:
    # Also of what numpy calls a number
    return value if type(value) is int else float(value)


def report(session: Session, facts: dict[str, Any]) -> None:
    """Tell the extensions of a session, or the interpreter that waits for it.

    Args:
        session: The session whose task has told the progress.
        facts: `task`, `done`, `total` and `message`.
    """
    if _forwarding.send is not None:
        _forwarding.send(facts)
        return
    told = Progress(session, **facts)
    for extension in session.configuration.extensions:
        # An extension need not derive from the class.
        on_progress = getattr(extension, "on_progress", None)
        if on_progress is not None:
            on_progress(told)


class _Forwarding:
    """What leads to the interpreter on whose behalf this one continues sessions."""

    session: Session | None = None
    send: Callable[[dict[str, Any]], None] | None = None


_forwarding = _Forwarding()


@contextmanager
def forwarding(
    session: Session, send: Callable[[dict[str, Any]], None]
) -> Iterator[None]:
    """Lead what is told in this process elsewhere for a while.

    Args:
        session: The session that is continued.
        send: Takes the facts.
    """
    forward(session, send)
    try:
        with reporting_for(session):
            yield
    finally:
        forward(None, None)


@contextmanager
def reporting_for(session: Session) -> Iterator[None]:
    """Let what is told in the current context be of a session for a while.

    Args:
        session: The session.
    """
    token = _session.set(session)
    try:
        yield
    finally:
        _session.reset(token)


def forward(
    session: Session | None, send: Callable[[dict[str, Any]], None] | None
) -> None:
    """Lead what is told in this process elsewhere from now on.

    Args:
        session: The session that is continued, `None` when none is any more.
        send: Takes the facts.
    """
    _forwarding.session, _forwarding.send = session, send


class ProgressExtension(Extension):
    """Calls a function with the progress of every task.

    Args:
        callback: Takes a `Progress`. It may be called in several threads.
    """

    def __init__(self, callback: Callable[[Progress], object]) -> None:
        self._callback = callback
        self._tokens: dict[int, contextvars.Token[Session | None]] = {}

    def on_progress(self, progress: Progress) -> None:
        """Call the function."""
        self._callback(progress)

    def on_before_task_executed(self, session: Session) -> None:
        """Know which session the task belongs to."""
        self._tokens[id(session)] = _session.set(session)

    def on_after_task_executed(self, session: Session) -> None:
        """Know it no longer."""
        token = self._tokens.pop(id(session), None)
        if token is not None:
            # An asynchronous task may have ended in another context.
            with suppress(ValueError):
                _session.reset(token)


class ProgressBars(ProgressExtension):
    """Draws a bar for each task that tells its progress, on a terminal.

    They are drawn by ``rich``, or by ``tqdm`` where that is not installed. Without
    either, or where the standard error is no terminal, nothing is drawn.
    """

    def __init__(self) -> None:
        super().__init__(self._draw)
        self._lock = Lock()
        self._bars: Any = None

    def _draw(self, progress: Progress) -> None:
        with self._lock:
            if self._bars is None:
                self._bars = _make_bars()
            key = id(progress.session.root), progress.task
            is_done = progress.total is not None and progress.done >= progress.total
            self._bars.draw(key, progress)
            if is_done:
                self._bars.remove(key)

    def on_session_finished(self, session: Session) -> None:
        """Remove the bars of a session, also of one that has failed."""
        with self._lock:
            if self._bars is not None:
                for key in self._bars.drawn():
                    if key[0] == id(session):
                        self._bars.remove(key)


def _make_bars() -> Any:
    import sys

    if sys.stderr is None or not sys.stderr.isatty():
        return _NoBars()
    for bars in _RichBars, _TqdmBars:
        try:
            return bars()
        except ImportError:
            continue
    return _NoBars()


class _NoBars:
    def drawn(self) -> Any:
        return ()

    def draw(self, key: Any, progress: Progress) -> None:
        """Draw nothing."""

    def remove(self, key: Any) -> None:
        """Have nothing to remove."""


class _RichBars:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bars

        self._make: Any = lambda: Bars(console=Console(stderr=True))
        self._bars: Any = None
        self._tasks: dict[Any, Any] = {}

    def drawn(self) -> Any:
        return list(self._tasks)

    def draw(self, key: Any, progress: Progress) -> None:
        if self._bars is None:
            self._bars = self._make()
            self._bars.start()
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(progress.task)
        self._bars.update(
            self._tasks[key],
            completed=progress.done,
            total=progress.total,
            description=" ".join(filter(None, (progress.task, progress.message))),
        )

    def remove(self, key: Any) -> None:
        self._tasks.pop(key, None)
        if not self._tasks and self._bars is not None:
            self._bars.stop()
            self._bars = None


class _TqdmBars:
    def __init__(self) -> None:
        from tqdm import tqdm

        self._tqdm: Any = tqdm
        self._bars: dict[Any, Any] = {}

    def drawn(self) -> Any:
        return list(self._bars)

    def draw(self, key: Any, progress: Progress) -> None:
        bar = self._bars.get(key)
        if bar is None:
            bar = self._bars[key] = self._tqdm(desc=progress.task)
        bar.total = progress.total
        bar.n = progress.done
        bar.set_postfix_str(progress.message or "", refresh=False)
        bar.refresh()

    def remove(self, key: Any) -> None:
        bar = self._bars.pop(key, None)
        if bar is not None:
            bar.close()
