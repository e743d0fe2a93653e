"""A process that continues the sessions that come over a channel."""

from __future__ import annotations

import io
import os
import sys
from functools import partial
from time import sleep

from ..config import get_configuration
from ..exceptions import InvalidSessionError, ProtocolError, TaskMemoryError
from ..modules import import_module
from ..reporting import forward, forwarding
from ..result import Result
from ..run import Run, join_run
from ..runtime.contexts import contextmanager, nullcontext
from ..runtime.log_forwarding import relay_records
from ..session import state  # noqa: F401  (Each session needs it.)
from ..session.exchange import (
    RESTORING,
    continue_session,
    execute_call,
    write_report,
)
from ..session.frame_format import SessionFrames
from ..session.route import RememberedSession, Routes
from ..session.saved_format import TASK
from ..transports import frames
from ..transports.claims import NUMBERS, Claims
from ..transports.frames import (
    Channel,
    FarSessionMessage,
    Handshake,
    Prepare,
    SavedSession,
    SentSession,
    SessionMessage,
)
from ..transports.lending import BorrowedLink
from .surroundings import apply_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, Iterator, Sequence

    from ..execution import Execution
    from ..session import Session
    from ..session.route import Calls

# How long a process waits for the first job, in seconds.
_TIME_TO_BEGIN = 60.0

# How long the threads that tasks have left may go on, in seconds.
_TIME_FOR_THREADS = 2.0

# Where Linux says how much memory a process has.
_STATUS = "/proc/self/status"


def serve(descriptor: int) -> None:
    """Continue the sessions that come over a channel, one after the other.

    Args:
        descriptor: The descriptor of the channel's socket.
    """
    # What the task starts must not keep it open.
    os.set_inheritable(descriptor, False)
    process = os.getpid()
    channel = Channel(descriptor)
    try:
        parent = Handshake.receive(channel, "The process that has started this one")
        apply_settings(parent.settings or {})
        join_run(_run_of(parent))
        if parent.takes_files is False:
            channel.shared_directory = parent.shared_directory
            channel.session_message = partial(FarSessionMessage, channel=channel)
        channel.send(frames.HANDSHAKE, Handshake().encode())
        _serve(channel, descriptor, parent.idle_timeout or _TIME_TO_BEGIN)
    except EOFError:
        pass  # The parent is gone.
    finally:
        channel.close()
        if os.getpid() == process:  # The task has forked no other one.
            _end_in_spite_of_threads()


def _end_in_spite_of_threads() -> None:
    """End the process when threads that tasks have left keep it for too long.

    Python waits for all threads but daemons before it ends.
    """
    if not _threads_left():
        return
    from threading import Thread

    # A thread that begins while its interpreter ends can crash in Python 3.9. This way
    # it has begun.
    Thread(target=_end_soon, daemon=True).start()


def _threads_left() -> list[str]:
    threading: Any = sys.modules.get("threading")
    if threading is None:
        return []
    main = threading.main_thread()
    return [t.name for t in threading.enumerate() if not t.daemon and t is not main]


def _end_soon() -> None:
    sleep(_TIME_FOR_THREADS)
    left = _threads_left()
    if not left:
        return  # It takes its time for something else.
    import warnings

    try:
        warnings.warn(
            f"A task has left threads that go on: {', '.join(left)}. They are ended "
            "with their process. Wait for them in the task, or make them daemons.",
            RuntimeWarning,
            stacklevel=1,
        )
        _flush_output()
    finally:
        os._exit(0)


def _run_of(parent: Handshake) -> Run:
    try:
        return Run.from_json(parent.run or {})
    except KeyError as error:
        raise ProtocolError(f"The handshake lacks {error} of the run.") from error


