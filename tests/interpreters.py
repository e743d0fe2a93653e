"""Finds the Pythons of this machine that bandsaw supports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Callable, Iterable, Iterator, Tuple

import pytest

Version = Tuple[int, int]

SUPPORTED = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")


def installed_pythons() -> dict[str, Path]:
    """Return the executables of the installed CPythons by version, like ``'3.8'``.

    Those on the path come first, then the newest ones of pyenv.
    """
    return dict(_find_pythons())


def python(version: str) -> Path:
    """Return the executable of a version, or skips the test where there is none."""
    executable = installed_pythons().get(version)
    if executable is None:
        pytest.skip(f"Python {version} is not installed")
    return executable


def is_one_of(*choices: Callable[[Iterable[Version]], Version]) -> bool:
    """Tell if these tests run on one of the chosen Pythons, like `min` or `max`."""
    found = {_number(version) for version in installed_pythons()}
    # A Python that cannot be found by its name is one more.
    found.add(sys.version_info[:2])
    return sys.version_info[:2] in {choose(found) for choose in choices}


def _number(version: str) -> Version:
    major, minor = map(int, version.split("."))
    return major, minor


@lru_cache(maxsize=None)
def _find_pythons() -> tuple[tuple[str, Path], ...]:
    found = []
    for version in SUPPORTED:
        for executable in _candidates(version):
            if _is_version(executable, version):
                found.append((version, executable))
                break
    return tuple(found)


def _candidates(version: str) -> Iterator[Path]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    on_path = shutil.which(f"python{version}")
    # A shim is slow, and leads to one of the versions below at best.
    if on_path is not None and Path(on_path).parent != root / "shims":
        yield Path(on_path)
    installed = [
        directory
        for directory in (root / "versions").glob(f"{version}.*")
        if directory.name.rpartition(".")[2].isdigit()
    ]
    installed.sort(key=lambda directory: int(directory.name.rpartition(".")[2]))
    for directory in reversed(installed):
        yield directory / "bin" / "python"


def _is_version(executable: Path, version: str) -> bool:
    try:
        answer = subprocess.run(
            [str(executable), "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.stdout.decode(errors="replace").startswith(f"Python {version}.")


#: Marks tests that take long, and that hardly depend on the Python.
with_the_oldest_and_the_newest_python_only = pytest.mark.skipif(
    not is_one_of(min, max), reason="runs with the oldest and the newest Python only"
)

#: Marks tests that start all Pythons, or that take long and are the same on each.
with_the_newest_python_only = pytest.mark.skipif(
    not is_one_of(max), reason="runs with the newest Python only"
)
