"""Tasks that the tests execute on another machine, with the standard library only."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import bandsaw


def add(a: int, b: int) -> int:
    return a + b


def where() -> tuple[int, str, tuple[int, ...]]:
    return os.getpid(), sys.executable, tuple(sys.version_info[:2])


def run_id() -> str:
    return bandsaw.get_run_id()


def fail() -> None:
    raise LookupError("not", "here")


def variable(name: str) -> Any:
    return os.environ.get(name)


def value_in(module: str) -> Any:
    return importlib.import_module(module).VALUE


def read_all_input() -> str:
    return sys.stdin.read()


def say(text: str) -> None:
    print(text)
    print(text.upper(), file=sys.stderr)


def commands_and(secret: str) -> tuple[list[str], Any]:
    """The command lines of all processes, and a variable."""
    commands = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            commands.append(
                file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
    return commands, variable(secret)


def modes_below(directory: str) -> dict[str, str]:
    """The access modes of everything below a directory, by name."""
    return {
        entry.name: oct(entry.stat().st_mode & 0o777)
        for entry in Path(directory).rglob("*")
    }


def process_and_modes_below(directory: str) -> tuple[int, int, dict[str, str]]:
    return os.getpid(), os.getppid(), modes_below(directory)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def wait_in_vain(started: str) -> None:
    wait_for_the_end(started)


def exit_silently(status: int) -> None:
    os._exit(status)


def wait_for_the_end(started: str) -> None:
    """Say that it has started, in a file, and never returns."""
    beside = Path(started + ".part")
    beside.write_text(str(os.getpid()))
    beside.rename(started)
    threading.Event().wait()


def exit_with_status_at_the_end(status: int) -> int:
    """Let the interpreter end with a status when everything else is done."""
    atexit.register(os._exit, status)
    return status
