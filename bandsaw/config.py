"""The configuration: advice chains, extensions, a serializer, and where files go."""

from __future__ import annotations

import os
import sys

from . import serialization
from .chain import AdviceChain, AdviceChains
from .exceptions import (
    ConfigurationError,
    InvalidSessionError,
    check_methods,
    check_type,
)
from .runtime import temporary
from .runtime.fork import Lock, call_at_reset
from .runtime.lazy import LateModule, late_attribute
from .runtime.temporary import TemporaryDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType
    from typing import Any

    from . import modules
    from .advice import Advice
    from .chain import Arranged
    from .extensions import Extension
    from .serialization import Serializer
else:
    # What defines a configuration needs it as little as what asks for one.
    modules = LateModule("bandsaw.modules")

CONFIGURATION_MODULE_ENV_VARIABLE = "BANDSAW_CONFIG_MODULE"
CONFIGURATION_MODULE_DEFAULT = "bandsaw_config"

#: Chooses what takes the place of moves, as `Configuration.set_moves` does.
MOVES_VARIABLE = "BANDSAW_MOVES"
_MOVES = ("memory", "none")

#: The file of a distribution archive that names its configuration and its modules.
ARCHIVE_CONTENTS = "_bandsaw_contents.txt"

# Where a notebook keeps its configuration
_OF_NOTEBOOK = "__bandsaw_configuration__"

# The name that the published user guide gave to the variable.
_CONFIGURATION_MODULE_ENV_VARIABLES = (
    CONFIGURATION_MODULE_ENV_VARIABLE,
    "BANDSAW_CONFIG",
)


# One that is told of progress only if it has a method for it.
_CALLED_METHODS = (
    "on_init",
    "on_session_created",
    "on_session_finished",
    "on_before_task_executed",
    "on_after_task_executed",
)


