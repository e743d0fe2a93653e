"""An archive of all modules that another interpreter needs."""

from __future__ import annotations

import os
import sys
import time
from _operator import attrgetter
from types import ModuleType

from ..config import ARCHIVE_CONTENTS, Configuration
from ..exceptions import ConfigurationError
from ..interpreter import is_own_source
from ..modules import (
    MAIN_NAMES,
    absolute_path,
    attribute_of,
    find_module,
    importable_module_name,
    script_module_name,
    script_path,
    search_path,
    zip_file_of,
)
from ..runtime import home, path_trust
from ..runtime.caller_warnings import warn_caller
from ..runtime.fork import Lock, call_at_reset, call_in_child
from ..runtime.functions import partial
from ..runtime.home import Hold
from ..runtime.own_files import original_of
from ..runtime.temporary import TemporaryDirectory, open_private
from . import bootstrap
from .finding import find_unpacked, remember_unpacked, state_of
from .snapshot import Snapshot, not_loaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from types import FunctionType
    from typing import IO, Any, Callable, Iterator

    _LoadedModule = tuple[str, object, Callable[[str], Any], object]

#: A data file of a package that is larger, in bytes, does not travel.
LARGEST_DATA_FILE = 16 * 1024 * 1024
#: Nor does what goes beyond this, in bytes, of all the data files of a package.
LARGEST_PACKAGE_DATA = 64 * 1024 * 1024

# How often it is noted that an archive is in use, in seconds.
_NOTE_USE_AFTER = 3600

_MAIN = "__main__"
_PACKAGE = "bandsaw"
_BANDSAW = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# These run in an archive only, and are never imported here.
_ARCHIVE_MAIN = os.path.join(_BANDSAW, "distribution", "archive_main.py")
_BYTECODE = os.path.join(_BANDSAW, "distribution", "bytecode.py")
_STARTUP = os.path.join(_BANDSAW, "distribution", "startup.py")
_NEVER = ("__pycache__", "node_modules")


