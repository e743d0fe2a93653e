"""The advices that come with bandsaw, each in a module of its own."""

from __future__ import annotations

from ..runtime.lazy import load_on_access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        cache as cache,
        connection as connection,
        environment as environment,
        log as log,
        logging as logging,
        metrics as metrics,
        remote as remote,
        retry as retry,
        ssh as ssh,
        subprocess as subprocess,
        testing as testing,
    )

__getattr__, __dir__ = load_on_access(
    __name__,
    "cache",
    "connection",
    "environment",
    "log",
    "logging",
    "metrics",
    "remote",
    "retry",
    "ssh",
    "subprocess",
    "testing",
)