class Configuration:
    """The advice chains, extensions and settings of the tasks that use it.

    A configuration is the attribute `configuration` of a module. Its methods return it,
    so that calls chain.

    A notebook has one, which each call of the class in a cell begins anew. The tasks of
    earlier cells use it, too.

    Attributes:
        module_name: The name of the module that other processes find it in.
        chains: The chains as sessions need them, by name.
        listed_modules: The names of `distribution_modules`, as archives compare them.
    """

    module_name: str

    def __new__(cls, *args: Any, **kwargs: Any) -> Configuration:
        """Return a new one, or the one of the notebook."""
        namespace = sys._getframe(1).f_globals
        if namespace.get("__name__") != "__main__":
            return super().__new__(cls)
        if modules.script_module_name() is not None:
            return super().__new__(cls)
        known = namespace.get(_OF_NOTEBOOK)
        if type(known) is not cls:
            known = namespace[_OF_NOTEBOOK] = super().__new__(cls)
        return known

    def __init__(self) -> None:
        # Tasks of earlier cells keep their chains.
        former: dict[str, AdviceChain] = vars(self).get("chains", {})
        vars(self).pop("serializer", None)
        self.module_name = sys._getframe(1).f_globals.get("__name__", "__main__")
        self.chains = AdviceChains(self)
        self._former_chains = {
            name: chain.begin_anew() for name, chain in former.items()
        }
        # Whether its extensions were told of it.
        self._is_begun = False
        self._extensions: tuple[Extension, ...] = ()
        self.listed_modules: tuple[str, ...] = ()
        # Of all chains that have none of their own
        self._concurrency: int | None = None
        self._moves: str | None = None
        self._directory: str | None = None
        self._made_directory: TemporaryDirectory | None = None
        self._process = os.getpid()
        self._source: str | None = None
        self.add_advice_chain()

    def add_advice_chain(
        self, *advices: Advice, name: str = "default"
    ) -> Configuration:
        """Add a chain of advices, or replace the one of that name.

        Args:
            *advices: The advices in the order in which their `before` is called.
            name: The name by which tasks choose the chain.

        Raises:
            ConfigurationError: If something is not an advice, or the name is no text.
        """
        check_type("add_advice_chain", "a text as the name of a chain", name, str)
        for advice in advices:
            owner = f"advice chain {name!r}"
            check_methods(owner, "advices", advice, "before", "after")
        with _state.lock:
            chain = self.chains.get(name)
            if chain is None:
                chain = self._former_chains.pop(name, None)
                if chain is None:
                    chain = AdviceChain(name, self._extensions)
                chain.arrange(self._arrangement())
                self.chains[name] = chain
                chain.concurrency = self._concurrency
            chain.replace(advices, self._extensions)
        return self

    def get_advice_chain(self, name: str) -> tuple[Advice, ...] | None:
        """Return the advices of a chain.

        Args:
            name: The name of the chain.

        Returns:
            The advices in their order, or `None` if there is no such chain.
        """
        chain = self.chains.get(name)
        return None if chain is None else chain.advices

    def set_concurrency(self, calls: int, chain: str | None = None) -> Configuration:
        """Set how many submitted calls of a chain walk at a time in a process.

        Without it, there are two for each process or slot that the chain moves them to,
        eight for each process behind a connection, else as many as there are
        processors.

        Args:
            calls: How many. Calls that are submitted by a task come in addition.
            chain: The name of the chain; all chains when left out.

        Raises:
            ConfigurationError: If it is not a positive number, or if there is no such
                chain.
        """
        if not (type(calls) is int and calls > 0):
            raise ConfigurationError(
                f"set_concurrency needs a positive number, and not {calls!r}."
            )
        with _state.lock:
            if chain is None:
                self._concurrency = calls
            chosen = self.chains.values() if chain is None else [self.chains[chain]]
            for each in chosen:
                each.concurrency = calls
        return self

    @property
    def extensions(self) -> list[Extension]:
        """The extensions, in the order in which they are told."""
        return list(self._extensions)

    def add_extension(self, extension: Extension) -> Configuration:
        """Add an extension that is told about all sessions.

        Args:
            extension: The extension.

        Raises:
            ConfigurationError: If it is not an extension.
        """
        check_methods("add_extension", "an Extension", extension, *_CALLED_METHODS)
        with _state.lock:
            self._extensions += (extension,)
            for chain in self.chains.values():
                chain.replace(chain.advices, self._extensions)
        if self._is_begun:
            extension.on_init(self)
        return self

    def begin(self) -> None:
        """Tell the extensions of it, which is the one of a notebook."""
        if not self._is_begun:
            self._is_begun = True
            for extension in self._extensions:
                extension.on_init(self)

    def set_moves(self, moves: str | None) -> Configuration:
        """Let tasks run in this process, for tests and debuggers.

        The environment variable `BANDSAW_MOVES` does the same, and comes first.

        Args:
            moves: ``"memory"`` lets a full save and restore take the place of each
                move to another interpreter, ``"none"`` leaves the advices out that move
                sessions; `None` is the default. Limits, interpreters and environments
                have no effect then, which is logged once.

        Raises:
            ConfigurationError: If it is something else.
        """
        _check_moves("set_moves", moves)
        self._moves = moves
        self.arrange()
        return self

    def arrange(self) -> None:
        """Let the chains follow what was chosen for tests."""
        with _state.lock:
            arranged = self._arrangement()
            for chain in self.chains.values():
                chain.arrange(arranged)

    def _arrangement(self) -> Arranged | None:
        moves = os.environ.get(MOVES_VARIABLE) or self._moves
        _check_moves(MOVES_VARIABLE, moves)
        if moves is None and not _state.arrangements:
            return None
        arrangements = (*_state.arrangements,)

        def arranged(advices: Any, extensions: Any) -> Any:
            if moves is not None:
                advices = _standing_in(advices, moves)
            for one in arrangements:
                advices, extensions = one(advices, extensions)
            return advices, extensions

        return arranged

    # Every call that a cache answers asks for it, without a call of Python code.
    @late_attribute
    def serializer(self) -> Serializer:
        """The serializer that writes sessions and results; by default pickle."""
        return serialization.PickleSerializer()

    def set_serializer(self, serializer: Serializer) -> Configuration:
        """Set the serializer that writes sessions and results.

        Args:
            serializer: The serializer.

        Raises:
            ConfigurationError: If it is not a serializer.
        """
        check_methods(
            "set_serializer", "a serializer", serializer, "serialize", "deserialize"
        )
        self.serializer = serializer
        return self

    @property
    def distribution_modules(self) -> list[str]:
        """The names of the modules that other interpreters need in addition."""
        return list(self.listed_modules)

    def add_modules_for_distribution(self, *modules: str) -> Configuration:
        """Send modules to other interpreters that are not imported here.

        Args:
            *modules: The names of modules or packages.

        Raises:
            ConfigurationError: If one of them is not a name.
        """
        for name in modules:
            check_type("add_modules_for_distribution", "names of modules", name, str)
        self.listed_modules += modules
        return self

    def add_environment_variables(self, *names: str) -> Configuration:
        """Keep environment variables in what is written down of a run.

        Only variables that are known to be harmless are kept without being named.

        Args:
            *names: The names of the variables.
        """
        from .run import add_environment_variables

        add_environment_variables(names)
        return self

    @property
    def directory(self) -> str:
        """The directory of the file of its module, where the user keeps it.

        A module without a file is in the working directory.
        """
        if self._source is None:
            self._source = modules.source_directory(self.module_name)
        return (
            (modules.working_directory() or "")
            if self._source is None
            else self._source
        )

    @property
    def temporary_directory(self) -> Path:
        """The directory for temporary files; it exists, and only the user can write.

        What bandsaw has made is removed when the process ends.
        """
        from pathlib import Path

        return Path(self.temporary_path)

    @property
    def temporary_path(self) -> str:
        """The path of `temporary_directory`, as text."""
        with _state.lock:
            parent = temporary.parent_directory_for(self._directory)
            if self._directory is not None and parent is None:
                return _existing_directory(self._directory)
            made = self._made_directory
            if (
                made is None
                # A forked child must not depend on what its parent may remove.
                or self._process != os.getpid()
                or not os.path.isdir(made.path)
            ):
                made = self._made_directory = TemporaryDirectory(parent)
                self._process = os.getpid()
            return made.path

    def set_temp_directory(self, directory: str | Path) -> Configuration:
        """Set the directory for temporary files.

        Args:
            directory: Where it is. It is made when it is needed and not there. One that
                was there before stays when the process ends, with the user's files.
        """
        self._directory = os.path.abspath(os.fspath(directory))
        temporary.choose_directory(self._directory)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Configuration):
            return NotImplemented
        return self.module_name == other.module_name

    def __hash__(self) -> int:
        return hash(self.module_name)

    def __repr__(self) -> str:
        return f"<Configuration {self.module_name}>"


