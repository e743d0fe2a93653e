"""The notes that advices and extensions leave at a session."""

from __future__ import annotations

from _collections_abc import MutableMapping

from .serialization import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping

    _Base = MutableMapping[str, Any]
else:
    _Base = MutableMapping


class Context(_Base, SerializableValue):
    """A mapping whose values can be set once; a missing key is a child context.

    ``context["cache"]["hit"] = True`` needs no preparation: the child is made when it
    is asked for. `in` and `get` never make one.

    Args:
        attributes: The first entries, by name.
    """

    def __init__(self, attributes: Mapping[str, Any] | None = None) -> None:
        self._attributes: dict[str, Any] = dict(attributes or {})

    @property
    def attributes(self) -> dict[str, Any]:
        """The entries by name, as a dict."""
        return self._attributes

    def value_info(self) -> dict[str, Any]:
        """Return the entries as plain nested dicts."""
        return {
            name: value.value_info() if isinstance(value, Context) else value
            for name, value in self._attributes.items()
        }

    def copy(self) -> Context:
        """Return a context with the same entries, and copies of the child contexts."""
        return type(self)(
            {
                name: value.copy() if isinstance(value, Context) else value
                for name, value in self.items()
            }
        )

    def add_missing(self, other: Context) -> None:
        """Add the entries of another context that this one does not have.

        Args:
            other: The other context. Its child contexts are treated alike.
        """
        for name, value in other.items():
            known = self.setdefault(name, value)
            if known is not value and isinstance(known, Context):
                known.add_missing(value)

    def serialized(self) -> dict[str, Any]:
        """Return what a serializer writes of the context."""
        return {"attributes": self._attributes}

    @classmethod
    def deserialize(cls, values: dict[str, Any]) -> Context:
        """Make a context of what a serializer has read."""
        return cls(values["attributes"])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._attributes,)

    def __getitem__(self, name: str) -> Any:
        try:
            return self._attributes[name]
        except KeyError:
            return self._attributes.setdefault(name, Context())

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self._attributes:
            raise TypeError("Overwriting values in Context is not supported.")
        self._attributes[name] = value

    def __delitem__(self, name: str) -> None:
        raise TypeError("Deleting values from Context is not supported.")

    def __contains__(self, name: object) -> bool:
        return name in self._attributes

    def get(self, name: str, default: Any = None) -> Any:
        """Return an entry, or the default when there is none."""
        return self._attributes.get(name, default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return an entry; set it to the default when there is none."""
        return self._attributes.setdefault(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Context):
            return NotImplemented
        return self._attributes == other._attributes

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Context({self._attributes!r})"
