"""The work of a caching advice: it answers calls, and keeps their results."""

from __future__ import annotations

from sys import getsizeof
from weakref import ref

from ..exceptions import InterpreterError, UnstableValueError
from ..result import Result
from ..runtime.caller_warnings import warn_caller
from ..session.cancellation import cancelled_error, waiting_until
from ..stores.entries import with_changed_arguments
from ..stores.local import LocalStore as LocalStore
from ..stores.results import DAMAGED, Hit, Miss, ResultStore
from ._cached_task import CachedTask, is_wanted
from .explanation import Explanation, explain_miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from ..advice import Advice
    from ..chain import Walk
    from ..execution import Execution
    from ..fingerprint.code import Watch
    from ..session import Session
    from ..stores import Store
    from ..stores.results import CacheKey, Description

    # A reference to the task, its walk, and `None` where it wants no cache
    _Known = tuple[Any, Walk, Optional[CachedTask]]
    _Missed = tuple[CacheKey, Miss, Description]

_CONTEXT_KEY = "cache-item-path"

# Values of these types are the same if they are equal. Zeros of `float` are not.
_CONSTANTS = frozenset((bool, bytes, int, str, type(None)))

# How many bytes the arguments of a call may have, so that its key is remembered.
_SMALL = 1024


class CachedCalls:
    """Answer the calls of tasks, and keep their results.

    Args:
        advice: The advice in whose place it does so.
        store: Where the results are.
        bounds: How much the store may hold, how old results may be, and whether large
            buffers are verified.
        identity: What of the code counts, whether the version of Python does, and
            whether a call is refused if its code uses what could not be looked at.
        wait: How long a call waits while the same one is being computed, in seconds.

    Raises:
        ConfigurationError: If the bounds make no sense.
    """

    def __init__(
        self,
        advice: Advice,
        store: Store,
        bounds: tuple[int | str | None, float | str | None, bool],
        identity: tuple[str, bool, bool],
        wait: float,
    ) -> None:
        self._advice = advice
        self._store = store
        self._results = ResultStore(store, *bounds)
        self._signed_results = ResultStore(store.signed(), *bounds)
        self._code, self._compare_python, self._strict = identity
        self._wait = wait
        # By `id`, because the hash of a task is its id, which takes long.
        self._tasks: dict[int, _Known] = {}
        # What is computed just now.
        self._missed: dict[Session, _Missed] = {}
        self._complained_of: set[Any] = set()

    def answer(self, session: Session) -> None:
        """Conclude with the result that is kept for the call, or compute it."""
        try:
            identified = self._identify(session)
        except InterpreterError as error:  # Its environment has no packages that fit.
            session.conclude(Result(exception=error))
            return
        if identified is None:
            session.proceed()
            return
        task, key, unknown = identified
        session.note(_CONTEXT_KEY, self._store.location(key.name))
        serializer = session.configuration.serializer
        results = self._signed_results if serializer.signs else self._results
        found = results.get(key, serializer)
        if isinstance(found, Miss):
            if found.reason == DAMAGED:
                self._warn_of_damage(found)
            self._compute(session, key, found, task.describe(session, key))
        else:
            # What was never found is seldom asked for again.
            if unknown is not None:
                task.remember(key, *unknown)
            _conclude(session, found)

    def _compute(
        self, session: Session, key: CacheKey, miss: Miss, description: Description
    ) -> None:
        """Walk on, while no other thread or process does so for the same call."""
        results = self._results_for(session)
        call = session, results, key, miss, description
        if self._wait <= 0:
            found = self._compute_alone(*call)
        else:
            with results.lock(key, 0) as is_alone:
                if is_alone:
                    found = self._compute_alone(*call)
            if not is_alone:
                found = self._wait_and_compute(*call)
        if found is not None:
            _conclude(session, found)

    def _wait_and_compute(
        self,
        session: Session,
        results: ResultStore,
        key: CacheKey,
        miss: Miss,
        description: Description,
    ) -> Hit | None:
        from contextlib import ExitStack

        with ExitStack() as held:
            with waiting_until(session.notice_interrupt):
                held.enter_context(results.lock(key, self._wait))
            return self._compute_alone(session, results, key, miss, description)

    def _compute_alone(
        self,
        session: Session,
        results: ResultStore,
        key: CacheKey,
        miss: Miss,
        description: Description,
    ) -> Hit | None:
        """Walk on, but for a result that was kept since it was missed."""
        if session.is_cancelled:
            raise cancelled_error()
        found = results.get_missed(key, session.configuration.serializer, miss)
        if not isinstance(found, Miss):
            return found
        self._missed[session] = key, found, description
        session.is_result_kept = True
        try:
            session.proceed()
        finally:
            self._missed.pop(session, None)
        return None

    def keep(self, session: Session) -> None:
        """Keep the result, unless it is a failure, and walk on."""
        missed = self._missed.pop(session, None)
        result = session.result
        # A user's own task may execute to anything.
        is_result = isinstance(result, Result)
        if missed is not None and is_result and result.exception is None:
            key, miss, description = missed
            if session.changed_arguments:
                record = with_changed_arguments(
                    description.record, session.changed_arguments
                )
                description = description._replace(record=record)
            try:
                self._results_for(session).put(
                    key, result, session.configuration.serializer, description, miss
                )
            except Exception as error:
                self._complain(session, error)
        session.proceed()

    # Warnings

    def _warn_of_damage(self, miss: Miss) -> None:
        warn_caller(
            f"The cached result {self._store.location(miss.name)} cannot be read and "
            f"is computed again: {type(miss.error).__name__}: {miss.error}"
        )

    def _complain(self, session: Session, error: Exception) -> None:
        # A directory that cannot be written is one problem, however many calls it has.
        subject = "directory" if isinstance(error, OSError) else session.ids.task_id
        if subject in self._complained_of:
            return
        self._complained_of.add(subject)
        warn_caller(
            f"The result of task {session.task} could not be kept in the cache: "
            f"{type(error).__name__}: {error}"
        )

    # Identity

    def _identify(
        self, session: Session
    ) -> tuple[CachedTask, CacheKey, tuple[object, Watch] | None] | None:
        """Return the key of a call, `None` if its task has switched the cache off.

        With it comes what it can be remembered by, `None` if there is nothing new.
        """
        task = self._cached_task(session)
        if task is None:
            return None
        constants = _constant_arguments(session.execution)
        known = task.keys.get(constants)
        if known is not None and known[1].is_current():
            return task, known[0], None
        key, watch = task.key_of(session)
        if self._strict:
            task.refuse_unseen(session)
        if constants is None or watch is None:
            return task, key, None
        return task, key, (constants, watch)

    def _cached_task(self, session: Session) -> CachedTask | None:
        task = session.task
        known = self._tasks.get(id(task))
        if known is not None and known[0]() is task and known[1] is session.walk:
            cached = known[2]
            if cached is None or cached.environment is None:
                return cached
            # What is locked may have changed since.
            if cached.environment == self._environment_behind(session):
                return cached
        cached = None
        full = session.full_task
        if is_wanted(full):
            environment = self._environment_behind(session)
            cached = CachedTask(full, self._code, self._compare_python, environment)

        def forget(_: Any, number: int = id(task)) -> None:
            self._tasks.pop(number, None)

        self._tasks[id(task)] = ref(task, forget), session.walk, cached
        return cached

    def _environment_behind(self, session: Session) -> str | None:
        """Return what is known of where the last of the later advices takes it."""
        advices = session.walk.advices
        behind = (
            advices[advices.index(self._advice) + 1 :]
            if self._advice in advices
            else ()
        )
        for advice in reversed(behind):
            find = getattr(advice, "environment_for", None)
            if find is None:
                continue
            with waiting_until(session.notice_interrupt):
                environment: str | None = find(session)
            if environment is not None:
                return environment
        return None

    # Questions

    def is_cached(self, session: Session) -> bool:
        """Tell if a call would be answered from this cache."""
        identified = self._identify(session)
        return identified is not None and isinstance(
            self._find(session, identified[1]), Hit
        )

    def explain(self, session: Session) -> Explanation:
        """Say why a call is answered from this cache, or why it is not."""
        name = str(session.task)
        try:
            identified = self._identify(session)
        except UnstableValueError as error:
            reason = f"it cannot be cached: {error}"
            return Explanation(name, reason=reason.rstrip("."))
        if identified is None:
            return Explanation(name, reason="the task has switched it off: cache=False")
        task, key, _ = identified
        found = self._find(session, key)
        unseen = task.unseen(session)
        if isinstance(found, Hit):
            place = self._store.location(found.name)
            return Explanation(name, is_hit=True, place=place, unseen=unseen)
        results = self._results_for(session)
        explanation = explain_miss(results, key, found, task.describe(session, key))
        explanation.unseen = unseen
        return explanation

    def _find(self, session: Session, key: CacheKey) -> Hit | Miss:
        results = self._results_for(session)
        found = results.find(key, session.configuration.serializer)
        if isinstance(found, Miss) and found.reason == DAMAGED:
            self._warn_of_damage(found)
        return found

    def forget(self, session: Session) -> int:
        """Remove the results of a call, those of other code included."""
        identified = self._identify(session)
        if identified is None:
            return 0
        return self._results_for(session).forget(identified[1])

    def _results_for(self, session: Session) -> ResultStore:
        # What carries signatures may lie where other users can write.
        if session.configuration.serializer.signs:
            return self._signed_results
        return self._results


def _conclude(session: Session, hit: Hit) -> None:
    if hit.changed:
        session.tell_changed_arguments(hit.changed)
    session.root.is_from_cache = True
    session.conclude(hit.result)


def _constant_arguments(execution: Execution) -> tuple[Any, ...] | None:
    """Return what stands for the arguments of a call if they are small constants."""
    values = execution.args
    if execution.kwargs:
        values = (*values, *execution.kwargs.values())
    types = (*map(type, values),)
    if not _CONSTANTS.issuperset(types) or sum(map(getsizeof, values)) > _SMALL:
        return None
    # An id that is there already may have been chosen by the caller.
    if getattr(execution, "has_id", True):
        return None
    return values, types, *execution.kwargs
