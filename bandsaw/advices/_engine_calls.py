"""The work of the advices that hand sessions to an engine."""

from __future__ import annotations

import os
import pickle
import sys
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from io import BytesIO
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from ..advice import check_choices
from ..exceptions import (
    InterpreterDiedError,
    InterpreterError,
    MissingExtraError,
    ProtocolError,
    SerializationError,
)
from ..fingerprint.digests import blob
from ..interpreter import Interpreter
from ..modules import script_module_name
from ..runner import host
from ..runner.engine import Conditions, note_archive
from ..runtime.contexts import nullcontext
from ..runtime.fork import Lock
from ..runtime.log_forwarding import wanted_levels
from ..runtime.registries import held_locks
from ..serialization.buffers import blocks_of, contiguous
from ..serialization.pickle import PickleSerializer
from ..serialization.recipients import Recipient
from ..session.cancellation import cancelled_error, depth_of_calls
from ..session.exchange import modules_of_recipient, receive_answer
from ..session.frame_format import SessionFrames
from ..session.route import ROUTES_KEPT, Route, read_value
from ..session.saved_format import EXECUTION
from ..tasks import Task
from ..transports.base import Transport
from . import _moving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, Iterable, Sequence

    from ..distribution import DistributionArchive
    from ..runner.host import Answer as AnyAnswer
    from ..serialization.buffers import Buffer
    from ..session import Session
    from ..session.saved_format import SavedFormat
    from ..transports.base import Job
    from .engine import EngineAdvice

# How often a waiting thread looks whether Ctrl-C has ended what it waits for, in
# seconds.
_INTERVAL = 0.1


def interpreter_elsewhere() -> Interpreter:
    """Return the Python of an engine's processes, wherever they are."""
    return Interpreter(path=(), executable="python")


def host_module() -> tuple[str, str]:
    """Return the name and the text of the module that serves code to a worker."""
    with open(host.__file__, encoding="utf-8") as file:
        text = file.read()
    digest = blob(b"host:", text.encode()).hex()[-32:]
    return f"_bandsaw_host_{digest}", text


class Code:
    """The code that sessions need, as an engine is told of it.

    Args:
        archive: The distribution archive.
        settings: What the processes have to know besides.

    Attributes:
        key: What tells it from other code, and from the same with other settings.
            Before a hyphen, what a process that has it imported has to have in common.
        directory: Where it is unpacked on this machine.
        conditions: What was given as settings.
        settings: The same, and where the user's own files are.
    """

    def __init__(self, archive: DistributionArchive, settings: dict[str, Any]) -> None:
        from hashlib import sha256

        self._archive = archive
        self.directory = archive.directory
        self.conditions = settings
        self.settings = {**settings, "originals": archive.originals}
        own = {**self.settings, "modules": None}
        texts = repr((archive.archive_id, sorted(own.items()))), repr(settings)
        # A task that calls another one may be able to import more than its caller.
        self.key = "-".join(sha256(text.encode()).hexdigest() for text in texts)

    def note_for_forks(self) -> None:
        """Let the processes that this one forks know that they have the code."""
        note_archive(self.key, self._archive)

    def content(self) -> bytes:
        """Return the content of the archive."""
        return self._archive.path.read_bytes()


class Call:
    """A session as an engine gets it.

    Args:
        job: The session, and the conditions under which it is continued.
        code: The code that it needs.
        request: The session as it is written.
        buffers: The large buffers beside it.
        is_awaited: Whether the current thread waits for the answer.
        sharing: What it has in common with other calls of one map, `None` if nothing.

    Attributes:
        name: The name of the task.
        session: The session.
        is_awaited: Whether the current thread waits for the answer.
        sharing: What it has in common with other calls of one map, `None` if nothing.
    """

    def __init__(
        self,
        job: Job,
        code: Code,
        request: bytes,
        buffers: Sequence[Buffer],
        is_awaited: bool,
        sharing: object = None,
    ) -> None:
        self.session = job.session
        self.sharing = sharing
        self.is_awaited = is_awaited
        self.code = code
        self.request = request
        self.buffers = buffers

    @property
    def name(self) -> str:
        """The name of the task, as dashboards show it."""
        return str(self.session.task)

    def parameters(self, name: str) -> dict[str, Any]:
        """Return what the task has chosen for the engine.

        Args:
            name: The name of the task's parameter.

        Raises:
            ConfigurationError: If it is no dict, or has unknown keys.
        """
        task = self.session.full_task
        return check_choices(task, name, task.advice_parameters.get(name, {}))

    def views(self) -> list[memoryview]:
        """Return the buffers as contiguous memory."""
        return [
            contiguous(buffer)
            if isinstance(buffer, memoryview)
            else memoryview(b"".join(blocks_of(buffer)))
            for buffer in self.buffers
        ]


