"""A saved session as members in memory, to be sent as frames: no copies, no zip."""

from __future__ import annotations

from io import BytesIO

from ..exceptions import InvalidSessionError, NotMovableError
from ..execution import Execution
from ..run import get_run
from ..serialization.buffers import FileContent, HeldContent, blocks_of
from ..tasks import full_task
from .attachments import DIRECTORY
from .saved_format import (
    DEFINITIONS,
    EXECUTION,
    MODERATOR,
    SESSION,
    SIGNATURE,
    TASK,
    SavedFormat,
    SessionReader,
    SessionWriter,
    unwritable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        IO,
        Any,
        Collection,
        Mapping,
        Sequence,
        Union,
    )

    from ..distribution.cells import Definitions
    from ..run import Run
    from ..serialization import Serializer
    from ..serialization.buffers import Buffer
    from .attachments import Attachment

    Content = Union[bytes, memoryview]
    Member = tuple[Content, Sequence[Buffer]]

# How many tasks are remembered.
_TASKS_KEPT = 256

# The metadata of a session, and its step.
_HEAD = ("configuration", "advice_chain", "ids", "advices", "step")

# What serializers take as buffers.
_READABLE = (memoryview, HeldContent)

# A larger attachment is handed over as a file.
_LARGE_ATTACHMENT = 1 << 16


class SessionFrames(SavedFormat):
    """A saved session as members in memory, for a reader that belongs to this run.

    What is empty is left out. The id of the execution is written only when it is known,
    as computing it can take as long as sending the arguments.

    Attributes:
        head: The metadata of the session, and its step, plain data.
        members: The content of each member by its name, and the buffers beside it.
    """

    required = frozenset((TASK, EXECUTION, MODERATOR))
    required_changes = frozenset((MODERATOR,))
    requires_ids = False

    @property
    def run_of_recipient(self) -> Run | None:
        """The run of this process."""
        return get_run()

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.members: dict[str, Member] = {}

    def write(self, serializer: Serializer | None) -> SessionWriter:
        """Return a writer, which adds to the members."""
        return _Writer(self, serializer)

    def clear(self) -> None:
        """Forget the head and all members."""
        self.head = {}
        self.members.clear()

    def read(self) -> SessionReader:
        """Return a reader."""
        return _Reader(self)

    def peek(self, members: Collection[str]) -> dict[str, bytes]:
        """Return the content of those of the members that are there."""
        return {
            name: bytes(self.members[name][0])
            for name in members
            if name in self.members
        }

    def digests(self) -> list[list[str]]:
        """Return the name and the SHA-256 of each member but the signature."""
        from hashlib import sha256

        # In the words of plain data, whatever a reader has made of it.
        head = repr([(name, self.head.get(name)) for name in _HEAD])
        digests = [[SESSION, sha256(head.encode("utf-8")).hexdigest()]]
        for name, (content, apart) in self.members.items():
            if name != SIGNATURE:
                digest = sha256(content)
                for buffer in apart:
                    for block in blocks_of(buffer):
                        digest.update(block)
                digests.append([name, digest.hexdigest()])
        return digests

    def pack(self) -> tuple[dict[str, Any], list[Content], list[Buffer]]:
        """Lay out the members for a frame.

        Returns:
            The head of the frame, the pieces of its content, and the buffers that go
            beside it.
        """
        lengths: dict[str, int] = {}
        counts: dict[str, int] = {}
        pieces: list[Content] = []
        buffers: list[Buffer] = []
        for name, (content, apart) in self.members.items():
            lengths[name] = len(content)
            pieces.append(content)
            if apart:
                counts[name] = len(apart)
                buffers.extend(apart)
        head = {"session": self.head, "members": lengths, "buffers": counts}
        return head, pieces, buffers

    def shared_buffers(self) -> list[Any]:
        """Return what other sessions share of each buffer, `None` if nothing."""
        found: list[Any] = []
        for name, (_, apart) in self.members.items():
            if name == EXECUTION and self.sharing is not None:
                found += self.sharing.look_up(apart)
            else:
                found += [None] * len(apart)
        return found

    @classmethod
    def unpack(
        cls,
        head: Mapping[str, Any],
        content: Content,
        buffers: Sequence[Buffer] = (),
    ) -> SessionFrames:
        """Find the members in a frame.

        Args:
            head: The head of the frame.
            content: Its content.
            buffers: The buffers that came beside it.

        Raises:
            InvalidSessionError: If the frame holds something else.
        """
        form = cls()
        view = memoryview(content)
        end = used = 0
        try:
            form.head = head["session"]
            counts = head["buffers"]
            for name, length in head["members"].items():
                count = counts.get(name, 0) if counts else 0
                apart = buffers[used : used + count] if count else ()
                form.members[name] = view[end : end + length], apart
                used += count
                end += length
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidSessionError(
                f"The frame does not hold a session: {error!r}"
            ) from error
        if end != len(view) or used != len(buffers):
            raise InvalidSessionError("The frame does not hold a whole session.")
        return form


class _PackedTask:
    """A task, and what a serializer makes of it."""

    __slots__ = ("content", "serializer", "task", "task_id")

    def __init__(self, task: Any, serializer: object, content: bytes) -> None:
        self.task = task
        self.serializer = serializer
        self.content = content
        self.task_id = task.task_id