def _check_moves(owner: str, moves: str | None) -> None:
    if moves is not None and moves not in _MOVES:
        raise ConfigurationError(
            f"{owner} needs {' or '.join(map(repr, _MOVES))}, and not {moves!r}."
        )


def _standing_in(advices: tuple[Advice, ...], moves: str) -> tuple[Advice, ...]:
    """Return advices with those that stand in for what moves sessions."""
    chosen = [
        advice.stand_in(moves) if hasattr(advice, "stand_in") else advice
        for advice in advices
    ]
    return tuple(advice for advice in chosen if advice is not None)


class LibraryConfiguration(Configuration):
    """A configuration of the library's own, which ignores what is chosen for tests."""

    def __init__(self) -> None:
        super().__init__()
        self.module_name = sys._getframe(1).f_globals["__name__"]

    def _arrangement(self) -> None:
        return None


def add_arrangement(arrangement: Arranged) -> None:
    """Let other advices and extensions stand in for those of all configurations.

    Args:
        arrangement: Returns them.
    """
    _state.arrangements.append(arrangement)
    _arrange_all()


def remove_arrangement(arrangement: Arranged) -> None:
    """Take `add_arrangement` back.

    Args:
        arrangement: What it was given.
    """
    _state.arrangements.remove(arrangement)
    _arrange_all()


