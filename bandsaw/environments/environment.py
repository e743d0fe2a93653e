"""The environment that a task needs: a Python and packages, as a value."""

from __future__ import annotations

import os

from ..config import directory_of_default_configuration
from ..exceptions import ConfigurationError
from ..interpreter import Interpreter
from ..serialization import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Callable, Mapping, NoReturn, Sequence

    from .resolution import Resolution

# The largest length of the label of an environment without a name.
_LONGEST_LABEL = 100


class Environment(SerializableValue):
    """A Python and its packages, made on first use and kept.

    It is accepted wherever an `Interpreter` is:

        old = Environment("3.8", ["scikit-learn ==1.0.2", "numpy <2"], name="old")

    The packages that are chosen for the requirements are written to a lock file. From
    then on the environment is made of these, on this machine and on others. Relative
    paths begin in the directory of the configuration's file.

    Args:
        python: A version like ``3.8``, versions like ``>=3.8,<3.10``, of which the
            newest is taken, or an executable. By default the interpreter that runs this
            process.
        requirements: Requirements as in PEP 508, and projects on this machine as
            paths: ``./mylib``, ``./mylib[plot]``.
        requirements_file: A file with more requirements, one a line.
        constraints: Requirements that apply only to what other requirements bring in,
            or a file with them.
        lock: The lock file; by default ``bandsaw.lock``. One with the name
            ``pylock.toml`` or ``pylock.NAME.toml`` (PEP 751) is another tool's, which
            is only read.
        index_url: The URL of an index of packages in place of the usual one. Its
            credentials are written down nowhere.
        extra_index_urls: The URLs of indexes that are searched before that one, in
            their order: the first that has a package is the only one that it is taken
            from. pip merges indexes, so with pip, `sources` has to name the packages.
        sources: The URL of the index that a package is taken from, and from no other
            one, by the name of the package.
        find_links: Directories or pages with files of packages.
        name: The name of the environment on the command line and in the lock file.
            Its requirements may change, and the lock file is checked against them.
            Without a name, other requirements are another environment.

    Attributes:
        label: Its name, else a summary of its requirements.
        directory: The directory in which relative paths begin, `None` for that of the
            default configuration's file.

    Raises:
        ConfigurationError: If an argument is not what it should be.
    """

    __slots__ = (
        "_read",
        "constraints",
        "directory",
        "extra_index_urls",
        "find_links",
        "index_url",
        "label",
        "lock",
        "name",
        "python",
        "requirements",
        "requirements_file",
        "sources",
    )

    _read: Callable[[str], Environment]
    python: str | None
    requirements: tuple[str, ...]
    requirements_file: str | None
    constraints: tuple[str, ...]
    lock: str | None
    index_url: str | None
    extra_index_urls: tuple[str, ...]
    sources: tuple[tuple[str, str], ...]
    find_links: tuple[str, ...]
    name: str | None
    label: str
    directory: str | None

    def __init__(
        self,
        python: str | Path | None = None,
        requirements: Sequence[str] = (),
        *,
        requirements_file: str | Path | None = None,
        constraints: str | Path | Sequence[str] | None = None,
        lock: str | Path | None = None,
        index_url: str | None = None,
        extra_index_urls: Sequence[str] = (),
        sources: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        find_links: Sequence[str | Path] = (),
        name: str | None = None,
    ) -> None:
        if constraints is None:
            constraints = ()
        elif isinstance(constraints, str):
            constraints = (constraints,)
        elif isinstance(constraints, os.PathLike):
            # A path is never a requirement, whatever its name is.
            constraints = (os.path.join(os.curdir, os.fspath(constraints)),)
        self._set(
            python=_text("python", python),
            requirements=_texts("requirements", requirements),
            requirements_file=_text("requirements_file", requirements_file),
            constraints=_texts("constraints", constraints),
            lock=_text("lock", lock),
            index_url=_text("index_url", index_url),
            extra_index_urls=_texts("extra_index_urls", extra_index_urls),
            sources=_sources(sources),
            find_links=_texts("find_links", find_links),
            name=_text("name", name),
            directory=None,
        )
        self._set(label=self.name or self._content())

    @classmethod
    def from_pyproject(
        cls,
        path: str | Path = "pyproject.toml",
        *,
        group: str | Sequence[str] = (),
        extra: str | Sequence[str] = (),
        python: str | Path | None = None,
        name: str | None = None,
        **options: Any,
    ) -> Environment:
        """Return the environment of the dependencies of a project.

        The file is read when the environment is needed, so not by a child that only
        loads the configuration. The project itself is not installed.

        Args:
            path: The path of the project's file.
            group: A dependency group (PEP 735), or several of them.
            extra: An extra of the project, or several of them.
            python: The Python; by default one that the project requires.
            name: The name of the environment; by default that of the project with the
                groups and extras.
            **options: Further arguments of an `Environment`, like `sources`;
                `requirements` come on top of those of the project.

        Raises:
            ConfigurationError: If a group or extra is no text. Later, if the file
                cannot be read, or has no such group or extra.
        """
        groups = _texts("group", (group,) if isinstance(group, str) else group)
        extras = _texts("extra", (extra,) if isinstance(extra, str) else extra)
        file = _text("path", path)
        # What is wrong with them is said at once.
        more = cls(python, name=name, **options).requirements
        options.pop("requirements", None)

        def read(place: str) -> Environment:
            from .project import read_project

            project = read_project(os.path.join(place, str(file)), groups, extras)
            return cls(
                python or project.python,
                [*project.requirements, *more],
                name=name or project.name,
                **options,
            )

        environment = cls.__new__(cls)
        environment._set(_read=read, directory=None)
        return environment

    def __getattr__(self, attribute: str) -> Any:
        # Only what was not read yet comes here.
        if attribute.startswith("_") or attribute not in self.__slots__:
            raise AttributeError(attribute)
        read = self._read(self.place)
        self._set(**{name: getattr(read, name) for name in _NAMES}, label=read.label)
        return getattr(read, attribute)

    def _set(self, **values: Any) -> None:
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)

    def _content(self) -> str:
        parts = [
            f"python {self.python}" if self.python else "python",
            *self.requirements,
        ]
        if self.requirements_file is not None:
            parts.append(self.requirements_file)
        parts += [f"{text} (constraint)" for text in self.constraints]
        from .credentials import without_credentials

        label = ", ".join(map(without_credentials, parts))
        if len(label) > _LONGEST_LABEL:
            from hashlib import sha256

            digest = sha256(label.encode("utf-8")).hexdigest()[:8]
            label = f"{label[:_LONGEST_LABEL]}... {digest}"
        return label

    @property
    def environment(self) -> Environment:
        """The environment itself; an `InlineEnvironment` has the same attribute."""
        return self

    def interpreter(self) -> Interpreter:
        """Return the interpreter of the environment, which is made if it is absent.

        Returns:
            A new `Interpreter`, whose environment variables may be set.

        Raises:
            PythonNotFoundError: If this machine has no such Python.
            EnvironmentBuildError: If a package cannot be found, built or installed.
            EnvironmentLockError: If the lock file does not satisfy the requirements.
            MissingExtraError: If they have changed, and packaging is not installed.
        """
        return Interpreter(executable=self.resolution().executable())

    def resolution(self) -> Resolution:
        """Return the exact content of the environment, locking it if it is not yet."""
        from .resolution import resolve

        return resolve(self)

    def at(self, directory: str) -> Environment:
        """Return the same environment with relative paths in a directory.

        Args:
            directory: The directory.
        """
        if self.directory is not None:
            return self
        other = Environment.__new__(Environment)
        for name in self.__slots__:
            try:
                other._set(**{name: object.__getattribute__(self, name)})
            except AttributeError:
                pass  # It is read when it is needed.
        other._set(directory=os.path.abspath(directory))
        return other

    @property
    def place(self) -> str:
        """The directory in which relative paths begin."""
        return self.directory or directory_of_default_configuration()

    def serialized(self) -> dict[str, Any]:
        """Return the values that a serializer writes."""
        values = {name: getattr(self, name) for name in sorted((*_NAMES, "directory"))}
        for name in _LATER:
            if not values[name]:
                del values[name]
        return values

    @classmethod
    def deserialize(cls, values: dict[str, Any]) -> Environment:
        """Make an environment of the values that a serializer has read."""
        values = dict(values)
        directory = values.pop("directory")
        environment = cls(**values)
        return environment if directory is None else environment.at(directory)

    def __reduce__(self) -> tuple[Any, ...]:
        return Environment.deserialize, (self.serialized(),)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"An Environment cannot be changed, not even its {name}.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"An Environment cannot lose its {name}.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Environment):
            return NotImplemented
        return self.serialized() == other.serialized()

    def __hash__(self) -> int:
        return hash((self.label, self.directory, self.requirements))

    def __repr__(self) -> str:
        arguments = [
            f"{name}={_shown(value)}"
            for name, value in sorted(self.serialized().items())
            if value and name != "directory"
        ]
        return f"Environment({', '.join(arguments)})"


