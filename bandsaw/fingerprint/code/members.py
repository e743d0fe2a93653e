"""What the user has put into a class, apart from what Python adds to it."""

from __future__ import annotations

from types import MappingProxyType

from ..names import UNSAID
from .constants import is_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

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


def members_of(cls: type) -> Dict[str, Any]:
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
