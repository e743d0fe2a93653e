"""A process of an engine, such as Dask or Ray, that continues sessions in its threads.

The engine hands over a request and buffers beside it, and takes an answer of the same
shape back. A process may continue several sessions at a time, also of several runs.
"""

from __future__ import annotations

import contextvars
import os
import pickle
import sys
from functools import partial

from ..config import accept_configuration_of_archive
from ..exceptions import InvalidSessionError
from ..modules import continue_script
from ..reporting import forward, reporting_for
from ..run import current_run, join_run
from ..runtime.contexts import contextmanager, nullcontext
from ..runtime.fork import call_in_child
from ..runtime.home import Hold
from ..runtime.log_forwarding import relay_records
from ..runtime.own_files import name_originals
from ..runtime.parent_watch import end_with_parent
from ..runtime.registries import note_code
from ..serialization.buffers import blocks_of, contiguous
from ..session import exchange
from ..session.cancellation import CallElsewhere, submitted_call
from ..session.exchange import RESTORING, answer_for, execute_call, write_report
from ..session.frame_format import SessionFrames
from ..session.route import ROUTES_KEPT, RememberedSession
from ..session.saved_format import EXECUTION
from ..stores.locks import holding
from . import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, Iterator, Sequence

    from ..distribution import DistributionArchive
    from ..run import Run
    from ..session import Session
    from .host import Answer

#: Tells this process, and those that it has forked, from all others.
PROCESS_ID = os.urandom(16).hex()

#: What a process answers that has no code for a session.
LACKS_CODE = b"lacks code"

#: How a task gets large buffers: as memory that it shares with other tasks and cannot
#: write into, as a copy of such memory, or as memory of its own.
SHARED, COPIED, OWN = range(3)

# What the session of the current context tells meanwhile: the kind and the facts.
_told: contextvars.ContextVar[list[tuple[str, Any]] | None] = contextvars.ContextVar(
    "bandsaw_told", default=None
)

# A process keeps its holds until it ends.
_holds: list[Hold] = []


def begin(directory: str, settings: dict[str, Any]) -> None:
    """Make this process one that continues sessions with the code of an archive.

    Args:
        directory: Where the archive is unpacked.
        settings: What the process that started them wants this one to know.
    """
    if accept_configuration_of_archive(directory):
        _holds.append(Hold(directory))
        note_code()
        name_originals(directory, settings.get("originals") or {})
    sys.argv = [*(settings.get("arguments") or sys.argv)]
    continue_script(settings.get("script"))


class Conditions:
    """The parameters with which a process of an engine continues a session.

    Args:
        levels: Which log records are wanted, by logger.
        held: The locks of caches that the caller holds.
        arrays: How the task gets large buffers: `SHARED`, `COPIED` or `OWN`.
        out_of_band: Whether the engine takes large buffers of an answer beside it.
        process: What tells the process of the caller from others.
        depth: In how many submitted calls it was made.
    """

    def __init__(
        self,
        levels: dict[str, int] | None,
        held: Sequence[tuple[str, str]],
        arrays: int,
        out_of_band: bool,
        process: int,
        depth: int,
    ) -> None:
        self.levels = levels
        self.held = held
        self.arrays = arrays
        self.out_of_band = out_of_band
        self.process = process
        self.depth = depth

    def __reduce__(self) -> tuple[Any, ...]:
        return Conditions, tuple(vars(self).values())


def continue_session(
    request: bytes, buffers: Sequence[Any], modules: Sequence[str] | None = None
) -> Answer:
    """Continue a session, and return the answer.

    Args:
        request: What `bandsaw.advices` has made of the session.
        buffers: The large buffers beside it.
        modules: The outermost modules that the caller could import, `None` if it has
            all that this process has.
    """
    # The thread is the engine's, and so are its context variables.
    context = contextvars.copy_context()
    return context.run(_continue_session, request, buffers, modules)


