"""A fresh interpreter process on this machine for each job."""

from __future__ import annotations

import os
import signal
import subprocess

from .._lifeline import Lifeline
from ..exceptions import InterpreterDiedError, InterpreterStartError
from ._streams import OutputStreams
from .base import Job, Transport, runner_arguments

# How long a process that has to go may take for it, in seconds.
_GRACE = 0.5


class ProcessTransport(Transport):
    """Starts an interpreter process, which ends when its job is done.

    The process finds the environment, the working directory and the standard streams of
    this one, but for an empty standard input. It never outlives this process.
    """

    def run(self, job: Job) -> None:
        """Have a job done by a new process."""
        executable = job.interpreter.executable
        with Lifeline() as lifeline:
            settings = job.write_settings(lifeline=lifeline.settings)
            command = [executable, job.archive.directory]
            command += runner_arguments(
                str(job.input), str(job.output), job.run_id, str(settings)
            )
            with OutputStreams() as streams:
                try:
                    process = subprocess.Popen(
                        command,
                        env=job.interpreter.process_environment(),
                        stdin=subprocess.DEVNULL,
                        stdout=streams.stdout,
                        stderr=streams.stderr,
                        pass_fds=[lifeline.descriptor],
                        # A Ctrl-C is for this process, which then ends its child.
                        start_new_session=True,
                    )
                except OSError as error:
                    raise InterpreterStartError(
                        f"Interpreter {executable} cannot be started: {error}"
                    ) from error
                status = _wait(process, job)
        if not job.output.exists():
            # Whatever the process has started there cannot be told any more to end.
            _signal_group(process.pid, signal.SIGKILL)
            raise InterpreterDiedError(
                f"Interpreter {executable} {_describe_end(status)} without an answer."
            )


def _wait(process: subprocess.Popen[bytes], job: Job) -> int:
    job.cancellation.call(lambda: _end(process))
    try:
        return process.wait()
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything in its process group."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            pass
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (PermissionError, ProcessLookupError):
        pass  # Nobody, or only somebody who has become another user, is left there.


def _describe_end(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"
