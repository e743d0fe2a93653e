"""The user's own files, of which this process executes the copies in an archive.

Code that is loaded from a copy names the user's file, as do tracebacks, warnings and
log records then. The text that they show is that of the copy, which is what runs here.
`__file__` stays where the copy is, with the data files beside it.
"""

from __future__ import annotations

import _imp
import os
import sys
from _frozen_importlib_external import FileFinder, PathFinder, SourceFileLoader

from .functions import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any, Callable, Mapping


class _Originals:
    """The paths of the files that an archive holds copies of.

    Attributes:
        below: The directory of the archive, with a separator at its end.
        paths: The paths of the user's files and packages by their names there.
    """

    below: str | None = None
    paths: Mapping[str, str] = {}


_originals = _Originals()

# The copies that were loaded, by the paths of the user's files
_copies: dict[str, str] = {}


def original_of(path: str) -> str:
    """Return the path of the user's file or directory that one is a copy of.

    Args:
        path: The absolute path of a copy. That of anything else is returned as it is.
    """
    below = _originals.below
    if below is None or not path.startswith(below):
        return path
    name, rest = path[len(below) :].replace(os.sep, "/"), ""
    while name:
        original = _originals.paths.get(name)
        if original is not None:
            return original + rest.replace("/", os.sep)
        name, separator, last = name.rpartition("/")
        rest = separator + last + rest
    return path


def copy_of(path: str) -> str:
    """Return the path of the file with the text that a code object was loaded from.

    Args:
        path: The path that the code object names.
    """
    return _copies.get(path, path)


# The lines of code that is in no file, by the names that it has instead of one
_lines: dict[str, list[str]] = {}


def noted_lines(name: str) -> list[str] | None:
    """Return a copy of the lines that were noted, `None` if none were.

    Args:
        name: What code objects name instead of a file.
    """
    lines = _lines.get(name)
    return None if lines is None else list(lines)


def note_lines(name: str, lines: list[str]) -> None:
    """Let tracebacks show lines of code that is in no file.

    Args:
        name: What code objects name instead of a file.
        lines: The lines, with their ends.
    """
    _lines[name] = lines
    linecache = sys.modules.get("linecache")
    if linecache is not None:
        linecache.cache[name] = _entry(name, lines)
    elif not any(isinstance(each, _FinderOfLinecache) for each in sys.meta_path):
        sys.meta_path.insert(0, _FinderOfLinecache())


def _entry(name: str, lines: list[str]) -> tuple[int, None, list[str], str]:
    """Return an entry of `linecache`; without a time, it is compared with no file."""
    return sum(map(len, lines)), None, lines, name


def name_originals(directory: str, originals: Mapping[str, str]) -> None:
    """Let the code that is loaded from an archive name the user's files from now on.

    Args:
        directory: Where the archive is unpacked.
        originals: The paths of the files and packages by their names there.
    """
    below = os.path.join(directory, "")
    _originals.below, _originals.paths = below, dict(originals)
    # One that keeps the bytecode of an archive goes on doing so.
    hooks = tuple(sys.path_hooks)

    def find_below(path: str) -> Any:
        if path != directory and not path.startswith(below):
            raise ImportError
        for hook in hooks:
            try:
                finder = hook(path)
            except ImportError:
                continue
            if type(finder) is FileFinder:
                finder.__class__ = _Finder
            return finder
        raise ImportError

    sys.path_hooks.insert(0, find_below)
    sys.path_importer_cache.pop(directory, None)
    linecache = sys.modules.get("linecache")
    if linecache is None:
        sys.meta_path.insert(0, _FinderOfLinecache())
    else:
        _show_copies(linecache)


class _Finder(FileFinder):
    """Find modules in an archive, whose code names the user's files."""

    def find_spec(self, fullname: str, target: Any = None) -> Any:
        spec: Any = super().find_spec(fullname, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            loader: Any = spec.loader
            loader.get_code = partial(_load, loader.get_code, spec.origin)
        return spec


def _load(
    get_code: Callable[[str], CodeType | None], copy: str, module_name: str
) -> CodeType | None:
    code = get_code(module_name)
    original = original_of(copy)
    if code is not None and original != copy:
        _imp._fix_co_filename(code, original)  # type: ignore[attr-defined]
        _copies[original] = copy
    return code


class _FinderOfLinecache:
    """Have `linecache` show the copies when it is imported; most processes do without.

    What is imported takes no longer for it than a call.
    """

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != "linecache":
            return None
        sys.meta_path.remove(self)
        spec: Any = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            loader: Any = spec.loader
            execute = loader.exec_module

            def execute_and_change(module: ModuleType) -> None:
                execute(module)
                _show_copies(module)

            loader.exec_module = execute_and_change
        return spec


def _show_copies(linecache: Any) -> None:
    """Let `linecache` read the copies: the files may have changed, or be elsewhere."""
    read_file = linecache.updatecache

    def updatecache(filename: str, module_globals: Any = None) -> Any:
        lines = _lines.get(filename)
        if lines is None:
            copy = _copies.get(filename)
            if copy is None:
                return read_file(filename, module_globals)
            lines = read_file(copy)
        if lines:
            linecache.cache[filename] = _entry(filename, lines)
        return lines

    linecache.updatecache = updatecache