class Kept:
    """A buffer that a cluster keeps as long as this object lives.

    Args:
        reference: What the cluster calls it.
        view: The buffer, which is not to be freed meanwhile.
        digest: The hash of the content, `None` as long as that is not known.

    Attributes:
        reference: What the cluster calls it.
        nbytes: Its size.
        digest: The hash of the content, `None` as long as that is not known.
    """

    def __init__(self, reference: Any, view: memoryview, digest: bytes | None) -> None:
        self.reference = reference
        self.nbytes = view.nbytes
        self.digest = digest
        self._view = view


class KeptBuffers:
    """The large buffers that a cluster keeps while calls need them, each of them once.

    It is the same one for the calls of a map if it is that of the same array. Otherwise
    the content decides.

    Attributes:
        content_is_here: Whether what is kept need not be fetched to be read.
    """

    content_is_here = False

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: WeakSet[Kept] = WeakSet()
        self._maps: WeakKeyDictionary[Any, _KeptOfMap] = WeakKeyDictionary()

    def put(self, view: memoryview) -> Any:
        """Let the cluster keep a buffer, and return what it calls that."""
        raise NotImplementedError

    def content_of(self, reference: Any) -> memoryview:
        """Return what is kept, if that need not be fetched."""
        raise NotImplementedError

    def is_lost(self, reference: Any) -> bool:
        """Tell if the cluster has lost a buffer."""
        return False

    def clear(self) -> None:
        """Forget all of them."""
        self._kept = WeakSet()
        self._maps = WeakKeyDictionary()

    def find_or_put(
        self, call: Call, buffers: Iterable[tuple[Buffer, memoryview]]
    ) -> list[Kept]:
        """Return what is kept of large buffers of a call.

        Args:
            call: The call.
            buffers: Each of them, and it as contiguous memory.
        """
        sharing = call.sharing
        with self._lock:
            if sharing is None:
                return [self._of_content(view) for _, view in buffers]
            known = self._maps.get(sharing)
            if known is None:
                known = self._maps[sharing] = _KeptOfMap()
            found = []
            for buffer, view in buffers:
                key = _array_of(buffer)
                kept = known.arrays.get(key)
                if kept is None or self.is_lost(kept.reference):
                    kept = self._of_content(view)
                    if key is not None:
                        known.arrays[key] = kept
                found.append(kept)
            known.last = found
            return found

    def _of_content(self, view: memoryview) -> Kept:
        """Return what is kept of some content; it is hashed only if that may help."""
        digest = None
        for kept in list(self._kept):
            if kept.nbytes != view.nbytes or self.is_lost(kept.reference):
                continue
            if kept.digest is None:
                kept.digest = _digest_of(self.content_of(kept.reference))
            digest = digest or _digest_of(view)
            if kept.digest == digest:
                return kept
        reference = self.put(view)
        if digest is None and not self.content_is_here:
            digest = _digest_of(view)
        kept = Kept(reference, view, digest)
        self._kept.add(kept)
        return kept


class _KeptOfMap:
    """The buffers that are kept for the calls of one map.

    Attributes:
        arrays: What is kept, by the array.
        last: What the last call needs. The next one may come when that has ended.
    """

    def __init__(self) -> None:
        self.arrays: WeakValueDictionary[object, Kept] = WeakValueDictionary()
        self.last: list[Kept] = []


