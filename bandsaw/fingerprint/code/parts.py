"""What the code of a task consists of, as plain data for those who compare it."""

from __future__ import annotations

from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Union

    Text = Union[str, Callable[[], str]]


class Part:
    """A function, class or constant that the code of a task consists of.

    Attributes:
        name: Where it is defined and its name there, like ``"package.module.helper"``.
        kind: One of `"function"`, `"class"` and `"constant"`.
        digest: Hex digits that stand for what it says and what its names lead to.
    """

    __slots__ = ("_text", "digest", "kind", "name")

    def __init__(self, name: str, kind: str, digest: str, text: Text) -> None:
        self.name = name
        self.kind = kind
        self.digest = digest
        self._text = text

    @property
    def text(self) -> str:
        """What a reader compares: the source, or the text of a constant's value."""
        return self._text if isinstance(self._text, str) else self._text()

    def __repr__(self) -> str:
        return f"<Part {self.name} {self.kind} {self.digest[:16]}>"


class Code:
    """The code of a task.

    Attributes:
        digest: 32 bytes that stand for all parts.
        parts: What it consists of, by name.
        packages: The versions of the installed distributions that it uses, by the
            names of the distributions. They are not in the digest.
    """

    __slots__ = ("digest", "packages", "parts")

    def __init__(self, parts: dict[str, Part], packages: dict[str, str]) -> None:
        self.parts = parts
        self.packages = packages
        content = "".join(
            f"{len(name)}:{name}{parts[name].digest};" for name in sorted(parts)
        )
        self.digest = sha256(content.encode("utf-8", "surrogatepass")).digest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Code):
            return NotImplemented
        return self.digest == other.digest and self.packages == other.packages

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<Code {self.digest.hex()[:16]} of {len(self.parts)} parts>"
