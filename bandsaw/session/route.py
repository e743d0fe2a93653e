"""The short route of a call: only its arguments go out, and only a value comes back.

The first session of a task is moved as a whole, and its recipient remembers it under a
number, without its arguments. A session that differs from that one in nothing but its
arguments is sent as this number and the arguments. What it comes to is sent as a bare
value. Whatever is more than a value, an exception for example, is answered as if the
session had come as a whole; and so is whatever cannot be read.

Both ends are on this page: `Route` belongs to the sender, `RememberedSession` to the
recipient.
"""

from __future__ import annotations

import struct
from itertools import count

from ..exceptions import ProtocolError
from ..execution import Execution
from ..result import Result
from ..serialization.pickle import PickleSerializer
from ..tasks import Task
from .frame_format import SessionFrames
from .saved_format import DEFINITIONS, EXECUTION, RESULT, TASK, unreadable
from .session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence, Union

    from ..distribution.cells import Definitions
    from ..serialization import Serializer
    from ..serialization.buffers import Buffer

    Content = Union[bytes, memoryview]
    Member = tuple[Content, Sequence[Buffer]]

_NUMBER = struct.Struct("<I")
_numbers = count(1)

#: How many routes a recipient remembers at most.
ROUTES_KEPT = 256

# Whether a call has taken this, in seconds, or longer makes no difference.
_LONG = 0.1

# How many calls go as a whole at most before the next one tries the route again.
_MOST_SKIPPED = 63


def number_of(content: Content) -> int:
    """Return the number of the route that a call takes.

    Args:
        content: What `Route.pack` gave.
    """
    return int.from_bytes(content[: _NUMBER.size], "little")


class Routes:
    """The numbers of the routes that one recipient knows, as both ends count them."""

    def __init__(self) -> None:
        self._known: dict[int, RememberedSession | None] = {}

    def add(self, number: int, session: RememberedSession | None = None) -> None:
        """Know a route; when there are too many, all others are forgotten.

        Args:
            number: Its number.
            session: What the recipient remembers.
        """
        if len(self._known) >= ROUTES_KEPT:
            self._known.clear()
        self._known[number] = session

    def clear(self) -> None:
        """Forget all of them."""
        self._known.clear()

    def __contains__(self, number: int) -> bool:
        return number in self._known

    def open(self, content: memoryview) -> tuple[RememberedSession, memoryview]:
        """Return what is remembered of a call, and its arguments.

        Args:
            content: What `Route.pack` gave.

        Raises:
            ProtocolError: If there is no such route.
        """
        session = None
        if len(content) >= _NUMBER.size:
            session = self._known.get(_NUMBER.unpack_from(content)[0])
        if session is None:
            raise ProtocolError(
                "A call takes a route that this interpreter was not told."
            )
        return session, content[_NUMBER.size :]


class Route:
    """A route as its sender knows it.

    Args:
        task: The task whose calls take it.
        stop: The step in which the recipient stops.
        conditions: What has to be the same for each of them.
        serializer: What writes the arguments.
        observe: Is told what a session tells meanwhile.

    Attributes:
        number: The number.
        task: The task.
        stop: The step in which the recipient stops.
        conditions: The conditions.
        observe: Is told what a session tells meanwhile.
        definitions: What the task needs of a notebook, `None` for a script.
        specification: What a process has to be that is told the route, `None` as long
            as none was.
        seconds: How long one of the last calls has taken, `None` if that is not known.
    """

    def __init__(
        self,
        task: Task,
        stop: int,
        conditions: tuple[object, ...],
        serializer: PickleSerializer,
        observe: Callable[[Session, str, dict[str, Any]], None],
    ) -> None:
        self.number = next(_numbers)
        self.task = task
        self.stop = stop
        self.conditions = conditions
        self.observe = observe
        self.definitions: Definitions | None = None
        self.specification: Any = None
        self.seconds: float | None = None
        self._serializer = serializer
        self._beginning = _NUMBER.pack(self.number)
        self._skipped = self._to_skip = 0

    def pack(self, execution: Execution) -> bytes | None:
        """Write what is sent in the place of a session.

        Args:
            execution: The arguments of the session.

        Returns:
            The number and the arguments; `None` for a session that has to be moved as a
            whole, because its arguments have large buffers or cannot be written.
        """
        content = self.pack_arguments(execution)
        return None if content is None else self._beginning + content

    def pack_arguments(self, execution: Execution) -> bytes | None:
        """Write the arguments of a session.

        Args:
            execution: The arguments.

        Returns:
            The arguments; `None` as for `pack`.
        """
        if self._to_skip:
            self._to_skip -= 1
            return None
        dumps: Callable[[Any], Any] = self._serializer.dumps_without_buffers
        if self.definitions is not None:
            dumps = self.definitions.within(dumps)
        content: bytes | None = dumps(execution.to_move())
        if content is None:
            # To write such arguments twice takes time, so it is tried less and less.
            self._skipped = self._to_skip = min(2 * self._skipped + 1, _MOST_SKIPPED)
            return None
        self._skipped = 0
        return content

    def pack_many(self, arguments: Sequence[tuple[Any, ...]]) -> bytes | None:
        """Write what is sent in the place of several sessions.

        Args:
            arguments: The positional arguments of each.

        Returns:
            The number and the arguments; `None` if each has to be sent by itself.
        """
        pieces = [self._beginning]
        dumps: Callable[[Any], Any] = self._serializer.dumps_without_buffers
        if self.definitions is not None:
            dumps = self.definitions.within(dumps)
        for args in arguments:
            # By itself, so that no two calls share an object there.
            content = dumps(args)
            if content is None:
                return None
            pieces += _NUMBER.pack(len(content)), content
        return b"".join(pieces)

    def note_seconds(self, seconds: float) -> None:
        """Note how long a call has taken.

        Args:
            seconds: The seconds.
        """
        known = self.seconds
        seconds = min(seconds, _LONG)
        self.seconds = seconds if known is None else 0.75 * known + 0.25 * seconds

    def read(self, content: Content) -> Result:
        """Read the value that has come back.

        Args:
            content: The value as it was written.

        Raises:
            SerializationError: If it cannot be read.
        """
        return read_value(content, self._serializer)


