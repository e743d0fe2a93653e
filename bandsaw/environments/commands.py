"""Commands that make environments: bounded in time, shown, quoted in errors."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time

from ..exceptions import EnvironmentBuildError
from ..runtime.parent_watch import Lifeline
from .credentials import without_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Sequence

# How long a command may take, in seconds. Compiling a package may take long.
_LONGEST = 3600.0

# How often a process that waits for a command looks at the clock, in seconds.
_INTERVAL = 0.5

# How many of the last lines of a command are quoted.
_LINES_KEPT = 20

# How long a command may take to end after a signal, in seconds.
_GRACE = 5.0

# Starts a command that ends with this process, however this one ends: a released lock
# must not leave a process behind that still writes. Standard input is a pipe whose
# other end is kept open here.
_ENDING_WITH_PARENT = """
exec 3<&0 </dev/null
{ cd /; read -r _ <&3; kill -s KILL -- "-$$"; } >/dev/null 2>&1 &
exec "$@" 3<&-
"""

# Variables that redirect a command to another Python, redirect its packages, or change
# what it does. The tools pass those of their own on that are harmless.
_LEFT_OUT = re.compile(
    r"PIP_|UV_|PYTHON|__PYVENV_LAUNCHER__|(VIRTUAL_ENV|CONDA_PREFIX|DIST_EXTRA_CONFIG)$"
)


class Commands:
    """Runs the commands of one build.

    Args:
        name: The name of the environment that is built.
        directory: The working directory of the commands, so that no project's
            configuration is found. Their temporary files are in there, too.
        show: Called with each stage and an empty text, now and then while it lasts,
            and with each line that a command writes.
    """

    def __init__(
        self, name: str, directory: str, show: Callable[[str, str], None]
    ) -> None:
        self._name = name
        self._directory = directory
        self._show = show

    def run(
        self,
        stage: str,
        words: Sequence[str],
        variables: dict[str, str] | None = None,
    ) -> str:
        """Run a command and return its output.

        Args:
            stage: Its purpose, in a few words.
            words: Its words.
            variables: Additional environment variables.

        Raises:
            EnvironmentBuildError: If it fails, or takes too long.
        """
        self._show(stage, "")
        environment = {
            name: value
            for name, value in os.environ.items()
            if not _LEFT_OUT.match(name)
        }
        # Files that a command does not remove are removed with the directory.
        environment["TMPDIR"] = self._directory
        environment.update(variables or {})
        lines: list[str] = []
        with Lifeline() as lifeline:
            try:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", _ENDING_WITH_PARENT, "sh", *words],
                    cwd=self._directory,
                    env=environment,
                    stdin=lifeline.descriptor,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                reason = f"could not be started: {error}"
                raise self._error(stage, words, reason) from error
            lifeline.release_descriptor()
            try:
                is_in_time = self._read(process, stage, lines)
            except BaseException:
                _end(process)
                raise
        if not is_in_time:
            _end(process)
            reason = f"took longer than {_LONGEST:g} seconds"
            raise self._error(stage, words, reason, lines)
        if process.returncode:
            reason = f"failed with status {process.returncode}"
            raise self._error(stage, words, reason, lines)
        return "\n".join(lines)

    def _read(
        self, process: subprocess.Popen[bytes], stage: str, lines: list[str]
    ) -> bool:
        """Read the output of a command; return whether it ended in time."""
        assert process.stdout is not None
        deadline = time.monotonic() + _LONGEST
        rest = b""
        with process.stdout as stream:
            descriptor = stream.fileno()
            while True:
                if not select.select([descriptor], [], [], _INTERVAL)[0]:
                    self._show(stage, "")
                    if time.monotonic() > deadline:
                        return False
                    if process.poll() is None:
                        continue
                    # A process that it has started keeps the stream open.
                    break
                piece = os.read(descriptor, 1 << 16)
                *whole, rest = (rest + piece).split(b"\n")
                if not piece and rest:
                    whole, rest = [rest], b""
                for line in whole:
                    lines.append(line.decode("utf-8", "replace").rstrip())
                    self._show(stage, without_credentials(lines[-1]))
                if not piece:
                    break
        process.wait()
        return True

    def _error(
        self, stage: str, words: Sequence[str], reason: str, lines: Sequence[str] = ()
    ) -> EnvironmentBuildError:
        import shlex

        command = without_credentials(" ".join(map(shlex.quote, words)))
        text = f"Environment {self._name!r}: {stage} {reason}.\n  Command: {command}"
        last = [without_credentials(line) for line in lines if line][-_LINES_KEPT:]
        if last:
            text += "\n  It wrote last:" + "".join(f"\n    {line}" for line in last)
        return EnvironmentBuildError(text)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all processes that it has started."""
    for number in signal.SIGTERM, signal.SIGKILL:
        try:
            os.killpg(process.pid, number)
        except (PermissionError, ProcessLookupError):
            pass  # No process is left.
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