class DistributionArchive:
    """A zip file with modules, executable by ``python archive.pyz``.

    It is built when its path is first asked for, as a snapshot of the modules' files
    at that moment, and is the same byte for byte when they are. When only the
    directory is asked for, the snapshot may be one that is unpacked already.

    Args:
        path: Where to write it.
        *modules: The names of modules and packages. `__main__` stands for the script.

    Attributes:
        modules: The names of the modules and packages that were asked for.
    """

    def __init__(self, path: str | Path, *modules: str) -> None:
        self._path = os.fspath(path)
        self.modules = modules
        self._archive_id: str | None = None
        self._directory: str | None = None
        # The files of a snapshot that was found in the directory
        self._found: dict[str, str] = {}
        self._own: dict[str, str] = {}
        self._originals: dict[str, str] = {}
        self._snapshot: Snapshot | None = None
        # The names of the files in the archive by their paths
        self._names: dict[str, str] = {}
        self._noted = 0.0
        # While this process may start interpreters from it, nothing may remove it.
        self._hold: Hold | None = None
        self._lock = Lock()

    @property
    def path(self) -> Path:
        """The path of the archive, which is built when it is not there."""
        from pathlib import Path

        self.build()
        return Path(self._path)

    @property
    def archive_id(self) -> str | None:
        """The SHA-256 of the archive as hex digits, `None` until it is known."""
        return self._archive_id

    @property
    def directory(self) -> str:
        """The private directory in which the content of the archive is unpacked."""
        with self._lock:
            directory = self._directory
            if directory is None or not bootstrap.is_unpacked(directory):
                directory = self._find_or_unpack()
                self._directory, self._noted = directory, time.monotonic()
                self._hold = Hold(directory)
            elif time.monotonic() - self._noted > _NOTE_USE_AFTER:
                # Pruning must not take it for one that is not used any more.
                bootstrap.note_use(directory)
                self._noted = time.monotonic()
            return directory

    @property
    def originals(self) -> dict[str, str]:
        """The paths of the user's files and packages by their names in the archive."""
        with self._lock:
            if not self._originals:
                self._files()
            return self._originals

    def _find_or_unpack(self) -> str:
        if self._is_built:
            return bootstrap.unpack(self._path, self._archive_id)
        files = self._files()
        # What is changed while it is read has another state afterwards.
        state = state_of(files, self._texts, __file__)
        loaded = self._loaded_files(files)
        if self._snapshot is not None and self._snapshot.keeps_earlier:
            state = None  # It would be that of the edited files.
        directory = find_unpacked(state)
        if directory is not None:
            self._archive_id = os.path.basename(directory)
            self._found = {name: f"{directory}/{name}" for name in files}
            return directory
        self._build(files, loaded)
        directory = bootstrap.unpack(self._path, self._archive_id)
        remember_unpacked(state, directory)
        return directory

    @property
    def _is_built(self) -> bool:
        return self._archive_id is not None and os.path.exists(self._path)

    def build(self) -> None:
        """Write the archive, unless that was done before.

        Raises:
            ConfigurationError: If there is no module of a name that was asked for.
            NotMovableError: If a module was edited after it was loaded, and no text of
                it is known that compiles to what is loaded.
        """
        with self._lock:
            if self._is_built:
                return
            directory = self._directory
            is_found = directory is not None and bootstrap.is_unpacked(directory)
            if is_found and self._found:
                # What was edited since it was found is not in it.
                self._build(self._found, {})
            else:
                files = self._files()
                self._build(files, self._loaded_files(files))

    def _loaded_files(self, files: dict[str, str]) -> dict[str, bytes]:
        """Return the content of files that may have changed since they were loaded.

        Args:
            files: The paths of all files by their names in the archive.
        """
        snapshot = Snapshot(self._own)
        texts = self._loaded_texts(snapshot)
        names = {path: name for name, path in files.items()}
        self._snapshot, self._names = snapshot, names
        return {names[path]: text for path, text in texts.items() if path in names}

    def _loaded_texts(self, snapshot: Snapshot) -> dict[str, bytes]:
        return snapshot.texts()

    def refuse_other_code(self, reaches: Callable[[FunctionType], bool]) -> None:
        """Refuse a task that reaches code which the archive has in another version.

        Args:
            reaches: Tells if the task reaches a function.

        Raises:
            NotMovableError: If it does, or if there will be no archive.
        """
        snapshot = self._snapshot
        if snapshot is None or self._archive_id is None:
            snapshot = Snapshot(_own_modules())
            self._loaded_texts(snapshot)
        for where, stray in snapshot.strays:
            if reaches(stray):
                raise not_loaded(where, absolute_path(stray.__code__.co_filename))

    def _build(self, files: dict[str, str], loaded: dict[str, bytes]) -> None:
        from hashlib import sha256

        beside = f"{self._path}.part"
        try:
            with open(beside, "w+b", opener=open_private) as stream:
                texts = {n: text.encode("utf-8") for n, text in self._texts.items()}
                _write(stream, files, {**texts, **loaded})
                stream.seek(0)
                self._archive_id = sha256(stream.read()).hexdigest()
            os.replace(beside, self._path)
        finally:
            if os.path.exists(beside):
                os.unlink(beside)

    @property
    def configuration_name(self) -> str | None:
        """The module of the configuration that its sessions have, if it is for one."""
        return None

    @property
    def is_current(self) -> bool:
        """Whether it holds what is loaded, which is known of those made here only."""
        return False

    @property
    def _texts(self) -> dict[str, str]:
        # One name a line: a process that only continues sessions reads it.
        names = map(importable_module_name, self.modules)
        return {ARCHIVE_CONTENTS: "\n".join((self.configuration_name or "", *names))}

    def _files(self) -> dict[str, str]:
        """Return the paths of all files by their names in the archive."""
        self._own = _own_modules()
        places = _places_of(self.modules, self._own)
        files = _files_of(places)
        self._originals = {
            name: original_of(path)
            for name, path in _without_zip_files(places)
            if name != _PACKAGE
        }
        return files

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DistributionArchive):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, tuple[str, ...]]:
        return os.path.normpath(self._path), self.modules

    def __repr__(self) -> str:
        return f"<DistributionArchive {self._path}>"


def _places_of(modules: tuple[str, ...], own: dict[str, str]) -> list[tuple[str, str]]:
    """Return what an archive holds: names there, and paths.

    Args:
        modules: The names of the modules that were asked for.
        own: The files of the imported modules of the user's own by module name.
    """
    places: set[tuple[str, str]] = set()
    for name in modules:
        places.update(_places_of_named_module(importable_module_name(name)))
    for name, path in own.items():
        places.add(_place_of_module(name, path))
    return sorted(places)


