"""Inspect values that a call has made: settings, registries, objects of libraries.

They are identified by their content, as far as that is the same in every process. What
is not, like a logger or an open file, is left to the assignment in the source. What is
unknown is noted, with the reason.
"""

from __future__ import annotations

import os
import time
import weakref
from types import FunctionType, ModuleType

from ...runtime.file_cache import start_of_process
from .. import fingerprint
from ..leaves import text
from ..objects import attributes
from ..registry import find_stand_in
from .arguments import code_in
from .constants import Description, describe_with
from .lookup import ABSENT
from .origins import OWN, origin_of_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    # Tell if the attribute of a name is state, and if an attribute is registered in
    Kinds = tuple[Callable[[str, str], bool], Callable[[str], bool]]

    # By `id`: what refers to a value, its description, and why it is none.
    Known = dict[int, tuple[Callable[[], object], Description, str]]

# How many values are looked at; and how many are looked at again at each call.
_MOST = 10_000
MOST_AGAIN = 1000

# The modules of the standard library whose objects give what is not in them, or are
# used up.
_GIVING_MODULES = frozenset(
    (
        "_io",
        "_queue",
        "_random",
        "_socket",
        "_sqlite3",
        "_ssl",
        "ftplib",
        "http",
        "io",
        "itertools",
        "mmap",
        "queue",
        "random",
        "shelve",
        "smtplib",
        "socket",
        "sqlite3",
        "ssl",
        "zipfile",
    )
)

# Those whose objects belong to the process, and give no values.
_PASSING_MODULES = frozenset(
    (
        "_asyncio",
        "_contextvars",
        "_thread",
        "asyncio",
        "concurrent",
        "contextvars",
        "logging",
        "multiprocessing",
        "select",
        "selectors",
        "subprocess",
        "tempfile",
        "threading",
        "weakref",
    )
)

# What makes another value at each call.
_CLOCKS = frozenset(
    (
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "time.ctime",
        "time.gmtime",
        "time.localtime",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.strftime",
        "time.time",
        "time.time_ns",
    )
)

# What makes one value of others, and adds nothing to them.
_FORMING = ("os.path", "posixpath", "pathlib", "ntpath", "builtins", "datetime", "time")

# What `tempfile` makes names of, after a prefix.
_RANDOM = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")

# The units of times that are numbers: seconds, milliseconds and nanoseconds.
_UNITS = (1, 1000, 1_000_000_000)


def is_passing(value: Any) -> bool:
    """Tell if a value is of this process only: a time, a temporary path, a handle.

    Args:
        value: Any value.
    """
    kind = type(value)
    if kind is float or kind is int:
        return _is_time_of_process(value)
    if kind is str:
        return _is_temporary(value)
    name, module = kind.__name__, kind.__module__
    if name == "datetime" and module == "datetime":
        return _is_time_of_process(value.timestamp())
    if module.startswith("pathlib"):
        return _is_temporary(os.fspath(value))
    if origin_of_class(kind) == OWN:
        return False
    if name in ("coroutine", "async_generator"):
        return True
    if name.endswith(("Logger", "LoggerAdapter")):
        return True
    return _is_of(kind, _PASSING_MODULES) or gives_values(value)


def gives_values(value: Any) -> bool:
    """Tell if what a value gives is not in it, like what an open file has inside.

    Args:
        value: Any value.
    """
    kind = type(value)
    if origin_of_class(kind) == OWN:
        return False
    return (
        hasattr(kind, "__next__")
        or _is_of(kind, _GIVING_MODULES)
        or any(owner.__module__.startswith("numpy.random") for owner in kind.__mro__)
    )


def _is_of(kind: type, modules: frozenset[str]) -> bool:
    return any(owner.__module__.partition(".")[0] in modules for owner in kind.__mro__)


def reason_to_list(value: object) -> str:
    """Return why a value of this process only is listed as not looked at.

    Args:
        value: A value that counts by its assignment.

    Returns:
        The reason; empty for what gives no values, like a logger or a time.
    """
    if not gives_values(value):
        return ""
    return f"what {type(value).__qualname__} gives is not in its value"


def _is_temporary(path: str) -> bool:
    return "tmp" in path and any(
        len(part) == 11 and part[:3] == "tmp" and _RANDOM.issuperset(part[3:])
        for part in path.split(os.sep)
    )


def _is_time_of_process(number: float) -> bool:
    start, now = start_of_process(), time.time()
    return any(int(start * unit) <= number <= now * unit for unit in _UNITS)


def makes_passing(name: str) -> bool | None:
    """Tell if a function of Python makes a time or a temporary path.

    Args:
        name: The name of the function or class, with that of its module.

    Returns:
        `None` for what does not, but makes one value of another.
    """
    if name in _CLOCKS or name.startswith("tempfile."):
        return True
    return None if name.startswith(_FORMING) else False


def in_order_of_modules(entries: list[object]) -> list[object]:
    """Return what modules have put into a list, however they were imported.

    Args:
        entries: What is in the list. The order of those of one module stays.
    """
    return sorted(entries, key=_modules_of)