def _digest_of(content: memoryview) -> bytes:
    return blob(b"buffer:", content)


def _array_of(buffer: Buffer) -> object:
    """Return what tells the array of a buffer from others, `None` if it has none."""
    array = getattr(buffer, "obj", None)
    numpy: Any = sys.modules.get("numpy")
    # Only of these it is known that a buffer of the same size is the same one.
    if numpy is None or not isinstance(array, numpy.ndarray):
        return None
    view: Any = buffer
    if array.nbytes != view.nbytes:
        return None
    return id(array), view.format, view.shape, view.strides


class Engine:
    """The processes of an engine, and the calls that it continues in them.

    Attributes:
        out_of_band: Whether it pickles large buffers of an answer beside it.
    """

    out_of_band = False

    def submit(self, call: Call) -> Future[AnyAnswer]:
        """Let a session be continued.

        Args:
            call: The session.

        Returns:
            What the answer will be. Cancelling it cancels the call.

        Raises:
            InterpreterError: If the engine cannot be reached.
        """
        raise NotImplementedError

    @property
    def slots(self) -> int | None:
        """The number of calls that it runs at a time, `None` if that is unknown."""
        return None

    def waiting(self) -> ContextManager[object]:
        """Let the engine have the place of a task that waits for another one."""
        return nullcontext()

    def wait(self, future: Future[AnyAnswer], timeout: float) -> bool:
        """Wait for an answer, and tell if it is there.

        Args:
            future: What the answer will be.
            timeout: How long to wait, in seconds.
        """
        from concurrent.futures import wait

        return bool(wait([future], timeout).done)

    def failure_of(self, error: BaseException) -> InterpreterError | None:
        """Return what is told of an error of the engine, `None` if it is none.

        Args:
            error: What the future has come to.
        """
        return None


class _SessionForEngine(SessionFrames):
    """A saved session for a process that may take part in other runs, too."""

    @property
    def run_of_recipient(self) -> None:
        """Nothing: the session names the run it belongs to."""