def _without_zip_files(places: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield places, of each zip file those of its outermost files and directories."""
    for name, path in places:
        if name:
            yield name, path
            continue
        for top in {member.partition("/")[0] for member in _files_of_zip(path)}:
            yield top, os.path.join(path, top)


def _files_of(places: list[tuple[str, str]]) -> dict[str, str]:
    """Return the paths of the files of an archive by their names there.

    Args:
        places: What it holds.
    """
    files: dict[str, str] = {}
    for name, path in places:
        if not name:
            files.update(_files_of_zip(path))
        elif os.path.isdir(path):
            files.update(_files_of_package(name, path))
        else:
            files[name] = path
    files["__main__.py"] = _ARCHIVE_MAIN
    files["_bandsaw_bootstrap.py"] = bootstrap.__file__
    files["_bandsaw_bytecode.py"] = _BYTECODE
    files["_bandsaw_home.py"] = home.__file__
    files["_bandsaw_path_trust.py"] = path_trust.__file__
    files["_bandsaw_startup.py"] = _STARTUP
    return files


def _write(stream: IO[bytes], files: dict[str, str], texts: dict[str, bytes]) -> None:
    import zipfile

    with zipfile.ZipFile(stream, "w") as archive:
        for name in sorted({*files, *texts}):
            entry = zipfile.ZipInfo(name)  # Always of the same date.
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            content = texts.get(name)
            if content is None:
                content = _read(files[name])
            # The first call after each edit waits for it. Trying harder takes longer,
            # and saves a tenth of the size.
            archive.writestr(entry, content, compresslevel=1)


def _read(path: str) -> bytes:
    zip_file = zip_file_of(path)
    if zip_file is None:
        with open(path, "rb") as source:
            return source.read()
    from zipimport import zipimporter

    return zipimporter(zip_file).get_data(path)


def _own_modules() -> dict[str, str]:
    """Return the files of all imported modules of the user's own by module name."""
    found = {}
    is_own = _OwnDirectories()
    for name, module in list(sys.modules.items()):
        if name in MAIN_NAMES or name.startswith("bandsaw."):
            continue
        path = attribute_of(module, "__file__")
        if (
            isinstance(path, str)
            and is_own[os.path.dirname(path := absolute_path(path))]
            and (os.path.isfile(path) or zip_file_of(path) is not None)
            and _is_found_by_name(name, module)
        ):
            found[name] = path
    script, path = script_module_name(), script_path()
    if script is not None and path is not None and is_own_source(path):
        found[script] = path
    return found


class _OwnDirectories(dict):  # type: ignore[type-arg]
    """Whether what lies in a directory is the user's own, by the directory's path."""

    def __missing__(self, directory: str) -> bool:
        # As a file in it
        is_own = self[directory] = is_own_source(os.path.join(directory, "module.py"))
        return is_own


def _is_found_by_name(name: str, module: ModuleType) -> bool:
    # What was put into `sys.modules` by hand, or under another name, cannot be
    # imported.
    spec = attribute_of(module, "__spec__")
    return spec is None or spec.name == name


def _place_of_module(name: str, path: str) -> tuple[str, str]:
    """Return what has to travel for a module: its name in the archive, and its path.

    That is the outermost regular package that the module belongs to, else its file. Of
    a zip file it is what can be imported from it, which has no name.
    """
    root = _root_in_zip_file(path)
    if root is not None and path != os.path.join(root, "__main__.py"):
        return "", root
    parts = name.split(".")
    file_name = os.path.basename(path)
    is_package = file_name.startswith("__init__.")
    directory = os.path.dirname(path)
    package = parts if is_package else parts[:-1]
    place: tuple[str, str] | None = None
    while package and os.path.isfile(os.path.join(directory, "__init__.py")):
        place = "/".join(package), directory
        package, directory = package[:-1], os.path.dirname(directory)
    if place is not None:
        return place
    suffix = os.path.splitext(path)[1]
    if file_name.startswith(parts[-1] + "."):
        suffix = file_name[len(parts[-1]) :]  # `.cpython-311-darwin.so`, for example
    return "/".join(parts) + suffix, path


def _root_in_zip_file(path: str) -> str | None:
    """Return the entry of the search path, in a zip file, that a module is below."""
    zip_file = zip_file_of(path)
    if zip_file is None:
        return None
    entries = [
        entry
        for entry in map(absolute_path, search_path())
        if f"{entry}{os.sep}".startswith(f"{zip_file}{os.sep}")
        and path.startswith(f"{entry}{os.sep}")
    ]
    return max(entries, key=len, default=zip_file)


def _files_of_zip(root: str) -> dict[str, str]:
    """Return the files below an entry of the search path that is in a zip file."""
    import zipfile

    path = os.path.join(root, "")
    zip_file = zip_file_of(path) or root
    beginning = path[len(zip_file) + 1 :].replace(os.sep, "/")
    with zipfile.ZipFile(zip_file) as archive:
        names = [name for name in archive.namelist() if name.startswith(beginning)]
    return {
        name[len(beginning) :]: os.path.join(zip_file, name)
        for name in names
        if not name.endswith(("/", ".pyc")) and name != f"{beginning}__main__.py"
    }


def _files_of_package(name: str, directory: str) -> dict[str, str]:
    files: dict[str, str] = {}
    left_out: list[str] = []
    only_python = os.path.realpath(directory) == os.path.realpath(_BANDSAW)
    room = LARGEST_PACKAGE_DATA
    for relative in _visible_files(directory):
        path = f"{directory}{os.sep}{relative}"
        if not relative.endswith(".py"):
            if only_python and not relative.endswith(".typed"):
                continue
            size = os.path.getsize(path)
            if size > min(LARGEST_DATA_FILE, room):
                left_out.append(path)
                continue
            room -= size
        files[f"{name}/{relative}".replace(os.sep, "/")] = path
    if left_out:
        _warn_of_left_out_data(name, left_out)
    return files


def _warn_of_left_out_data(package: str, paths: list[str]) -> None:
    named = ", ".join(paths[:3])
    if len(paths) > 3:
        named += f" and {len(paths) - 3} more"
    warn_caller(
        f"Data of the package {package.replace('/', '.')} does not travel to other "
        f"interpreters: {named}. A file may have {LARGEST_DATA_FILE} bytes, and all of "
        f"a package {LARGEST_PACKAGE_DATA}.",
        UserWarning,
    )


def _visible_files(directory: str) -> Iterator[str]:
    """Yield the paths of the files of a package, relative to its directory."""
    return _visible_files_below(directory, "", set())


def _visible_files_below(
    directory: str, prefix: str, seen: set[tuple[int, int]]
) -> Iterator[str]:
    """Yield paths of files.

    Args:
        directory: The directory.
        prefix: What is put before the paths.
        seen: The directories that were walked through before, by device and inode.
    """
    try:
        seen.add(_identity(directory))
        with os.scandir(directory) as entries:
            found = sorted(entries, key=attrgetter("name"))
    except OSError:
        return  # Others cannot read it either.
    directories = []
    for entry in found:
        try:
            if entry.is_dir():
                if _may_travel(entry.path) and _identity(entry.path) not in seen:
                    directories.append(entry)
                continue
            is_file = entry.is_file()
        except OSError:
            continue  # A link to itself, for example
        is_compiled = entry.name.endswith((".pyc", ".pyo"))
        if is_file and not is_compiled and not entry.name.startswith("."):
            yield prefix + entry.name
    for entry in directories:
        yield from _visible_files_below(
            entry.path, os.path.join(prefix, entry.name, ""), seen
        )


def _identity(directory: str) -> tuple[int, int]:
    status = os.stat(directory)
    return status.st_dev, status.st_ino


def _may_travel(directory: str) -> bool:
    name = os.path.basename(directory)
    if name.startswith(".") or name in _NEVER:
        return False
    is_virtual_environment = os.path.exists(os.path.join(directory, "pyvenv.cfg"))
    return not is_virtual_environment


def _places_of_named_module(name: str) -> list[tuple[str, str]]:
    """Return what has to travel for a module that may not be imported yet."""
    if name == _MAIN:
        return []  # A prompt or a notebook: there is no file.
    module = sys.modules.get(name)
    path = attribute_of(module, "__file__")
    if path is None:
        path = _find_without_importing(name)
    if path is not None:
        return [_place_of_module(name, absolute_path(path))]
    directories = _search_path_of(name)
    if not directories:
        raise ConfigurationError(
            f"There is no module {name!r} that could be distributed. Its name is given "
            "to add_modules_for_distribution()."
        )
    return [(name.replace(".", "/"), directory) for directory in directories]


def _find_without_importing(name: str) -> str | None:
    spec = find_module(name)
    if spec is None or spec.origin in (None, "built-in", "frozen"):
        return None
    return spec.origin


def _search_path_of(name: str) -> list[str]:
    spec = find_module(name)
    locations = None if spec is None else spec.submodule_search_locations
    return list(locations or ())


class _TemporaryArchive(DistributionArchive):
    """An archive below the temporary directory of a configuration.

    Many who ask for an archive only want to know what would be in it, so there is no
    directory before it is built.
    """

    # Its path is chosen when it is built.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(
        self,
        configuration: Configuration,
        previous: _TemporaryArchive | None,
        *modules: str,
    ) -> None:
        super().__init__("", *modules)
        if previous is not None and previous.archive_id is None:
            previous = previous._previous
        elif previous is not None:
            previous._previous = None
        # It may have the text of a module that was edited since.
        self._previous: _TemporaryArchive | None = previous
        self._configuration = configuration
        self._temporary: TemporaryDirectory | None = None
        self._loaded = 0
        self._loaded_own: list[_LoadedModule] = []

    @property
    def configuration_name(self) -> str | None:
        """The module of the configuration."""
        return importable_module_name(self._configuration.module_name)

    def _files(self) -> dict[str, str]:
        self._loaded = len(sys.modules)
        files = super()._files()
        self._loaded_own = [_loaded_module(name) for name in self._own]
        return files

    def _loaded_texts(self, snapshot: Snapshot) -> dict[str, bytes]:
        previous = self._previous
        if previous is None:
            return super()._loaded_texts(snapshot)
        return snapshot.texts(previous._text_of, previous._snapshot)

    def _text_of(self, path: str) -> bytes | None:
        """Return the content that a file has in the archive, `None` if it has none."""
        import zipfile

        try:
            name = self._names[path]
            if self._directory is not None:
                return _read(os.path.join(self._directory, name))
            with zipfile.ZipFile(self._path) as archive:
                return archive.read(name)
        except (KeyError, OSError, zipfile.BadZipFile):
            return None

    def _build(self, files: dict[str, str], loaded: dict[str, bytes]) -> None:
        parent = self._configuration.temporary_path
        self._temporary = TemporaryDirectory(parent, "distribution-")
        self._path = os.path.join(self._temporary.path, "archive.pyz")
        super()._build(files, loaded)

    @property
    def is_current(self) -> bool:
        """Whether it holds, or will hold, all that is imported by now, as it is."""
        if self._archive_id is None:
            return True
        loaded = sys.modules.get
        for name, module, fact, spec in self._loaded_own:
            if loaded(name) is not module or fact("__spec__") is not spec:
                return False
        snapshot = self._snapshot
        if snapshot is not None:
            # Comparing lists that hold the same objects is the quickest way.
            codes = [function.__code__ for function in snapshot.code.functions]
            may_differ = codes != snapshot.code.codes or "IPython" in sys.modules
            if may_differ and not snapshot.is_current(self._text_of):
                return False
        if self._loaded == len(sys.modules):
            return True
        if not self._own.keys() >= _own_modules().keys():
            return False
        self._loaded = len(sys.modules)
        return True


