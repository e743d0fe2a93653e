"""What code consists of, and which names of one part lead to which other part."""

from __future__ import annotations

from collections import deque
from hashlib import sha256

from .parts import Code, Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Hashable

    from .parts import Text


class Node:
    """A part that is being found out.

    Attributes:
        label: Its name; no other node has it.
        kind: The kind of the part.
        content: Texts that stand for what it says.
        edges: The names that it uses, and the labels of what they lead to.
        text: What a reader compares.
    """

    __slots__ = ("content", "edges", "kind", "label", "text")

    def __init__(self, label: str, kind: str) -> None:
        self.label = label
        self.kind = kind
        self.content: list[str] = []
        self.edges: list[tuple[str, str]] = []
        self.text: Text = ""

    def lead_to(self, name: str, target: Node | None) -> None:
        """Note what a name leads to, `None` for what does not count."""
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
    """All nodes that were reached. It grows breadth first, so names come out alike."""

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
            label: Returns its name, which others may have, too.
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
        """Expand all nodes, and those that they lead to."""
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
