"""Run tasks in an interpreter process on another machine, reached by ssh."""

from __future__ import annotations

from ..connections import Ssh
from ..exceptions import (
    ConfigurationError,
    check_methods,
    check_type,
    keyword_only,
)
from ..runtime.fork import Lock
from ..transports.openssh import SshCommandLineBackend
from ..transports.remotes import Remote, SshBackend
from ..transports.ssh import SshTransport
from .connection import connected
from .remote import RemoteAdvice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from ..interpreter import Interpreter
    from ..session import Session
    from ..tasks import OwnTask, Task
    from ..transports.base import Transport
    from ..transports.far import ConnectionTransport

__all__ = ["Remote", "SshAdvice", "SshBackend", "SshCommandLineBackend"]


class SshAdvice(RemoteAdvice):
    """Continue each session in an interpreter process on another machine.

    All processes of a machine are behind one connection, which the first call makes. A
    process ends with its session.

    A task chooses the machine with the parameter ``ssh={"remote": name}``. Without it,
    it is the one that is called `default`.

    Args:
        directory: Where a backend finds the files of the exchange on this machine while
            it takes place. By default the temporary directory of the session.
        backend: What reaches the other machines in place of a connection: it copies
            files and executes programs, anew for each session.

    Attributes:
        remotes: The machines by name.
    """

    parameters: tuple[str, ...] = ("ssh",)

    @keyword_only("directory", "backend")
    def __init__(
        self,
        *,
        directory: str | Path | None = None,
        backend: SshBackend | None = None,
    ) -> None:
        super().__init__(directory)
        self.remotes: dict[str, Remote] = {}
        if backend is not None:
            check_methods(
                "SshAdvice", "an SshBackend as backend", backend, "execute_remote"
            )
        self._backend = backend

    def _begin_anew(self) -> None:
        self._transports: dict[Ssh, ConnectionTransport] = {}
        self._lock = Lock()

    def add_remote(self, remote: Remote, name: str = "default") -> SshAdvice:
        """Add a machine.

        Args:
            remote: The machine.
            name: The name by which tasks choose it.

        Returns:
            This advice, so that calls chain.

        Raises:
            ConfigurationError: If it is not a machine, or if ssh cannot be given it.
        """
        check_type("SshAdvice.add_remote", "a Remote", remote, Remote)
        if self._backend is None:
            _connection_to(remote)
        self.remotes[name] = remote
        return self

    def check_task(self, task: Task) -> None:
        """Refuse a task whose parameter `ssh` makes no sense."""
        _remote_of(task)

    @property
    def has_connections(self) -> bool:
        """Whether the machines are reached by connections, and not by a backend."""
        return self._backend is None

    def remote_for(self, session: Session) -> Remote:
        """Return the machine that the task of a session has chosen.

        Args:
            session: The session.

        Raises:
            ConfigurationError: If there is none of this name.
        """
        name = _remote_of(session.full_task)
        if name not in self.remotes:
            known = ", ".join(map(repr, self.remotes)) or "none"
            raise ConfigurationError(
                f"Unknown remote {name!r}. Known are: {known}. "
                f"SshAdvice.add_remote(remote, {name!r}) adds it."
            )
        return self.remotes[name]

    def interpreter_for(self, session: Session) -> Interpreter:
        """Return the interpreter of the task's machine."""
        return self.remote_for(session).interpreter

    def environment_for(self, session: Session) -> str:
        """Return the machine and the path of the interpreter there."""
        remote = self.remote_for(session)
        return f"{remote.host}:{remote.interpreter.executable}"

    def transport_for(self, session: Session) -> Transport:
        """Return the transport to the task's machine."""
        remote = self.remote_for(session)
        if self._backend is not None:
            return SshTransport(self._backend, remote)
        connection = _connection_to(remote)
        with self._lock:
            transport = self._transports.get(connection)
            if transport is None:
                name = f"{remote.user}@{remote.host}"
                transport = connected.fresh_processes(name, connection)
                self._transports[connection] = transport
        return transport

    def settings_for(self, session: Session) -> dict[str, Any]:
        """Add what was said of the machine."""
        interpreter = self.interpreter_for(session)
        return {
            **super().settings_for(session),
            # The default would be the directories of this machine.
            "path": list(interpreter.serialized()["path"] or ()),
            "environment": interpreter.environment,
            "temporary_directory": str(self.remote_for(session).directory),
        }


def _remote_of(task: Task | OwnTask) -> Any:
    parameters = task.advice_parameters.get("ssh", {})
    if not isinstance(parameters, dict):
        raise ConfigurationError(
            f"The task's parameter ssh has to be like {{'remote': 'default'}}, and not "
            f"{parameters!r}."
        )
    return parameters.get("remote", "default")


def _connection_to(remote: Remote) -> Ssh:
    return Ssh(
        remote.host, user=remote.user, port=remote.port, key_file=remote.key_file
    )