def _serve(channel: Channel, descriptor: int, idle_timeout: float) -> None:
    # The parent has something for this process, however busy it may be.
    channel.set_timeout(max(idle_timeout, _TIME_TO_BEGIN))
    is_new = True
    routes = Routes()
    apart: list[int] = []
    claims = Claims(_flush_output, partial(channel.send_bare, frames.DONE, b""))
    link: BorrowedLink | None = None
    while True:
        try:
            kind, head, content, files = channel.receive()
        except TimeoutError:
            channel.send(frames.EXIT)
            return
        if kind == frames.EXIT:
            return
        if kind == frames.CALL:
            _continue_call(channel, routes, content)
            del content
        elif kind == frames.AHEAD:
            if claims.claim(content[0]):
                _continue_call(channel, routes, content[1:])
            del content
        elif kind == frames.MANY:
            _continue_calls(channel, claims, routes, content)
            del content
        elif kind == frames.CLAIMS and files:
            claims.add(files[0])
        elif kind == frames.LEND:
            if link is None:
                link = BorrowedLink.of(files, descriptor)
            if link is None:
                channel.send_bare(frames.LEND, b"")
            else:
                _continue_on_link(channel, routes, link)
        elif kind == frames.FILE:
            apart += files
        elif kind == frames.PREPARE:
            message = Prepare.decode(head)
            _prepare(message.configuration, message.modules)
        elif kind == frames.JOB:
            _continue_frame(channel, routes, head, content, files, apart)
            # What was received must not stay in memory while nothing is done.
            del content
        if is_new:
            is_new = False
            channel.set_timeout(idle_timeout)


def _prepare(configuration: str, modules: Sequence[str]) -> None:
    """Import what a session will need, and use it once."""
    try:
        serializer = get_configuration(configuration).serializer
        for name in modules:
            import_module(name)
        stream = io.BytesIO()
        serializer.serialize_with_buffers(None, stream)
        serializer.deserialize_with_buffers(stream.getvalue(), ())
    except BaseException:
        pass  # The session that needs it meets the same error, and reports it.


def _continue_frame(
    channel: Channel,
    routes: Routes,
    head: dict[str, Any],
    content: memoryview,
    files: Sequence[int],
    apart: list[int],
) -> None:
    try:
        message, source = SentSession.open(
            head, content, files, channel.shared_directory, apart
        )
    except (InvalidSessionError, OSError) as error:
        target = SessionFrames()
        write_report(target, RESTORING, error)
        _send_answer(channel, channel.session_message(target))
        return
    finally:
        while apart:
            os.close(apart.pop())
    del content
    remembered = None
    if message.route is not None and TASK in source.members:
        remembered = RememberedSession(source)
        routes.add(message.route, remembered)
    _continue_session(channel, source, message, remembered)


def _continue_session(
    channel: Channel,
    source: SessionFrames,
    message: SentSession,
    remembered: RememberedSession | None,
) -> None:
    """Continue a session that was moved as a whole, and answer.

    Args:
        channel: The channel.
        source: The session.
        message: Its conditions.
        remembered: What learns of the session for the calls that follow.
    """
    target = SessionFrames()
    session_messages: list[SessionMessage] = []

    def pack() -> None:
        session_messages.append(channel.session_message(target))

    surround = partial(
        _surrounded, channel=channel, message=message, remembered=remembered
    )
    continue_session(source, target, surround, pack)
    del source
    _send_answer(channel, session_messages.pop())


def _send_answer(channel: Channel, session_message: SessionMessage) -> None:
    _flush_output()
    with session_message:
        answer = SavedSession(**session_message.fields)
        channel.send(
            frames.ANSWER,
            answer.encode(),
            session_message.pieces,
            session_message.descriptors,
        )
        session_message.hand_over()


def _continue_on_link(channel: Channel, routes: Routes, link: BorrowedLink) -> None:
    """Continue calls that come over a link, as long as this process has it."""
    while True:
        content = link.next_call(routes)
        if content is None:
            return
        _continue_call(channel, routes, content, link)
        if not link.is_answered:
            return


def _continue_call(
    channel: Channel,
    routes: Routes,
    content: memoryview,
    link: BorrowedLink | None = None,
) -> None:
    """Execute the task of a route, and answer with its value if it returns one.

    Args:
        channel: The channel.
        routes: The routes that this process was told.
        content: The content of the call.
        link: What the call has come over, if not over the channel.
    """
    remembered, arguments = routes.open(content)
    calls = remembered.calls
    execution = None if calls is None else calls.read(arguments)
    if calls is None or execution is None:
        # The arguments are read once more there, and an error is answered.
        source = remembered.whole(arguments)
        _continue_session(channel, source, SentSession(), remembered)
        return
    del content, arguments
    send = channel.send if link is None else link.telling(channel.send)
    _tell_by(send, calls.session)
    try:
        value = _execute(channel, calls, execution)
    finally:
        _tell_by(None, None)
    if value is not None:
        _flush_output()
        if link is None or not link.answer(value):
            channel.send_bare(frames.VALUE, value)


