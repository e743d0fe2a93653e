"""Keep the values of some arguments out of everything that is tracked."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from ..infos import HEAD, LONGEST_TEXT, TAIL, text_ends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Container, Iterator, Mapping, Pattern

HIDDEN = "(hidden)"

# Of a longer value its ends are looked for. That is enough, as only the ends of texts
# are shown, and looking for something that is long takes long.
_LONGEST_PART = 4_096

# A short value is looked for as a word: the letter `a` is in most words.
_SHORTEST_PART = 4

_MOST_PARTS = 100


class _Everything:
    """A container of every name."""

    def __contains__(self, name: object) -> bool:
        return True


_EVERYTHING = _Everything()


class _Hidden:
    """A stand-in for a hidden value inside of the text of a container."""

    def __repr__(self) -> str:
        return HIDDEN


def names_to_hide(advice_parameters: Mapping[str, Any]) -> Container[str] | None:
    """Return the names of the arguments that a task wants to be kept out.

    Args:
        advice_parameters: The parameters of the task. `tracking={"hide": names}` names
            arguments; a single name may be given as it is.

    Returns:
        The names, `None` if there are none. What is no collection of names hides every
        argument: a mistake must not publish what was to be kept out.
    """
    tracking = advice_parameters.get("tracking")
    if not tracking or tracking is True:
        return None
    hide = tracking.get("hide") if isinstance(tracking, dict) else _EVERYTHING
    if isinstance(hide, str):
        return (hide,)
    if not hide:
        return None
    if isinstance(hide, Collection) and all(isinstance(name, str) for name in hide):
        return hide
    return _EVERYTHING


def without_hidden_members(value: dict[str, Any], names: Container[str]) -> Any:
    """Return additional keyword arguments with the hidden values replaced.

    Args:
        value: The keyword arguments that a function takes as a dict.
        names: The names of the hidden ones.
    """
    return {name: _Hidden() if name in names else item for name, item in value.items()}


class Eraser:
    """Remove the values of hidden arguments from texts that could repeat them.

    A task may return what it was given, or name it in the message of an exception.

    Args:
        values: The values of the hidden arguments.
    """

    def __init__(self, values: list[Any]) -> None:
        import re

        parts = set()
        for value in values:
            for part in islice(_parts(value), _MOST_PARTS):
                parts.add(part)
                # As it looks inside of the text of a container.
                parts.add(repr(part)[1:-1])
        self._longest = max(map(len, parts), default=0)
        self._pattern: Pattern[str] = re.compile(
            "|".join(map(_expression, sorted(parts, key=len, reverse=True))) or r"(?!)"
        )

    def text_of(self, value: Any) -> str:
        """Return the text of a value like `bandsaw.infos.text_of`, but without secrets.

        Args:
            value: Any value.
        """
        margin = self._longest
        head, tail = text_ends(value, LONGEST_TEXT + 2 * margin, TAIL + 2 * margin)
        if tail is None:
            text = self.erase(head)
            if len(text) <= LONGEST_TEXT:
                return text
            return f"{text[:HEAD]}...{text[-TAIL:]}"
        # What is cut off at the inner ends may be a part of a secret.
        head = self.erase(head)[: -margin or None]
        tail = self.erase(tail)[margin:]
        return f"{head[:HEAD]}...{tail[-TAIL:]}"

    def erase(self, text: str) -> str:
        """Return a text without the secrets.

        Args:
            text: Any text.
        """
        return self._pattern.sub(HIDDEN, text)

    def erase_all(self, info: Any) -> Any:
        """Return a copy of what a user's object says, without the secrets in it.

        Args:
            info: Anything; what is neither text nor a plain container becomes text.
        """
        if info is None or isinstance(info, (bool, int, float)):
            # Compared as it will be written.
            return info if self.erase(str(info)) == str(info) else HIDDEN
        if isinstance(info, str):
            return self.erase(info)
        if isinstance(info, dict):
            return {
                self.erase_all(key): self.erase_all(value)
                for key, value in info.items()
            }
        if isinstance(info, (list, tuple)):
            return [self.erase_all(item) for item in info]
        return self.text_of(info)


def _parts(value: Any) -> Iterator[str]:
    """Yield the texts by which a secret could be recognized."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _parts(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _parts(item)
    elif isinstance(value, (bytes, bytearray)):
        yield from _ends(bytes(value[:_LONGEST_PART]).decode("latin-1"))
    elif isinstance(value, str):
        yield from _ends(value)
    elif value is not None:
        text = text_ends(value, _LONGEST_PART, 1)[0]
        # Small numbers are everywhere, and say nothing.
        if len(text) >= _SHORTEST_PART and not isinstance(value, bool):
            yield text


def _ends(text: str) -> Iterator[str]:
    if len(text) > _LONGEST_PART:
        yield text[:_LONGEST_PART]
        yield text[-_LONGEST_PART:]
    elif text:
        yield text


def _expression(part: str) -> str:
    import re

    expression = re.escape(part)
    return expression if len(part) >= _SHORTEST_PART else rf"(?<!\w){expression}(?!\w)"
