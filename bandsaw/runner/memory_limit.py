"""A bound on the memory that a task may take for itself (Linux)."""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

_STATUS = "/proc/self/status"


@contextlib.contextmanager
def limited_memory(limit: int) -> Iterator[None]:
    """Refuse more memory than this process has now and a limit.

    What exceeds it raises a `MemoryError`, or ends a process whose libraries do not
    check. Private memory counts (``RLIMIT_DATA``); what is only reserved, as graphics
    cards do, and what is mapped from files to be read, does not. Does nothing where the
    system does not say how much memory a process has.

    Args:
        limit: The bytes that may be added.
    """
    in_use = _data_size()
    if in_use is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = in_use + limit
    for other in soft, hard:
        if other != resource.RLIM_INFINITY:
            bound = min(bound, other)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_size() -> int | None:
    """Return the bytes of private memory that this process has."""
    try:
        with open(_STATUS, "rb") as file:
            for line in file:
                if line.startswith(b"VmData:"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    return None
