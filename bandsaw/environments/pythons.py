"""Which Pythons this machine has, and which of them is meant by a version."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys

from ..exceptions import ConfigurationError, PythonNotFoundError
from ..runtime.file_facts import remembered
from ..runtime.fork import call_at_reset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

    Version = tuple[int, ...]

# Changes with the facts.
_KIND = "pythons-1"

# What an executable is asked. `base` is what a virtual environment stands on.
_QUESTION = """
import importlib.util, json, os, sys, sysconfig
name = "python%d.%d" % sys.version_info[:2]
print(json.dumps({
    "version": ".".join(map(str, sys.version_info[:3])),
    "implementation": sys.implementation.name,
    "platform": sysconfig.get_platform(),
    "base": os.path.join(sys.base_prefix, "bin", name),
    "has_pip": importlib.util.find_spec("ensurepip") is not None,
}))
"""

# The oldest Python that runs bandsaw.
_OLDEST = (3, 8)

# How long an executable may take to answer, in seconds.
_PATIENCE = 60

# Where interpreters are that no search path leads to.
_USUAL_PLACES = (
    "/usr/local/bin",
    "/usr/bin",
    "/opt/homebrew/bin",
    "/opt/local/bin",
    "/opt/python*/bin",
    "/Library/Frameworks/Python.framework/Versions/*/bin",
)

_NAME = re.compile(r"python(3(\.\d+)?)?$")
_CLAUSE = re.compile(r"(~=|==|!=|<=|>=|<|>|)\s*(\d+(?:\.\d+)*)(?:\.\*)?$")


class Python:
    """An interpreter of this machine.

    Args:
        executable: The path of the executable.
        facts: What it says of itself.

    Attributes:
        executable: The path of the executable.
        version: Its version, e.g. ``3.8.18``.
        implementation: E.g. ``cpython``.
        has_pip: Whether it can make environments that have pip.
    """

    def __init__(self, executable: str, facts: dict[str, Any]) -> None:
        self.executable = executable
        self.version: str = facts["version"]
        self.implementation: str = facts["implementation"]
        self.has_pip: bool = facts["has_pip"]
        self._system: str = facts["platform"]

    @property
    def platform(self) -> str:
        """What packages are made for, e.g. ``cpython-3.8-linux-x86_64``."""
        minor = ".".join(self.version.split(".")[:2])
        return f"{self.implementation}-{minor}-{self._system}"

    @property
    def exact_platform(self) -> str:
        """The platform with the whole version, e.g. ``cpython-3.8.18-linux-x86_64``."""
        return f"{self.implementation}-{self.version}-{self._system}"

    @property
    def can_run_bandsaw(self) -> bool:
        """Whether it is one of those that are taken without being named."""
        version = parse_version(self.version)
        return self.implementation == "cpython" and version >= _OLDEST

    def __repr__(self) -> str:
        return f"<Python {self.version} {self.executable}>"


def find_python(wanted: str | None, directory: str) -> Python:
    """Find the interpreter that is meant.

    Args:
        wanted: A version like ``3.8``, versions like ``>=3.8,<3.10``, or an executable;
            `None` for the interpreter that runs this process.
        directory: Where relative paths of executables begin.

    Returns:
        The newest one of this machine, and of equal ones the first that is found.

    Raises:
        PythonNotFoundError: If there is none; says which there are.
        ConfigurationError: If it is neither a version nor an executable.
    """
    if wanted is None:
        return _required(sys.executable, "The interpreter that runs this process")
    fits = _versions(wanted)
    if fits is None:
        return _find_executable(wanted, directory)
    key = (wanted, os.environ.get("PATH"))
    known = _known.get(key)
    if known is not None and os.path.exists(known.executable):
        return known
    best: Python | None = None
    found = []
    for python in installed_pythons():
        found.append(python)
        version = parse_version(python.version)
        if fits(version) and (best is None or version > parse_version(best.version)):
            best = python
    if best is None:
        listed = "".join(
            f"\n  {python.version:8} {python.executable}" for python in found
        )
        raise PythonNotFoundError(
            f"There is no Python {wanted} on this machine. Found on PATH, in pyenv, uv "
            f"and the usual places:{listed or ' none'}\nInstall one, or give the path "
            "of its executable."
        )
    _known[key] = best
    return best


_known: dict[tuple[str, str | None], Python] = {}
call_at_reset(_known.clear)


def _find_executable(wanted: str, directory: str) -> Python:
    path = os.path.expanduser(wanted)
    if os.sep in path:
        path = os.path.join(directory, path)
    else:
        import shutil

        found = shutil.which(path)
        if found is None:
            raise PythonNotFoundError(
                f"{wanted!r} is neither a version of Python, like '3.8' or "
                "'>=3.8,<3.10', nor an executable on the PATH."
            )
        path = found
    python = _required(path, f"The executable {wanted!r}")
    if parse_version(python.version) < _OLDEST:
        raise PythonNotFoundError(
            f"The executable {wanted!r} is Python {python.version}. Bandsaw needs "
            f"{'.'.join(map(str, _OLDEST))} or newer there."
        )
    return python


def _required(path: str, name: str) -> Python:
    python = _python_at(path)
    if python is None:
        raise PythonNotFoundError(f"{name} does not answer as a Python does: {path}.")
    return python


def _python_at(path: str) -> Python | None:
    """Return the interpreter at a path, `None` if there is none that works."""
    path = os.path.abspath(path)
    try:
        status = os.stat(path)
        if _is_script(path):  # What it starts depends on more than the file.
            facts = _ask(path)
        else:
            facts = remembered(_KIND, path, status, lambda: _ask(path))
        base = facts["base"]
        # An environment must not depend on another one, which may be removed.
        return Python(base if os.path.exists(base) else path, facts)
    except (KeyError, OSError, TypeError, ValueError, subprocess.SubprocessError):
        return None


def _ask(path: str) -> Any:
    import json

    answer = subprocess.run(
        [path, "-I", "-S", "-c", _QUESTION],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_PATIENCE,
    )
    # That one does not answer, a Python 2 for example, is worth remembering, too.
    return {} if answer.returncode else json.loads(answer.stdout.decode("utf-8"))


def installed_pythons() -> Iterator[Python]:
    """Yield the interpreters of this machine, each once.

    The one that runs this process comes first, then what is found on the `PATH`, in the
    directories of pyenv and uv, and in the usual places.
    """
    seen = set()
    for path in _candidates():
        real = os.path.realpath(path)
        if real in seen or _is_script(real):
            continue
        seen.add(real)
        python = _python_at(path)
        if python is not None and python.can_run_bandsaw:
            seen.add(os.path.realpath(python.executable))
            yield python


def _candidates() -> Iterator[str]:
    yield sys.executable
    directories: list[str] = os.environ.get("PATH", "").split(os.pathsep)
    home = os.path.expanduser("~")
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv")
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python")
    for pattern in (
        os.path.join(glob.escape(pyenv), "versions", "*", "bin"),
        os.path.join(glob.escape(uv), "*", "bin"),
        *_USUAL_PLACES,
    ):
        directories += sorted(glob.glob(pattern))
    for directory in directories:
        try:
            names = os.listdir(directory or ".")
        except OSError:
            continue
        for name in sorted(filter(_NAME.match, names)):
            yield os.path.join(directory, name)


def _is_script(path: str) -> bool:
    """Tell if a file is a script, as the launchers of pyenv are.

    What such a one starts depends on more than the file.
    """
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


def parse_version(text: str) -> Version:
    """Return the numbers of a version, without what follows them.

    Args:
        text: The version, e.g. ``3.8.18``.
    """
    return tuple(map(int, re.findall(r"\d+", text)))


def _versions(wanted: str) -> Callable[[Version], bool] | None:
    """Return a test for versions, `None` if an executable is named."""
    if not re.match(r"[\d<>=!~]", wanted.strip()):
        return None
    clauses = [_clause(text.strip(), wanted) for text in wanted.split(",")]
    return lambda version: all(fits(version) for fits in clauses)


def _clause(text: str, wanted: str) -> Callable[[Version], bool]:
    match = _CLAUSE.match(text)
    if match is None:
        raise ConfigurationError(
            f"python={wanted!r} is no version of Python. Give one like '3.8' or "
            "'>=3.8,<3.10', or the path of an executable."
        )
    operator, number = match.groups()
    limit = parse_version(number)

    def same(version: Version) -> bool:
        return version[: len(limit)] == limit

    # Nobody who says 3.8 means 3.8.0 only. So here, other than for packages, it stands
    # for all its releases.
    tests: dict[str, Callable[[Version], bool]] = {
        "": same,
        "==": same,
        "!=": lambda version: not same(version),
        ">=": lambda version: version >= limit,
        "<=": lambda version: version < limit or same(version),
        "<": lambda version: version < limit,
        ">": lambda version: version > limit and not same(version),
        "~=": lambda version: (
            version >= limit and version[: len(limit) - 1] == limit[:-1]
        ),
    }
    return tests[operator]
