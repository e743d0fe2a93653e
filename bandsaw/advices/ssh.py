"""Runs tasks in an interpreter process on another machine, reached by ssh."""

from __future__ import annotations

from ..exceptions import ConfigurationError, check_methods, check_type
from ..transports.openssh import SshCommandLineBackend
from ..transports.remotes import Remote, SshBackend
from ..transports.ssh import SshTransport
from .remote import RemoteAdvice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from ..interpreter import Interpreter
    from ..session import Session

__all__ = ["Remote", "SshAdvice", "SshBackend", "SshCommandLineBackend"]


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
        if backend is None:
            backend = SshCommandLineBackend()
        check_methods(
            "SshAdvice", "an SshBackend as backend", backend, "execute_remote"
        )
        self._backend = backend

    def add_remote(self, remote: Remote, name: str = "default") -> SshAdvice:
        """Add a machine.

        Args:
            remote: The machine.
            name: The name by which tasks choose it.

        Returns:
            This advice, so that calls chain.

        Raises:
            ConfigurationError: If it is not a machine.
        """
        check_type("SshAdvice.add_remote", "a Remote", remote, Remote)
        self.remotes[name] = remote
        return self

    def remote_for(self, session: Session) -> Remote:
        """Return the machine that the task of a session has chosen.

        Args:
            session: The session.

        Raises:
            ConfigurationError: If there is none of this name.
        """
        parameters = session.full_task.advice_parameters.get("ssh", {})
        if not isinstance(parameters, dict):
            raise ConfigurationError(
                f"The task's parameter ssh has to be like {{'remote': 'default'}}, and "
                f"not {parameters!r}."
            )
        name = parameters.get("remote", "default")
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