def _continue_session(
    request: bytes, buffers: Sequence[Any], modules: Sequence[str] | None
) -> Answer:
    answer_for(modules)
    common, arguments, is_short = pickle.loads(request)
    known = _known.get(common)
    if known is not None and is_short:
        answer = known.answer(arguments, buffers)
        if answer is not None:
            return answer
    head, content, conditions = pickle.loads(common)
    if is_short:
        head["members"][EXECUTION] = len(arguments)
        if buffers:
            head["buffers"][EXECUTION] = len(buffers)
    told: list[tuple[str, Any]] = []
    answers: list[Answer] = []
    target = SessionFrames()
    views = [_view(buffer, conditions.arrays) for buffer in buffers]

    def pack() -> None:
        answers.append(_packed(target, told, conditions.out_of_band))

    try:
        source = SessionFrames.unpack(head, content + arguments, views)
    except InvalidSessionError as error:
        write_report(target, RESTORING, error)
        pack()
    else:
        surround = partial(_surrounded, conditions=conditions, told=told)
        if is_short:
            surround = partial(_remembered, common, source, conditions, surround)
        exchange.continue_session(source, target, surround, pack)
    return answers.pop()


class _KnownCalls:
    """The calls whose sessions differ in their arguments only.

    Args:
        remembered: What is remembered of their sessions.
        run: Their run.
        conditions: Their conditions.
    """

    def __init__(
        self, remembered: RememberedSession, run: Run, conditions: Conditions
    ) -> None:
        self._remembered = remembered
        self._run = run
        self._conditions = conditions

    def answer(self, arguments: bytes, buffers: Sequence[Any]) -> Answer | None:
        """Execute the task of a call.

        Args:
            arguments: The arguments of the call.
            buffers: The large buffers beside them.

        Returns:
            The answer; `None` if the call needs a session.
        """
        calls, conditions = self._remembered.calls, self._conditions
        if calls is None:
            return None
        views = [_view(buffer, conditions.arrays) for buffer in buffers]
        execution = calls.read(arguments, views)
        if execution is None:
            return None
        told: list[tuple[str, Any]] = []
        target = SessionFrames()
        answers: list[Answer] = []

        def pack() -> None:
            answers.append(_packed(target, told, conditions.out_of_band))

        join_run(self._run)
        _surround(self._run, conditions, told)
        with reporting_for(calls.session):
            value = execute_call(calls, execution, target, pack)
        if value is None:
            return answers.pop()
        return pickle.dumps((None, value, told), 4)


# What is known of calls, by what their sessions have in common
_known: dict[bytes, _KnownCalls] = {}


@contextmanager
def _remembered(
    common: bytes,
    source: SessionFrames,
    conditions: Conditions,
    surround: Callable[[Session], ContextManager[object]],
    session: Session,
) -> Iterator[None]:
    """Remember what a session has in common with others while it is restored."""
    remembered = RememberedSession(source)
    remembered.remember(session)
    if remembered.calls is not None:
        if len(_known) >= ROUTES_KEPT:
            _known.clear()
        _known[common] = _KnownCalls(remembered, session.run, conditions)
    with surround(session):
        yield


def _view(buffer: Any, arrays: int) -> memoryview:
    view = memoryview(buffer).cast("B")
    if arrays == COPIED:
        return memoryview(bytearray(view))
    return view.toreadonly() if arrays == SHARED else view


def _packed(
    form: SessionFrames, told: list[tuple[str, Any]], out_of_band: bool
) -> Answer:
    head, pieces, apart = form.pack()
    buffers: list[Any] = []
    for buffer in apart:
        if isinstance(buffer, memoryview) and out_of_band:
            buffers.append(pickle.PickleBuffer(contiguous(buffer)))
        else:
            buffers.append(b"".join(blocks_of(buffer)))
    content = pickle.dumps((head, b"".join(pieces), told), 4)
    # Engines look into what is more than bytes.
    return (None, content, buffers) if buffers else content


