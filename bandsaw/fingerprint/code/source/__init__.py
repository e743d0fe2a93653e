"""The source of loaded code, as far as it is the source that was loaded.

`source_of` takes the path that a code object names, and returns a `Source` with the
`Outline` of the file: made by `parsing`, or remembered by an earlier process, or kept
from an earlier call while the file is unchanged.
"""

from __future__ import annotations

import os
import sys
import weakref

from ....runtime.code_objects import code_digest
from ....runtime.file_cache import (
    cached_facts,
    changed_after_start,
)
from ....runtime.fork import call_at_reset
from ....runtime.own_files import copy_of, noted_lines
from .outline import Outline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType
    from typing import Any

    from .outline import Definition

# What is remembered differs between versions of this module and of Python.
_KIND = f"outline-4-{sys.implementation.cache_tag}-{sys.flags.optimize}"

# A file that was compiled sooner after a change may be from before it; in seconds.
_RESOLUTION = 2.0

# Raised for a text that is no Python, or none that this Python can parse and compile.
_UNREADABLE = (
    ArithmeticError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    ValueError,
)

# Represents the content of a file when it was loaded, where that is not known.
_doubt = os.urandom(16).hex()


class Source:
    """The source of a file.

    Attributes:
        path: Where it is.
        outline: What it defines.
        doubt: Empty when the file is as old as this process. Otherwise its content may
            not be that which was loaded. Functions are compared with their code; for
            everything else this text, which no other process has, keeps the answer
            from being used elsewhere.
    """

    def __init__(self, path: str, outline: Outline, doubt: str) -> None:
        self.path = path
        self.outline = outline
        self.doubt = doubt

    def text(self, lines: list[tuple[int, int]]) -> str:
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
        path: The path. That of a notebook's cell names no file, but lines in
            `linecache`.

    Returns:
        The source, `None` if there is none, or no Python in it.
    """
    path = copy_of(path)
    outline = _outline_of_file(path) if not path.startswith("<") else None
    if outline is not None:
        return Source(path, outline, _doubt if _is_younger(path) else "")
    lines = _lines_in_linecache(path)
    if lines is None:
        return None
    outline = _outline_of_cell(path, "".join(lines))
    return None if outline is None else Source(path, outline, "")


def definition_of(function: FunctionType) -> tuple[Source, Definition] | None:
    """Return the source of a function, and the definition there; `None` if none."""
    source = source_of(function.__code__.co_filename)
    definition = None if source is None else source.outline.find(function)
    return None if source is None or definition is None else (source, definition)


def form_of(function: FunctionType) -> str:
    """Return the digest of a function's normal form, the same on every Python.

    Args:
        function: The function. Where no source compiles to its code, or to several
            functions of the same line, it is the digest of the code, which differs
            between Pythons.
    """
    code = function.__code__
    known = _forms.get(id(code))
    if known is None or known[0]() is not code:
        known = _remember_form(code, definition_of(function))
    return known[1]


# By `id`: code objects that were compiled from different texts may be equal.
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


_outlines: dict[str, tuple[tuple[int, int, int], Outline | None]] = {}


def _outline_of_file(path: str) -> Outline | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    identity = (status.st_size, status.st_mtime_ns, status.st_ino)
    known = _outlines.get(path)
    if known is not None and known[0] == identity:
        return known[1]

    def compute() -> Any:
        with open(path, "rb") as file:
            return outline_of_text(file.read(), _compiled(path, status)).to_json()

    outline: Outline | None = None
    try:
        outline = Outline.from_json(cached_facts(_KIND, path, status, compute))
    except (OSError, TypeError, *_UNREADABLE):
        pass  # A `TypeError` comes from a damaged file of what is remembered.
    _outlines[path] = (identity, outline)
    return outline


def outline_of_text(source: bytes | str, compiled: CodeType | None = None) -> Outline:
    """Return the outline of a source text.

    Args:
        source: The text, or its bytes.
        compiled: What it is compiled to, if that is known.

    Raises:
        SyntaxError: If it is no Python.
    """
    # Later processes, which find outlines remembered, need no `ast`.
    from .parsing import make_outline

    return make_outline(source, compiled)


def _compiled(path: str, status: os.stat_result) -> CodeType | None:
    """Return what a file was compiled to, where Python keeps it; see PEP 552.

    That takes a fifth of the time of compiling it again.
    """
    import marshal

    # Python 3.9 takes 15 ms to import `importlib.util`, which has them from there.
    from _frozen_importlib_external import MAGIC_NUMBER, cache_from_source

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


_cells: dict[str, tuple[str, Outline | None]] = {}


def _outline_of_cell(path: str, text: str) -> Outline | None:
    known = _cells.get(path)
    if known is not None and known[0] == text:
        return known[1]
    outline: Outline | None = None
    try:
        outline = outline_of_text(text)
    except _UNREADABLE:
        pass
    _cells[path] = text, outline
    return outline


def _lines_in_linecache(path: str) -> list[str] | None:
    linecache = sys.modules.get("linecache")
    entry = None if linecache is None else linecache.cache.get(path)
    if entry is None:
        return noted_lines(path)
    return entry[2] if isinstance(entry, tuple) and len(entry) == 4 else None


def _read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readlines()
    except (OSError, ValueError):
        return _lines_in_linecache(path) or []


def _is_younger(path: str) -> bool:
    try:
        return changed_after_start(os.stat(path).st_mtime)
    except OSError:
        return True


@call_at_reset
def _forget_all() -> None:
    _forms.clear()
    _cells.clear()
    _outlines.clear()
