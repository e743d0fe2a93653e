"""The advice that answers calls from results that were kept."""

from __future__ import annotations

import os

from ..advice import Advice
from ..exceptions import ConfigurationError, check_methods, check_type
from ..runtime.lazy import LateModule, late_attribute
from ._choices import CODE_CHOICES, parameters_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from ..session import Session
    from ..stores import Store
    from ..tasks import Task
    from . import _cached_calls as calls
    from .explanation import Explanation
else:
    # A process that only loads its configuration does without.
    calls = LateModule("bandsaw.advices._cached_calls")


class CachingAdvice(Advice):
    """Keep the results of tasks, and answer the same call from them.

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
        compare_python: Whether results of other versions of Python are ignored.
        wait: How long a call waits, in seconds, while the same call is being computed
            by another thread or process of this machine. 0 for not at all.
        verify: Whether large buffers are compared with their checksums when a process
            uses a result for the first time, and not only when the time or the size of
            its file has changed.
        strict: Whether a call is refused whose code uses a value that could not be
            looked at. Otherwise that counts by its assignment, and is listed when a
            task or `cache why` explains.

    Attributes:
        directory: Where the files are; only there if it was given.
        store: Where the results are.

    Raises:
        ConfigurationError: If both or neither of directory and store are given, or if
            a choice is unknown.
    """

    parameters: tuple[str, ...] = ("cache",)

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
        verify: bool = False,
        strict: bool = False,
    ) -> None:
        if (directory is None) == (store is None):
            raise ConfigurationError(
                "CachingAdvice needs either a directory or a store."
            )
        if directory is not None:
            needed = "a path as directory"
            check_type("CachingAdvice", needed, directory, str, os.PathLike)
        if code not in CODE_CHOICES:
            raise ConfigurationError(
                f"CachingAdvice: code={code!r} is unknown. It is one of "
                f"{', '.join(map(repr, CODE_CHOICES))}."
            )
        if store is not None:
            check_methods("CachingAdvice", "a Store as store", store, "read", "write")
        seconds: object = wait
        if not isinstance(seconds, (int, float)) or not seconds >= 0:
            raise ConfigurationError(
                "CachingAdvice needs a number of seconds from 0 on as wait, and not "
                f"{wait!r}."
            )
        self._given = directory
        # Where that is, whatever becomes of the working directory.
        self._root = None if directory is None else os.path.abspath(directory)
        if store is not None:
            self.store = store
        self._max_size = max_size
        self._max_age = max_age
        self._code = code
        self._compare_python = compare_python
        self._wait = wait
        self._verify = verify
        self._strict = strict
        if max_size is not None or max_age is not None:
            self._calls  # noqa: B018  (It checks them.)

    def __getstate__(self) -> dict[str, Any]:
        """Return what was given, so that a copy opens the directory itself."""
        made = ("_calls", *(() if self._given is None else ("store",)))
        return {name: value for name, value in vars(self).items() if name not in made}

    def at(self, directory: str | Path) -> CachingAdvice:
        """Return an advice like this one whose files are somewhere else.

        Args:
            directory: Where they are.
        """
        other = CachingAdvice(directory)
        for name in "code", "compare_python", "max_age", "max_size", "strict", "verify":
            setattr(other, f"_{name}", getattr(self, f"_{name}"))
        other._wait = self._wait
        return other

    @late_attribute
    def directory(self) -> Path:
        """The directory of the files; only there if it was given."""
        if self._given is None:
            raise AttributeError("This CachingAdvice has a store in place of directory")
        from pathlib import Path

        return Path(self._given)

    @late_attribute
    def store(self) -> Store:
        """The store of the results."""
        assert self._given is not None
        assert self._root is not None
        return calls.LocalStore.at(self._given, path=self._root)

    @late_attribute
    def _calls(self) -> calls.CachedCalls:
        return calls.CachedCalls(
            self,
            self.store,
            (self._max_size, self._max_age, self._verify),
            (self._code, self._compare_python, self._strict),
            self._wait,
        )

    def check_task(self, task: Task) -> None:
        """Refuse a task whose parameter `cache` has unknown keys, or such a `code`."""
        parameters_of(task)

    def before(self, session: Session) -> None:
        """Conclude with the result that is kept for the call, if there is one.

        Args:
            session: The session.

        Raises:
            ConfigurationError: If the task's parameter `cache` makes no sense.
            SerializationError: If the task is a generator function.
            UnstableValueError: If an argument has no stable identity; with `strict`,
                also if a value that the code uses could not be looked at.
            UntrustedDirectoryError: If others can write to the directory.
        """
        self._calls.answer(session)

    def after(self, session: Session) -> None:
        """Keep the result, unless it is a failure.

        Args:
            session: The session.
        """
        self._calls.keep(session)

    def is_cached(self, session: Session) -> bool:
        """Tell if a call would be answered from this cache.

        Args:
            session: The session of the call; it need not be initiated.
        """
        return self._calls.is_cached(session)

    def explain(self, session: Session) -> Explanation:
        """Say why a call is answered from this cache, or why it is not.

        Args:
            session: The session of the call; it need not be initiated.

        Returns:
            That it is a hit; or in what the call differs from the nearest one whose
            result is kept.
        """
        return self._calls.explain(session)

    def forget(self, session: Session) -> int:
        """Remove the results of a call, those of other code included.

        Args:
            session: The session of the call; it need not be initiated.

        Returns:
            How many there were.
        """
        return self._calls.forget(session)