class EngineTransport(Transport):
    """Hand sessions to an engine.

    Args:
        engine: The engine.
        arrays: How a task gets large arrays, see `bandsaw.runner.engine`.
    """

    def __init__(self, engine: Engine, arrays: int) -> None:
        self._engine = engine
        self._arrays = arrays
        self._codes: list[tuple[DistributionArchive, Code]] = []
        # The routes of tasks, and what all sessions have in common that take them
        self._routes: dict[int, tuple[Route, bytes]] = {}

    @property
    def slots(self) -> int | None:
        """The number of sessions that run at a time, `None` if that is unknown."""
        try:
            return self._engine.slots
        except (InterpreterError, MissingExtraError):
            return None  # The first session is told so.

    def start(self, job: Job, is_awaited: bool = False) -> Future[AnyAnswer]:
        """Hand a job over, and return what the answer will be.

        Args:
            job: The job.
            is_awaited: Whether the current thread waits for the answer.
        """
        code = self._code_of(job)
        conditions = Conditions(
            wanted_levels(),
            tuple(held_locks.get()),
            self._arrays,
            self._engine.out_of_band,
            os.getpid(),
            depth_of_calls(),
        )
        on_route = None if is_awaited else self._request_on_route(job, conditions)
        if on_route is not None:
            request, buffers = on_route
            mapped_calls = job.session.root.mapped_calls if buffers else None
            sharing = mapped_calls and mapped_calls.sharing
            return self._engine.submit(
                Call(job, code, request, buffers, is_awaited, sharing)
            )
        form = _SessionForEngine()
        job.save_to(form)
        request, buffers = _request_of(form, conditions)
        # A form that knows what calls share states it.
        sharing = getattr(form, "sharing", None)
        return self._engine.submit(
            Call(job, code, request, buffers, is_awaited, sharing)
        )

    def _request_on_route(
        self, job: Job, conditions: Conditions
    ) -> tuple[bytes, Sequence[Buffer]] | None:
        """Write a session that has nothing but its arguments of its own.

        Args:
            job: The session, for whose answer no thread waits.
            conditions: The conditions under which it is continued.

        Returns:
            The request, and the large buffers beside it; `None` if it has to be written
            otherwise.
        """
        session = job.session
        task, serializer = session.task, session.serializer
        if (
            # Notes, attachments, a cancellation: whatever it has beside its arguments
            vars(session)
            or type(task) is not Task
            or task.is_described
            or type(serializer) is not PickleSerializer
            or session.step + 1 != session.walk.task
            or session.configuration.extensions
            or conditions.held
            or job.settings.recipient is not None
            or script_module_name() is None
        ):
            return None
        run = session.run
        depends_on = (
            session.walk,
            serializer,
            job.archive,
            run,
            repr(run.meta),
            # A copy that decodes nothing is ten times faster; it is only compared.
            getattr(os.environ, "_data", os.environ),
            vars(conditions),
        )
        route, common = self._routes.get(id(task), _NO_ROUTE)
        if route is None or route.task is not task or route.conditions != depends_on:
            form = _SessionForEngine()
            job.save_to(form)
            form.members.pop(EXECUTION)
            head, pieces, others = form.pack()
            if others:
                return None
            copies = (dict(one) if isinstance(one, dict) else one for one in depends_on)
            stop = session.walk.stop(session.step)
            route = Route(task, stop, (*copies,), serializer, _moving.observe)
            common = pickle.dumps((head, b"".join(pieces), conditions), 4)
            if len(self._routes) >= ROUTES_KEPT:
                self._routes.clear()
            self._routes[id(task)] = route, common
        buffers: Sequence[Buffer] = ()
        arguments = route.pack_arguments(session.execution)
        if arguments is None:
            stream = BytesIO()
            try:
                values = session.execution.to_move()
                buffers = serializer.serialize_with_buffers(values, stream)
            except Exception:
                return None  # It is told where the session is written as a whole.
            arguments = stream.getvalue()
        return pickle.dumps((common, arguments, True), 4), buffers

    def _code_of(self, job: Job) -> Code:
        archive = job.archive
        settings = job.settings.process
        for known, code in self._codes:
            if known is archive and code.conditions == settings:
                return code
        code = Code(archive, settings)
        self._codes[:] = [(archive, code), *self._codes[:7]]
        return code

    def answer(self, job: Job, future: Future[AnyAnswer]) -> SavedFormat | bytes:
        """Return the answer of a job that was done, or the value that its task returns.

        Raises:
            InterpreterError: If there is none.
        """
        try:
            answer = future.result()
        except CancelledError:
            raise InterpreterError("The engine has cancelled the call.") from None
        except BaseException as error:
            failure = self._engine.failure_of(error)
            if failure is None:
                raise
            raise failure from error
        try:
            lack, content, buffers = (
                (None, answer, ()) if isinstance(answer, bytes) else answer
            )
            if lack is None:
                head, content, told = pickle.loads(content)
                form: SessionFrames | bytes = content
                if head is not None:
                    views = [*map(_writable, buffers)]
                    form = SessionFrames.unpack(head, content, views)
        except Exception as error:
            text = f"The answer of the engine makes no sense: {error!r}"
            raise ProtocolError(text) from error
        if lack is not None:
            raise InterpreterDiedError(lack)
        if job.settings.observe is not None:
            for kind, facts in told:
                job.settings.observe(kind, facts)
        return form

    def run(self, job: Job) -> SavedFormat:
        """Have a job done, and wait for that."""
        future = self.start(job, is_awaited=True)
        cancel: Callable[[], object] = future.cancel
        job.cancellation.call(cancel)  # type: ignore[arg-type]
        try:
            with self._engine.waiting():
                while not self._engine.wait(future, _INTERVAL):
                    if job.session.notice_interrupt():
                        raise cancelled_error()
        except BaseException:
            cancel()
            raise
        finally:
            job.cancellation.forget(cancel)  # type: ignore[arg-type]
        if job.session.is_cancelled:
            raise cancelled_error()
        answer = self.answer(job, future)
        assert not isinstance(answer, bytes)  # Only what no thread waits for.
        return answer


