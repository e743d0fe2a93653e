"""What the user has put into a class, apart from what Python adds to it."""

from __future__ import annotations

from types import FunctionType, MappingProxyType

from ..definitions import UNSAID
from .constants import is_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where the code of functions comes from that a library has made, dataclasses for
# example. What they were made from counts.
_GENERATED = ("<string>", "<attrs generated")

# What Python adds to an enumeration.
_OF_ENUMERATIONS = frozenset(
    (
        "__format__",
        "__new__",
        "__new_member__",
        "__reduce_ex__",
        "__repr__",
        "__str__",
        "_generate_next_value_",
        "_member_type_",
        "_new_member_",
    )
)


def members_of(cls: type) -> dict[str, Any]:
    """Return what the user has put into a class, the same on every Python.

    Args:
        cls: The class.
    """
    members = vars(cls)
    values = getattr(cls, "__members__", None)
    if isinstance(values, MappingProxyType):
        # How an enumeration keeps its members differs.
        found = {name: item for name, item in members.items() if is_code(item)}
        found.update({name: member.value for name, member in values.items()})
        return {name: found[name] for name in found if name not in _OF_ENUMERATIONS}
    return {
        name: value
        for name, value in members.items()
        if name not in UNSAID and (is_code(value) or not name.startswith("__"))
    }


def is_generated(value: object) -> bool:
    """Tell if a library has made the code of a member.

    Args:
        value: The member.
    """
    code = value.__code__ if isinstance(value, FunctionType) else None
    return code is not None and code.co_filename.startswith(_GENERATED)
