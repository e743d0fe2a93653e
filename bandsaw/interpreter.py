"""Interpreters that continue sessions: the executable, search path and environment."""

from __future__ import annotations

import os
import sys

from .exceptions import ConfigurationError, check_type, keyword_only
from .modules import absolute_path, search_path, working_directory
from .runtime.functions import lru_cache
from .serialization import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable


class Interpreter(SerializableValue):
    """A Python interpreter.

    Args:
        path: The directories where it looks for modules before its own ones. By default
            the ones of this process; another Python gets those of them that hold the
            user's own sources.
        executable: The path of the executable. By default the one of this process.

    Raises:
        ConfigurationError: If the path is one text.
    """

    @keyword_only("path", "executable")
    def __init__(
        self,
        *,
        path: Iterable[str] | None = None,
        executable: str | None = None,
    ) -> None:
        if isinstance(path, (str, bytes)):
            raise ConfigurationError(
                f"Interpreter needs a list of directories as path, and not {path!r}."
            )
        self._path = None if path is None else tuple(map(os.fspath, path))
        self.executable = os.fspath(executable or sys.executable)
        self._environment: dict[str, str] = {}

    @property
    def path(self) -> tuple[str, ...]:
        """The directories where the interpreter looks for modules first."""
        return search_path() if self._path is None else self._path

    @property
    def environment(self) -> dict[str, str]:
        """A copy of the environment variables that are set in addition."""
        return dict(self._environment)

    def set_environment(self, /, **environment: str) -> Interpreter:
        """Replace the environment variables that are set in addition.

        Args:
            **environment: The values of the variables by name.

        Returns:
            This interpreter, so that calls chain.

        Raises:
            ConfigurationError: If a value is not a text.
        """
        for name, value in environment.items():
            owner = "Interpreter.set_environment"
            check_type(owner, f"a text as the value of {name}", value, str)
        self._environment = environment
        return self

    @property
    def is_this_python(self) -> bool:
        """Whether it is the very interpreter that runs this process."""
        if self.executable == sys.executable:
            return True
        return _is_same_executable(self.executable, sys.executable, working_directory())

    @property
    def has_the_same_modules(self) -> bool:
        """Whether what can be imported here can be imported there, and no more."""
        return (
            self._path is None
            and "PYTHONPATH" not in self._environment
            and self.is_this_python
        )

    def import_path(self) -> tuple[str, ...]:
        """Return the absolute directories that another process is to look in first."""
        path = self.path
        if self._path is None and not self.is_this_python:
            # What is installed for this Python is of no use for another one, or worse.
            return own_source_directories(path)
        return _absolute(path, working_directory())

    def process_environment(self) -> dict[str, str]:
        """Return the environment of a process of this interpreter on this machine."""
        environment = dict(os.environ)
        if not self.is_this_python:
            environment.pop("PYTHONHOME", None)
            environment.pop("__PYVENV_LAUNCHER__", None)
            python_path = environment.pop("PYTHONPATH", "")
            own = own_source_directories(filter(None, python_path.split(os.pathsep)))
            if own:
                environment["PYTHONPATH"] = os.pathsep.join(own)
        environment.update(self._environment)
        return environment

    def command(self) -> list[str]:
        """Return the words of a command line that start it, but for the program.

        A child of this Python gets the options that this process was started with.
        """
        return [self.executable, *(_own_options() if self.is_this_python else ())]

    def serialized(self) -> dict[str, Any]:
        """Return what a serializer writes of the interpreter."""
        return {
            "path": self._path,
            "executable": self.executable,
            "environment": self._environment,
        }

    @classmethod
    def deserialize(cls, values: dict[str, Any]) -> Interpreter:
        """Make an interpreter of what a serializer has read."""
        interpreter = cls(path=values["path"], executable=values["executable"])
        return interpreter.set_environment(**values["environment"])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Interpreter):
            return NotImplemented
        return self.serialized() == other.serialized()

    def __hash__(self) -> int:
        return hash((self._path, self.executable))

    def __repr__(self) -> str:
        return f"Interpreter(path={self._path!r}, executable={self.executable!r})"


