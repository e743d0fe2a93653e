"""The code that travels to other interpreters."""

from __future__ import annotations

from ..runtime.lazy import load_on_access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import cells as cells
    from .archive import (
        LARGEST_DATA_FILE,
        LARGEST_PACKAGE_DATA,
        DistributionArchive,
        get_distribution_archive,
    )

__all__ = [
    "LARGEST_DATA_FILE",
    "LARGEST_PACKAGE_DATA",
    "DistributionArchive",
    "get_distribution_archive",
]

# A process that only continues sessions needs none of these, if it is no notebook's.
__getattr__, __dir__ = load_on_access(
    __name__,
    "archive",
    "cells",
    LARGEST_DATA_FILE="archive",
    LARGEST_PACKAGE_DATA="archive",
    DistributionArchive="archive",
    get_distribution_archive="archive",
)
