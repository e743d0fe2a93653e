"""Names for things: the first digits of the SHA-256 of their content."""

from __future__ import annotations

import os

from .exceptions import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

_LENGTH_VARIABLE = "BANDSAW_ID_LENGTH"
_LENGTH_DEFAULT = 16


def _configured_length() -> int:
    text = os.environ.get(_LENGTH_VARIABLE, str(_LENGTH_DEFAULT))
    if not text.strip().isdecimal() or int(text) < 1:
        raise ConfigurationError(
            f"The environment variable {_LENGTH_VARIABLE} must be the number of digits "
            f"of an identifier, not {text!r}"
        )
    return int(text)


ID_LENGTH = _configured_length()


def identifier_from_bytes(buffer: bytes | bytearray | memoryview) -> str:
    """Derive an identifier from bytes.

    Args:
        buffer: The bytes.

    Returns:
        The first hexadecimal digits of their SHA-256: 16, or as many as the environment
        variable ``BANDSAW_ID_LENGTH`` said when bandsaw was imported.
    """
    # Not at the top: the first identifier may never come.
    from .runtime.hashing import sha256

    return sha256(buffer).hexdigest()[:ID_LENGTH]


def identifier_from_string(string: str) -> str:
    """Derive an identifier from a text.

    Args:
        string: The text.

    Returns:
        The identifier of the text in UTF-8.
    """
    return identifier_from_bytes(string.encode("utf-8"))


def unique_identifier() -> str:
    """Return an identifier that no other call has."""
    return identifier_from_bytes(os.urandom(32))


class Ids:
    """The three ids that make up the id of a session.

    Args:
        task_id: The id of the task.
        execution_id: The id of the arguments.
        run_id: The id of the run, any text.
    """

    __slots__ = ("execution_id", "run_id", "task_id")

    def __init__(self, task_id: str, execution_id: str, run_id: str) -> None:
        self.task_id = task_id
        self.execution_id = execution_id
        self.run_id = run_id

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return "_".join((self.task_id, self.execution_id, self.run_id))

    @classmethod
    def from_string(cls, id_as_string: str) -> Ids:
        """Split the id of a session.

        Args:
            id_as_string: The id, as `str` gives it.

        Raises:
            ValueError: If it is not the id of a session.
        """
        parts = id_as_string.split("_", 2)
        if len(parts) != 3:
            raise ValueError(f"{id_as_string!r} is not the id of a session.")
        return cls(*parts)

    def as_path(self) -> Path:
        """Return the relative path ``task/execution/run``."""
        from pathlib import Path

        return Path(self.task_id, self.execution_id, self.run_id)

    def __str__(self) -> str:
        return self.session_id

    def __repr__(self) -> str:
        return f"Ids({self.task_id!r}, {self.execution_id!r}, {self.run_id!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ids):
            return NotImplemented
        return self.session_id == other.session_id

    def __hash__(self) -> int:
        return hash(self.session_id)


class SessionIds:
    """The session in records that the user's handlers get.

    They may keep or pickle them, which must not concern the arguments of the call.
    """

    __module__ = "bandsaw.advices.log"  # What pickles name

    def __init__(self, ids: Ids) -> None:
        self.task_id = ids.task_id
        self.execution_id = ids.execution_id
        self.run_id = ids.run_id
        self.session_id = ids.session_id

    @property
    def ids(self) -> SessionIds:
        """The ids, where a session has them."""
        return self
