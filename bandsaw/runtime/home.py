"""The directory in which bandsaw keeps what outlives a process.

A copy of this module lies beside the bootstrap of an archive and runs before anything
of bandsaw can be imported, so it knows the standard library only.
"""

from __future__ import annotations

import os
import sys


def home_directory() -> str:
    """Return the directory in which bandsaw keeps what outlives a process.

    It is named by the environment variable `BANDSAW_HOME`, else it is in the user's
    directory for caches.
    """
    home = os.environ.get("BANDSAW_HOME")
    if home:
        return os.path.abspath(home)
    if sys.platform == "darwin":
        caches = os.path.expanduser("~/Library/Caches")
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(caches, "bandsaw")
