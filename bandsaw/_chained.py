"""The exceptions that led to another one, which a serializer leaves behind."""

from __future__ import annotations

import io

from .exceptions import BandsawError
from .modules import allow_imports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .serialization import Serializer

# Nobody reads more of them.
_MOST = 100


def write_chain(exception: BaseException, serializer: Serializer) -> bytes | None:
    """Write what led to an exception: causes and contexts, and what led to these.

    So also for those that it groups.

    Args:
        exception: The exception. It is not written itself.
        serializer: What writes the others. One that it cannot write becomes text.

    Returns:
        What was written, `None` if nothing led to it.
    """
    chain: list[BaseException] = [exception]
    links: list[list[Any]] = []
    for one in chain:
        links.append(
            [
                [
                    _place(chain, member.__cause__),
                    _place(chain, member.__context__),
                    member.__suppress_context__,
                ]
                for member in _members_of(one)
            ]
        )
    if len(chain) == 1:
        return None
    written = [_writable(one, serializer) for one in chain[1:]]
    stream = io.BytesIO()
    serializer.serialize({"links": links, "exceptions": written}, stream)
    return stream.getvalue()


def _members_of(exception: BaseException) -> list[BaseException]:
    """Return an exception and, if it is a group, those that it groups."""
    members = [exception]
    for one in members:
        # Also of the groups that a package brings to an old Python
        grouped = getattr(one, "exceptions", None)
        if isinstance(grouped, (list, tuple)):
            members += [m for m in grouped if isinstance(m, BaseException)]
            del members[_MOST:]
    return members


def _place(chain: list[BaseException], exception: BaseException | None) -> int | None:
    if exception is None:
        return None
    for place, other in enumerate(chain):
        if other is exception:
            return place
    if len(chain) == _MOST:
        return None
    chain.append(exception)
    return len(chain) - 1


def _writable(exception: BaseException, serializer: Serializer) -> BaseException:
    stream = io.BytesIO()
    try:
        serializer.serialize(exception, stream)
        stream.seek(0)
        serializer.deserialize(stream)
    except Exception:
        import traceback

        lines = traceback.format_exception_only(type(exception), exception)
        return BandsawError("".join(lines).strip())
    return exception


def restore_chain(
    exception: BaseException, written: bytes, serializer: Serializer
) -> None:
    """Give an exception back what led to it.

    Args:
        exception: The exception.
        written: What `write_chain` has returned.
        serializer: What reads it. What it cannot read is left out.
    """
    try:
        with allow_imports():
            read: dict[str, Any] = serializer.deserialize(io.BytesIO(written))
        chain = [exception, *read["exceptions"]]
        for one, places in zip(chain, read["links"]):
            for member, (cause, context, suppresses) in zip(_members_of(one), places):
                member.__cause__ = None if cause is None else chain[cause]
                member.__context__ = None if context is None else chain[context]
                member.__suppress_context__ = suppresses
    except Exception:
        return  # They are in the text of the traceback.
