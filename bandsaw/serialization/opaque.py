"""Values of classes that are not installed here, passed on to where they are."""

from __future__ import annotations

import sys
from _pickle import PickleBuffer

from ..exceptions import OpaqueValueError
from ..infos import text_of
from ._pythons import loads
from .buffers import ClosedContent, HeldContent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, NoReturn, Sequence

    from .buffers import Buffer

    Facts = dict[str, str]


class Opaque:
    """A value whose class cannot be imported here.

    It can be passed to tasks, and arrives as the value wherever the class is installed.
    It can be kept by a cache, compared, and put into containers. Whatever else is done
    with it raises an `OpaqueValueError` that names the module that is missing.

    Attributes:
        type_name: The full name of the value's class.
        module: The module that is missing here.
        text: What `repr` said of the value where it was made, shortened.
        origin: Where it was made, e.g. ``Python 3.8.18 (/opt/old/bin/python)``.
        size: How many bytes it has, as it was written.
    """

    __slots__ = ("_buffers", "_content", "_facts", "_known_digests")

    _content: bytes
    _facts: Facts
    _buffers: list[ClosedContent | HeldContent]

    def __init__(
        self, content: bytes, facts: Facts, buffers: Sequence[Any] = ()
    ) -> None:
        self._content = content
        self._facts = facts
        self._known_digests: list[bytes] | None = None
        # What has come in a file of its own is left there.
        self._buffers = [
            buffer
            if isinstance(buffer, HeldContent)
            else ClosedContent(memoryview(buffer).cast("B"))
            for buffer in buffers
        ]

    @property
    def type_name(self) -> str:
        """The full name of the value's class."""
        return self._facts["type"]

    @property
    def module(self) -> str:
        """The module that is missing here."""
        return self._facts["module"]

    @property
    def text(self) -> str:
        """The `repr` of the value where it was made, shortened."""
        return self._facts["text"]

    @property
    def origin(self) -> str:
        """The place where it was made."""
        return self._facts["origin"]

    @property
    def size(self) -> int:
        """The size of its serialized form in bytes."""
        return sum((buffer.nbytes for buffer in self._buffers), len(self._content))

    def value_info(self) -> dict[str, Any]:
        """Describe the value for those who track it."""
        return {
            "type": self.type_name.rpartition(".")[2],
            "value": self.text,
            "opaque": {
                "type": self.type_name,
                "size": self.size,
                "origin": self.origin,
            },
        }

    def __fingerprint__(self) -> tuple[Any, ...]:
        # They are not taken into memory for that.
        return self.type_name, self._content, *self._digests()

    def _digests(self) -> list[bytes]:
        if not self._buffers:
            return []
        if self._known_digests is None:
            from hashlib import sha256

            digests = []
            for buffer in self._buffers:
                digest = sha256()
                for block in buffer.blocks():
                    digest.update(block)
                digests.append(digest.digest())
            self._known_digests = digests
        return self._known_digests

    def reduce_with(self, hand_over: Callable[[Buffer], Any]) -> tuple[Any, ...]:
        """Return how the value is pickled.

        Args:
            hand_over: Takes a large buffer, and returns what stands for it.
        """
        buffers = [hand_over(buffer) for buffer in self._buffers]
        return open_closed, (self._content, self._facts, *buffers)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # Buffers are the last that pickle has learnt.
        make: Any = PickleBuffer if protocol >= 5 else bytes
        return self.reduce_with(lambda buffer: make(_mapped(buffer)))

    def __copy__(self) -> Opaque:
        return self  # It is immutable.

    def __deepcopy__(self, memo: object) -> Opaque:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Opaque):
            return NotImplemented
        return (
            self._content == other._content
            and self.size == other.size
            and self._digests() == other._digests()
        )

    def __hash__(self) -> int:
        return hash(self._content)

    def __repr__(self) -> str:
        return f"<Opaque {self.type_name}, {self.size} bytes, made by {self.origin}>"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            # Many libraries look these up in every value, and do without them.
            raise AttributeError(name)
        raise self._error(f"has no {name} here")

    def _error(self, what: str) -> OpaqueValueError:
        return OpaqueValueError(
            f"{self.type_name} {what}: the module {self.module!r} is not installed for "
            f"{sys.executable}. The value was made by {self.origin}. Pass it to a task "
            "that runs where the module is.",
            name=self.module,
        )


def _refuse(name: str) -> Any:
    def method(self: Opaque, *args: object) -> NoReturn:
        raise self._error(f"cannot be used by {name}")

    method.__name__ = method.__qualname__ = name
    return method


# What the language asks a class for, and not the value.
for _name in (
    *("bool", "call", "contains", "delitem", "enter", "getitem", "iter", "len", "next"),
    *("setitem", "abs", "complex", "float", "index", "int", "invert", "neg", "pos"),
    *("ge", "gt", "le", "lt", "add", "and", "divmod", "floordiv", "lshift", "matmul"),
    *("mod", "mul", "or", "pow", "rshift", "sub", "truediv", "xor", "radd", "rand"),
    *("rmatmul", "rmod", "rmul", "ror", "rpow", "rsub", "rtruediv", "rxor", "await"),
):
    setattr(Opaque, f"__{_name}__", _refuse(f"__{_name}__"))


def close(
    value: Any, module: str, content: bytes, buffers: Sequence[Any] = ()
) -> tuple[Any, ...]:
    """Return what stands for a value whose recipient lacks its module.

    Args:
        value: The value.
        module: The module.
        content: The value as it is pickled on its own.
        buffers: What stands for its large buffers.

    Returns:
        What its method ``__reduce__`` would return.
    """
    kind = value if isinstance(value, type) else type(value)
    version = ".".join(map(str, sys.version_info[:3]))
    facts = {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "module": module,
        "text": text_of(value),
        "origin": f"Python {version} ({sys.executable})",
    }
    return open_closed, (content, facts, *buffers)


def open_closed(content: bytes, facts: Facts, *buffers: Any) -> Any:
    """Return a value that was closed, or an `Opaque` if its module is missing here.

    Args:
        content: The pickled value.
        facts: What is known of it.
        *buffers: Its large buffers.
    """
    try:
        return loads(content, [*map(_mapped, buffers)])
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or _is_importable(missing):
            raise  # It is there, in a version that has not all of its modules.
        return Opaque(content, {**facts, "module": missing}, buffers)


def _mapped(buffer: Any) -> Any:
    """Return a buffer as memory."""
    is_apart = isinstance(buffer, (ClosedContent, HeldContent))
    return buffer.mapped() if is_apart else buffer


def _is_importable(name: str) -> bool:
    if name in sys.modules:
        return True
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