def _loaded_module(name: str) -> _LoadedModule:
    """Return a module, what gives its attributes, and what it was loaded by.

    A reload gives it another specification.
    """
    module = sys.modules.get(name)
    fact: Callable[[str], Any] = partial(attribute_of, module)
    if type(module) is ModuleType:
        fact = module.__dict__.get  # Most are plain, and this is faster.
    return name, module, fact, fact("__spec__")


_archives: dict[str, _TemporaryArchive] = {}
# They go with the process that made them.
call_in_child(_archives.clear)
call_at_reset(_archives.clear)
_lock = Lock()


def get_distribution_archive(configuration: Configuration) -> DistributionArchive:
    """Return the archive with the code that sessions of a configuration need.

    Args:
        configuration: The configuration.

    Returns:
        An archive of bandsaw, the configuration's module, the modules that it lists and
        all modules of the user's own that are imported by now.
    """
    modules = (
        _MAIN,
        _PACKAGE,
        importable_module_name(configuration.module_name),
        *configuration.listed_modules,
    )
    archive = _archives.get(configuration.module_name)
    if archive is not None and archive.modules == modules and archive.is_current:
        return archive
    with _lock:
        archive = _archives.get(configuration.module_name)
        if archive is None or archive.modules != modules or not archive.is_current:
            archive = _TemporaryArchive(configuration, archive, *modules)
            _archives[configuration.module_name] = archive
        return archive
