"""The far end of a notebook: its definitions, executed in a `__main__` of their own.

Sessions with the same definitions share one. It is `sys.modules["__main__"]` while one
of them runs, so there are never two at once in a process.
"""

from __future__ import annotations

import sys
import threading
from hashlib import sha256
from marshal import dumps, loads
from types import ModuleType

from ...runtime.contexts import contextmanager
from ...runtime.fork import call_at_reset, call_in_child
from .captured import CapturedData
from .texts import function_of, give, noted_code_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Sequence

    from ...serialization import Serializer
    from ...serialization.buffers import Buffer
    from .captured import Reference
    from .texts import Place

# The kinds of items
STATEMENT, VALUE, FUNCTION, ATTRIBUTE = range(4)

# Every supported Python reads it.
_VERSION = 4

# How many are kept; captured data stays in memory with them.
_MOST_MAINS = 16

#: Where a `__main__` keeps what it was made of: names and texts of cells, and the flags
#: with which they were compiled.
SOURCES = "__bandsaw_sources__"

# Where a `__main__` keeps functions that have no name in it
_UNNAMED = "__bandsaw_functions__"


def packed(items: list[tuple[Any, ...]]) -> bytes:
    """Write items for another interpreter.

    Args:
        items: The items, in the order of execution.
    """
    return dumps(items, _VERSION)


def unnamed_function(key: str) -> Any:
    """Return a function that travels without a name."""
    return vars(sys.modules["__main__"])[_UNNAMED][key]


class _State:
    """The `__main__` that is in use, and the threads whose sessions use it."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.active: Main | None = None
        self.threads: list[int] = []
        self.mains: dict[str, Main] = {}
        # The digests of what was written here: it is there already.
        self.own: set[str] = set()


_state = _State()
_make_anew = _state.__init__  # type: ignore[misc]
call_in_child(_make_anew)
call_at_reset(_make_anew)


def note_own(content: bytes) -> None:
    """Remember that definitions are those of this process.

    Args:
        content: The definitions, as they were packed.
    """
    _state.own.add(sha256(content).hexdigest())


class Main:
    """A `__main__` with some definitions.

    Args:
        items: The definitions.
        data: The data that they have captured.
    """

    def __init__(self, items: list[tuple[Any, ...]], data: CapturedData) -> None:
        self._items = items
        self._module = ModuleType("__main__")
        self._execution = _Execution(vars(self._module), data)
        # Whether a session may have changed the captured data.
        self._is_used = False

    @classmethod
    def of(
        cls,
        content: bytes,
        buffers: Sequence[Buffer] = (),
        serializer: Serializer | None = None,
    ) -> Main | None:
        """Return the one for some definitions; they are executed once.

        Args:
            content: The definitions, as `packed` has written them.
            buffers: The large data that they have captured.
            serializer: What reads captured data, `None` for that of the notebook's
                configuration.

        Returns:
            The one, which is in use then; `None` if they come from this process.

        Raises:
            NotMovableError: If this Python has not the syntax of a definition.
        """
        digest = sha256(content).hexdigest()
        if digest in _state.own:
            return None
        with _state.condition:
            main = _state.mains.get(digest)
            if main is None:
                new = cls(loads(content), CapturedData(buffers, serializer))
                with new.in_use():
                    # Another thread may have executed them while this one has waited.
                    main = _state.mains.get(digest)
                    if main is None:
                        new._execution.execute(new._items)
                        if len(_state.mains) >= _MOST_MAINS:
                            _state.mains.pop(next(iter(_state.mains)))
                        main = _state.mains[digest] = new
            return main

    def activate(self) -> None:
        """Let `__main__` mean this one from now on."""
        sys.modules["__main__"] = self._module

    def begin(self) -> None:
        """Let `__main__` mean this one, with captured data as it was captured."""
        self.activate()
        if self._is_used:
            self._execution.renew()
        self._is_used = True

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let `__main__` mean this one inside of the block.

        Threads whose sessions have other definitions wait for its end, or the same and
        data that they may change.
        """
        state, thread = _state, threading.get_ident()
        with state.condition:
            while (
                state.threads
                # A task may continue a session in its own process.
                and thread not in state.threads
                and (state.active is not self or self._execution.has_data)
            ):
                state.condition.wait()
            previous, state.active = state.active, self
            state.threads.append(thread)
            self.activate()
        try:
            yield
        finally:
            with state.condition:
                state.threads.remove(thread)
                if thread in state.threads and previous is not None:
                    state.active = previous
                    previous.activate()
                state.condition.notify_all()


class _Execution:
    """Executes items in the namespace of a `__main__`."""

    def __init__(self, namespace: dict[str, Any], data: CapturedData) -> None:
        self._namespace = namespace
        self._read = data.read
        self._unnamed = namespace[_UNNAMED] = {}
        self._sources: list[tuple[str, str, int]] = []
        namespace[SOURCES] = self._sources
        # What sets captured data that code may change
        self._captured: list[Callable[[], None]] = []

    @property
    def has_data(self) -> bool:
        """Whether there is captured data that code may change."""
        return bool(self._captured)

    def execute(self, items: list[tuple[Any, ...]]) -> None:
        for kind, *item in items:
            if kind == STATEMENT:
                self._note_source(*item)
                exec(noted_code_of(*item), self._namespace)
            elif kind == VALUE:
                self._set_value(*item)
            elif kind == ATTRIBUTE:
                self._set_attribute(*item)
            else:
                self._make_function(*item)

    def _note_source(
        self,
        cell: str,
        line: int,
        text: str,
        flags: int,
        before: str = "",
        after: str = "",
    ) -> None:
        # Where it is found when it travels further
        lines = "\n" * (line - 1 - before.count("\n"))
        self._sources.append((cell, f"{lines}{before}{text}{after}", flags))

    def renew(self) -> None:
        """Set captured data as it was at first."""
        for set_data in self._captured:
            set_data()

    def _set_value(self, name: str, reference: Reference, is_fixed: bool) -> None:
        def set_value() -> None:
            self._namespace[name] = self._read(reference)

        set_value()
        if not is_fixed:
            self._captured.append(set_value)

    def _set_attribute(
        self, name: str, attribute: str, reference: Reference, is_fixed: bool
    ) -> None:
        def set_attribute() -> None:
            cls, *inner = name.split(".")
            owner = self._namespace[cls]
            for each in inner:
                owner = getattr(owner, each)
            setattr(owner, attribute, self._read(reference))

        set_attribute()
        if not is_fixed:
            self._captured.append(set_attribute)

    def _make_function(
        self,
        key: str,
        place: Place,
        name: str,
        qualname: str,
        reference: Reference,
        is_fixed: bool,
    ) -> None:
        self._note_source(*place)
        function = function_of(noted_code_of(*place), self._namespace, name, qualname)
        # What it holds may lead to itself.
        self._unnamed[key] = function
        if key == qualname:
            self._namespace[key] = function

        def fill() -> None:
            give(function, self._read(reference))

        fill()
        if not is_fixed:
            self._captured.append(fill)
