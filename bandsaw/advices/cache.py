"""Answers calls from results that were kept."""

from __future__ import annotations

import warnings
import weakref
from pathlib import Path

from ..advice import Advice
from ..exceptions import (
    ConfigurationError,
    InterpreterError,
    UnstableValueError,
    UntrustedDirectoryError,
)
from ..result import Result
from ..stores import LocalStore
from ..stores.entries import Entry, has_identity
from ..stores.pruning import Bounds
from ._cached_call import CODE_CHOICES, Identification, is_wanted
from ._kept_result import (
    OtherVariantError,
    checked_result,
    result_put_by_hand,
    warn_of_damage,
)
from .explanation import Explanation, nearest_explanation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from ..chain import Walk
    from ..session import Session
    from ..stores import Store
    from ..stores.base import Content
    from ._cached_call import CachedCall

    # The task, if it is still there, its walk, and `None` where it wants no cache
    _Known = tuple[Any, Walk, Optional[Identification]]

_CONTEXT_KEY = "cache-item-path"

# Of which entries, and how many, it is remembered that they are whole.
_LARGEST_REMEMBERED = 4096
_MOST_REMEMBERED = 1000


class CachingAdvice(Advice):
    """Keeps the results of tasks, and answers the same call from them.

    A result is kept in ``directory/TASK_ID/EXECUTION_ID``, beginning with what the
    configured serializer writes for it. A file that was put there by hand is trusted.
    Exceptions are not kept. The path of the file is in ``context["cache-item-path"]``;
    when there are several caches in a chain, that of the first one.

    A task chooses with its parameter `cache`: ``cache=False`` switches it off, and
    ``cache={"ignore": ["verbose"], "code": "own", "compare_python": True}`` leaves
    arguments out and replaces what is given here.

    Args:
        directory: Where the files are. It is made when it is needed.
        store: Where the results are, in place of a directory.
        max_size: How much the cache may hold, in bytes or as text like ``"10 GB"``. The
            results that were not used for the longest time are removed first.
        max_age: How long results count, in seconds or as text like ``"30 days"``.
        code: What of the code counts: `"reachable"`, the task and everything of the
            user's own modules that it reaches; `"own"`, the task's function alone;
            `"version"`, only its parameter `version`; `"ignore"`, nothing.
        compare_python: Whether results of another version of Python do not count.
        wait: How long a call waits, in seconds, while the same call is being computed
            by another thread or process of this machine. 0 for not at all.

    Attributes:
        directory: Where the files are; only there if it was given.
        store: Where the results are.

    Raises:
        ConfigurationError: If both or neither of directory and store are given, or if
            a choice is unknown.
    """

    directory: Path

    def __init__(
        self,
        directory: str | Path | None = None,
        *,
        store: Store | None = None,
        max_size: int | str | None = None,
        max_age: float | str | None = None,
        code: str = "reachable",
        compare_python: bool = False,
        wait: float = 600.0,
    ) -> None:
        if (directory is None) == (store is None):
            raise ConfigurationError(
                "CachingAdvice needs either a directory or a store."
            )
        if code not in CODE_CHOICES:
            raise ConfigurationError(
                f"CachingAdvice: code={code!r} is unknown. It is one of "
                f"{', '.join(map(repr, CODE_CHOICES))}."
            )
        if directory is not None:
            self.directory = Path(directory)
            store = LocalStore(directory)
        assert store is not None
        self.store = store
        self._bounds = Bounds(self.store, max_size, max_age)
        self._code = code
        self._compare_python = compare_python
        self._wait = wait
        # By `id`, because the hash of a task is its id, which takes long.
        self._identifications: dict[int, tuple[Any, Walk, Identification | None]] = {}
        self._missed: weakref.WeakKeyDictionary[Session, tuple[CachedCall, Any]] = (
            weakref.WeakKeyDictionary()
        )
        # Bytes that were checked once need not be checked again.
        self._verified: dict[str, tuple[bytes, bytes, Content]] = {}
        self._documents: set[str] = set()
        self._complained_of: set[Any] = set()

    def before(self, session: Session) -> None:
        """Conclude with the result that is kept for the call, if there is one.

        Args:
            session: The session.

        Raises:
            ConfigurationError: If the task's parameter `cache` makes no sense.
            SerializationError: If the task is a generator function.
            UnstableValueError: If an argument has no stable identity.
            UntrustedDirectoryError: If somebody else can write to the directory.
        """
        try:
            call = self._call_of(session)
        except InterpreterError as error:  # Its environment has no packages that fit.
            session.conclude(Result(exception=error))
            return
        if call is None:
            session.proceed()
            return
        if _CONTEXT_KEY not in session.context:
            session.context[_CONTEXT_KEY] = self.store.location(call.name)
        result = self._find(call) or self._compute(call, session)
        if result is not None:
            self.store.note_use(call.place)
            session.conclude(result)

    def _compute(self, call: CachedCall, session: Session) -> Result | None:
        """Walk on, while nobody else does so for the same call.

        Returns:
            What somebody else has computed meanwhile, else `None`.
        """
        if self._wait <= 0:
            self._walk_on(call, session)
            return None
        with self.store.alone(call.name, self._wait):
            # Whoever has been first has kept it where it was missed.
            try:
                result = self._read(call)
            except OtherVariantError:
                result = self._find(call)
            if result is None:
                self._walk_on(call, session)
            return result

    def _walk_on(self, call: CachedCall, session: Session) -> None:
        self._missed[session] = call, call.record(session)
        session.proceed()

    def after(self, session: Session) -> None:
        """Keep the result, unless it is a failure.

        Args:
            session: The session.
        """
        missed = self._missed.pop(session, None)
        # A user's own task may execute to anything.
        is_result = isinstance(session.result, Result)
        if missed is not None and is_result and session.result.exception is None:
            try:
                self._keep(*missed, session)
            except Exception as error:
                self._complain(session, error)
        session.proceed()

    # Identity

    def _call_of(self, session: Session) -> CachedCall | None:
        """Identify a call, unless its task has switched the cache off."""
        identification = self._identification(session)
        return None if identification is None else identification.call_of(session)

    def _identification(self, session: Session) -> Identification | None:
        task = session.task
        known = self._identifications.get(id(task))
        if known is not None and known[0]() is task and known[1] is session.walk:
            identification = known[2]
            if identification is None or identification.environment is None:
                return identification
            # What is locked may have changed since.
            if identification.environment == self._environment_behind(session):
                return identification
        # A serializer that makes a difference between subjects signs.
        serializer = session.serializer
        self.store.is_signed = serializer.bound_to("any") is not serializer
        identification = None
        if is_wanted(task):
            environment = self._environment_behind(session)
            identification = Identification(
                task, self._code, self._compare_python, environment
            )

        def forget(_: Any, number: int = id(task)) -> None:
            self._identifications.pop(number, None)

        reference = weakref.ref(task, forget)
        self._identifications[id(task)] = reference, session.walk, identification
        return identification

    def _environment_behind(self, session: Session) -> str | None:
        """Return what is known of where the last of the later advices takes it."""
        advices = session.walk.advices
        behind = advices[advices.index(self) + 1 :] if self in advices else ()
        for advice in reversed(behind):
            find = getattr(advice, "environment_for", None)
            environment: str | None = None if find is None else find(session)
            if environment is not None:
                return environment
        return None

    # Reading

    def _find(self, call: CachedCall) -> Result | None:
        """Return what is kept for a call; its place is that, or that of a new one."""
        free = None
        # The entry that came first may be gone, and that of other code still be there.
        for place in (call.name, call.variant):
            call.place = place
            try:
                result = self._read(call)
            except OtherVariantError:
                continue
            if result is not None or place in call.damaged:
                return result
            free = free or place
        call.place = free or call.variant
        return None

    def _read(self, call: CachedCall) -> Result | None:
        """Return what is kept in the place of a call.

        Raises:
            OtherVariantError: If it is the result of other code.
        """
        try:
            content = self.store.read(call.place)
            return None if content is None else self._result(content, call)
        except (OtherVariantError, UntrustedDirectoryError):
            raise
        except Exception as error:
            if call.place not in call.damaged:
                warn_of_damage(self.store.location(call.place), error)
            call.damaged.add(call.place)
            return None

    def _result(self, content: Content, call: CachedCall) -> Result | None:
        """Return the result of an entry, `None` if it is too old.

        Raises:
            OtherVariantError: If it is the result of other code.
            DamagedEntryError: If it is damaged.
        """
        beginning = call.identity
        known = self._verified.get(call.place)
        if known is not None and known[0] == content and known[1] == beginning:
            return checked_result(
                call.serializer.deserialize_with_buffers(known[2], ())
            )
        if not has_identity(content, beginning):
            if has_identity(content):
                Entry(content)
                raise OtherVariantError
            return result_put_by_hand(content, call.serializer)
        entry = Entry(content)
        if self._bounds.max_age is None:
            self._remember(call.place, entry, beginning)
        elif self._bounds.is_over(entry.created):
            call.is_too_old = True
            return None
        result = call.serializer.deserialize_with_buffers(entry.value, entry.buffers)
        return checked_result(result)

    def _remember(self, place: str, entry: Entry, beginning: bytes) -> None:
        """Remember a small entry that was checked; its bytes are compared next time."""
        if type(entry.content) is bytes and len(entry.content) <= _LARGEST_REMEMBERED:
            if len(self._verified) >= _MOST_REMEMBERED:
                self._verified.clear()
            self._verified[place] = (entry.content, beginning, entry.value)

    # Writing

    def _keep(self, call: CachedCall, record: dict[str, Any], session: Session) -> None:
        pieces = call.packed(session.result, record)
        self._keep_document(call)
        self.store.write(call.place, pieces)
        self._bounds.added(sum(len(piece) for piece in pieces))

    def _keep_document(self, call: CachedCall) -> None:
        """Describe the code of a call, once for all calls with the same code."""
        name = call.document
        if name is None or call.code is None or name in self._documents:
            return
        if self.store.read(name) is None:
            import json

            self.store.write(name, [json.dumps(call.parts).encode("ascii")])
        self._documents.add(name)

    def _complain(self, session: Session, error: Exception) -> None:
        # A directory that cannot be written is one problem, however many calls it has.
        subject = "directory" if isinstance(error, OSError) else session.ids.task_id
        if subject in self._complained_of:
            return
        self._complained_of.add(subject)
        warnings.warn(
            f"The result of task {session.task} could not be kept in the cache: "
            f"{type(error).__name__}: {error}",
            RuntimeWarning,
            stacklevel=3,
        )

    # Asking

    def is_cached(self, session: Session) -> bool:
        """Tell if a call would be answered from this cache.

        Args:
            session: The session of the call; it needs not be initiated.
        """
        call = self._call_of(session)
        return call is not None and self._find(call) is not None

    def explain(self, session: Session) -> Explanation:
        """Say why a call would be answered from this cache, or why not.

        Args:
            session: The session of the call; it needs not be initiated.

        Returns:
            That it is a hit; or in what the call differs from the nearest one whose
            result is kept.
        """
        name = str(session.task)
        try:
            call = self._call_of(session)
        except UnstableValueError as error:
            reason = f"it cannot be cached: {error}"
            return Explanation(name, reason=reason.rstrip("."))
        if call is None:
            return Explanation(name, reason="the task has switched it off: cache=False")
        if self._find(call) is not None:
            return Explanation(name, True, self.store.location(call.place))
        explanation = nearest_explanation(
            self.store,
            session.task.task_id,
            call.record(session),
            call.parts,
        )
        if call.damaged:
            explanation.reason = "its entry is damaged"
        elif call.is_too_old:
            explanation.reason = "its entry is too old"
        return explanation

    def forget(self, session: Session) -> int:
        """Remove the results of a call, those of other code included.

        Args:
            session: The session of the call; it needs not be initiated.

        Returns:
            How many there were.
        """
        call = self._call_of(session)
        if call is None:
            return 0
        name = call.name
        return sum(
            self.store.remove(item.name)
            for item in list(self.store.items(name))
            if item.name == name or item.name.startswith(f"{name}-")
        )
