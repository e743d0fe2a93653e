"""Another machine as users describe it, and the contract of what reaches it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from ..exceptions import ConfigurationError, keyword_only
from ..user import get_current_username

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..interpreter import Interpreter


class Remote:
    """Another machine, and the Python there.

    Args:
        host: The name or the address of the machine.
        port: The port of its ssh server; text is fine.
        user: The user there. By default the one who runs this process.
        key_file: The file with the private key. By default ssh decides.
        interpreter: The interpreter there. Its directories are the ones that it is
            given, nothing of the module search path here. Its environment variables
            are set when it has started, before the task's module is imported.
        directory: The directory there in which each call gets a private one of its own.
            A relative one, or one that begins with ``~/``, is below the home directory.

    Raises:
        ConfigurationError: If something is missing, or would be taken for an option.
    """

    __module__ = "bandsaw.advices.ssh"  # What pickles and fingerprints name

    @keyword_only("port", "user", "key_file", "interpreter", "directory")
    def __init__(
        self,
        host: str | None = None,
        *,
        port: int | str | None = None,
        user: str | None = None,
        key_file: str | Path | None = None,
        interpreter: Interpreter | None = None,
        directory: str | Path | None = None,
    ) -> None:
        if not host:
            raise ConfigurationError(f"Remote needs a host, `{host}` given.")
        if interpreter is None:
            raise ConfigurationError("Remote needs an interpreter, `None` given.")
        try:
            self.port = 22 if port is None else int(port)
        except ValueError:
            raise ConfigurationError(
                f"Remote needs a number as its port, {port!r} given."
            ) from None
        self.host = no_option(host)
        self.user = no_option(user or get_current_username())
        self.key_file = key_file
        self.interpreter = interpreter
        self.directory = Path(no_option(directory or "/tmp"))

    def __repr__(self) -> str:
        return (
            f"Remote({self.host!r}, port={self.port!r}, user={self.user!r}, "
            f"key_file={self.key_file!r}, interpreter={self.interpreter!r}, "
            f"directory={str(self.directory)!r})"
        )


class SshBackend(ABC):
    """The means to reach other machines by ssh.

    A method fails with a `subprocess.CalledProcessError` when what it has run on the
    machine did, and with an `OSError` when the machine cannot be reached. The session
    is concluded with an `InterpreterError` then.
    """

    __module__ = "bandsaw.advices.ssh"  # What pickles and fingerprints name

    @abstractmethod
    def create_dir(self, remote: Remote, remote_path: Path) -> None:
        """Create a directory on a machine, and the ones above it.

        Args:
            remote: The machine.
            remote_path: The path there.
        """

    def make_private(self, remote: Remote, remote_path: Path) -> None:
        """Restrict a directory that was just created to the user.

        Does nothing when it is not overridden, for the case that `create_dir` makes
        private directories.

        Args:
            remote: The machine.
            remote_path: The path of the directory there.
        """

    @abstractmethod
    def copy_file_to_remote(
        self, remote: Remote, local_path: Path, remote_path: Path
    ) -> None:
        """Copy a file to a machine.

        Args:
            remote: The machine.
            local_path: The file here.
            remote_path: The path of the copy there.
        """

    @abstractmethod
    def copy_file_from_remote(
        self, remote: Remote, remote_path: Path, local_path: Path
    ) -> None:
        """Copy a file from a machine.

        Args:
            remote: The machine.
            remote_path: The file there.
            local_path: The path of the copy here.
        """

    @abstractmethod
    def execute_remote(self, remote: Remote, executable: str, *arguments: str) -> None:
        """Execute a program on a machine and wait until it has ended.

        Args:
            remote: The machine.
            executable: The path of the program there.
            *arguments: The words that the program is given, exactly as they are.

        Raises:
            subprocess.CalledProcessError: If the program ends with another status
                than 0.
        """

    @abstractmethod
    def delete_dir(self, remote: Remote, remote_path: Path) -> None:
        """Delete a directory on a machine with its content.

        Args:
            remote: The machine.
            remote_path: The path there.
        """


def no_option(word: object) -> str:
    """Return a word as text, unless a program would take it for an option."""
    text = str(word)
    if text.startswith("-"):
        raise ConfigurationError(f"{text!r} would be taken for an option of a program.")
    return text
