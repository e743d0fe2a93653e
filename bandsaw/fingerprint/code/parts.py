"""The parts that the code of a task consists of, and the graph in which they grow."""

from __future__ import annotations

from collections import deque
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Hashable, Union

    Text = Union[str, Callable[[], str]]


class Part:
    """A function, class or constant that the code of a task consists of.

    Attributes:
        name: Where it is defined and its name there, like ``"package.module.helper"``.
        kind: One of `"function"`, `"class"` and `"constant"`.
        digest: Hex digits that represent its content and what its names refer to.
    """

    __slots__ = ("_text", "digest", "kind", "name")

    def __init__(self, name: str, kind: str, digest: str, text: Text) -> None:
        self.name = name
        self.kind = kind
        self.digest = digest
        self._text = text

    @property
    def text(self) -> str:
        """The source, or the text of a constant's value, to show differences."""
        return self._text if isinstance(self._text, str) else self._text()

    def __repr__(self) -> str:
        return f"<Part {self.name} {self.kind} {self.digest[:16]}>"


class Code:
    """The code of a task.

    Attributes:
        digest: 32 bytes that represent all parts.
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


class Node:
    """A part that is still being followed.

    Attributes:
        label: Its name; no other node has it.
        kind: The kind of the part.
        content: Texts that represent it, apart from what its names refer to.
        edges: The names that it uses, and the labels of what they refer to.
        text: The source or value, to show differences.
    """

    __slots__ = ("content", "edges", "kind", "label", "text")

    def __init__(self, label: str, kind: str) -> None:
        self.label = label
        self.kind = kind
        self.content: list[str] = []
        self.edges: list[tuple[str, str]] = []
        self.text: Text = ""

    def add_edge(self, name: str, target: Node | None) -> None:
        """Note what a name refers to, `None` for what is not significant."""
        if target is not None:
            self.edges.append((name, target.label))

    def part(self) -> Part:
        """Return the finished part."""
        lines = [self.kind, *self.content]
        lines += [f"{name} -> {label}" for name, label in sorted(set(self.edges))]
        content = "".join(f"{len(line)}:{line}" for line in lines)
        digest = sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        return Part(self.label, self.kind, digest, self.text)


class Graph:
    """All nodes that were reached.

    They are expanded breadth first, so that labels are the same in every process.
    """

    def __init__(self) -> None:
        self._nodes: dict[Hashable, Node] = {}
        self._labels: dict[str, int] = {}
        self._waiting: deque[tuple[Callable[..., None], Node, object]] = deque()
        # What is told apart by its `id` has to live as long.
        self._alive: list[object] = []

    def node(
        self,
        key: Hashable,
        kind: str,
        label: Callable[[], str],
        expand: Callable[..., None],
        subject: object,
    ) -> Node:
        """Return the node of something that was reached, a new one at the first time.

        Args:
            key: Tells it from everything else.
            kind: The kind of the part.
            label: Returns its name, which other nodes may have, too.
            expand: Fills the node when its turn comes; called with node and subject.
            subject: What was reached.
        """
        found = self._nodes.get(key)
        if found is not None:
            return found
        name = label()
        number = self._labels[name] = self._labels.get(name, 0) + 1
        node = Node(name if number == 1 else f"{name} ({number})", kind)
        self._nodes[key] = node
        self._alive.append(subject)
        self._waiting.append((expand, node, subject))
        return node

    def grow(self) -> None:
        """Expand all nodes, and those that they refer to."""
        while self._waiting:
            expand, node, subject = self._waiting.popleft()
            expand(node, subject)

    def code(self, packages: dict[str, str]) -> Code:
        """Return what was reached.

        Args:
            packages: The distributions that were met.
        """
        parts = [node.part() for node in self._nodes.values()]
        return Code({part.name: part for part in parts}, packages)
