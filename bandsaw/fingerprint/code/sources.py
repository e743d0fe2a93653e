"""The sources of what is loaded, as far as they can be believed.

The index of a file is remembered on disk, so that a later process only reads which
names lead where.
"""

from __future__ import annotations

import os
import sys
import time
import weakref

from ...runtime.file_facts import remembered
from ...runtime.fork import call_at_reset
from .index import ModuleIndex, code_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType
    from typing import Any

    from .index import Definition

# What is remembered differs between versions of this module and of Python.
_KIND = f"syntax-1-{sys.implementation.cache_tag}-{sys.flags.optimize}"

# The clock of processes ticks slowly, in seconds.
_TICK = 0.05

# What was compiled sooner after a change may be from before the change, in seconds.
_RESOLUTION = 2.0

# Stands for what a file said when it was loaded, where nobody can know that any more.
_doubt = os.urandom(16).hex()


class Source:
    """The source of a file.

    Attributes:
        path: Where it is.
        index: What it defines.
        doubt: Empty when the file is as old as this process. Otherwise it may say
            something else than it did when it was loaded. Functions are compared with
            their code; for everything else this text, which no other process has, keeps
            the answer from being used elsewhere.
    """

    def __init__(self, path: str, index: ModuleIndex, doubt: str) -> None:
        self.path = path
        self.index = index
        self.doubt = doubt
        self._by_line: dict[tuple[int, str], Definition] | None = None

    def find(self, function: FunctionType) -> Definition | None:
        """Return the definition that a function was compiled from, `None` if none."""
        return self.index.find(function) or self._find_by_line(function.__code__)

    def _find_by_line(self, code: CodeType) -> Definition | None:
        # `functools.wraps` gives a function the name of another one, and code objects
        # know their own qualified name from Python 3.11 on only.
        if self._by_line is None:
            self._by_line = {
                (definition.line, definition.name.rpartition(".")[2]): definition
                for definitions in self.index.definitions.values()
                for definition in definitions
            }
        definition = self._by_line.get((code.co_firstlineno, code.co_name))
        if definition is None or definition.code != code_digest(code):
            return None
        return definition

    def find_class(self, name: str, lines: list[int]) -> Definition | None:
        """Return the definition of a class.

        Args:
            name: Its qualified name.
            lines: Where its methods begin.

        Returns:
            The only definition of that name, else the one around the methods.
        """
        found = [
            definition
            for definition in self.index.definitions.get(name, ())
            if definition.kind == "class"
        ]
        if len(found) > 1:
            found = [
                definition
                for definition in found
                if any(definition.line <= line <= definition.end for line in lines)
            ]
        return found[0] if len(found) == 1 else None

    def text(self, lines: list[list[int]]) -> str:
        """Return some lines of the source, as they are now.

        Args:
            lines: The numbers of first and last lines.
        """
        every = _read_lines(self.path)
        return "\n".join(
            line.rstrip("\r\n")
            for first, last in lines
            for line in every[first - 1 : last]
        )


def source_of(path: str) -> Source | None:
    """Return the source of a file that a code object names.

    Args:
        path: The path. That of a notebook's cell leads to no file, but to lines that
            the notebook has left behind.

    Returns:
        The source, `None` if there is none, or no Python in it.
    """
    index = index_of(path) if not path.startswith("<") else None
    if index is not None:
        return Source(path, index, _doubt if _is_younger_than_process(path) else "")
    lines = _lines_left_behind(path)
    if lines is None:
        return None
    index = _index_lines(path, "".join(lines))
    return None if index is None else Source(path, index, "")


def definition_of(function: FunctionType) -> tuple[Source, Definition] | None:
    """Return the source of a function, and the definition there; `None` if none."""
    source = source_of(function.__code__.co_filename)
    definition = None if source is None else source.find(function)
    return None if source is None or definition is None else (source, definition)


def form_of(function: FunctionType) -> str:
    """Return what stands for what a function says itself, the same on every Python.

    Args:
        function: The function. Where no source compiles to its code, or to several
            functions of the same line, the code counts, which differs between Pythons.
    """
    code = function.__code__
    known = _forms.get(id(code))
    if known is None or known[0]() is not code:
        known = _remember_form(code, definition_of(function))
    return known[1]