# What is read from a project's file, if it comes from there.
_NAMES = frozenset(Environment.__slots__) - {"_read", "directory", "label"}

# What came later: an environment without them has the identity that it always had.
_LATER = ("extra_index_urls", "sources")


def _shown(value: Any) -> str:
    """Return what an argument looks like without credentials."""
    from .credentials import without_credentials

    if isinstance(value, str):
        return repr(without_credentials(value))
    if isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        value = tuple(map(without_credentials, value))
    return without_credentials(repr(value))


def _text(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise ConfigurationError(f"Environment: {name}={_shown(value)} is not a text.")


def _texts(name: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise ConfigurationError(
            f"Environment: {name}={_shown(values)} is not a sequence of texts. Give "
            "[...]."
        )
    if isinstance(values, (set, frozenset)):
        values = sorted(values, key=str)  # Its order differs between processes.
    texts = tuple(_text(name, value) for value in values)
    return tuple(text for text in texts if text is not None)


def _sources(sources: Any) -> tuple[tuple[str, str], ...]:
    """Return the names of packages and the URLs of their indexes, as sorted pairs."""
    try:
        pairs = dict(sources).items()
    except (TypeError, ValueError):
        pairs = None
    if pairs is None or not all(
        isinstance(text, str) and text for pair in pairs for text in pair
    ):
        raise ConfigurationError(
            f"Environment: sources={_shown(sources)} does not map names of packages to "
            "URLs of indexes. Give {'torch': 'https://...'}."
        )
    return tuple(sorted(pairs))
