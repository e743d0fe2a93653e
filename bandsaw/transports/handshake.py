"""What two interpreters tell each other first: which versions they are."""

from __future__ import annotations

import sys

from ..exceptions import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Both ends have to speak the same one.
PROTOCOL = 1


def make_greeting(**more: Any) -> dict[str, Any]:
    """Return what this interpreter tells of itself.

    Args:
        **more: What the other one has to know besides.
    """
    return {
        "protocol": PROTOCOL,
        "python": list(sys.version_info[:3]),
        **more,
    }


def plain_data(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as JSON has them, without the classes that users may have chosen.

    Args:
        values: The values.
    """
    import json

    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def check_greeting(greeting: dict[str, Any], name: str) -> None:
    """Refuse an interpreter that speaks another protocol.

    Args:
        greeting: What it has told of itself.
        name: What it is called.

    Raises:
        ProtocolError: If it does.
    """
    protocol = greeting.get("protocol")
    if protocol != PROTOCOL:
        raise ProtocolError(
            f"{name} speaks version {protocol} of the protocol, and this interpreter "
            f"version {PROTOCOL}."
        )
