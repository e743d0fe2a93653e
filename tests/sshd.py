"""Starts ssh servers on this machine, reached by the real commands of OpenSSH."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import IO, Iterator, Mapping

import pytest

from tests.interpreters import is_one_of
from tests.measuring import VARIABLE

# Where sshd is although no user has it in the path
SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

# What a process over there needs so that the tests know and measure it, and where Slurm
# is
KEPT_VARIABLES = (
    "BANDSAW_HOME",
    "BANDSAW_TEST_DIRECTORY",
    "SLURM_CONF",
    VARIABLE,
)

# The server under a name that does not depend on its port, for `HostKeyAlias`
ALIAS = "server-of-the-tests"

SERVER_CONFIGURATION = """\
ListenAddress 127.0.0.1
Port {port}
HostKey "{directory}/host_key"
AuthorizedKeysFile "{directory}/authorized_keys"
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PrintMotd no
KexAlgorithms curve25519-sha256
MaxStartups 100
Subsystem sftp internal-sftp
AcceptEnv {accepted}
SetEnv {variables}
"""

CLIENT_CONFIGURATION = """\
Host *
UserKnownHostsFile "{directory}/known_hosts"
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
IdentitiesOnly yes
IdentityFile none
IdentityAgent none
ControlPath none
ForwardAgent no
LogLevel ERROR
SendEnv {sent}
"""


class Sshd:
    """A server of ssh with keys of its own.

    Attributes:
        port: Its port on 127.0.0.1.
        user: Who may log in.
        key_file: With which key.
        commands: A directory with the commands `ssh` and `scp` that know it, and that
            know nothing of the configuration of the user who runs the tests.
    """

    def __init__(
        self, directory: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory
        # A bash that is not the outermost shell leaves the user's own settings alone.
        self._variables = {"SHLVL": "1", **(variables or {})}
        self.user = getpass.getuser()
        self.key_file = directory / "user_key"
        self.commands = directory / "commands"
        for name in ("host_key", "user_key", "unknown_key"):
            make_key(directory / name)
        authorized = (directory / "user_key.pub").read_text()
        (directory / "authorized_keys").write_text(authorized)
        self._prepare_commands()
        self.port = self._start()
        host_key = (directory / "host_key.pub").read_text()
        known = f"{ALIAS},[127.0.0.1]:{self.port} {host_key}"
        (directory / "known_hosts").write_text(known)

    def _prepare_commands(self) -> None:
        configuration = self.directory / "client_config"
        text = CLIENT_CONFIGURATION.format(
            directory=self.directory, sent=" ".join(KEPT_VARIABLES)
        )
        configuration.write_text(text)
        self.commands.mkdir()
        for name in ("ssh", "scp"):
            command = self.commands / name
            command.write_text(
                f'#!/bin/sh\nexec {find(name)} -F "{configuration}" "$@"\n'
            )
            command.chmod(0o755)

    def _start(self) -> int:
        """Start the server, and returns its port."""
        configuration = self.directory / "server_config"
        words = [f'"{name}={value}"' for name, value in self._variables.items()]
        for _ in range(20):
            port = free_port()
            configuration.write_text(
                SERVER_CONFIGURATION.format(
                    port=port,
                    directory=self.directory,
                    accepted=" ".join(KEPT_VARIABLES),
                    variables=" ".join(words),
                )
            )
            self._process = subprocess.Popen(
                [find("sshd"), "-D", "-e", "-f", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                universal_newlines=True,
            )
            assert self._process.stderr is not None
            self._log = Log(self._process.stderr)
            if self._log.wait_for("Server listening on"):
                return port
            self.stop()
            # Another process may have taken the port meanwhile.
            if "Address already in use" not in str(self._log):
                break
        pytest.skip(f"sshd cannot be started here: {self._log}")

    def key_for_shell(self, shell: str) -> Path:
        """Return the key of a user whose login shell is another one."""
        path = self.directory / f"key_for_{shell}"
        if not path.exists():
            # What sshd itself does with the login shell of a user
            command = f'exec {find(shell)} -c \\"$SSH_ORIGINAL_COMMAND\\"'
            make_key(path)
            public = path.with_suffix(".pub").read_text()
            with open(self.directory / "authorized_keys", "a") as authorized:
                authorized.write(f'command="{command}" {public}')
        return path

    @property
    def log(self) -> str:
        """Return the log of the server so far."""
        return str(self._log)

    def check(self) -> None:
        """Skip the test where the server does not let the user in."""
        command = [str(self.commands / "ssh"), "-p", str(self.port)]
        command += ["-i", str(self.key_file), f"{self.user}@127.0.0.1", "true"]
        login = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        if login.returncode:
            said = login.stdout.decode(errors="replace").strip()
            pytest.skip(f"sshd does not let {self.user} in: {said}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.join()


class Log(threading.Thread):
    """Reads what a server says."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self.start()

    def run(self) -> None:
        with self._stream:
            for line in self._stream:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, text: str) -> bool:
        """Wait until the server has said something, or has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or text in str(self), 60)
            return text in str(self)

    def __str__(self) -> str:
        return "".join(self._lines).strip()


def start_sshd(
    directory: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Sshd]:
    """Start a server, and stops it again; skips the test where there is none.

    Args:
        directory: Where it keeps its files.
        variables: What is set in the environment of each user.
    """
    if not is_one_of(min, max):
        # They take long, and hardly depend on which Python they run on.
        pytest.skip("runs with the oldest and the newest Python only")
    for name in ("sshd", "ssh", "scp", "ssh-keygen"):
        find(name)
    if os.geteuid() == 0:
        # What the service of the system would have made
        Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)
    server = Sshd(directory, variables)
    try:
        server.check()
        yield server
    finally:
        server.stop()


def find(name: str) -> str:
    """Return the path of a program, or skips the test where there is none."""
    path = shutil.which(name, path=SYSTEM_PATH)
    if path is None:
        pytest.skip(f"There is no {name} here, which this test needs.")
    return os.path.abspath(path)


def make_key(path: Path) -> None:
    """Make a pair of keys without a passphrase."""
    command = [find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=60)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
