"""Runs tasks in an interpreter process on another machine, reached by ssh."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

from ..exceptions import ConfigurationError
from ..transports._streams import OutputStreams
from ..transports.ssh import SshTransport, current_errand
from ..user import get_current_username
from ._openssh import (
    call,
    is_plain,
    local_word,
    login,
    no_option,
    scp_words,
    ssh_words,
)
from .remote import RemoteAdvice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..interpreter import Interpreter
    from ..session import Session


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

    def __init__(
        self,
        host: str | None = None,
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
            f"Remote({self.host!r}, {self.port!r}, {self.user!r}, {self.key_file!r}, "
            f"{self.interpreter!r}, {str(self.directory)!r})"
        )


class SshBackend(ABC):
    """How another machine is reached.

    A method fails with a `subprocess.CalledProcessError` when what it has run on the
    machine did, and with an `OSError` when the machine cannot be reached. The session
    is concluded with an `InterpreterError` then.
    """

    @abstractmethod
    def create_dir(self, remote: Remote, remote_path: Path) -> None:
        """Create a directory on a machine, and the ones above it.

        Args:
            remote: The machine.
            remote_path: The path there.
        """

    def make_private(self, remote: Remote, remote_path: Path) -> None:
        """Let nobody but the user enter a directory that was just created.

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


class SshCommandLineBackend(SshBackend):
    """Reaches machines with the commands ``ssh`` and ``scp``.

    Neither of them can ask anything: keys, known hosts and everything else are set up
    in ssh's own configuration. What is executed gets the standard output and error of
    this process; what the other commands say on standard error is in the error.

    Args:
        timeout: How long a short command may take, in seconds, the connection included.
        copy_timeout: How long copying a file may take, in seconds.

    What is executed may take as long as it likes.
    """

    def __init__(
        self, timeout: float | None = 30.0, copy_timeout: float | None = 3600.0
    ) -> None:
        self.timeout = timeout
        self.copy_timeout = copy_timeout

    def create_dir(self, remote: Remote, remote_path: Path) -> None:
        """Run ``mkdir -p`` on a machine."""
        self._run(
            ssh_words(remote, "mkdir", "-p", no_option(remote_path)), self.timeout
        )

    def make_private(self, remote: Remote, remote_path: Path) -> None:
        """Run ``chmod 700`` on a machine."""
        self._run(
            ssh_words(remote, "chmod", "700", no_option(remote_path)), self.timeout
        )

    def copy_file_to_remote(
        self, remote: Remote, local_path: Path, remote_path: Path
    ) -> None:
        """Run ``scp``; the copy is as private as the file."""
        path = no_option(remote_path)
        if is_plain(path):
            target = self.get_remote_path(remote, remote_path)
            self._run(
                scp_words(remote, local_word(local_path), target), self.copy_timeout
            )
            return
        # Some versions of scp hand such a path to a shell, others do not.
        words = [*ssh_words(remote), f"umask 077 && cat > {shlex.quote(path)}"]
        with open(local_path, "rb") as source:
            self._run(words, self.copy_timeout, stdin=source)

    def copy_file_from_remote(
        self, remote: Remote, remote_path: Path, local_path: Path
    ) -> None:
        """Run ``scp``."""
        path = no_option(remote_path)
        if is_plain(path):
            source = self.get_remote_path(remote, remote_path)
            self._run(
                scp_words(remote, source, local_word(local_path)), self.copy_timeout
            )
            return
        with open(local_path, "wb") as target:
            words = ssh_words(remote, "cat", path)
            self._run(words, self.copy_timeout, stdout=target)

    def execute_remote(self, remote: Remote, executable: str, *arguments: str) -> None:
        """Run a program on a machine.

        An interpreter that continues a session there ends when this process does.
        """
        words = ssh_words(remote, no_option(executable), *arguments)
        errand = current_errand.get()
        stdin = subprocess.DEVNULL
        if errand is not None:
            errand.lifeline.greet()
            stdin = errand.lifeline.descriptor
        with OutputStreams() as streams:
            call(words, stdin=stdin, stdout=streams.stdout, stderr=streams.stderr)

    def delete_dir(self, remote: Remote, remote_path: Path) -> None:
        """Run ``rm -Rf`` on a machine."""
        self._run(ssh_words(remote, "rm", "-Rf", no_option(remote_path)), self.timeout)

    @staticmethod
    def login(remote: Remote) -> str:
        """Return a machine the way ssh wants it, ``USER@HOST``.

        Args:
            remote: The machine.
        """
        return login(remote)

    @staticmethod
    def get_remote_path(remote: Remote, path: str | Path) -> str:
        """Return a path on a machine the way scp wants it, ``USER@HOST:PATH``.

        Args:
            remote: The machine.
            path: The path there.
        """
        # An IPv6 address has colons itself.
        host = f"[{remote.host}]" if ":" in remote.host else no_option(remote.host)
        return f"{no_option(remote.user)}@{host}:{path}"

    def _run(
        self,
        words: list[str],
        timeout: float | None,
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = subprocess.DEVNULL,
    ) -> None:
        with tempfile.TemporaryFile() as said:
            try:
                call(
                    words,
                    timeout=timeout,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=said,
                )
            except subprocess.CalledProcessError as error:
                said.seek(0)
                error.stderr = said.read().decode(errors="replace")
                raise


