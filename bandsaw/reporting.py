"""Progress of tasks, reported to the calling script from every interpreter."""

from __future__ import annotations

import contextvars
import os
import sys
from time import perf_counter

from .exceptions import keyword_only
from .extensions import Extension
from .runtime.contexts import contextmanager, suppress
from .runtime.fork import Lock
from .runtime.notebooks import is_notebook, shows_lines_that_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

    from .session import Session

# The interval of the log records about the progress of a map, in seconds.
_LOG_INTERVAL = 10.0

# The session whose task runs in this context.
_session: contextvars.ContextVar[Session | None] = contextvars.ContextVar(
    "bandsaw_reporting_session", default=None
)


class Progress:
    """The progress of a task.

    Attributes:
        session: The session here in which the task runs, or in whose task it was
            called.
        task: The name of the task.
        done: How much is done.
        total: How much there is to do, `None` if that is unknown.
        message: The task's description of it, or `None`.
    """

    @keyword_only("done", "total", "message")
    def __init__(
        self,
        session: Session,
        task: str,
        *,
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
    facts = {
        "task": _name_of(session),
        "done": _number(done),
        "total": None if total is None else _number(total),
        "message": None if message is None else str(message),
    }
    report(session, facts)


def _name_of(session: Session) -> str:
    function = session.full_task.function
    return str(session.task) if function is None else function.__qualname__


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


def listens_to_progress(extension: object) -> bool:
    """Tell if an extension does something with the progress that it is told.

    Args:
        extension: The extension.
    """
    method = getattr(extension, "on_progress", None)
    return getattr(method, "__func__", method) not in (None, Extension.on_progress)


class _Forwarding:
    """The way to the interpreter on whose behalf this one continues sessions."""

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
    """Call a function with the progress of every task.

    Args:
        callback: Takes a `Progress`. It may be called in several threads.
    """

    parameters: tuple[str, ...] = ()

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


class MappedCalls:
    """The calls of one map, as an extension finds them in their sessions.

    Args:
        total: How many there will be, `None` if that is unknown.

    Attributes:
        total: How many there will be, `None` if that is unknown.
        submitted: How many were submitted.
        has_ended: Whether no more will be submitted.
        is_closed: Whether those that have not begun will not be made.
        sharing: What knows their large arguments, see `bandsaw.transports.sharing`.
    """

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self.submitted = 0
        self.has_ended = self.is_closed = False
        self.sharing: Any = None
        self._callbacks: list[Callable[[MappedCalls], object]] = []

    def call_at_end(self, function: Callable[[MappedCalls], object]) -> None:
        """Have something called when no more calls will be submitted.

        Args:
            function: Is called with this, in any thread.
        """
        self._callbacks.append(function)
        if self.has_ended:
            function(self)

    def end(self, is_closed: bool = False) -> None:
        """Note that no more calls will be submitted.

        Args:
            is_closed: Whether those that have not begun will not be made.
        """
        if self.has_ended and self.is_closed >= is_closed:
            return
        self.has_ended, self.is_closed = True, is_closed
        if not is_closed:
            self.total = self.submitted
        for function in list(self._callbacks):
            function(self)


class _MapState:
    """The progress of a map.

    Args:
        calls: Its calls.
        name: The name of the task.

    Attributes:
        done: How many have ended; the next two are among them.
        cached: How many results come from the cache.
        failed: How many have failed.
        cancelled: How many were cancelled after they had begun.
        running: How many have begun and not ended.
    """

    def __init__(self, calls: MappedCalls, name: str) -> None:
        self.calls = calls
        self.name = name
        self.done = self.cached = self.failed = 0
        self.cancelled = self.running = 0
        self._start = perf_counter()

    @property
    def is_over(self) -> bool:
        """Whether all calls have ended that will be made."""
        calls = self.calls
        if calls.is_closed:
            return not self.running
        return calls.has_ended and self.done + self.cancelled >= calls.submitted

    @property
    def rate(self) -> float:
        """The number of calls that end in a second."""
        return self.done / max(perf_counter() - self._start, 1e-6)

    def count(self, session: Session) -> None:
        """Count a call that has ended.

        Args:
            session: Its session.
        """
        self.running -= 1
        has_failed = getattr(session.result, "exception", True) is not None
        if has_failed and _was_cancelled(session):
            self.cancelled += 1
            return
        self.done += 1
        self.cached += session.is_from_cache
        self.failed += has_failed

    def facts(self) -> list[str]:
        """Return what is worth to be said beside how many are done."""
        return [
            f"{count} {what}"
            for count, what in (
                (self.cached, "from the cache"),
                (self.failed, "failed"),
                (self.running, "running"),
            )
            if count
        ]

    def time_left(self) -> list[str]:
        """Return how long the other calls will take, if that can be told."""
        total = self.calls.total
        if self.calls.is_closed or total is None or not 0 < self.done < total:
            return []
        return [f"{(total - self.done) / self.rate:.0f} s left"]

    def __str__(self) -> str:
        total = self.calls.total
        words = f"{self.name}: {self.done} of {total if total is not None else '?'}"
        facts = [*self.facts(), f"{self.rate:.3g} per second", *self.time_left()]
        return f"{words} calls done ({', '.join(facts)})"


def _was_cancelled(session: Session) -> bool:
    """Tell if a call of a map was cancelled, which is no failure of it."""
    call = getattr(session.root, "call", None)
    return session.is_cancelled or (call is not None and call.is_cancelled)


class ProgressBars(ProgressExtension):
    """Draw a bar for each map, and below it for each task that tells its progress.

    They are drawn by ``rich``, or by ``tqdm`` where that is not installed, on a
    terminal, and the other way round in a notebook, where both need ``ipywidgets``.
    The bar of a task goes when its call has ended. Elsewhere, or without either, a log
    record says now and then how far a map has come.
    """

    parameters: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__(self._draw)
        self._lock = Lock()
        self._bars: Any = None
        self._maps: dict[MappedCalls, _MapState] = {}

    def _get_bars(self) -> Any:
        if self._bars is None:
            self._bars = _make_bars()
        return self._bars

    def _draw(self, progress: Progress) -> None:
        with self._lock:
            key = id(progress.session.root), progress.task
            is_done = progress.total is not None and progress.done >= progress.total
            self._get_bars().draw(key, progress)
            if is_done:
                self._bars.remove(key)

    def on_session_created(self, session: Session) -> None:
        """Draw the bar of a map, if the session is one of its calls."""
        calls = session.root.mapped_calls
        if calls is None:
            return
        with self._lock:
            state = self._maps.get(calls)
            is_new = state is None
            if state is None:
                name = _name_of(session)
                state = self._maps[calls] = _MapState(calls, name)
            state.running += 1
            self._get_bars().draw_map(state)
        if is_new:
            calls.call_at_end(self._look)

    def _look(self, calls: MappedCalls) -> None:
        """Draw the bar of a map for the last time if it is over."""
        with self._lock:
            state = self._maps.get(calls)
            if state is None:
                return
            if state.is_over:
                del self._maps[calls]
                self._bars.end_map(state)
            else:
                self._bars.draw_map(state)

    def on_session_finished(self, session: Session) -> None:
        """Remove the bars of a session, also of one that has failed."""
        calls = session.root.mapped_calls
        with self._lock:
            if self._bars is not None:
                for key in self._bars.drawn():
                    if key[0] == id(session):
                        self._bars.remove(key)
            state = self._maps.get(calls) if calls is not None else None
            if state is not None:
                state.count(session)
        if calls is not None:
            self._look(calls)


def _make_bars() -> Any:
    if shows_lines_that_change():
        kinds: list[Callable[[], Any]] = [_RichBars, _TqdmBars]
        if is_notebook():
            # Of these, the notebook file keeps what was drawn last.
            kinds.insert(0, _NotebookBars)
        for bars in kinds:
            try:
                return bars()
            except ImportError:
                continue
    return _LogRecords()


def _is_terminal_of_bars(stream: Any) -> bool:
    """Tell if a stream leads to the terminal on which the bars are drawn."""
    try:
        ours, theirs = (os.fstat(one.fileno()) for one in (sys.stderr, stream))
        return stream.isatty() and os.path.samestat(ours, theirs)
    except (AttributeError, OSError, ValueError):
        return False  # There is none, or it is kept in memory.


class _LogRecords:
    """Log the progress of maps."""

    def __init__(self) -> None:
        self._due: dict[_MapState, float] = {}

    def drawn(self) -> Any:
        return ()

    def draw(self, key: Any, progress: Progress) -> None:
        """Draw nothing."""

    def remove(self, key: Any) -> None:
        """Have nothing to remove."""

    def draw_map(self, state: _MapState) -> None:
        now = perf_counter()
        if now >= self._due.setdefault(state, now + _LOG_INTERVAL):
            self._due[state] = now + _LOG_INTERVAL
            self._log(state)

    def end_map(self, state: _MapState) -> None:
        self._due.pop(state, None)
        self._log(state)

    @staticmethod
    def _log(state: _MapState) -> None:
        import logging

        logging.getLogger(__name__).info("%s", state)


class _RichBars:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress as Bars, TextColumn

        if is_notebook():
            import ipywidgets  # noqa: F401  (rich draws nothing without it.)

        class LongLines(Console):
            """Leave it to the terminal to wrap what a script prints."""

            def print(self, *objects: Any, **options: Any) -> None:
                super().print(*objects, **{"soft_wrap": True, **options})

        self._make: Any = lambda: Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[facts]}", markup=False),
            console=LongLines(stderr=True),
            redirect_stdout=is_notebook() or _is_terminal_of_bars(sys.stdout),
        )
        self._bars: Any = None
        self._tasks: dict[Any, Any] = {}

    def drawn(self) -> Any:
        return [key for key in self._tasks if isinstance(key, tuple)]

    def _show(self, key: Any, name: str, facts: str, done: float, total: Any) -> None:
        if self._bars is None:
            self._bars = self._make()
            self._bars.start()
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(name, total=total, facts=facts)
        self._bars.update(
            self._tasks[key],
            completed=done,
            total=total,
            description=name,
            facts=facts,
        )

    def draw(self, key: Any, progress: Progress) -> None:
        name = " ".join(filter(None, (progress.task, progress.message)))
        done, total = progress.done, progress.total
        facts = f"{100 * done / total:3.0f}%" if total else f"{done:g}"
        self._show(key, name, facts, done, total)

    def remove(self, key: Any) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            self._bars.remove_task(task)
        self._stop_if_idle()

    def draw_map(self, state: _MapState) -> None:
        total = state.calls.total
        facts = [f"{state.done}/{'?' if total is None else total}", *state.facts()]
        if state.done:
            facts += [f"{state.rate:.3g}/s", *state.time_left()]
        self._show(state, state.name, ", ".join(facts), state.done, total)

    def end_map(self, state: _MapState) -> None:
        self.draw_map(state)
        # Its bar stays as it is.
        self._tasks.pop(state, None)
        self._stop_if_idle()

    def _stop_if_idle(self) -> None:
        if not self._tasks and self._bars is not None:
            self._bars.stop()
            self._bars = None


