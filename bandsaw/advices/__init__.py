"""The advices that come with bandsaw, each in a module of its own."""

from __future__ import annotations

from .._lazy import load_on_access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        cache as cache,
    )
    from . import (
        environment as environment,
    )
    from . import (
        log as log,
    )
    from . import (
        logging as logging,
    )
    from . import (
        metrics as metrics,
    )
    from . import (
        remote as remote,
    )
    from . import (
        ssh as ssh,
    )
    from . import (
        subprocess as subprocess,
    )

__getattr__, __dir__ = load_on_access(
    __name__,
    "cache",
    "environment",
    "log",
    "logging",
    "metrics",
    "remote",
    "ssh",
    "subprocess",
)
