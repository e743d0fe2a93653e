"""One advised call: the walk along its chain, and the saving of its state."""

from __future__ import annotations

import sys
from _thread import get_ident
from time import perf_counter

from .. import distribution
from ..chain import NOT_STARTED, Walk
from ..context import Context
from ..exceptions import AdviceError, ConfigurationError
from ..execution import Execution
from ..identifier import Ids
from ..result import Result
from ..run import get_run
from ..runtime.temporary import TemporaryDirectory
from ..tasks import Task, full_task, warn_of_changed_arguments
from .attachments import Attachments
from .cancellation import Cancellation, lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO, Any, Callable, Mapping, Sequence

    from ..chain import AdviceChain
    from ..config import Configuration
    from ..distribution import DistributionArchive
    from ..distribution.cells import Main
    from ..environments.far import FarEnvironment
    from ..environments.resolution import Resolution
    from ..extensions import Extension
    from ..reporting import MappedCalls
    from ..run import Run
    from ..serialization import Serializer
    from ..tasks import OwnTask
    from .route import Route
    from .saved_format import SavedFormat
    from .state import SessionState

    class _Actions:
        def __init__(self, actions: Sequence[Callable[[Any], object]]) -> None: ...
        def __next__(self) -> Callable[[Any], object]: ...
        def __length_hint__(self) -> int: ...

else:
    _Actions = reversed

_NO_WALK = Walk(())


class _Cursor(_Actions):
    """The place of a session in the table of its walk: an iterator of what is ahead.

    `next` takes a step. For ten advices that takes 1, with a number that the session
    keeps 1.24, with a class of our own that counts 1.56. `reversed` is the one iterator
    of Python that says how much is left of it and can be given names, at no cost.
    """

    __slots__ = ()

    @classmethod
    def before(cls, walk: Walk, step: int) -> _Cursor:
        """Return a cursor that stands before a step.

        Args:
            walk: The table.
            step: The number of the step, which `next` gives.
        """
        return cls(walk.backwards[: walk.end + 1 - step])

    @property
    def left(self) -> int:
        """The number of steps ahead."""
        return self.__length_hint__()


_NOTHING = _Cursor(())