_NO_ROUTE: Any = None, b""


def _request_of(
    form: SessionFrames, conditions: Conditions
) -> tuple[bytes, list[Buffer]]:
    """Return what is sent of a session, and the large buffers beside it."""
    head, pieces, buffers = form.pack()
    common = pickle.dumps((head, b"".join(pieces), conditions), 4)
    return pickle.dumps((common, b"", False), 4), buffers


def _writable(buffer: Any) -> memoryview:
    view = memoryview(buffer).cast("B")
    return memoryview(bytearray(view)) if view.readonly else view


class Move:
    """A session on its way through an engine, for which no thread waits.

    Args:
        advice: The advice that moves it.
        session: The session.
    """

    def __init__(self, advice: EngineAdvice, session: Session) -> None:
        self._advice = advice
        self._session = session
        self._failure: Exception | None = None
        interpreter = advice.interpreter_for(session)
        self._recipient = _moving.recipients.get(interpreter)
        self._job = _moving.job_for(advice, session, interpreter, self._recipient, None)
        self._transport = advice.transport_for(session)
        self._future: Future[AnyAnswer] = Future()
        try:
            self._future = self._transport.start(self._job)
        except _moving.FAILURES as error:
            self._failure = error
            self._future.cancel()
        session.call_when_cancelled(self._cancel)

    def _cancel(self) -> None:
        self._future.cancel()

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        """Have something called when the answer is there.

        Args:
            function: Is called with something, in any thread.
        """
        self._future.add_done_callback(function)

    def finish(self) -> Exception | None:
        """Carry on with the session, whose answer is there.

        Returns:
            Why it cannot be carried on, `None` if it can.
        """
        session = self._session
        session.forget_when_cancelled(self._cancel)
        if session.is_cancelled:
            self._job.close()
            raise cancelled_error()
        if self._failure is not None:
            self._job.close()
            return self._failure
        with self._job:
            try:
                answer = self._transport.answer(self._job, self._future)
            except _moving.FAILURES as error:
                return error
            if isinstance(answer, bytes):
                return _receive_value(session, answer)
            modules = modules_of_recipient(answer)
            failure = receive_answer(session, answer)
        if modules is None or self._recipient is not None:
            return failure
        # The task has not begun. What is lacking there is closed this time.
        _moving.recipients[self._advice.interpreter_for(session)] = Recipient(modules)
        return _moving.move(self._advice, session)


def _receive_value(session: Session, content: bytes) -> Exception | None:
    """Carry on with a session whose task has returned a value.

    Returns:
        Why it cannot be carried on, `None` if it can.
    """
    try:
        result = read_value(content, session.serializer)
    except SerializationError as error:
        return error
    session.receive_value(result, session.walk.stop(session.step))
    return None


class Answer(Future):  # type: ignore[type-arg]
    """The future answer to a call, which is cancelled at the engine.

    Attributes:
        sent: What the engine has of the call.
    """

    sent: Any = None

    def cancel(self) -> bool:
        """Cancel the call as far as the engine can."""
        sent = self.sent
        if sent is not None:
            sent.cancel()
        return self.cancel_here()

    def cancel_here(self) -> bool:
        """Wait for the answer no longer."""
        if self.cancelled():
            return True
        if not super().cancel():
            return False
        with suppress(InvalidStateError, RuntimeError):
            self.set_running_or_notify_cancel()
        return True

    def take(self, done: Future[AnyAnswer]) -> None:
        """Take what a future of the engine has come to."""
        if done.cancelled():
            self.cancel_here()
        elif (error := done.exception()) is not None:
            self.fail(error)
        else:
            self.fulfil(done.result())
        self.sent = None

    def fulfil(self, answer: AnyAnswer) -> None:
        """Take an answer, unless it is not wanted any more."""
        with suppress(InvalidStateError):
            self.set_result(answer)

    def fail(self, error: BaseException) -> None:
        """Take what has kept the engine from answering."""
        with suppress(InvalidStateError):
            self.set_exception(error)
