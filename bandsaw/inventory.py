"""What an interpreter could import: the names of its outermost modules."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


_INSTALLED = ("site-packages", "dist-packages")

# With the search path that it was made for
_known: dict[tuple[str, ...], list[str]] = {}


def importable_modules() -> list[str]:
    """Return the names of all outermost modules that this process could import.

    Directories are listed, and nothing is opened. So it may name a little too much, and
    never too little but for what the user's own importers find.

    Returns:
        The names, sorted. The same list as long as the search path is the same.
    """
    path = tuple(sys.path)
    known = _known.get(path)
    if known is None:
        names: set[str] = set(sys.builtin_module_names)
        for entry in path:
            names.update(_modules_in(entry or os.curdir))
        # Some are found by importers that do not look into directories.
        names.update(name for name in list(sys.modules) if "." not in name)
        known = sorted(names)
        _known.clear()
        _known[path] = known
    return known


def _modules_in(directory: str) -> set[str]:
    try:
        names = os.listdir(directory)
    except OSError:
        return set()
    is_installed = os.path.basename(directory) in _INSTALLED
    found = set()
    for name in names:
        stem, dot, suffix = name.partition(".")
        if suffix in ("py", "so", "pyd") or suffix.endswith((".so", ".pyd")):
            found.add(stem)
        elif not dot and (
            # A package of which every distribution holds a part has no file of its own.
            # Elsewhere that is just a directory.
            is_installed or os.path.isfile(os.path.join(directory, name, "__init__.py"))
        ):
            found.add(name)
    return found


def reset() -> None:
    """Forget what was found; for tests."""
    _known.clear()
