"""Results in a store: which entry answers a call, and why none does.

The first entry of a call has the name ``TASK_ID/EXECUTION_ID``. Results of the same
call with other code stand beside it, each with a dash and the first digits of the
fingerprint of that code. A *document* describes code, once for all entries of a task.
"""

from __future__ import annotations

import _pickle
import time
from collections import namedtuple
from io import BytesIO

from ..exceptions import DamagedEntryError, UntrustedDirectoryError
from ..fingerprint import is_immutable
from ..result import Result
from ..runtime.contexts import suppress
from ..runtime.fork import call_in_child
from ..runtime.json_text import loads, make_dumps
from ..serialization import PickleSerializer
from ..serialization.buffers import contiguous
from .entries import Entry, has_footer, pack
from .local import DOCUMENT
from .pruning import Bounds, is_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ContextManager, NamedTuple, Sequence

    from ..fingerprint.code import Code
    from ..serialization import Serializer
    from .base import Content, Item, Store

    class _Key(NamedTuple):
        name: str
        arguments: str
        code: str

    class Hit(NamedTuple):
        """A result that was found, and the name of its entry.

        Of an entry that was not used before in this process, `changed` names the
        arguments that the task has changed in place.
        """

        name: str
        result: Result
        changed: tuple[str, ...] = ()

    class Miss(NamedTuple):
        """The reason for a cache miss, and the name of the entry of the new result.

        The reason is one of `ABSENT`, `OTHER_CODE`, `TOO_OLD` and `DAMAGED`; a damaged
        entry has the error that tells why it cannot be read.
        """

        name: str
        reason: str
        error: Exception | None = None

    class Description(NamedTuple):
        """The record of a call, and the code that its document describes."""

        record: dict[str, Any]
        code: Code | None

else:
    # The module `typing` is too slow to import.
    _Key = namedtuple("_Key", "name arguments code")
    Hit = namedtuple("Hit", "name result changed", defaults=((),))
    Miss = namedtuple("Miss", "name reason error", defaults=(None,))
    Description = namedtuple("Description", "record code")

_dumps = make_dumps()

ABSENT = "absent"
OTHER_CODE = "of other code"
TOO_OLD = "too old"
DAMAGED = "damaged"

# No serializer of pickles writes values of these types in its own way.
_PLAIN = frozenset((bool, bytes, complex, float, int, str, type(None)))

# Of which entries, and how many, it is remembered that they are whole.
_LARGEST_REMEMBERED = 4096
_MOST_REMEMBERED = 1000


class CacheKey(_Key):
    """The identity of a result: the call, and the code that computes it.

    Attributes:
        name: The ids of the task and of the execution, ``TASK_ID/EXECUTION_ID``: the
            name of the call's first entry.
        arguments: The fingerprint of the significant arguments, in hex digits.
        code: The fingerprint of the code and of the environment, in hex digits.
    """

    __slots__ = ()

    @property
    def task_id(self) -> str:
        """The id of the task."""
        return self.name.rpartition("/")[0]

    @property
    def variant(self) -> str:
        """The name of the entry for this code beside the call's first one."""
        return f"{self.name}-{self.code[:16]}"