class Session:
    """One call of a task on its way along an advice chain.

    Args:
        task: The task that was called.
        execution: The arguments of the call.
        configuration: The configuration that has the chain.
        advice_chain: The name of the chain.

    Attributes:
        task: The task that was called.
        execution: The arguments of the call.
        configuration: The configuration that has the chain.
        advice_chain: The name of the chain.
        result: What the task, or an advice in its place, has come to; `None` before.
        walk: The table of the steps along the chain.
        environments: Those through which the session has gone from this process.
        is_result_kept: Whether an advice keeps the result for later calls. What the
            task changes in its arguments is lost for them.
        changed_arguments: The names of the arguments that the task has changed in
            place, as far as they were looked at.
        is_from_cache: Whether the result comes from a cache.
        is_answered: Whether an answer takes these names to another interpreter.
        stop: The step in which a branch of a session ends; `None` for a session.
    """

    # What every walk needs has slots, which are faster than an instance's dict. That is
    # there for what most sessions never need, and for what advices may want to add.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_ahead",
        "_extensions",
        "_position",
        "advice_chain",
        "configuration",
        "execution",
        "result",
        "task",
        "walk",
    )

    # Only a session that is about to be restored has no task, no execution and no
    # configuration. Advices never see such a one, so for them they are not optional.
    task: Task
    execution: Execution
    configuration: Configuration
    result: Result
    advice_chain: str
    environments: tuple[Resolution | FarEnvironment, ...] = ()
    is_result_kept: bool = False
    changed_arguments: tuple[str, ...] = ()
    is_from_cache: bool = False
    is_answered: bool = False
    stop: int | None = None
    _context: Context | None = None
    # The entries of a context that is not made yet.
    _notes: dict[str, Any] | None = None
    _attachments: Attachments | None = None
    _cancellation: Cancellation | None = None
    # What waits for a cancellation that is not made yet.
    _cancelling: tuple[Callable[[], None], ...] = ()
    _ids: Ids | None = None
    _run: Run | None = None
    _directory: TemporaryDirectory | None = None
    _directory_path: Path | None = None

    # `_position` is the cursor of this walk, `None` before it begins. So is `_ahead`,
    # but only while a step may be taken: when an action has returned, its caller has
    # nothing ahead.
    _ahead: _Cursor
    _position: _Cursor | None
    _extensions: tuple[Extension, ...]
    _restored: SessionState | None = None
    #: The `__main__` that the cells of a notebook have in this process.
    main: Main | None = None
    #: The short route that a process is told when the session is moved as a whole.
    route: Route | None = None

    def __init__(
        self,
        task: Task | None = None,
        execution: Execution | None = None,
        configuration: Configuration | None = None,
        advice_chain: str = "default",
    ) -> None:
        self.task = task  # type: ignore[assignment]
        self.execution = execution  # type: ignore[assignment]
        self.configuration = configuration  # type: ignore[assignment]
        self.result = None  # type: ignore[assignment]
        self.advice_chain = advice_chain
        self.walk = _NO_WALK
        self._ahead = _NOTHING
        self._position = None

    # The walk

    def initiate(self) -> Result:
        """Walk along the chain, and tell the extensions about it.

        Returns:
            The result.

        Raises:
            AdviceError: If the walk did not come to its end, or has begun already.
        """
        if self._position is not None:
            raise self._out_of_turn()
        task: Any = self.task
        execution: Any = self.execution
        if task is None or execution is None:
            self._check_complete()
        self.choose_chain()
        for expect in self.walk.expecting:
            expect(self)
        self._ahead = self._position = _Cursor(self.walk.backwards)
        if not self._extensions:
            self.proceed()
            if self._position.left:
                raise self._forgotten_step()
            return self.result
        try:
            for extension in self._extensions:
                extension.on_session_created(self)
            self.proceed()
            if self._position.left:
                raise self._forgotten_step()
        except BaseException:
            self._tell_finished()  # Its errors must not hide this one.
            raise
        error = self._tell_finished()
        if error is not None:
            raise error
        return self.result

    def proceed(self) -> None:
        """Take the next step; an advice calls this once in each of its methods.

        Raises:
            AdviceError: If the current advice has taken its step already.
        """
        try:
            next(self._ahead, _refuse)(self)
        finally:
            self._ahead = _NOTHING

    def conclude(self, result: Result) -> None:
        """Set the result, and skip the later advices and the task.

        Args:
            result: The result of the session. Called from `after`, it replaces the one
                that is there.

        Raises:
            AdviceError: If the current advice has taken its step already.
        """
        position = self._position
        if position is None or self._ahead is _NOTHING or not position.left:
            raise self._out_of_turn()
        self.result = result
        walk = self.walk
        self._stand_before(walk.concluded[walk.end - position.left])
        self.proceed()

    def branch(self) -> Branch:
        """Return a session of the same ids at the same step, to walk on with it.

        An advice that wants to try the rest of the chain several times walks on with a
        branch for each attempt, and concludes the session with the result of one.

        Raises:
            AdviceError: If the session is not in the `before` of an advice.
        """
        return Branch(self)

    @property
    def root(self) -> Session:
        """The session that extensions were told of, also for a branch of it."""
        return self

    @property
    def mapped_calls(self) -> MappedCalls | None:
        """The calls of the map that the session is one of, `None` if it is of none."""
        return None

    def admit_task(self) -> None:
        """Refuse to execute the task in this process when it is too late for that."""

    def await_next_attempt(self) -> None:
        """Let the call be cancelled again: its task is not being executed now."""

    def choose_chain(self) -> None:
        """Look up the chain as it is now, without taking a step."""
        configuration: Any = self.configuration
        if configuration is None:
            self._check("configuration")
        chain: AdviceChain = configuration.chains[self.advice_chain]
        task: Any = self.task
        # A call of `full_task` for each session takes as long as an advice.
        if type(task) is not Task:
            task = full_task(task)
        if task.steps:
            chain = chain.for_task(task)
        self.walk = chain.walk
        self._extensions = chain.extensions

    def _execute_task(self) -> None:
        task, execution = self.task, self.execution
        extensions = self._extensions
        if extensions:
            for extension in extensions:
                extension.on_before_task_executed(self)
        restored = self._restored
        # None can ask for the id after the task when that is all that is done in
        # this process. The caller's arguments are elsewhere then, safe from the task.
        if extensions or restored is None or restored.step + 1 != self.walk.task:
            execution.pin_id()
        look = None
        if restored is not None or self.is_result_kept:
            look = execution.first_look()
            start = perf_counter()
        try:
            result = task.execute(execution)
        except Exception as error:
            result = Result(exception=error)
        if look is not None:
            self._look_again(result, perf_counter() - start)
        if extensions:
            for extension in extensions:
                extension.on_after_task_executed(self)
        self.result = result
        self.proceed()

    def _look_again(self, result: Any, seconds: float) -> None:
        # An exception is not kept, and its caller has other worries.
        if getattr(result, "exception", None) is None:
            names = self.execution.changed_arguments(self.full_task, seconds)
            if names:
                self.tell_changed_arguments(names)

    def tell_changed_arguments(self, names: Sequence[str]) -> None:
        """Note that the task has changed arguments in place, and warn its caller.

        Args:
            names: The names of the arguments.
        """
        self.changed_arguments = (*names,)
        if not self.is_answered:
            warn_of_changed_arguments(self.task, names)

    def _reach_end(self) -> None:
        """Be where no further step is."""

    @property
    def is_finished(self) -> bool:
        """Whether the walk has come to its end."""
        return self.step == self.walk.end

    @property
    def step(self) -> int:
        """The number of the current step in the table of the chain's walk."""
        if self._position is None:
            return NOT_STARTED
        return self.walk.end - self._position.left

    def _stand_before(self, step: int) -> None:
        self._ahead = self._position = _Cursor.before(self.walk, step)

    def _forgotten_step(self) -> AdviceError:
        return AdviceError(
            f"Not all advice has been applied. {self._describe(self.step)} returned "
            "without proceed() or conclude()."
        )

    def _out_of_turn(self) -> AdviceError:
        if self._position is None:
            return AdviceError("Session was not initiated yet.")
        if self.is_finished:
            step = self.walk.step_of(sys._getframe())
            caller = f"{self._describe(step)} has gone on before. "
            return AdviceError(
                "Session already finished advising. "
                f"{'' if step == NOT_STARTED else caller}An advice calls exactly one "
                "of proceed() and conclude() in each of its methods, once."
            )
        return AdviceError(
            f"Session cannot go on twice from the same step. The walk stands at "
            f"{self._describe(self.step)}, which did not go on or has done so before. "
            "An advice calls exactly one of proceed() and conclude() in each of its "
            "methods, once."
        )

    def _describe(self, step: int) -> str:
        return f"{self.walk.describe(step)} of chain {self.advice_chain!r}"

    def _tell_finished(self) -> BaseException | None:
        """Tell all extensions, and return the first error that one of them raised."""
        first_error: BaseException | None = None
        for extension in self._extensions:
            try:
                extension.on_session_finished(self)
            except BaseException as error:
                if first_error is None:
                    first_error = error
        return first_error

    # Its parts

    @property
    def full_task(self) -> Task | OwnTask:
        """The task with all attributes, also when it is an object of the user's own."""
        return full_task(self.task)

    @property
    def context(self) -> Context:
        """The notes of advices and extensions."""
        context = self._context
        if context is None:
            context = self._context = Context(self._notes)
        return context

    @context.setter
    def context(self, context: Context) -> None:
        self._context = context

    def describe_context(self) -> dict[str, Any]:
        """Return the notes of advices and extensions as plain nested dicts."""
        if self._context is None and self._notes is None:
            return {}
        return self.context.value_info()

    def note(self, name: str, value: Any) -> None:
        """Set an entry of the context, unless there is one already.

        Args:
            name: The name of the entry.
            value: What it is set to.
        """
        # Most contexts are never looked at, and making one takes longer than this.
        if self._context is not None:
            self._context.setdefault(name, value)
        elif self._notes is None:
            self._notes = {name: value}
        else:
            self._notes.setdefault(name, value)

    @property
    def attachments(self) -> Attachments:
        """The files that belong to the session, by name."""
        attachments = self._attachments
        if attachments is None:
            attachments = self._attachments = Attachments()
        return attachments

    @attachments.setter
    def attachments(self, attachments: Attachments) -> None:
        self._attachments = attachments

    @property
    def cancellation(self) -> Cancellation:
        """The wish of its caller to have the session ended."""
        with lock:
            if self._cancellation is None:
                self._cancellation = Cancellation(self._cancelling)
            return self._cancellation

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to end the session."""
        cancellation = self._cancellation
        return cancellation is not None and cancellation.is_requested

    def notice_interrupt(self) -> bool:
        """Cancel the session if Ctrl-C makes the main thread wait for it.

        Returns:
            Whether the session is cancelled, now or before.
        """
        threading = sys.modules.get("threading")
        if threading is None or threading.main_thread().ident == get_ident():
            return self.is_cancelled  # Ctrl-C interrupts it.
        return self.cancellation.notice_interrupt()

    def call_when_cancelled(self, callback: Callable[[], None]) -> None:
        """Have something called when the session is cancelled, at once if it was.

        Args:
            callback: What ends the session. It may be called in another thread.
        """
        # Hardly a call can be cancelled, so it is left to those who want to.
        with lock:
            if self._cancellation is None:
                self._cancelling += (callback,)
                return
        self._cancellation.call(callback)

    def forget_when_cancelled(self, callback: Callable[[], None]) -> None:
        """Call something no more, if it was not called yet.

        Args:
            callback: What `call_when_cancelled` was given.
        """
        with lock:
            if self._cancellation is None:
                if self._cancelling == (callback,):
                    self._cancelling = ()
                    return
                left = [other for other in self._cancelling if other != callback]
                self._cancelling = tuple(left)
                return
        self._cancellation.forget(callback)

    @property
    def ids(self) -> Ids:
        """The ids of the task, the execution and the run.

        Raises:
            ValueError: If the session has no task or no execution.
        """
        if self._ids is not None:
            return self._ids
        task: Any = self.task
        execution: Any = self.execution
        if task is None or execution is None:
            self._check_complete()
        return Ids(task.task_id, execution.execution_id, self.run.run_id)

    @property
    def known_ids(self) -> Ids | None:
        """The ids, `None` if they would have to be computed."""
        if self._ids is None and not getattr(self.execution, "has_id", True):
            return None
        return self.ids

    @property
    def session_id(self) -> str:
        """The id of the session, ``task_execution_run``."""
        return self.ids.session_id

    @property
    def run(self) -> Run:
        """The run of the workflow that the session belongs to."""
        return get_run() if self._run is None else self._run

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.run_id

    @property
    def serializer(self) -> Serializer:
        """The serializer of the configuration."""
        return self._required_configuration().serializer

    @property
    def distribution_archive(self) -> DistributionArchive:
        """The code that another interpreter needs to continue the session."""
        return distribution.get_distribution_archive(self._required_configuration())

    @property
    def temp_dir(self) -> Path:
        """A private directory of this session.

        It is removed when the call of the task returns. That of a session that is
        driven by hand stays until the session is collected or the process ends.
        """
        if self._directory_path is None:
            from pathlib import Path

            self._directory_path = Path(self.temp_path)
        return self._directory_path

    @property
    def temp_path(self) -> str:
        """The path of `temp_dir`, as text."""
        return self._make_temp_dir(self._required_configuration())

    def _make_temp_dir(self, configuration: Configuration) -> str:
        if self._directory is None:
            parent = configuration.temporary_path
            self._directory = TemporaryDirectory(parent, "session-")
        return self._directory.path

    def remove_temp_dir(self) -> None:
        """Remove the private directory, if there is one."""
        if self._directory is not None:
            self._directory.remove()
            self._directory = self._directory_path = None

    def _required_configuration(self) -> Configuration:
        self._check("configuration")
        return self.configuration

    def _check_complete(self) -> None:
        self._check("task")
        self._check("execution")

    def _check(self, part: str) -> None:
        if getattr(self, part) is None:
            raise ConfigurationError(f"Incomplete session: it has no {part}.")

    # Freezing and carrying on

    def save(self, stream: IO[bytes]) -> None:
        """Write the session, so that it can be carried on elsewhere.

        Args:
            stream: A binary stream; it need not be seekable.

        Raises:
            SerializationError: If a part of it cannot be written.
            NotMovableError: If another interpreter would not find the task.
        """
        from .zip_format import SessionFile

        self.save_to(SessionFile(stream))

    def restore(self, stream: IO[bytes]) -> Session:
        """Become the session that was saved.

        Args:
            stream: A binary stream. What it leaves out is kept as it is here. When it
                is refused, the session is as it was.

        Returns:
            This session, which stands at the step in which it was saved.

        Raises:
            InvalidSessionError: If the stream does not hold a whole session.
            SerializationError: If a part of it cannot be read.
        """
        from .zip_format import SessionFile, seekable

        with seekable(stream) as file:
            return self.restore_from(SessionFile(file))

    def save_to(self, form: SavedFormat) -> None:
        """Write the session in a form; see `save`.

        Args:
            form: Where to write it.
        """
        from .state import session_state, write

        self._required_configuration()
        write(session_state(self, form.requires_ids), form)

    def save_changes_to(
        self, form: SavedFormat, extra: Callable[[], Mapping[str, bytes]] | None = None
    ) -> None:
        """Write what has become of the session since it was restored.

        That is its result, its context, its step, and new attachments. The task, its
        arguments and the run are those of the session that was saved first.

        Args:
            form: Where to write it.
            extra: Gives more members by name, which belong to no session, when all
                others are written.
        """
        from .state import session_state, write

        self._required_configuration()
        write(session_state(self, form.requires_ids), form, self._restored, extra)

    def restore_from(self, form: SavedFormat) -> Session:
        """Become the session that was saved in a form; see `restore`.

        Args:
            form: Where it was written.
        """
        from .state import read, session_state

        is_first = self.task is None
        state = read(form, session_state(self), self._make_temp_dir)
        # Everything was read, so from here on nothing is refused.
        self.configuration = state.configuration  # type: ignore[assignment]
        self.advice_chain = state.advice_chain
        self.task = state.task  # type: ignore[assignment]
        self.execution = state.execution  # type: ignore[assignment]
        self.result = state.result  # type: ignore[assignment]
        self._context, self._notes, self._run = state.context, None, state.run
        self._ids = state.ids
        if state.main is not None:
            self.main = state.main
        self._add_attachments(state)
        self.choose_chain()
        self._position, self._ahead = None, _NOTHING
        if state.step != NOT_STARTED:
            self._stand_before(state.step + 1)
        if is_first:
            # What comes back from further on is news for the first sender.
            self._restored = state
        return self

    def receive_from(self, form: SavedFormat) -> None:
        """Take over what another interpreter has made of the session.

        Args:
            form: Its answer.

        Raises:
            ProtocolError: If the answer brings more than a result, a context,
                attachments and the step in which the other interpreter has to stop.
            InvalidSessionError: If it is not whole.
            SerializationError: If a part of it cannot be read.
        """
        from .state import read_answer, session_state

        stop = self.walk.stop(self.step)
        answer = read_answer(form, session_state(self), stop, self._make_temp_dir)
        self.result = answer.result  # type: ignore[assignment]
        self._context = answer.context
        self._ids = answer.ids or self._ids
        self._add_attachments(answer)
        self._stand_before(stop + 1)

    def receive_value(self, result: Result, step: int) -> None:
        """Take over what another interpreter has made of a session with a short route.

        Args:
            result: What the task has come to.
            step: The step in which the other interpreter has stopped.
        """
        self.result = result
        self._stand_before(step + 1)

    def stand_at(self, step: int) -> None:
        """Stand at a step, as if the walk had led there.

        Args:
            step: The number of the step.
        """
        self.choose_chain()
        self._stand_before(step + 1)

    def stop_at(self, step: int) -> None:
        """Stand where another interpreter stops, as if the walk had led there.

        Args:
            step: The number of the step.
        """
        from .state import SessionState

        self._restored = SessionState()
        self.stand_at(step)

    def _add_attachments(self, state: SessionState) -> None:
        if self._attachments or state.attachments:
            self._attachments = self.attachments.replaced_by(state.attachments)

    def __repr__(self) -> str:
        return f"<Session of {self.task}>"


# What most sessions do not have, and a branch has as its origin has it.
_INHERITED = (
    "_ids",
    "_restored",
    "_run",
    "changed_arguments",
    "environments",
    "is_answered",
    "is_result_kept",
)


class Branch(Session):
    """A session of the same ids at the same step, with a context and attachments.

    Extensions are not told of it as of a session, but each time that it executes the
    task.

    Args:
        origin: The session, in the `before` of an advice.

    Attributes:
        origin: The session.
        stop: The step in which the branch ends: the `after` of that advice.

    Raises:
        AdviceError: If the session is not in the `before` of an advice.
    """

    __slots__ = ("origin", "stop")

    def __init__(self, origin: Session) -> None:
        if not 0 <= origin.step < origin.walk.task:
            raise AdviceError("Only the before() of an advice can branch a session.")
        super().__init__(
            origin.task, origin.execution, origin.configuration, origin.advice_chain
        )
        self.origin = origin
        self.walk, self._extensions = origin.walk, origin._extensions
        self.stop = self.walk.after(origin.step)
        for name in _INHERITED:
            if name in vars(origin):
                setattr(self, name, getattr(origin, name))
        if origin._context is not None:
            self._context = origin._context.copy()
        elif origin._notes is not None:
            self._notes = dict(origin._notes)
        if origin._attachments is not None:
            self._attachments = origin._attachments.replaced_by({})
        self._stand_before(origin.step + 1)

    @property
    def root(self) -> Session:
        """The session that extensions were told of."""
        return self.origin.root

    def _make_temp_dir(self, configuration: object) -> str:
        # Files of the branch are to be there as long as the session.
        return self.origin._make_temp_dir(self.origin.configuration)

    def admit_task(self) -> None:
        """Have the origin admit it."""
        self.origin.admit_task()

    def await_next_attempt(self) -> None:
        """Let the call of the origin be cancelled again."""
        self.origin.await_next_attempt()

    def _execute_task(self) -> None:
        self.admit_task()
        super()._execute_task()

    def walk_on(self) -> Result:
        """Walk along the later advices and back; what cancels the origin ends this.

        Returns:
            The result.

        Raises:
            AdviceError: If an advice has forgotten its step.
        """
        self.origin.call_when_cancelled(self.cancel)
        try:
            self.proceed()
        finally:
            self.origin.forget_when_cancelled(self.cancel)
        if self.step != self.stop:
            raise self._forgotten_step()
        return self.result

    def cancel(self) -> None:
        """Cancel the branch."""
        self.cancellation.request()

    def merge(self) -> None:
        """Let the origin have the context and the attachments."""
        origin = self.origin
        if self._notes is not None or self._context is not None:
            origin.context.add_missing(self.context)
        if self._attachments is not None:
            origin.attachments = origin.attachments.replaced_by(self._attachments)
        for name in "changed_arguments", "environments", "_ids":
            if name in vars(self):
                setattr(origin, name, getattr(self, name))

    def keep_attachments(self, suffix: str) -> None:
        """Let the origin have the new attachments under names of their own.

        Args:
            suffix: What each name gets before its extension.
        """
        known = self.origin.attachments
        self.origin.attachments = known.with_new(self.attachments, suffix)


def _refuse(session: Session) -> None:
    """Take the place of an action where no step may be taken."""
    raise session._out_of_turn()


def advise(session: Session) -> Result:
    """Walk a session along its chain and clean up after it.

    Args:
        session: A session that was not initiated yet.

    Returns:
        Its result.
    """
    try:
        return session.initiate()
    finally:
        if session._directory is not None:
            session.remove_temp_dir()
