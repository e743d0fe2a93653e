"""A fresh interpreter process on another machine for each job, reached by a backend."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import subprocess
from contextvars import ContextVar
from pathlib import Path

from ..exceptions import (
    InterpreterDiedError,
    InterpreterError,
    InterpreterStartError,
    UnreachableError,
)
from ..runtime.caller_warnings import warn_caller
from ..runtime.parent_watch import Lifeline
from .base import Job, Transport, runner_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

    from ..session.saved_format import SavedFormat
    from .remotes import Remote, SshBackend

# How ssh itself ends when it has no connection, or lost the process at its other end.
_SSH_FAILED = 255

# How a shell ends when it cannot execute a program, or does not find it.
_NOT_STARTED = (126, 127)

# What an answer is, and not the lack of one.
_REFUSALS = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)


class SshCall:
    """A job that runs on another machine, reached by ssh.

    Attributes:
        job: The job.
        lifeline: What the interpreter there may have as its standard input.
    """

    def __init__(self, job: Job, lifeline: Lifeline) -> None:
        self.job = job
        self.lifeline = lifeline


#: The job on whose behalf a backend is called, `None` outside of jobs.
current_ssh_call: ContextVar[SshCall | None] = ContextVar(
    "bandsaw_ssh_call", default=None
)


class SshTransport(Transport):
    """Start an interpreter process on another machine for each job.

    The process ends with its job. Each job has a directory of its own there. It has an
    unpredictable name and is removed, however the job ends.

    Args:
        backend: What reaches the machine.
        remote: The machine.
    """

    def __init__(self, backend: SshBackend, remote: Remote) -> None:
        self._backend = backend
        self._remote = remote
        self._name = f"{remote.user}@{remote.host} (port {remote.port})"

    def run(self, job: Job) -> SavedFormat:
        """Have a job done by a new process on the other machine."""
        directory = self._choose_directory()
        with Lifeline() as lifeline:
            call = SshCall(job, lifeline)
            job.cancellation.call(lifeline.cut)
            with _running(call), self._step(job):
                self._backend.create_dir(self._remote, directory)
            died: InterpreterDiedError | None = None
            try:
                with _running(call):
                    self._exchange(job, directory, lifeline)
            except InterpreterDiedError as error:
                died = error
            finally:
                # Whatever still runs there must not write into the directory again.
                lifeline.cut()
                left = self._delete(directory)
        if died is not None:
            # The connection may have died instead.
            raise left if isinstance(left, UnreachableError) else died
        if left is not None:
            warn_caller(f"{directory} was not removed: {left}", UserWarning)
        return job.read_output()

    def _choose_directory(self) -> Path:
        parent = Path(_below_home(str(self._remote.directory)))
        return parent / f"bandsaw-{secrets.token_hex(16)}"

    def _exchange(self, job: Job, directory: Path, lifeline: Lifeline) -> None:
        backend, remote = self._backend, self._remote
        settings = job.write_settings(
            lifeline=lifeline.far_settings(remove=str(directory)),
            # It is removed also when the process is killed.
            temporary_directory=str(directory),
        )
        far_archive = directory / "archive.pyz"
        far_input = directory / job.input.name
        far_output = directory / job.output.name
        far_settings = directory / settings.name
        archive = job.archive.path
        with self._step(job):
            backend.make_private(remote, directory)
        with self._step(job):
            backend.copy_file_to_remote(remote, archive, far_archive)
        with self._step(job):
            backend.copy_file_to_remote(remote, job.input, far_input)
        with self._step(job):
            backend.copy_file_to_remote(remote, settings, far_settings)
        end = self._execute(
            job,
            str(far_archive),
            *runner_arguments(
                source=str(far_input),
                target=str(far_output),
                run_id=job.run_id,
                settings=str(far_settings),
            ),
        )
        # There may be an answer also when the process did not end well.
        try:
            with self._step(job):
                backend.copy_file_from_remote(remote, far_output, job.output)
        except InterpreterStartError as error:
            raise self._without_answer(job, end) from error
        if not job.output.exists():
            raise self._without_answer(job, end)

    def _execute(self, job: Job, *arguments: str) -> int | None:
        """Run the interpreter, and return its status if that is not 0."""
        executable = _below_home(job.interpreter.executable)
        with self._step(job):
            try:
                self._backend.execute_remote(self._remote, executable, *arguments)
            except subprocess.CalledProcessError as error:
                # It was killed here, and not there.
                is_lost = error.returncode < 0 and not job.cancellation.is_requested
                if is_lost or error.returncode in _NOT_STARTED:
                    raise
                return error.returncode
        return None

    def _without_answer(self, job: Job, status: int | None) -> InterpreterDiedError:
        if status is None:
            end = "exited"
        elif status == _SSH_FAILED:
            end = f"was killed, lost the connection or exited with status {status},"
        else:
            end = f"exited with status {status}"
        return InterpreterDiedError(
            f"Interpreter {job.interpreter.executable} on {self._name} {end} without "
            "an answer."
        )

    def _delete(self, directory: Path) -> Exception | None:
        """Delete the directory, or return why it is still there."""
        try:
            with self._failures():
                self._backend.delete_dir(self._remote, directory)
        except Exception as error:
            return error
        return None

    @contextlib.contextmanager
    def _step(self, job: Job) -> Iterator[None]:
        if not job.cancellation.is_requested:
            with self._failures():
                yield
        if job.cancellation.is_requested:
            raise InterpreterError(f"The call on {self._name} was cancelled.")

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Raise what a backend raises as what it means."""
        try:
            yield
        except InterpreterError:
            raise
        except subprocess.CalledProcessError as error:
            if error.returncode == _SSH_FAILED or error.returncode < 0:
                raise UnreachableError(
                    f"{self._name} cannot be reached. {_describe(error)}"
                ) from error
            raise InterpreterStartError(
                f"{self._name} could not do what was asked. {_describe(error)}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(
                f"{self._name} did not answer within {error.timeout:g} seconds: "
                f"{_as_typed(error.cmd)}"
            ) from error
        except _REFUSALS as error:
            raise InterpreterStartError(
                f"{self._name} could not do what was asked. "
                f"{type(error).__name__}: {error}"
            ) from error
        except OSError as error:
            raise UnreachableError(
                f"{self._name} cannot be reached. {type(error).__name__}: {error}"
            ) from error


@contextlib.contextmanager
def _running(call: SshCall) -> Iterator[None]:
    token = current_ssh_call.set(call)
    try:
        yield
    finally:
        current_ssh_call.reset(token)


def _below_home(path: str) -> str:
    # What ssh starts is in the home directory, and `~` does not survive the quoting.
    if path == "~" or path.startswith("~/"):
        return f".{path[1:]}"
    return path


def _describe(error: subprocess.CalledProcessError) -> str:
    said = error.stderr
    if isinstance(said, bytes):
        said = said.decode(errors="replace")
    reason = f": {said.strip()}" if said and said.strip() else "."
    return f"{_as_typed(error.cmd)} ended with status {error.returncode}{reason}"


def _as_typed(command: object) -> str:
    if isinstance(command, (list, tuple)):
        return shlex.join(map(str, command))
    return str(command)