def _arrange_all() -> None:
    for configuration in list(_state.configurations.values()):
        configuration.arrange()


def _existing_directory(path: str) -> str:
    if not os.path.isdir(path):
        temporary.make_directory(path)
    return path


class _State:
    """The configurations that this process has loaded."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.configurations: dict[str, Configuration] = {}
        #: The names of others that a saved session may name.
        self.accepted: frozenset[str] = frozenset()
        #: The names of those that were found next to code, by its package.
        self.next_to: dict[str, str | None] = {}
        #: What stands in for the advices and extensions of all configurations.
        self.arrangements: list[Arranged] = []


_state = _State()
call_at_reset(_state.configurations.clear)
call_at_reset(_state.next_to.clear)


def get_configuration(configuration_module: str | None = None) -> Configuration:
    """Load a configuration, once per process.

    Args:
        configuration_module: The name of the module whose attribute `configuration` it
            is. When left out, the environment variable `BANDSAW_CONFIG_MODULE` (or
            `BANDSAW_CONFIG`) names it; else it is `bandsaw_config`.

    Returns:
        The configuration.

    Raises:
        ConfigurationError: If it is no name.
        ModuleNotFoundError: If there is no such module.
        LookupError: If the module has no attribute `configuration`.
        TypeError: If that is something else than a `Configuration`.
    """
    name = configuration_module or _default_module_name()
    if name == "__main__":
        of_notebook = configuration_of_notebook()
        if of_notebook is not None:
            of_notebook.begin()
            return of_notebook
    loaded = _state.configurations.get(name)
    if loaded is not None:
        return loaded
    # Not under the lock: another thread may be importing a module whose tasks wait
    # here.
    configuration = _configuration_of(_configuration_module(name))
    with _state.lock:
        if name in _state.configurations:
            return _state.configurations[name]
        configuration.module_name = name
        _state.configurations[name] = configuration
    if _state.arrangements:
        configuration.arrange()
    # Not under the lock either: an extension may import modules with tasks.
    try:
        for extension in configuration.extensions:
            extension.on_init(configuration)
    except BaseException:
        with _state.lock:
            _state.configurations.pop(name, None)
        raise
    return configuration


def _configuration_module(name: str) -> ModuleType:
    check_type("bandsaw", "the name of a module as configuration", name, str)
    name = modules.importable_module_name(name)
    try:
        return modules.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModuleNotFoundError(_no_configuration(name), name=name) from None


def _no_configuration(name: str) -> str:
    if name.endswith(".py"):
        return (
            f"No module named {name!r}. A configuration is named like a module, and "
            f"not like a file: {name[:-3]!r}."
        )
    pythons = tuple(os.path.join(path, "") for path in (sys.prefix, sys.base_prefix))
    own = [path for path in modules.search_path() if not path.startswith(pythons)]
    places = [modules.absolute_path(path) for path in own[:3]]
    listed = ", ".join(places)
    if len(modules.search_path()) > len(places):
        listed += f"{' and ' if places else ''}the other directories of sys.path"
    return (
        f"No module named {name!r}, which has to hold the configuration. It was looked "
        f"for in {listed}. Write {name.replace('.', '/')}.py beside the "
        "script, with these two lines:\n\n    import bandsaw\n    configuration = "
        "bandsaw.Configuration()\n\nOr put it into the package of the module that "
        "calls task, or name another module with @task(config='...') or the "
        "environment variable BANDSAW_CONFIG_MODULE."
    )


def configuration_for(package: str | None) -> str | None:
    """Return the name of the configuration's module that is next to some code.

    Args:
        package: The package of the code.

    Returns:
        The name of the `bandsaw_config` in that package, or in the next one above it
        that has one; `None` where that is left to `get_configuration`.
    """
    if not package or _name_in_environment() is not None:
        return None
    if package not in _state.next_to:
        name = f"{package}.{CONFIGURATION_MODULE_DEFAULT}"
        found: str | None = name
        try:
            modules.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise
            found = configuration_for(package.rpartition(".")[0])
        _state.next_to[package] = found
    return _state.next_to[package]


def configuration_of_session(name: str) -> Configuration:
    """Return the configuration that a saved session names.

    Its serializer reads the rest of the session. So what is read must not choose any
    configuration that this process could find.

    Args:
        name: The name of the configuration's module.

    Raises:
        InvalidSessionError: If it is neither the default configuration nor one that
            this process has loaded.
    """
    loaded = _state.configurations.get(name)
    if name == "__main__":
        loaded = configuration_of_notebook() or loaded
    if loaded is not None:
        return loaded
    module = sys.modules.get(name)
    if (
        name in _state.accepted
        or name == _default_module_name()
        # Imported, but not asked for yet
        or isinstance(
            getattr(module, "__dict__", {}).get("configuration"), Configuration
        )
    ):
        return get_configuration(name)
    raise InvalidSessionError(
        f"The saved session names the configuration {name!r}, which this process has "
        f"not loaded. If it is yours, call get_configuration({name!r}) first."
    )


def accept_configuration_of_archive(directory: str) -> bool:
    """Let saved sessions name the configuration that a distribution archive is for.

    Args:
        directory: The directory in which the archive is unpacked. One that is for no
            configuration lets them name all modules that it lists.

    Returns:
        Whether the directory is that of an archive, as this process may have been
        started otherwise.
    """
    try:
        path = os.path.join(directory, ARCHIVE_CONTENTS)
        with open(path, encoding="utf-8") as file:
            configuration, *modules = file.read().split("\n")
    except FileNotFoundError:
        return False
    _state.accepted = frozenset([configuration] if configuration else modules)
    return True


def configuration_of_notebook() -> Configuration | None:
    """Return the configuration that cells of the notebook have made, if they have."""
    namespace = getattr(sys.modules.get("__main__"), "__dict__", {})
    found = namespace.get(_OF_NOTEBOOK)
    return found if isinstance(found, Configuration) else None


def accepts_notebooks() -> bool:
    """Tell if this process is there for sessions of a notebook's configuration."""
    return "__main__" in _state.accepted


def directory_of_default_configuration() -> str:
    """Return the directory of the file of the default configuration's module.

    The module need not be loaded. Without a file, it is the working directory.
    """
    return (
        modules.source_directory(_default_module_name())
        or modules.working_directory()
        or ""
    )


def _default_module_name() -> str:
    if configuration_of_notebook() is not None:
        return "__main__"
    return _name_in_environment() or CONFIGURATION_MODULE_DEFAULT


def _name_in_environment() -> str | None:
    for variable in _CONFIGURATION_MODULE_ENV_VARIABLES:
        name = os.environ.get(variable)
        if name:
            return name
    return None


def _configuration_of(module: ModuleType) -> Configuration:
    try:
        configuration = module.configuration
    except AttributeError:
        raise LookupError(
            f"Module {module.__name__} has no attribute 'configuration'. It must set "
            "it to a bandsaw.Configuration before it imports modules with tasks that "
            "use it."
        ) from None
    if not isinstance(configuration, Configuration):
        raise TypeError(
            f"Attribute 'configuration' of module {module.__name__} is of type "
            f"{type(configuration)}, not a bandsaw.Configuration."
        )
    return configuration