# Most sessions of a process are those of a few tasks, which never change.
_packed_tasks: dict[int, _PackedTask] = {}
_tasks_by_content: dict[tuple[int, bytes], _PackedTask] = {}


def _remember(tasks: dict[Any, _PackedTask], key: Any, task: _PackedTask) -> None:
    if len(tasks) >= _TASKS_KEPT:
        tasks.clear()
    tasks[key] = task


class _Writer(SessionWriter):
    def __init__(self, form: SessionFrames, serializer: Serializer | None) -> None:
        self.serializer = serializer
        self._form = form
        self._head, self._members = form.head, form.members

    def _digests(self) -> list[list[str]]:
        return self._form.digests()

    def write_header(self, header: Mapping[str, Any]) -> None:
        self._head.update(header)

    def write_execution(self, execution: Execution | None) -> None:
        assert execution is not None
        self.write_value(EXECUTION, execution.to_move())

    def write_step(self, step: int) -> None:
        self._head["step"] = step

    def write_bytes(self, member: str, content: bytes) -> None:
        self._members[member] = (content, ())

    def write_definitions(self, definitions: Definitions) -> None:
        self._members[DEFINITIONS] = (definitions.content, definitions.buffers)

    def write_value(self, member: str, value: Any) -> None:
        serializer = self.serializer
        assert serializer is not None
        stream = BytesIO()
        try:
            buffers = serializer.serialize_with_buffers(value, stream)
        except (NotMovableError, OSError):
            raise
        except Exception as error:
            raise unwritable(member, serializer, error) from error
        self._members[member] = (stream.getvalue(), buffers)

    def write_task(self, task: Any) -> None:
        """Write the task, which is the same for most sessions."""
        packed = _packed_tasks.get(id(task))
        if (
            packed is None
            or packed.task is not task
            or packed.serializer is not self.serializer
            or packed.task_id != task.task_id
            or not full_task(task).is_found_by_name()
        ):
            self.write_value(TASK, task)
            content, buffers = self._members[TASK]
            if not buffers:
                _remember(
                    _packed_tasks,
                    id(task),
                    _PackedTask(task, self.serializer, bytes(content)),
                )
            return
        self._members[TASK] = (packed.content, ())

    def write_attachment(self, name: str, attachment: Attachment) -> None:
        size = attachment.size
        if size < _LARGE_ATTACHMENT:
            with attachment.open() as file:
                self._members[DIRECTORY + name] = (file.read(), ())
        else:
            content = FileContent(attachment.open, size)
            self._members[DIRECTORY + name] = (b"", [content])

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        """Do nothing: a member is in memory as soon as it was written."""


class _Reader(SessionReader):
    def __init__(self, form: SessionFrames) -> None:
        # The head takes the place of two members.
        super().__init__((SESSION, MODERATOR, *form.members))
        self._head, self._contents = form.head, form.members

    def read_header(self) -> Any:
        return self._head

    def read_execution(self, task: Any, serializer: Serializer) -> Any:
        return Execution.of_moved(
            full_task(task), self.read_value(EXECUTION, serializer)
        )

    def read_step(self, serializer: Serializer) -> Any:
        return self._head["step"]

    def read_task(self, serializer: Serializer) -> Any:
        """Read the task, which is the same for most sessions."""
        self._require(TASK)
        content, buffers = self._contents[TASK]
        key = (id(serializer), bytes(content))
        # In a notebook, the same name may have another meaning now.
        may_be_known = not buffers and DEFINITIONS not in self.members
        packed = _tasks_by_content.get(key) if may_be_known else None
        if packed is None or packed.serializer is not serializer:
            task = self.read_value(TASK, serializer)
            # What a function holds is that of one session.
            if may_be_known and not getattr(task, "is_described", False):
                _remember(_tasks_by_content, key, _PackedTask(task, serializer, key[1]))
            return task
        return packed.task

    def read_definitions(self) -> tuple[bytes, Sequence[Buffer]] | None:
        if DEFINITIONS not in self.members:
            return None
        content, buffers = self._contents[DEFINITIONS]
        self._check_readable(DEFINITIONS, buffers)
        return bytes(content), buffers

    def _read(self, member: str) -> bytes:
        self._require(member)
        return bytes(self._contents[member][0])

    def _deserialize(self, member: str, serializer: Serializer) -> Any:
        content, buffers = self._contents[member]
        self._check_readable(member, buffers)
        return serializer.deserialize_with_buffers(content, buffers)  # type: ignore[arg-type]

    @staticmethod
    def _check_readable(member: str, buffers: Sequence[Buffer]) -> None:
        if any(not isinstance(buffer, _READABLE) for buffer in buffers):
            raise InvalidSessionError(f"{member} of the saved session is a file.")

    def _unreadable_part(self, member: str, serializer: Serializer) -> str:
        content, buffers = self._contents[member]
        return serializer.unreadable_part(content, buffers)  # type: ignore[arg-type]

    def _copy_attachment(self, name: str, target: IO[bytes]) -> None:
        content, buffers = self._contents[DIRECTORY + name]
        target.write(content)
        for buffer in buffers:
            target.writelines(blocks_of(buffer))