@contextmanager
def _surrounded(
    session: Session, conditions: Conditions, told: list[tuple[str, Any]]
) -> Iterator[None]:
    """Let a session walk under its conditions, and note what it tells meanwhile."""
    _surround(session.run, conditions, told)
    held = holding(conditions.held) if conditions.held else nullcontext()
    with reporting_for(session), held:
        yield


def _surround(run: Run, conditions: Conditions, told: list[tuple[str, Any]]) -> None:
    """Give the current context the conditions of a session."""
    current_run.set(run)
    submitted_call.set(CallElsewhere(conditions.depth))
    if conditions.process != os.getpid():
        # Else the caller's own handlers and extensions are here.
        _told.set(told)
        relay_records(_note_record, conditions.levels)
        forward(None, _note_progress)


def _note_record(facts: dict[str, Any]) -> None:
    told = _told.get()
    if told is None:
        raise EOFError  # It is of a thread of the engine, and handled here.
    told.append(("record", facts))


def _note_progress(facts: dict[str, Any]) -> None:
    told = _told.get()
    if told is not None:
        told.append(("progress", facts))


# The archives of this process, or of the one that has forked it, by the keys of codes.
_archives: dict[str, DistributionArchive] = {}
_ARCHIVES_KEPT = 8

# Whether a forked process has the code of one of them loaded.
_are_loaded: dict[str, bool] = {}
call_in_child(_are_loaded.clear)


def note_archive(key: str, archive: DistributionArchive) -> None:
    """Note what the processes that this one forks from now on have loaded.

    Args:
        key: The key of the code.
        archive: The archive that holds it.
    """
    if key not in _archives:
        while len(_archives) >= _ARCHIVES_KEPT:
            _archives.pop(next(iter(_archives)), None)
        _archives[key] = archive


def _is_loaded(key: str) -> bool:
    """Tell if a forked process has some code loaded as its caller has."""
    known = _are_loaded.get(key)
    if known is None:
        # What was loaded at the fork may have been another text of the same modules.
        archive = _archives.get(key)
        known = _are_loaded[key] = archive is not None and archive.is_current
    return known


def continue_here(
    owner: tuple[str, int, str, dict[str, Any], str],
    archive: bytes | None,
    request: bytes,
    buffers: Sequence[Any],
) -> Answer:
    """Continue a session in a process that has bandsaw installed.

    Args:
        owner: What tells the caller's process and those that it has forked from all
            others, its process id, the key of its code, the settings, and the directory
            in which the code is unpacked on the caller's machine.
        archive: The code, if this process has said that it lacks it.
        request: What `bandsaw.advices` has made of the session.
        buffers: The large buffers beside it.
    """
    family, process, key, settings, directory = owner
    if family == PROCESS_ID:
        if process == os.getpid() or _is_loaded(key):
            return continue_session(request, buffers)
        # The modules of this process have other code.
        host.import_nothing()
    if not host.knows(key):
        if archive is not None:
            host.bring_archive(key, settings, archive)
        elif host.is_unpacked(directory):
            host.bring(key, settings, directory)
        else:
            return LACKS_CODE
    return host.serve(key, request, buffers)


def serve(descriptor: int, lifeline: int, parent: int) -> None:
    """Continue the sessions of a process of an engine in a child of it.

    Args:
        descriptor: The descriptor of a socket.
        lifeline: A descriptor that reads as ended when the parent ends.
        parent: The process id of the parent.
    """
    from multiprocessing.connection import Connection

    os.set_inheritable(descriptor, False)
    end_with_parent(lifeline, parent)
    process = os.getpid()
    connection = Connection(descriptor)
    try:
        directory, settings, patience = connection.recv()
        begin(directory, settings)
        while connection.poll(patience):
            request, buffers = connection.recv()
            answer = continue_session(request, buffers, settings.get("modules"))
            if not isinstance(answer, bytes):
                lack, content, apart = answer
                answer = lack, content, [bytes(buffer) for buffer in apart]
            connection.send(answer)
    except (EOFError, OSError):
        pass  # The parent is gone.
    finally:
        if os.getpid() == process:
            connection.close()