class ResultStore:
    """Results by key, in a store of bytes by name.

    Args:
        store: Where the entries are.
        max_size: How much the store may hold, in bytes or as text like ``"10 GB"``.
        max_age: How old a result may be, in seconds or as text like ``"30 days"``.
        verify: Whether large buffers are compared when this process uses a result for
            the first time, and not only when its file seems to have been changed.

    Raises:
        ConfigurationError: If a text makes no sense.
    """

    def __init__(
        self,
        store: Store,
        max_size: float | str | None = None,
        max_age: float | str | None = None,
        verify: bool = False,
    ) -> None:
        self._store = store
        self._bounds = Bounds(store, max_size=max_size, max_age=max_age)
        # Bytes that were checked once need not be checked again. The value in them is
        # kept if it cannot be changed.
        self._checked: dict[str, tuple[bytes, CacheKey, Entry, tuple[Any, ...]]] = {}
        self._documents: set[str | None] = set()
        self._verify = verify
        self._begin_anew()
        call_in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        self._verified: set[tuple[str, str]] = set()

    def get(self, key: CacheKey, serializer: Serializer) -> Hit | Miss:
        """Return a result for use, which decides what is removed first.

        Args:
            key: The key.
            serializer: What reads the result.

        Returns:
            The hit, or why there is none.

        Raises:
            UntrustedDirectoryError: If others can write where the entry is.
        """
        found = self.find(key, serializer)
        if isinstance(found, Hit):
            self._store.note_use(found.name)
        return found

    def get_missed(
        self, key: CacheKey, serializer: Serializer, miss: Miss
    ) -> Hit | Miss:
        """Return a result that may have been put since it was missed.

        Args:
            key: The key.
            serializer: What reads the result.
            miss: How the result was missed: where it has been put, if it has.

        Returns:
            The hit, or why there is still none.
        """
        if not self._store.may_have(miss.name):
            return miss
        found = self._read(miss.name, key, serializer)
        if found is None:
            return miss
        if isinstance(found, Miss):
            return self.get(key, serializer) if found.reason == OTHER_CODE else found
        self._store.note_use(found.name)
        return found

    def find(self, key: CacheKey, serializer: Serializer) -> Hit | Miss:
        """Look for a result.

        Args:
            key: The key.
            serializer: What reads the result.

        Raises:
            UntrustedDirectoryError: If others can write where the entry is.
        """
        first = self._read(key.name, key, serializer)
        if isinstance(first, Hit) or (first is not None and first.reason == DAMAGED):
            return first
        # The first entry may be gone, and that of other code still be there.
        beside = key.variant
        if self._store.may_have(beside):
            second = self._read(beside, key, serializer)
            if isinstance(second, Hit) or (
                second is not None and second.reason != OTHER_CODE
            ):
                return second
        if first is None:
            return Miss(key.name, ABSENT)
        return Miss(beside, ABSENT) if first.reason == OTHER_CODE else first

    def _read(
        self, name: str, key: CacheKey, serializer: Serializer
    ) -> Hit | Miss | None:
        """Return the result of one entry, if it is that of a key; `None` without it."""
        changed: tuple[str, ...] = ()
        try:
            content = self._store.read(name)
            if content is None:
                return None
            checked = self._checked.get(name)
            if checked is not None and checked[0] == content and checked[1] == key:
                entry, constant = checked[2:]
                if constant and type(serializer) is PickleSerializer:
                    return Hit(name, _result_of(*constant))
                reader = _bound(serializer, key, entry.created)
                value = reader.deserialize_with_buffers(entry.value, ())
            elif not has_footer(content):
                value = _value_put_by_hand(content, serializer)
            else:
                entry = Entry(content)
                reason = self._reason_against(entry, key)
                if reason is not None:
                    return Miss(name, reason)
                if entry.has_buffers:
                    self._compare_buffers(name, entry)
                reader = _bound(serializer, key, entry.created)
                value = reader.deserialize_with_buffers(entry.value, entry.buffers)
                changed = entry.changed_arguments
                self._remember(name, entry, key, _constant_of(value, serializer))
            if not isinstance(value, Result):
                raise TypeError(f"it holds a {type(value).__name__}, not a result")
            return Hit(name, value, changed)
        except UntrustedDirectoryError:
            raise
        except Exception as error:
            return Miss(name, DAMAGED, error)

    def _reason_against(self, entry: Entry, key: CacheKey) -> str | None:
        if entry.arguments != key.arguments or entry.code != key.code:
            return OTHER_CODE
        return TOO_OLD if self._bounds.is_over(entry.created) else None

    def _compare_buffers(self, name: str, entry: Entry) -> None:
        """Compare the buffers of an entry with their checksums, if that is necessary.

        Raises:
            DamagedEntryError: If they were changed.
        """
        version = name, entry.checksum
        is_due = self._verify and version not in self._verified
        if not is_due and self._store.is_unchanged(entry.content, entry.created):
            return
        entry.verify()
        self._store.note_compared(name, entry.content, entry.created)
        self._verified.add(version)

    def _remember(
        self, name: str, entry: Entry, key: CacheKey, constant: tuple[Any, ...]
    ) -> None:
        """Remember a small entry that was checked; its bytes are compared next time."""
        if self._bounds.max_age is not None:
            return
        if type(entry.content) is bytes and len(entry.content) <= _LARGEST_REMEMBERED:
            if len(self._checked) >= _MOST_REMEMBERED:
                self._checked.clear()
            self._checked[name] = (entry.content, key, entry, constant)

    def put(
        self,
        key: CacheKey,
        result: Result,
        serializer: Serializer,
        description: Description,
        miss: Miss,
    ) -> None:
        """Keep a result.

        Args:
            key: The key.
            result: The result.
            serializer: What writes the result.
            description: What is written down of the call.
            miss: How the result was missed.

        Raises:
            OSError: If the entry cannot be written.
            SerializationError: If the result cannot be written.
        """
        # As exactly as the entry says it, and not later than now.
        created = int(time.time() * 1000) / 1000
        writer = _bound(serializer, key, created)
        value, buffers = _written(writer, result)
        pieces = pack(
            value,
            list(map(contiguous, buffers)),
            description.record,
            key.arguments,
            key.code,
            created,
        )
        if description.record["document"] not in self._documents:
            self._put_document(description)
        if buffers:
            self._store.write_dated(miss.name, pieces, created)
        else:
            self._store.write(miss.name, pieces)
        self._bounds.added(sum(map(len, pieces)))

    def _put_document(self, description: Description) -> None:
        name = description.record["document"]
        if name is not None and self._store.read(name) is None:
            self._store.write(
                name, [_dumps(parts_of(description.code)).encode("ascii")]
            )
        self._documents.add(name)

    def lock(self, key: CacheKey, wait: float) -> ContextManager[bool]:
        """Lock a key across the threads and processes of this machine; see `Store`.

        Args:
            key: The key.
            wait: How long to wait for the lock, in seconds.
        """
        return self._store.alone(key.name, wait)

    def forget(self, key: CacheKey) -> int:
        """Remove the results of a call, those of other code included.

        Args:
            key: The key of the call.

        Returns:
            How many there were.
        """
        return sum(
            self._store.remove(item.name)
            for item in list(self._store.items(key.name))
            if item.name == key.name or item.name.startswith(f"{key.name}-")
        )

    def location(self, name: str) -> str:
        """Return where an entry is, the path of a file or another text.

        Args:
            name: The name of the entry.
        """
        return self._store.location(name)

    def items(self, prefix: str = "") -> list[Item]:
        """Return the store's facts about its entries, in no particular order.

        Args:
            prefix: How the names begin.
        """
        items = self._store.items(prefix)
        return [item for item in items if not is_document(item.name)]

    def entry(self, name: str) -> Entry | None:
        """Return an entry, `None` if there is none that describes its call.

        Args:
            name: The name of the entry.
        """
        with suppress(DamagedEntryError, OSError):
            content = self._store.read(name)
            if content is not None and has_footer(content):
                return Entry(content)
        return None

    def parts(self, document: str) -> dict[str, list[str]] | None:
        """Return what `parts_of` gave for code, `None` if its document cannot be read.

        Args:
            document: The name of the document.
        """
        try:
            content = self._store.read(document)
            parts: dict[str, list[str]] = loads(bytes(content or b"").decode("utf-8"))
        except (OSError, ValueError):
            return None
        return parts


