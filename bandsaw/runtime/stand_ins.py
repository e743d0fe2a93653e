"""Stand-ins for what `typing` has of the same names, as that takes long to import."""

from __future__ import annotations


class Generic:
    """A base of classes that type checkers give parameters."""

    def __class_getitem__(cls, parameters: object) -> type:
        return cls


Protocol = Generic


def overload(function: object) -> object:
    """Return a function whose signature is for type checkers only."""
    return function