def _modules_of(entry: object) -> str:
    if isinstance(entry, (list, tuple)):
        return " ".join(map(_modules_of, entry))
    if not isinstance(entry, (FunctionType, type)):
        entry = type(entry)
    return str(entry.__module__)


def held_attribute(value: object, name: str) -> object:
    """Return an attribute that an object itself holds, without calling anything of it.

    Args:
        value: The object.
        name: The name of the attribute.

    Returns:
        What it holds, `ABSENT` if the attribute is made by its class.
    """
    if isinstance(type(value).__getattribute__, FunctionType):
        return ABSENT
    try:
        return attributes(value).get(name, ABSENT)
    except Exception:
        return ABSENT  # What stands for another object may raise any exception.


def _items_of(value: object) -> object:
    """Return what an object holds that is a container, too, else `None`."""
    if isinstance(value, dict):
        return dict(zip(dict.keys(value), dict.values(value)))
    for base in (list, tuple, set, frozenset):
        if isinstance(value, base):
            return base(base.__iter__(value))  # type: ignore[arg-type]
    return None


class Look:
    """One look at a value.

    Args:
        name: What the value is called.
        kinds: Tell which attributes of a name the code that uses the value changes,
            and which ones are changed while modules are imported.
        known: What was found out of values that take long to look at.

    Attributes:
        size: How many values were looked at, plain data in containers included.
        unseen: What could not be looked at, by name, and why.
    """

    def __init__(self, name: str, kinds: Kinds, known: Known) -> None:
        self._names = [name]
        self._is_state, self._is_registered = kinds
        self._known = known
        self._count = 0
        self.size = 0
        self.unseen: dict[str, str] = {}

    def describe(self, value: object) -> Description:
        """Describe the content of a value.

        Args:
            value: The value.
        """
        try:
            return describe_with(value, self)
        except _TooLarge:
            return self._refuse(value, f"it holds more than {_MOST} values")
        except Exception as error:
            # Another thread is changing it, or a method of its class raised this.
            return self._refuse(value, f"{type(error).__name__}: {error}")

    def count(self) -> None:
        """Note that another value is looked at."""
        self.size += 1
        self._count += 1
        if self._count > _MOST:
            raise _TooLarge

    def other(self, value: Any, depth: int, above: set[int]) -> Description:
        """Describe a value that is no plain data.

        Args:
            value: The value.
            depth: How many values are around it.
            above: The addresses of these.
        """
        kind = type(value)
        if is_passing(value):
            self._list(value)
            return Description(b"passing " + text(kind.__qualname__))
        if isinstance(value, ModuleType):
            return Description(b"module " + text(value.__name__), code_in([value]))
        if find_stand_in(kind) is None and (
            origin_of_class(kind) == OWN or kind.__module__ == "argparse"
        ):
            return self._describe_object(value, depth, above)
        return self._describe_whole(value)

    def _list(self, value: object) -> None:
        reason = reason_to_list(value)
        if reason:
            self.unseen[".".join(self._names)] = reason

    def _describe_object(self, value: Any, depth: int, above: set[int]) -> Description:
        kind = type(value)
        above = above | {id(value)}
        token = b"object " + text(kind.__qualname__)
        targets: list[object] = [kind]
        is_plain = True
        held = attributes(value)
        path = ".".join(self._names)
        for name in sorted(held):
            if self._is_state(path, name):
                continue
            item: Any = held[name]
            if type(item) is list and self._is_registered(name):
                item = in_order_of_modules(item)
            self._names.append(name)
            if is_passing(item):
                self._list(item)
                found = Description(b"passing ")
            else:
                found = describe_with(item, self, depth + 1, above)
            self._names.pop()
            token += text(name) + found.token
            targets += found.targets
            is_plain = is_plain and found.is_plain
        content = _items_of(value)
        if content is not None:
            found = describe_with(content, self, depth + 1, above)
            token += b"items " + found.token
            targets += found.targets
            is_plain = is_plain and found.is_plain
        return Description(token + b")", targets, is_plain, is_fixed=False)

    def _describe_whole(self, value: Any) -> Description:
        """Describe a value of another library, which nothing is known of."""
        known = self._known.get(id(value))
        if known is None or known[0]() is not value:
            known = self._known[id(value)] = self._fingerprint(value)
        _, description, reason = known
        if reason:
            self.unseen[".".join(self._names)] = reason
        return description

    def _fingerprint(self, value: Any) -> tuple[Callable[[], object], Description, str]:
        try:
            reference: Callable[[], object] = weakref.ref(value)
        except TypeError:

            def reference() -> object:
                return value

        opaque = Description(b"?", (type(value),), is_plain=False, is_fixed=False)
        try:
            token = b"value " + fingerprint(value)
        except Exception as error:
            return reference, opaque, str(error) or type(error).__name__
        return reference, Description(token, code_in([value]), is_fixed=False), ""

    def _refuse(self, value: object, reason: str) -> Description:
        self.unseen[".".join(self._names)] = reason
        return Description(b"?", (type(value),), is_plain=False, is_fixed=False)


class _TooLarge(Exception):
    """There is too much to look at."""