def document_of(task_id: str, code: Code | None) -> str | None:
    """Return the name of the document that describes code.

    Args:
        task_id: The id of the task.
        code: The code, `None` if it is not significant.
    """
    return None if code is None else f"{task_id}/{DOCUMENT}{code.digest.hex()[:16]}"


def parts_of(code: Code | None) -> dict[str, list[str]]:
    """Return what code consists of: kind, digest and text by name.

    Args:
        code: The code, `None` if it is not significant.
    """
    if code is None:
        return {}
    return {
        part.name: [part.kind, part.digest, part.text] for part in code.parts.values()
    }


def _written(
    serializer: Serializer, result: Result
) -> tuple[bytes, Sequence[memoryview]]:
    """Return what a serializer writes of a result, and the buffers beside it."""
    is_plain = type(result) is Result and type(result.value) in _PLAIN
    if is_plain and type(serializer) is PickleSerializer:
        # The serializer would ask each part in vain if it is written in its own way.
        return _pickle.dumps(result, 5), ()
    stream = BytesIO()
    buffers = serializer.serialize_with_buffers(result, stream)
    return stream.getvalue(), buffers


def _bound(serializer: Serializer, key: CacheKey, created: float) -> Serializer:
    """Return the serializer of one entry; what is signed is of no use for another."""
    # The usual serializer makes no difference between subjects.
    if type(serializer) is PickleSerializer:
        return serializer
    return serializer.bound_to(
        f"{key.name} {key.arguments} {key.code} {round(created * 1000)}"
    )


def _constant_of(result: Any, serializer: Serializer) -> tuple[Any, ...]:
    """Return the value of a result, which need not be read again; `()` if it must be.

    Another serializer may give another value, or see that a signature is not valid.
    """
    if type(serializer) is not PickleSerializer or type(result) is not Result:
        return ()
    if result.exception is not None or not is_immutable(result.value):
        return ()
    return (result.value,)


def _result_of(value: Any) -> Result:
    """Make a result of a value in a shorter time than its class, for each hit."""
    result = Result.__new__(Result)
    result.value = value
    result.exception = None
    return result


def _value_put_by_hand(content: Content, serializer: Serializer) -> Any:
    """Return the value in a file without a footer.

    Raises:
        ValueError: If more is in the file.
    """
    stream = BytesIO(content)
    value = serializer.deserialize(stream)
    # A serializer of the user's may have closed it.
    if not stream.closed and stream.read().strip():
        raise ValueError("something else stands behind the result")
    return value
