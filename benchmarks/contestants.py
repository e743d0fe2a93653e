"""The versions of bandsaw that are compared, each in a virtual environment of its own.

The environments are made once and kept below the user's cache directory. Another one
is made when the Python or what is to be installed changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

PROGRAMS = Path(__file__).parent / "programs"
LIBRARY = Path(__file__).parent.parent

# The arguments of some calls are arrays.
REQUIREMENTS = ("numpy",)
# What caches and processes are compared with, in the same process.
PEERS = ("diskcache", "execnet", "joblib", "loky")
# Where one of them cannot be installed, all are left out.
OPTIONAL_PEERS = ("distributed", "mitogen", "ray")
# The libraries of the values whose fingerprints are measured.
FRAMES = ("pandas", "polars")
ORIGINAL = "bandsaw==0.3"


class Contestant(NamedTuple):
    """An interpreter, and the bandsaw that it imports.

    Attributes:
        name: The heading of its column.
        executable: The interpreter.
        path: Where it looks for modules first.
        variables: What is set in its environment in addition.
    """

    name: str
    executable: str
    path: str = ""
    variables: Mapping[str, str] = {}

    def without_bytecode(self) -> Contestant:
        """Return the same as most container images configure it."""
        return self._replace(variables={"PYTHONDONTWRITEBYTECODE": "1"})

    def command(self, program: str, *arguments: object) -> list[str]:
        """Return the command line that runs one of the scripts in `programs`."""
        return [self.executable, str(PROGRAMS / program), *map(str, arguments)]

    def environment(self) -> dict[str, str]:
        """Return the environment variables for such a script."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BANDSAW_", "COVERAGE_", "PYTHON"))
        }
        if self.path:
            environment["PYTHONPATH"] = self.path
        environment.update(self.variables)
        return environment

    def run(self, program: str, *arguments: object) -> Any:
        """Run one of the scripts in `programs`, and returns what it prints as JSON.

        Raises:
            RuntimeError: If it complains. What went wrong was not measured.
        """
        done = subprocess.run(
            self.command(program, *arguments),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0 or done.stderr:
            raise RuntimeError(f"{program} failed with {self.name}: {done.stderr}")
        return json.loads(done.stdout)


def this_library(executable: str) -> Contestant:
    """Return the bandsaw beside this package, on a Python that is there already."""
    return Contestant("bandsaw", executable, str(LIBRARY))


def contestants(python: str, with_original: bool = True) -> list[Contestant]:
    """Make the environments on top of a Python, and returns who is compared there.

    Args:
        python: The executable of the Python.
        with_original: Whether the original release is among them.
    """
    found = []
    if with_original:
        executable = environment(python, "original", (ORIGINAL, *REQUIREMENTS))
        found.append(Contestant("original", executable))
    packages = (*REQUIREMENTS, *PEERS, *FRAMES)
    try:
        executable = environment(python, "bandsaw", (*packages, *OPTIONAL_PEERS))
    except subprocess.CalledProcessError:
        left_out = ", ".join(OPTIONAL_PEERS)
        print(f"Left out, as it cannot be installed: {left_out}", file=sys.stderr)
        executable = environment(python, "bandsaw", packages)
    found.append(this_library(executable))
    return found


def version_of(python: str) -> str:
    """Return the version of a Python, like ``'3.11.7'``."""
    code = "import platform; print(platform.python_version())"
    return subprocess.check_output([python, "-c", code], text=True).strip()


def environment(python: str, name: str, requirements: Sequence[str]) -> str:
    """Return the executable of a virtual environment with these packages.

    Args:
        python: The Python that the environment is based on.
        name: What the environment is for.
        requirements: What is installed there, as pip calls it.
    """
    base = f"{shutil.which(python) or python} {version_of(python)}"
    digest = hashlib.sha256(repr((base, requirements)).encode()).hexdigest()[:8]
    directory = cache_directory() / f"{name}-{version_of(python)}-{digest}"
    executable = directory / "bin" / "python"
    # Written last: an environment without it is not complete.
    mark = directory / "complete"
    if not mark.exists():
        print(f"Making {directory}", file=sys.stderr)
        shutil.rmtree(directory, ignore_errors=True)
        directory.parent.mkdir(parents=True, exist_ok=True)
        for command in (
            [python, "-m", "venv", str(directory)],
            [str(executable), "-m", "pip", "install", "--quiet", *requirements],
        ):
            subprocess.run(command, check=True, stdout=sys.stderr)
        mark.touch()
    return str(executable)


def cache_directory() -> Path:
    """Return where the environments are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "bandsaw-benchmarks"
