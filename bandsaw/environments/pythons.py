"""The Pythons of this machine, and the choice of one by a version."""

from __future__ import annotations

import operator
import os
import re
import sys
from collections import namedtuple

from ..exceptions import ConfigurationError, PythonNotFoundError
from ..runtime.file_cache import cached_facts
from ..runtime.fork import call_at_reset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, NamedTuple

    Version = tuple[int, ...]

    class _Python(NamedTuple):
        executable: str
        version: str
        implementation: str
        system: str
        has_pip: bool

else:
    _Python = namedtuple("_Python", "executable version implementation system has_pip")

# Changes with the facts.
_KIND = "pythons-1"

# Run by an executable. `base` is the Python on which a virtual environment is based.
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

# Directories of interpreters that are often not on the search path.
_USUAL_PLACES = (
    "/usr/local/bin",
    "/usr/bin",
    "/opt/homebrew/bin",
    "/opt/local/bin",
)
# Where python.org installs its versions on macOS
_FRAMEWORK = "/Library/Frameworks/Python.framework/Versions"

# These are compiled when they are needed: `re` remembers them.
_NAME = r"python(3(\.\d+)?)?$"
_CLAUSE = r"(~=|==|!=|<=|>=|<|>|)\s*(\d+(?:\.\d+)*)(?:\.\*)?$"
_OPERATORS: dict[str, Callable[[Version, Version], bool]] = {
    "": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    ">": operator.gt,
    "~=": operator.ge,
}


class Python(_Python):
    """An interpreter of this machine.

    Attributes:
        executable: The path of the executable.
        version: Its version, e.g. ``3.8.18``.
        implementation: E.g. ``cpython``.
        system: The operating system and machine, e.g. ``linux-x86_64``.
        has_pip: Whether it can make environments that have pip.
    """

    __slots__ = ()

    @property
    def platform(self) -> str:
        """The platform of packages, e.g. ``cpython-3.8-linux-x86_64``."""
        minor = ".".join(self.version.split(".")[:2])
        return f"{self.implementation}-{minor}-{self.system}"

    @property
    def exact_platform(self) -> str:
        """The platform with the whole version, e.g. ``cpython-3.8.18-linux-x86_64``."""
        return f"{self.implementation}-{self.version}-{self.system}"

    @property
    def can_run_bandsaw(self) -> bool:
        """Whether it may be chosen by its version."""
        version = parse_version(self.version)
        return self.implementation == "cpython" and version >= _OLDEST


def find_python(wanted: str | None, directory: str) -> Python:
    """Find the interpreter of an environment.

    Args:
        wanted: A version like ``3.8``, versions like ``>=3.8,<3.10``, or an executable;
            `None` for the interpreter that runs this process.
        directory: The directory in which relative paths of executables begin.

    Returns:
        The newest one of this machine; of equal ones, the first on the search path.

    Raises:
        PythonNotFoundError: If this machine has none; lists the Pythons it has.
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
        if _is_script(path):
            facts = _ask(path)
        else:
            facts = cached_facts(_KIND, path, status, lambda: _ask(path))
        base = facts["base"]
        # An environment must not depend on another one, which may be removed.
        return Python(
            base if os.path.exists(base) else path,
            facts["version"],
            facts["implementation"],
            facts["platform"],
            facts["has_pip"],
        )
    except (KeyError, OSError, TypeError, ValueError):
        return None


def _ask(path: str) -> Any:
    # What is known of an interpreter is remembered, so that hardly a process asks one.
    import json
    import subprocess

    try:
        answer = subprocess.run(
            [path, "-I", "-S", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
        )
    except subprocess.SubprocessError as error:
        raise OSError(f"{path} does not answer") from error
    # An executable that does not answer, a Python 2 for example, is remembered, too.
    return {} if answer.returncode else json.loads(answer.stdout.decode("utf-8"))


def installed_pythons() -> Iterator[Python]:
    """Yield the interpreters of this machine, each once.

    The one that runs this process comes first, then those on the `PATH`, in the
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
    directories += _directories_of_versions(os.path.join(pyenv, "versions"))
    directories += _directories_of_versions(uv)
    directories += _USUAL_PLACES
    directories += _directories_of_versions("/opt", "python")
    directories += _directories_of_versions(_FRAMEWORK)
    for directory in directories:
        try:
            names = os.listdir(directory or ".")
        except OSError:
            continue
        # There are hundreds of other names, and a pattern takes its time for each.
        names = [name for name in names if name.startswith("python")]
        for name in sorted(names):
            if re.match(_NAME, name):
                yield os.path.join(directory, name)


def _directories_of_versions(parent: str, beginning: str = "") -> list[str]:
    """Return where the executables of versions are that are installed side by side.

    Args:
        parent: The directory that has one for each version.
        beginning: How the names of these begin.
    """
    try:
        names = os.listdir(parent)
    except OSError:
        return []
    versions = (name for name in names if name.startswith(beginning))
    return sorted(
        os.path.join(parent, name, "bin") for name in versions if name[0] != "."
    )


def _is_script(path: str) -> bool:
    """Tell if a file is a script, as the launchers of pyenv are.

    The Python that it starts depends on more than the file.
    """
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


def parse_version(text: str) -> Version:
    """Return the numbers of a version.

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
    match = re.match(_CLAUSE, text)
    if match is None:
        raise ConfigurationError(
            f"python={wanted!r} is no version of Python. Give one like '3.8' or "
            "'>=3.8,<3.10', or the path of an executable."
        )
    limit = parse_version(match.group(2))
    prefix = limit[:-1] if match.group(1) == "~=" else ()
    compare = _OPERATORS[match.group(1)]

    # 3.8 means all its releases, other than in a requirement for a package, where it
    # means 3.8.0. So a version is compared as far as the clause goes.
    def fits(version: Version) -> bool:
        start = version[: len(limit)]
        return compare(start, limit) and start[: len(prefix)] == prefix

    return fits
