"""Let threads inherit facts of the context that starts them.

Nothing in the standard library does so: a thread begins with an empty context, and the
threads of a pool work for all. While a fact is to be inherited, some methods of the
standard library are replaced. They are put back afterwards.
"""

from __future__ import annotations

import sys

from .fork import Lock
from .functions import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable, ContextManager, Generic, TypeVar

    T = TypeVar("T")
    Method = Callable[..., Any]
else:
    from .stand_ins import Generic

    T = None

# Attribute of a thread: what it has inherited, by fact.
_ATTRIBUTE = "_bandsaw_inherited"


class Inherited(Generic[T]):
    """A fact that threads inherit from the context that starts them.

    Args:
        current: Returns it as it is for the current context.
        within: Makes it that of the current context, for what a pool runs.
    """

    def __init__(
        self, current: Callable[[], T], within: Callable[[T], ContextManager[None]]
    ) -> None:
        self.current = current
        self.within = within

    def of_thread(self) -> T | None:
        """Return what the current thread has inherited, `None` if nothing."""
        threading = sys.modules.get("threading")
        if threading is None:
            return None
        inherited: dict[Inherited[T], T] | None
        inherited = getattr(threading.current_thread(), _ATTRIBUTE, None)
        return None if inherited is None else inherited.get(self)

    def switch(self, is_inherited: bool) -> None:
        """Let threads that are started from now on inherit this fact, or no longer.

        Args:
            is_inherited: Whether they do.
        """
        if is_inherited and self in _facts and _methods_are_replaced():
            return
        with _lock:
            if is_inherited:
                if self not in _facts:
                    _facts.append(self)
                _replace_methods()  # Also of a module that was imported since.
            elif self in _facts:
                _facts.remove(self)
                if not _facts:
                    _methods.put_back()


class ReplacedMethods:
    """Methods of classes that are replaced by ones that do more."""

    def __init__(self) -> None:
        self._methods: dict[tuple[type, str], _Replaced] = {}

    def replace(self, owner: type, name: str, wrap: Callable[[Method], Method]) -> None:
        """Replace a method, if it is not replaced already.

        Args:
            owner: The class.
            name: The name of the method.
            wrap: Makes the new one of the old one.
        """
        replaced = self._methods.get((owner, name))
        if replaced is None or not replaced.put_in():
            replaced = self._methods[owner, name] = _Replaced(owner, name, wrap)
            replaced.put_in()

    def put_back(self) -> None:
        """Put all of them back."""
        for replaced in self._methods.values():
            replaced.put_back()


class _Replaced:
    """A method of a class that is replaced by one that does more.

    Args:
        owner: The class.
        name: The name of the method.
        wrap: Makes the new one of the old one.
    """

    def __init__(
        self, owner: type, name: str, wrap: Callable[[Method], Method]
    ) -> None:
        self._owner = owner
        self._name = name
        self._original: Method = getattr(owner, name)
        self._in_use = False
        wrapped = wrap(self._original)

        @wraps(self._original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            # What has replaced the method in the meantime may call this one for ever.
            return (wrapped if self._in_use else self._original)(*args, **kwargs)

        self._replacement = replacement

    def put_in(self) -> bool:
        """Replace the method, or tell that it is another one by now."""
        if not self._in_use:
            if getattr(self._owner, self._name) is not self._original:
                return False
            self._in_use = True
            setattr(self._owner, self._name, self._replacement)
        return True

    def put_back(self) -> None:
        """Put the method back, unless something else has replaced it, too."""
        self._in_use = False
        if getattr(self._owner, self._name) is self._replacement:
            setattr(self._owner, self._name, self._original)


_lock = Lock()
_facts: list[Inherited[Any]] = []
_methods = ReplacedMethods()

_POOLS = "concurrent.futures.thread"


class _Found:
    """The module that was loaded when methods were replaced."""

    pools: ModuleType | None = None


def _methods_are_replaced() -> bool:
    """Tell if no module was imported since whose methods have to be replaced."""
    return sys.modules.get(_POOLS) is _Found.pools


def _replace_methods() -> None:
    import threading

    _methods.replace(threading.Thread, "start", _starting)
    # A pool that is imported later has no threads of another context.
    pools = sys.modules.get(_POOLS)
    # While another thread imports it, it is not there yet.
    executor = getattr(pools, "ThreadPoolExecutor", None)
    if executor is not None:
        _methods.replace(executor, "submit", _submitting)
        _Found.pools = pools


def facts_of_context() -> list[tuple[Inherited[Any], Any]]:
    """Return the facts that a thread would inherit which the current context starts."""
    return [(fact, fact.current()) for fact in list(_facts)]


def _starting(original: Method) -> Method:
    def start(thread: Any, *args: Any, **kwargs: Any) -> Any:
        setattr(thread, _ATTRIBUTE, dict(facts_of_context()))
        return original(thread, *args, **kwargs)

    return start


def _submitting(original: Method) -> Method:
    # The threads of a pool outlive the context that happened to start them, and work
    # for all. So what is submitted carries the facts of where it is submitted.
    def submit(executor: Any, *args: Any, **kwargs: Any) -> Any:
        if not args:
            return original(executor, **kwargs)
        return original(executor, _call_with, facts_of_context(), args, kwargs)

    return submit


def _call_with(
    facts: list[tuple[Inherited[Any], Any]],
    call: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    function, *args = call
    return call_with_facts(facts, lambda: function(*args, **kwargs))


def call_with_facts(
    facts: list[tuple[Inherited[Any], Any]], function: Callable[[], Any]
) -> Any:
    """Call a function in the context of which some facts are true.

    Args:
        facts: What `facts_of_context` has returned elsewhere.
        function: The function.
    """
    from contextlib import ExitStack

    with ExitStack() as entered:
        for fact, value in facts:
            entered.enter_context(fact.within(value))
        return function()