def read_value(content: Content, serializer: Serializer) -> Result:
    """Read a value that has come back.

    Args:
        content: The value as it was written.
        serializer: What has written it.

    Raises:
        SerializationError: If it cannot be read.
    """
    try:
        return Result(serializer.deserialize_with_buffers(content, ()))
    except Exception as error:
        path = serializer.unreadable_part(content, ())
        raise unreadable(RESULT, f".value{path}", serializer, error) from error


class RememberedSession:
    """A session without its arguments, as its recipient remembers it.

    Args:
        form: The session as it has arrived.
    """

    def __init__(self, form: SessionFrames) -> None:
        # What is known of one call means nothing for the next one.
        self._head = {**form.head, "ids": None}
        content, _ = form.members[TASK]
        self._task = bytes(content)
        self._definitions: Member | None = None
        if DEFINITIONS in form.members:
            content, buffers = form.members[DEFINITIONS]
            self._definitions = bytes(content), buffers
        self._calls: Calls | None = None

    def remember(self, session: Session) -> None:
        """Remember what was restored, if only the task is to be executed.

        Args:
            session: The session.
        """
        serializer = session.serializer
        if (
            type(session.task) is Task
            and type(serializer) is PickleSerializer
            and session.step + 1 == session.walk.task
            and not session.configuration.extensions
        ):
            self._calls = Calls(session, serializer)

    @property
    def calls(self) -> Calls | None:
        """The object that executes calls, `None` if they need whole sessions."""
        calls = self._calls
        # What a task has changed in the configuration is in force for the next call.
        return calls if calls is not None and calls.are_current else None

    def whole(self, arguments: Content) -> SessionFrames:
        """Return the session of a call as if it had arrived as a whole.

        Args:
            arguments: Its arguments.
        """
        form = SessionFrames()
        form.head = self._head
        form.members = {TASK: (self._task, ()), EXECUTION: (arguments, ())}
        if self._definitions is not None:
            form.members[DEFINITIONS] = self._definitions
        return form


class Calls:
    """The calls of a task whose sessions differ in their arguments only.

    Args:
        session: One of the sessions, as it was restored.
        serializer: What reads the arguments and writes the values.

    Attributes:
        session: A session of the task that has no arguments.
    """

    def __init__(self, session: Session, serializer: PickleSerializer) -> None:
        task, configuration = session.task, session.configuration
        chain = configuration.chains[session.advice_chain]
        self.session = Session(task, None, configuration, session.advice_chain)
        self._chain = chain.for_task(task)
        self._walk = session.walk
        self._stop = session.walk.stop(session.step)
        self._serializer = serializer
        self._main = session.main

    @property
    def are_current(self) -> bool:
        """Whether the chain and the extensions are still the same."""
        return self._chain.walk is self._walk

    def read(
        self, arguments: Content, buffers: Sequence[memoryview] = ()
    ) -> Execution | None:
        """Read the arguments of a call, `None` if that fails.

        Args:
            arguments: The arguments.
            buffers: The large buffers beside them.
        """
        if self._main is not None:
            self._main.begin()
        try:
            values = self._serializer.deserialize_with_buffers(arguments, buffers)
        except Exception:
            return None
        return Execution.of_moved(self.session.task, values)

    def read_many(self, arguments: Content) -> list[Execution] | None:
        """Read what `Route.pack_many` has written, `None` if that fails."""
        if self._main is not None:
            self._main.begin()
        task, read = self.session.task, self._serializer.deserialize_with_buffers
        content = memoryview(arguments)
        executions = []
        place = 0
        try:
            while place < len(content):
                end = place + _NUMBER.size + _NUMBER.unpack_from(content, place)[0]
                args = read(content[place + _NUMBER.size : end], ())
                executions.append(Execution.of_call(task, args, {}))
                place = end
        except Exception:
            return None
        return executions

    def write(self, result: Result) -> bytes | None:
        """Write the value of a result, `None` if it needs a whole session."""
        if result.exception is not None:
            return None
        return self._serializer.dumps_without_buffers(result.value)

    def executed(self, execution: Execution) -> Session:
        """Return the session of a call that was executed, where it has to stop.

        Args:
            execution: Its arguments.
        """
        known = self.session
        session = Session(
            known.task, execution, known.configuration, known.advice_chain
        )
        session.stop_at(self._stop)
        return session
