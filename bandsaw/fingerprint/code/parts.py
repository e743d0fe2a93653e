"""The parts that the code of a task consists of, and the graph in which they grow."""

from __future__ import annotations

from collections import deque

from ...runtime.code_objects import names_of_code
from ...runtime.hashing import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Callable, Container, Hashable, Union

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
        unseen: What could not be looked at, by name, and why. It is not in the digest.
    """

    __slots__ = ("digest", "packages", "parts", "unseen")

    def __init__(
        self,
        parts: dict[str, Part],
        packages: dict[str, str],
        unseen: dict[str, str] | None = None,
    ) -> None:
        self.parts = parts
        self.packages = packages
        self.unseen = unseen or {}
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
        runs: The nodes that were reached from here, but for what runs only while a
            module is imported. Each with the name of the method that it is, if it is
            one that runs only where this name is used.
        method: What is noted with the nodes that are reached.
        is_at_import: Whether what is reached runs only while a module is imported.
        code: The code object of a function, where it is known.
        chains: The dotted names that it uses, where only its source is known.
    """

    __slots__ = (
        "chains",
        "code",
        "content",
        "edges",
        "is_at_import",
        "kind",
        "label",
        "method",
        "runs",
        "text",
    )

    def __init__(self, label: str, kind: str) -> None:
        self.label = label
        self.kind = kind
        self.content: list[str] = []
        self.edges: list[tuple[str, str]] = []
        self.text: Text = ""
        self.runs: list[tuple[str | None, Node]] = []
        self.method: str | None = None
        self.is_at_import = False
        self.code: CodeType | None = None
        self.chains: list[str] = []

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

    Attributes:
        roots: Those that were not reached from another one.
        unseen: What could not be looked at, by name, and why.
    """

    def __init__(self) -> None:
        self._nodes: dict[Hashable, Node] = {}
        self._labels: dict[str, int] = {}
        self._waiting: deque[tuple[Callable[..., None], Node, object]] = deque()
        # What is told apart by its `id` has to live as long.
        self._alive: list[object] = []
        self._current: Node | None = None
        self.roots: list[Node] = []
        self.unseen: dict[str, str] = {}

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
        if found is None:
            name = label()
            number = self._labels[name] = self._labels.get(name, 0) + 1
            found = Node(name if number == 1 else f"{name} ({number})", kind)
            self._nodes[key] = found
            self._alive.append(subject)
            self._waiting.append((expand, found, subject))
        current = self._current
        if current is None:
            self.roots.append(found)
        elif not current.is_at_import:
            current.runs.append((current.method, found))
        return found

    def grow(self) -> None:
        """Expand all nodes, and those that they refer to."""
        while self._waiting:
            expand, self._current, subject = self._waiting.popleft()
            expand(self._current, subject)
        self._current = None

    def running(self, decorating: Container[Node]) -> set[Node]:
        """Return the nodes of what may run when the code is called.

        What runs only while modules are imported, like a decorator that fills a table,
        is not among them, and neither is a method whose name nothing uses.

        Args:
            decorating: The nodes of classes with instances that are decorators.
        """
        found: set[Node] = set()
        names: set[str] = set()
        waiting = list(self.roots)
        methods: list[tuple[str, Node]] = []
        while waiting:
            while waiting:
                node = waiting.pop()
                if node in found:
                    continue
                found.add(node)
                if node.code is not None:
                    names |= names_of_code(node.code)
                for chain in node.chains:
                    names.update(chain.split("."))
                for method, target in node.runs:
                    if method is None or (
                        method == "__call__" and node not in decorating
                    ):
                        waiting.append(target)
                    else:
                        methods.append((method, target))
            waiting = [
                target
                for method, target in methods
                if method in names and target not in found
            ]
        return found

    def code(self, packages: dict[str, str]) -> Code:
        """Return what was reached.

        Args:
            packages: The distributions that were met.
        """
        parts = [node.part() for node in self._nodes.values()]
        return Code({part.name: part for part in parts}, packages, self.unseen)
