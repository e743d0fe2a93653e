"""The versions of what values are made of, compared to explain what cannot be read."""

from __future__ import annotations

import json
import os
import sys

from .fingerprint.code.packages import distribution_of
from .interpreter import is_own_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, Tuple

    # The name and version of a distribution, by the outermost module.
    Versions = Dict[str, Tuple[str, str]]


def versions_of(modules: Iterable[str]) -> Versions:
    """Return the distributions that loaded modules belong to.

    Args:
        modules: The names of the modules. Those of Python itself and of the user's own
            belong to none.
    """
    found: Versions = {}
    for root in sorted({name.partition(".")[0] for name in list(modules)}):
        module = sys.modules.get(root)
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        path = next((place for place in places if isinstance(place, str)), None)
        if path is None or "-packages" not in path or is_own_source(path):
            continue
        distribution = distribution_of(root, os.path.abspath(path))
        if distribution is not None:
            found[root] = distribution
    return found


def write_versions(modules: Iterable[str]) -> bytes:
    """Return the distributions of modules as JSON.

    Args:
        modules: The names of the modules.
    """
    return json.dumps(versions_of(modules)).encode("ascii")


def differences(theirs: Versions) -> str:
    """Say which distributions have other versions elsewhere.

    Args:
        theirs: The versions of the other interpreter.

    Returns:
        A sentence with a space before it, or nothing if there is no difference.
    """
    ours = versions_of(theirs)
    texts = [
        f"{name} is {version} there and {ours[root][1]} here"
        for root, (name, version) in sorted(theirs.items())
        if root in ours and ours[root][1] != version
    ]
    return f" Versions differ: {', '.join(texts)}." if texts else ""