def own_source_directories(path: Iterable[str]) -> tuple[str, ...]:
    """Return those entries of a module search path that hold the user's own sources.

    Args:
        path: Entries as of `sys.path`.

    Returns:
        The absolute directories that belong neither to the standard library nor to the
        packages that are installed for this Python.
    """
    return tuple(
        entry
        for entry in map(absolute_path, path)
        # A relative one leads nowhere when the working directory was removed.
        if os.path.isabs(entry)
        and is_own_source(entry)
        and is_own_source(os.path.realpath(entry))
    )


def is_own_source(path: str) -> bool:
    """Tell if a path belongs to the user, not to Python or to installed packages.

    Args:
        path: An absolute path of a module or a directory.
    """
    parts = path.split(os.sep)
    if "site-packages" in parts or "dist-packages" in parts:
        return False
    return not any(
        path == root or path.startswith(root + os.sep) for root in _library_roots()
    )


# The options of Python that are passed on, by their names in `sys.flags`. Those that
# make it interactive are not among them.
_OPTIONS = {
    "bytes_warning": "-b",
    "debug": "-d",
    "dont_write_bytecode": "-B",
    "no_site": "-S",
    "optimize": "-O",
    "verbose": "-v",
}

# Where Python keeps its own below a prefix
_LIBRARIES = getattr(sys, "platlibdir", "lib")

# What `isolated` includes
_ISOLATING = {
    "ignore_environment": "-E",
    "no_user_site": "-s",
    "safe_path": "-P",
}


@lru_cache(maxsize=1)
def _own_options() -> tuple[str, ...]:
    """Return the options with which a child of this Python behaves like this process.

    `multiprocessing` passes on the same ones, but also, as options, the filters of the
    variable PYTHONWARNINGS, which the child would then not take from its environment.
    """
    isolating = {"isolated": "-I"} if sys.flags.isolated else _ISOLATING
    words = []
    for name, option in {**_OPTIONS, **isolating}.items():
        words += [option] * getattr(sys.flags, name, False)
    words += [f"-W{option}" for option in _warning_options()]
    for name, value in sys._xoptions.items():
        words += ["-X", name if value is True else f"{name}={value}"]
    return tuple(words)


def _warning_options() -> list[str]:
    """Return the filters of warnings that were given on the command line."""
    words = getattr(sys, "orig_argv", None)
    if words is not None:
        return [
            option
            for option in sys.warnoptions
            if any(word.endswith(option) for word in words)
        ]
    # Before Python 3.10 it is not known where a filter comes from.
    others = os.environ.get("PYTHONWARNINGS", "").split(",")
    others += ["default"] if sys.flags.dev_mode else []
    if sys.flags.bytes_warning:
        others += ["default::BytesWarning", "error::BytesWarning"]
    return [option for option in sys.warnoptions if option not in others]


@lru_cache(maxsize=4)
def _absolute(path: tuple[str, ...], directory: str | None) -> tuple[str, ...]:
    """Return paths as absolute ones.

    Args:
        path: The paths.
        directory: The working directory, of which relative ones depend.
    """
    return tuple(map(absolute_path, path))


@lru_cache(maxsize=1)
def _library_roots() -> tuple[str, ...]:
    # `sysconfig` says the same of `os`, and takes long to import.
    roots = {os.path.dirname(os.path.abspath(os.__file__))}
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for prefix in sys.base_prefix, sys.base_exec_prefix, sys.exec_prefix:
        # Also where a part of it is compiled for another machine
        directory = os.path.join(os.path.abspath(prefix), _LIBRARIES)
        roots.add(os.path.join(directory, version))
        # The zipped standard library, which is in the search path even when it is not
        # there.
        roots.add(os.path.join(directory, version.replace(".", "") + ".zip"))
    # The standard library's own directory also under the name that symbolic links give.
    roots.update([os.path.realpath(root) for root in roots])
    return tuple(roots)


@lru_cache(maxsize=16)
def _is_same_executable(executable: str, other: str, directory: str | None) -> bool:
    """Tell if two paths spell the same executable.

    Args:
        executable: A path.
        other: Another one.
        directory: The working directory, of which relative ones depend.
    """
    return _spelled_out(executable) == _spelled_out(other)


def _spelled_out(executable: str) -> str:
    # Links are not resolved: a virtual environment's `python` is a link to another one.
    return os.path.normcase(absolute_path(executable))