class _TqdmBars:
    def __init__(self) -> None:
        from tqdm import tqdm

        self._tqdm: Any = tqdm
        self._bars: dict[Any, Any] = {}

    def drawn(self) -> Any:
        return [key for key in self._bars if isinstance(key, tuple)]

    def _give_total(self, bar: Any, total: Any) -> None:
        bar.total = total

    def draw(self, key: Any, progress: Progress) -> None:
        bar = self._bars.get(key)
        if bar is None:
            bar = self._bars[key] = self._tqdm(
                desc=progress.task, total=progress.total, leave=False
            )
        self._give_total(bar, progress.total)
        bar.n = progress.done
        bar.set_postfix_str(progress.message or "", refresh=False)
        bar.refresh()

    def remove(self, key: Any) -> None:
        bar = self._bars.pop(key, None)
        if bar is not None:
            bar.close()

    def draw_map(self, state: _MapState) -> None:
        bar = self._bars.get(state)
        if bar is None:
            bar = self._bars[state] = self._tqdm(
                desc=state.name, total=state.calls.total, unit="call"
            )
        self._give_total(bar, state.calls.total)
        bar.set_postfix_str(", ".join(state.facts()), refresh=False)
        bar.update(state.done - bar.n)

    def end_map(self, state: _MapState) -> None:
        self.draw_map(state)
        bar = self._bars.pop(state)
        bar.refresh()
        bar.close()


class _NotebookBars(_TqdmBars):
    def __init__(self) -> None:
        import ipywidgets  # noqa: F401  (tqdm finds out later.)
        from tqdm.notebook import tqdm

        super().__init__()
        self._tqdm = tqdm

    def remove(self, key: Any) -> None:
        bar = self._bars.get(key)
        if bar is not None:
            bar.total = None  # One that has not come to its end would stay, in red.
        super().remove(key)

    def _give_total(self, bar: Any, total: Any) -> None:
        if bar.total != total:
            _, drawn, _ = bar.container.children
            drawn.max = total or 1
        super()._give_total(bar, total)
