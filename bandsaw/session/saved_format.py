"""The members of a saved session, and how values become members and come back.

A session is saved either as a zip file or as frames on a channel. The members are the
same; a form says where their bytes are, and which of them its reader can do without.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from io import BytesIO

from ..exceptions import (
    BandsawError,
    InvalidSessionError,
    SerializationError,
    SignatureError,
)
from .attachments import DIRECTORY, Attachments, attachment_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Collection, Iterable, Mapping, Sequence

    from ..distribution.cells import Definitions
    from ..execution import Execution
    from ..run import Run
    from ..serialization import Serializer
    from ..serialization.buffers import Buffer
    from .attachments import Attachment

SESSION = "session.json"
RUN = "run.json"
TASK = "task.dat"
EXECUTION = "execution.dat"
# What the task and its arguments need of the cells of a notebook.
DEFINITIONS = "definitions.dat"
# The large captured data among that; only in a file, which has no other place for it.
CAPTURED = "captured/"
# What tells later whether the arguments have changed; only in a file.
FIRST_LOOK = "first_look.json"
CONTEXT = "context.dat"
RESULT = "result.dat"
MODERATOR = "moderator.dat"
# Where the exception of a result comes from, as text; only in a runner's answer.
TRACEBACK = "traceback.txt"
# What led to that exception; only there.
CHAIN = "chain.dat"
# The versions of what the values are made of; only there.
VERSIONS = "versions.json"
# The names of the arguments that the task has changed in place; only there.
CHANGED = "changed.json"
# The names and digests of all other members; only where the serializer signs.
SIGNATURE = "signature.dat"

# What a serializer binds it to, so that no other value can take its place.
_SIGNED = "the members of a session"

_MEMBERS = frozenset(
    (
        SESSION,
        RUN,
        TASK,
        EXECUTION,
        DEFINITIONS,
        FIRST_LOOK,
        CONTEXT,
        RESULT,
        MODERATOR,
        TRACEBACK,
        CHAIN,
        VERSIONS,
        CHANGED,
        SIGNATURE,
    )
)


class SavedFormat(ABC):
    """The location of the members of one saved session.

    Attributes:
        required: The members that a reader needs which does not know the session.
        required_changes: The members that also a reader needs which knows the session
            as it was before.
        requires_ids: Whether the ids are written even when they have to be computed.
        sharing: What knows the large arguments that other sessions have, too; `None` if
            there is nothing, see `bandsaw.transports.sharing`.
    """

    sharing: Any = None

    required: frozenset[str]
    required_changes: frozenset[str]
    requires_ids: bool

    @property
    @abstractmethod
    def run_of_recipient(self) -> Run | None:
        """The run that the reader belongs to in any case, `None` if that is unknown."""

    @abstractmethod
    def write(self, serializer: Serializer | None) -> SessionWriter:
        """Return a writer.

        Args:
            serializer: What writes the values; not needed for plain data.
        """

    @abstractmethod
    def clear(self) -> None:
        """Forget what was written, to begin anew."""

    @abstractmethod
    def read(self) -> SessionReader:
        """Return a reader.

        Raises:
            InvalidSessionError: If this is not a whole session.
        """

    @abstractmethod
    def peek(self, members: Collection[str]) -> dict[str, bytes]:
        """Return the content of some members, as far as they are there.

        Args:
            members: The names of the members, which need not be those of a session.
        """

    @abstractmethod
    def digests(self) -> list[list[str]]:
        """Return the name and the SHA-256 of each member that a signature covers.

        Returns:
            Pairs in the order of the members.
        """

    def check_signature(self, serializer: Serializer) -> None:
        """Refuse what was not signed as a whole, if a serializer signs.

        Args:
            serializer: What reads the members.

        Raises:
            SignatureError: If a member was changed, added, left out or moved.
        """
        if not serializer.signs:
            return
        signature = self.peek((SIGNATURE,)).get(SIGNATURE)
        if signature is None:
            raise SignatureError(
                "The saved session is not signed. What was saved before its "
                "configuration had a serializer that signs cannot be read any more."
            )
        signed = serializer.bound_to(_SIGNED).deserialize(BytesIO(signature))
        if signed != self.digests():
            raise SignatureError(
                "The signature of the saved session does not fit: a member of it was "
                "changed, added, left out or moved."
            )


class SessionWriter(ABC):
    """Write the members of a session; a context manager around all of them.

    Attributes:
        serializer: What writes the values; not needed for plain data.
    """

    serializer: Serializer | None

    @abstractmethod
    def write_bytes(self, member: str, content: bytes) -> None:
        """Write a member that is no value."""

    @abstractmethod
    def write_value(self, member: str, value: Any) -> None:
        """Write a member that is a value.

        Raises:
            SerializationError: If the serializer cannot write it.
        """

    @abstractmethod
    def write_definitions(self, definitions: Definitions) -> None:
        """Write what is needed of the cells of a notebook."""

    @abstractmethod
    def write_attachment(self, name: str, attachment: Attachment) -> None:
        """Write an attachment."""

    @abstractmethod
    def write_header(self, header: Mapping[str, Any]) -> None:
        """Write the metadata of the session, plain data."""

    @abstractmethod
    def write_execution(self, execution: Execution | None) -> None:
        """Write the arguments."""

    @abstractmethod
    def write_step(self, step: int) -> None:
        """Write the number of the step."""

    def write_json(self, member: str, value: Any) -> None:
        """Write a member of plain data."""
        import json

        self.write_bytes(member, json.dumps(value).encode("ascii"))

    def write_task(self, task: Any) -> None:
        """Write the task."""
        self.write_value(TASK, task)

    @abstractmethod
    def _digests(self) -> list[list[str]]:
        """Return the name and the SHA-256 of each member that was written."""

    def sign(self) -> None:
        """Write the signature of all members, by a serializer that signs."""
        assert self.serializer is not None
        stream = BytesIO()
        self.serializer.bound_to(_SIGNED).serialize(self._digests(), stream)
        self.write_bytes(SIGNATURE, stream.getvalue())

    @abstractmethod
    def __enter__(self) -> SessionWriter:
        """Return the writer."""

    @abstractmethod
    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        """Finish what was written, unless there was an error."""


def unwritable(
    member: str, serializer: Serializer, error: Exception
) -> SerializationError:
    """Say that a member cannot be written.

    Args:
        member: The name of the member.
        serializer: What should have written it.
        error: What it has raised.
    """
    return SerializationError.of_part(
        _part(member), f"be written by {type(serializer).__name__}: {_text(error)}"
    )


def unreadable(
    member: str, path: str, serializer: Serializer, error: Exception
) -> SerializationError:
    """Say that a member cannot be read.

    Args:
        member: The name of the member.
        path: The path to the part of it that cannot.
        serializer: What should have read it.
        error: What it has raised.
    """
    path = _place(member, path)
    place = f" (at {path})" if path else ""
    return SerializationError.of_part(
        _part(member), f"be read by {type(serializer).__name__}: {_text(error)}{place}"
    )


class SessionReader(ABC):
    """Read the members of a session and refuse what is not one.

    Args:
        names: The names of all members that are there.

    Attributes:
        members: The names of the members.
        attachments: The names of the attachments.

    Raises:
        InvalidSessionError: If these are not the members of a session.
    """

    def __init__(self, names: Iterable[str]) -> None:
        names = list(names)
        self.members: frozenset[str] = frozenset(names)
        if len(self.members) != len(names):
            raise InvalidSessionError("The saved session holds a member twice.")
        self.attachments: list[str] = []
        for name in names:
            if name.startswith(DIRECTORY):
                self.attachments.append(attachment_name(name))
            elif name.startswith(CAPTURED):
                continue
            elif name not in _MEMBERS:
                raise InvalidSessionError(
                    f"The saved session holds {name!r}, which is no part of a session."
                )
        if SESSION not in self.members:
            raise InvalidSessionError(
                f"The stream does not hold a session: {SESSION} is missing."
            )

    @abstractmethod
    def _read(self, member: str) -> bytes:
        """Return the content of a member."""

    @abstractmethod
    def _deserialize(self, member: str, serializer: Serializer) -> Any:
        """Return the value that a member is."""

    @abstractmethod
    def _unreadable_part(self, member: str, serializer: Serializer) -> str:
        """Say which part of a member it is that cannot be read."""

    @abstractmethod
    def _copy_attachment(self, name: str, target: IO[bytes]) -> None:
        """Write the content of an attachment into a file, piece by piece."""

    @abstractmethod
    def read_header(self) -> Any:
        """Read the metadata of the session."""

    @abstractmethod
    def read_execution(self, task: Any, serializer: Serializer) -> Any:
        """Read the arguments of a task."""

    @abstractmethod
    def read_step(self, serializer: Serializer) -> Any:
        """Read the number of the step."""

    def read_json(self, member: str) -> Any:
        """Read a member of plain data."""
        import json

        content = self._read(member)
        try:
            return json.loads(content.decode("utf-8"))
        except (RecursionError, ValueError) as error:
            raise InvalidSessionError(
                f"{member} of the saved session is not JSON: {error}"
            ) from error

    def extract_attachments(self, directory: str) -> Attachments:
        """Put the attachments into files.

        Args:
            directory: Where to make a directory for the files.

        Raises:
            OSError: If one cannot be written; it names the file.
        """
        from tempfile import mkdtemp

        directory = mkdtemp(prefix="attachments-", dir=directory)
        attachments = Attachments()
        for name in self.attachments:
            path = os.path.join(directory, name)
            try:
                with open(path, "xb") as target:
                    self._copy_attachment(name, target)
            except OSError as error:
                # What fails to write, on a full disk, does not say where.
                error.filename = error.filename or path
                raise
            attachments[name] = path
        return attachments

    def read_task(self, serializer: Serializer) -> Any:
        """Read the task."""
        return self.read_value(TASK, serializer)

    @abstractmethod
    def read_definitions(self) -> tuple[bytes, Sequence[Buffer]] | None:
        """Read what is needed of the cells of a notebook, `None` for nothing.

        Returns:
            The definitions, and the large data that they have captured.
        """

    def read_value(self, member: str, serializer: Serializer) -> Any:
        """Read a member that is a value.

        Raises:
            SerializationError: If the serializer cannot read it.
        """
        self._require(member)
        try:
            return self._deserialize(member, serializer)
        except Exception as error:
            if isinstance(error, BandsawError) and not isinstance(
                error, SerializationError
            ):
                raise
            path = self._unreadable_part(member, serializer)
            raise unreadable(member, path, serializer, error) from error

    def _require(self, member: str) -> None:
        if member not in self.members:
            raise InvalidSessionError(f"{member} of the saved session is missing.")


def _place(member: str, path: str) -> str:
    """Say in the user's words where in a member something is."""
    for beginning, meaning in _BEGINNINGS.get(member, {}).items():
        if path.startswith(beginning):
            path = path[len(beginning) :]
            # That it is the result itself was said already.
            return meaning + path if path else ""
    return f"{_part(member)}{path}" if path else ""


# How the parts of a member that users know are reached.
_BEGINNINGS = {
    RESULT: {".value": "result"},
    EXECUTION: {
        "['args']": "args",
        "['kwargs']": "kwargs",
        ".args": "args",
        ".kwargs": "kwargs",
    },
}


def _text(error: Exception) -> str:
    text = str(error)
    if isinstance(error, SerializationError):
        return text
    return f"{type(error).__name__}: {text}"


def _part(member: str) -> str:
    return "step" if member == MODERATOR else member.partition(".")[0]