# By `id`: code that is compiled from other files, and from other words, may be equal.
_forms: dict[int, tuple[Any, str]] = {}


def _remember_form(
    code: CodeType, found: tuple[Source, Definition] | None
) -> tuple[Any, str]:
    # As defaults, they are still there when the interpreter ends.
    def forget(_: object, known: Any = _forms, number: int = id(code)) -> None:
        known.pop(number, None)

    form = code_digest(code) if found is None else found[1].form
    known = _forms[id(code)] = weakref.ref(code, forget), form
    return known


_indexes: dict[str, Any] = {}


def index_of(path: str) -> ModuleIndex | None:
    """Return the index of a source file.

    Args:
        path: The path of the file.

    Returns:
        The index, `None` if there is no such file, or no Python in it.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    identity = (status.st_size, status.st_mtime_ns, status.st_ino)
    known = _indexes.get(path)
    if known is not None and known[0] == identity:
        index: ModuleIndex | None = known[1]
        return index

    def compute() -> Any:
        with open(path, "rb") as file:
            return index_source(file.read(), _compiled(path, status)).to_json()

    try:
        index = ModuleIndex.from_json(remembered(_KIND, path, status, compute))
    except (ArithmeticError, LookupError, MemoryError, OSError, RecursionError):
        index = None
    except (SyntaxError, TypeError, ValueError):
        index = None
    _indexes[path] = (identity, index)
    return index


def index_source(source: bytes | str, compiled: CodeType | None = None) -> ModuleIndex:
    """Return the index of a source text.

    Args:
        source: The text, or its bytes.
        compiled: What it is compiled to, if that is known.

    Raises:
        SyntaxError: If it is no Python.
    """
    from .indexing import make_index

    return make_index(source, compiled)


def _compiled(path: str, status: os.stat_result) -> CodeType | None:
    """Return what a file was compiled to, where Python keeps it; see PEP 552.

    That takes a fifth of the time of compiling it again.
    """
    import marshal
    from importlib.util import MAGIC_NUMBER, cache_from_source

    try:
        with open(cache_from_source(path), "rb") as file:
            # It knows the time of the source in whole seconds only.
            if os.fstat(file.fileno()).st_mtime < status.st_mtime + _RESOLUTION:
                return None
            content = file.read()
    except (NotImplementedError, OSError):
        return None
    expected = MAGIC_NUMBER + bytes(4)
    for number in (int(status.st_mtime), status.st_size):
        expected += (number & 0xFFFFFFFF).to_bytes(4, "little")
    if not content.startswith(expected):
        return None
    try:
        code: CodeType = marshal.loads(content[16:])
    except (EOFError, TypeError, ValueError):
        return None
    return code


_cells: dict[str, tuple[str, Any]] = {}


def _index_lines(path: str, text: str) -> ModuleIndex | None:
    known = _cells.get(path)
    if known is not None and known[0] == text:
        found: ModuleIndex | None = known[1]
        return found
    try:
        index = index_source(text)
    except (ArithmeticError, MemoryError, RecursionError, SyntaxError, ValueError):
        index = None
    _cells[path] = text, index
    return index


def _lines_left_behind(path: str) -> list[str] | None:
    linecache = sys.modules.get("linecache")
    entry = None if linecache is None else linecache.cache.get(path)
    return entry[2] if isinstance(entry, tuple) and len(entry) == 4 else None


def _read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readlines()
    except (OSError, ValueError):
        return _lines_left_behind(path) or []


def _is_younger_than_process(path: str) -> bool:
    try:
        return os.stat(path).st_mtime > _start_of_process() + _TICK
    except OSError:
        return True


class _Process:
    """This process, or the one that it was forked from when it knew its start."""

    start: float | None = None


def _start_of_process() -> float:
    if _Process.start is None:
        _Process.start = _read_start() or time.time() - time.process_time()
    return _Process.start


def _read_start() -> float | None:
    """Return when the process began, in seconds, where Linux says it."""
    try:
        with open("/proc/self/stat", "rb") as file:
            # The name of the program comes before and may contain anything.
            fields = file.read().rpartition(b")")[2].split()
        ticks = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks)
    except (OSError, AttributeError, LookupError, ValueError):
        return None


@call_at_reset
def _forget_all() -> None:
    _forms.clear()
    _cells.clear()
    _indexes.clear()
