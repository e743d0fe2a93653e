"""Detection of a terminal or a notebook, which show lines that change."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def shows_lines_that_change() -> bool:
    """Tell if standard error goes to a terminal or to the page of a notebook."""
    try:
        return sys.stderr.isatty() or is_notebook()
    except (AttributeError, ValueError):
        return False  # There is none, or it was closed.


def is_notebook() -> bool:
    """Tell if this process executes the cells of a notebook."""
    # Only a kernel has one; a shell on a terminal has not.
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None