def _continue_calls(
    channel: Channel, claims: Claims, routes: Routes, content: memoryview
) -> None:
    """Execute the task of a route several times, as long as nothing is taken back."""
    number = content[0]
    remembered, arguments = routes.open(content[1:])
    calls = remembered.calls
    executions = None if calls is None else calls.read_many(arguments)
    if calls is None or executions is None:
        # The parent takes them back, and sends each by itself.
        channel.send_bare(frames.DONE, content[:1])
        return
    claims.begin()

    def send(kind: int, facts: dict[str, Any]) -> None:
        # What it tells comes before its value only if that comes on the same way.
        claims.tell()
        told.append(number)
        channel.send(kind, facts)

    told: list[int] = []

    _tell_by(send, calls.session)
    try:
        for execution in executions:
            if not calls.are_current:
                channel.send_bare(frames.DONE, bytes((number,)))
                break
            if not claims.claim(number):
                break
            value = _execute(channel, calls, execution, claims.tell)
            has_told = bool(told)
            told.clear()
            if value is not None and (has_told or not claims.write(number, value)):
                claims.tell()
                _flush_output()
                channel.send_bare(frames.VALUE, value)
            number = (number + 1) % NUMBERS
    finally:
        _tell_by(None, None)
    claims.tell()


def _tell_by(
    send: Callable[[int, dict[str, Any]], None] | None, session: Session | None
) -> None:
    """Have sent what calls tell from now on, `None` to have it stay here."""
    relay_records(None if send is None else partial(send, frames.RECORD))
    forward(session, None if send is None else partial(send, frames.PROGRESS))


def _execute(
    channel: Channel,
    calls: Calls,
    execution: Execution,
    before: Callable[[], object] = nullcontext,
) -> bytes | None:
    """Execute the task of a call.

    Args:
        channel: The channel.
        calls: The calls of its route.
        execution: Its arguments.
        before: Is called before an answer is sent.

    Returns:
        The value as it is written; `None` if something else was answered.
    """
    target = SessionFrames()
    session_messages: list[SessionMessage] = []

    def pack() -> None:
        session_messages.append(channel.session_message(target))

    value = execute_call(calls, execution, target, pack)
    if value is not None:
        return value
    before()
    _send_answer(channel, session_messages.pop())
    return None


@contextmanager
def _surrounded(
    session: Session,
    channel: Channel,
    message: SentSession,
    remembered: RememberedSession | None,
) -> Iterator[None]:
    """Let a session walk under the conditions that its message names.

    What it tells meanwhile goes to its sender.
    """
    if remembered is not None:
        remembered.remember(session)
    limit = message.memory_limit
    relay_records(partial(channel.send, frames.RECORD), message.levels)
    try:
        with forwarding(session, partial(channel.send, frames.PROGRESS)), _holding(
            message.held
        ):
            if limit is None:
                yield
                return
            with limited_memory(limit):
                yield
    finally:
        relay_records(None)
    exception = getattr(session.result, "exception", None)
    if isinstance(exception, MemoryError):
        error = TaskMemoryError(
            f"The task wanted more memory than its limit of {limit} bytes."
        )
        error.__cause__ = exception
        session.result = Result(exception=error)


def _holding(held: Sequence[tuple[str, str]] | None) -> ContextManager[None]:
    """Know which locks the sender of a session holds until it has ended."""
    if held is None:
        return nullcontext()
    from ..stores.locks import holding

    return holding(held)


def _flush_output() -> None:
    for stream in sys.stdout, sys.stderr:
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # The task has closed it.


@contextmanager
def limited_memory(limit: int) -> Iterator[None]:
    """Refuse more memory than this process has now and a limit.

    What exceeds it raises a `MemoryError`, or ends a process whose libraries do not
    check. Private memory counts (``RLIMIT_DATA``); what is only reserved, as graphics
    cards do, and what is mapped from files to be read, does not. Does nothing where the
    system does not say how much memory a process has.

    Args:
        limit: The bytes that may be added.
    """
    in_use = _data_size()
    if in_use is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = in_use + limit
    for other in soft, hard:
        if other != resource.RLIM_INFINITY:
            bound = min(bound, other)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_size() -> int | None:
    """Return the bytes of private memory that this process has."""
    try:
        with open(_STATUS, "rb") as file:
            for line in file:
                if line.startswith(b"VmData:"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    return None
