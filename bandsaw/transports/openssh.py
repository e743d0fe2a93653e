"""The commands of OpenSSH: their words, how they are run, and the backend of them."""

from __future__ import annotations

import _socket
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

from .frames import Channel
from .local import is_inherited
from .output import ChildStream
from .remotes import SshBackend, no_option
from .ssh import current_ssh_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, TextIO

    from ..session.cancellation import Cancellation
    from .remotes import Remote

# How often a thread that waits for a command looks for an interrupt of the main thread,
# which it cannot see otherwise, in seconds.
_INTERVAL = 0.2


class SshCommandLineBackend(SshBackend):
    """Reach machines with the commands ``ssh`` and ``scp``.

    Neither of them can ask anything: keys, known hosts and everything else are set up
    in ssh's own configuration. What is executed gets the standard output and error of
    this process; what the other commands say on standard error is in the error.

    Args:
        timeout: How long a short command may take, in seconds, the connection included.
        copy_timeout: How long copying a file may take, in seconds.

    What is executed may take as long as it likes.
    """

    __module__ = "bandsaw.advices.ssh"  # What pickles and fingerprints name

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
        call = current_ssh_call.get()
        stdin = subprocess.DEVNULL
        if call is not None:
            call.lifeline.greet()
            stdin = call.lifeline.descriptor
        with _PumpedOutput() as output:
            _call(words, stdin=stdin, stdout=output.stdout, stderr=output.stderr)

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
                _call(
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


def ssh_words(remote: Remote, *words: str) -> list[str]:
    """Return the command that executes words on a machine, exactly as they are."""
    port = ["-p", str(remote.port)]
    quoted = [shlex.quote(str(word)) for word in words]
    return ["ssh", *port, *_key(remote), login(remote), *quoted]


def login(remote: Remote) -> str:
    """Return a machine the way ssh wants it."""
    return f"{no_option(remote.user)}@{no_option(remote.host)}"


def scp_words(remote: Remote, source: str, target: str) -> list[str]:
    """Return the command that copies a file."""
    return ["scp", "-P", str(remote.port), *_key(remote), source, target]


def _key(remote: Remote) -> list[str]:
    return [] if remote.key_file is None else ["-i", str(remote.key_file)]


def is_plain(word: str) -> bool:
    """Tell if a shell leaves a word as it is."""
    return shlex.quote(word) == word


def local_word(path: Path) -> str:
    """Return the word for a file on this machine."""
    text = str(path)
    if text.startswith("-") or (":" in text and not os.path.isabs(text)):
        # Else it would be an option, or a file on another machine.
        return os.path.join(os.curdir, text)
    return text


def _call(words: list[str], timeout: float | None = None, **how: Any) -> None:
    """Run a command, which ends early when the job that it is a part of is cancelled.

    Args:
        words: The command.
        timeout: How long it may take, in seconds.
        **how: The standard streams of the command, as `subprocess` takes them.

    Raises:
        subprocess.CalledProcessError: If the command ends with another status than 0.
        subprocess.TimeoutExpired: If it takes too long.
    """
    # Without a terminal no user can be asked for a password, and a Ctrl-C is for
    # this process alone, which then still has something to clean up over there.
    how.update(
        start_new_session=True, env={"SSH_ASKPASS_REQUIRE": "never", **os.environ}
    )
    call = current_ssh_call.get()
    if call is None:
        subprocess.check_call(words, timeout=timeout, **how)
        return
    # The process of `check_call` cannot be ended by another thread.
    with subprocess.Popen(words, **how) as process:

        def end() -> None:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

        cancellation = call.job.cancellation
        cancellation.call(end)
        try:
            status = _wait(process, timeout, cancellation)
        finally:
            cancellation.forget(end)
            end()
    if status:
        raise subprocess.CalledProcessError(status, words)


def _wait(
    process: subprocess.Popen[bytes], timeout: float | None, cancellation: Cancellation
) -> int:
    if threading.current_thread() is threading.main_thread():
        return process.wait(timeout)  # A Ctrl-C ends it.
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    while True:
        cancellation.notice_interrupt()
        left = deadline - time.monotonic()
        try:
            return process.wait(min(_INTERVAL, left))
        except subprocess.TimeoutExpired:
            if timeout is not None and left <= _INTERVAL:
                raise subprocess.TimeoutExpired(process.args, timeout) from None


class _PumpedOutput:
    """The standard output and error of a command, which a thread pumps.

    The thread that runs the command waits for its end.

    Attributes:
        stdout: What `subprocess` takes for the standard output of the command.
        stderr: What it takes for the standard error.
    """

    def __init__(self) -> None:
        self._streams: list[ChildStream] = []
        self.stdout = self._redirect("stdout", sys.stdout, 1)
        self.stderr = self._redirect("stderr", sys.stderr, 2)

    def _redirect(
        self, name: str, stream: TextIO | None, descriptor: int
    ) -> int | None:
        if is_inherited(stream, descriptor):
            return None
        pumped = ChildStream(name)
        pumped.redirect(stream, None)
        self._streams.append(pumped)
        return pumped.target

    def __enter__(self) -> _PumpedOutput:
        if self._streams:
            own, self._command_runs = _socket.socketpair()
            self._channel = Channel(own.detach(), is_alive=lambda: True)
            for stream in self._streams:
                stream.watch(self._channel)
            self._thread = threading.Thread(target=self._pump, daemon=True)
            self._thread.start()
        return self

    def _pump(self) -> None:
        with contextlib.suppress(EOFError):
            self._channel.receive()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if not self._streams:
            return
        # Closing it would tell nothing: a forked process may hold it open, too.
        self._command_runs.shutdown(_socket.SHUT_RDWR)
        self._thread.join()
        for stream in self._streams:
            stream.drain()
            stream.close()
        self._channel.close()
        self._command_runs.close()
