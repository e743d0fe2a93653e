"""The code that travels to other interpreters."""

from __future__ import annotations

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
