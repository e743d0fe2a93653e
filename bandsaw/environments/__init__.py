"""Environments: a Python and packages, described by a value and made on first use."""

from __future__ import annotations

from ..runtime.lazy import load_on_access
from .environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        commands as commands,
        credentials as credentials,
        environment as environment,
        far as far,
        git as git,
        inline as inline,
        installations as installations,
        lock_file as lock_file,
        making as making,
        pythons as pythons,
        requirements as requirements,
        resolution as resolution,
        settings as settings,
        specification as specification,
        status as status,
        tools as tools,
    )

__all__ = ["Environment"]

# A process that only receives a task with an environment needs none of these.
__getattr__, __dir__ = load_on_access(
    __name__,
    "commands",
    "credentials",
    "far",
    "git",
    "inline",
    "installations",
    "lock_file",
    "making",
    "pythons",
    "requirements",
    "resolution",
    "settings",
    "specification",
    "status",
    "tools",
)