class SshAdvice(RemoteAdvice):
    """Continues each session in an interpreter process on another machine.

    A task chooses the machine with the parameter ``ssh={"remote": name}``. Without it,
    it is the one that is called `default`.

    Args:
        directory: Where to keep the files of the exchange on this machine while it
            takes place. By default the temporary directory of the session.
        backend: What leads to the other machines. By default the commands of OpenSSH.

    Attributes:
        remotes: The machines by name.
    """

    def __init__(
        self,
        directory: str | Path | None = None,
        backend: SshBackend | None = None,
    ) -> None:
        super().__init__(directory)
        self.remotes: dict[str, Remote] = {}
        self._backend = SshCommandLineBackend() if backend is None else backend

    def add_remote(self, remote: Remote, name: str = "default") -> SshAdvice:
        """Add a machine.

        Args:
            remote: The machine.
            name: The name by which tasks choose it.

        Returns:
            This advice, so that calls chain.
        """
        self.remotes[name] = remote
        return self

    def remote_for(self, session: Session) -> Remote:
        """Return the machine that the task of a session has chosen.

        Args:
            session: The session.

        Raises:
            ConfigurationError: If there is none of this name.
        """
        # A task object of the user's own may have no parameters.
        parameters = getattr(session.task, "advice_parameters", {}).get("ssh", {})
        if not isinstance(parameters, dict):
            raise ConfigurationError(
                f"The task's parameter ssh has to be like {{'remote': 'default'}}, and "
                f"not {parameters!r}."
            )
        name = parameters.get("remote", "default")
        if name not in self.remotes:
            known = ", ".join(map(repr, self.remotes)) or "none"
            raise ConfigurationError(f"Unknown remote {name!r}. Known are: {known}.")
        return self.remotes[name]

    def interpreter_for(self, session: Session) -> Interpreter:
        """Return the interpreter of the task's machine."""
        return self.remote_for(session).interpreter

    def environment_for(self, session: Session) -> str:
        """Return the machine and the path of the interpreter there."""
        remote = self.remote_for(session)
        return f"{remote.host}:{remote.interpreter.executable}"

    def transport_for(self, session: Session) -> SshTransport:
        """Return the transport to the task's machine."""
        return SshTransport(self._backend, self.remote_for(session))

    def settings_for(self, session: Session) -> dict[str, Any]:
        """Add the directories and the variables that were given to the interpreter."""
        interpreter = self.interpreter_for(session)
        return {
            **super().settings_for(session),
            # The default would be the directories of this machine.
            "path": interpreter.serialized()["path"] or (),
            "environment": interpreter.environment,
        }
