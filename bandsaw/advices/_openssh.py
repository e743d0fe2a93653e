"""The command lines of OpenSSH, and how they are run."""

from __future__ import annotations

import contextlib
import gc
import os
import shlex
import signal
import subprocess

from ..exceptions import ConfigurationError
from ..transports.ssh import current_errand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from .ssh import Remote


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


def no_option(word: object) -> str:
    """Return a word as text, unless a program would take it for an option."""
    text = str(word)
    if text.startswith("-"):
        raise ConfigurationError(f"{text!r} would be taken for an option of a program.")
    return text


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


def call(words: list[str], **how: Any) -> None:
    """Run a command, which ends early when the job that it is a part of is cancelled.

    Args:
        words: The command.
        **how: What `subprocess.check_call` is told besides.
    """
    errand = current_errand.get()
    if errand is not None:
        errand.job.cancellation.call(lambda: _end(words))
    subprocess.check_call(
        words,
        # Without a terminal there is nobody to ask for a password, and a Ctrl-C is for
        # this process alone, which then still has something to clean up over there.
        start_new_session=True,
        env={"SSH_ASKPASS_REQUIRE": "never", **os.environ},
        **how,
    )


def _end(words: list[str]) -> None:
    """End the process that runs a command."""
    # `check_call` keeps its process to itself; another thread has to look for it.
    for thing in gc.get_objects():
        if type(thing) is not subprocess.Popen or thing.args is not words:
            continue
        # While it is being started it has no pid yet.
        if thing.pid and thing.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(thing.pid, signal.SIGKILL)
