"""The token of any value: by recursion, or as a graph where that cannot go.

Recursion is quick, and enough for nearly all values. A value that is nested deep or
contains itself is laid out as a graph. Nodes from which no circle is reached are
resolved from the leaves on, which gives the same token as the recursion. The other
nodes are reduced to classes of indistinguishable ones, so that it does not matter how
often an equal part occurs or how a circle is unrolled, and these are put into an order
that depends on nothing but what they hold.
"""

from __future__ import annotations

from ..exceptions import UnstableValueError
from ..runtime.hashing import sha256
from .expand import expand
from .form import Form, Refused, join, shorten
from .leaves import LEAVES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence, Union

    # The token; instead of one, why there is none.
    Token = Union[bytes, "Unstable"]
    # The tokens of values that were met before, by `id`, with the values, which are
    # kept alive so that no other value gets the same `id`.
    Memo = dict[int, tuple[bytes, object]]

# A value that is nested deeper may be endless, and is laid out as a graph.
DEPTH_LIMIT = 24

# A function that stands a value in for itself, again and again, would never end.
_STAND_IN_LIMIT = 1000

_ADVICE = (
    "Give it one with a method __fingerprint__ or with "
    "bandsaw.register_fingerprint(type, function), pass what it is made from instead, "
    "or leave the argument out with @task(cache={'ignore': [...]})."
)

_find_leaf = LEAVES.get


class Unstable:
    """The reason why a value has no stable identity.

    Attributes:
        reason: The path to the part of the value that has none, and why.
        cause: The exception that was raised when that part was taken apart.
    """

    __slots__ = ("cause", "reason")

    def __init__(self, reason: str, cause: BaseException | None = None) -> None:
        self.reason = reason
        self.cause = cause

    def error(self) -> UnstableValueError:
        """Return the exception to raise where identity decides something."""
        if isinstance(self.cause, UnstableValueError):
            # The method or function of a user knows more, like that of `bandsaw.File`.
            return self.cause
        error = UnstableValueError(self.reason)
        error.__cause__ = self.cause
        return error


class TooDeepError(Exception):
    """The value is nested too deep to be walked recursively."""


def token_of(value: object, path: str, memo: Memo) -> Token:
    """Return the token of a value, or why it has none.

    Args:
        value: Any value.
        path: What a path into the value begins with.
        memo: The tokens of values that were met before.
    """
    try:
        return shallow_token(value, memo)
    except (TooDeepError, RecursionError, Refused, UnstableValueError):
        return deep_token(value, path)


def shallow_token(value: object, memo: Memo, depth: int = 0) -> bytes:
    """Return the token of a value that is not nested deep.

    Args:
        value: Any value.
        memo: The tokens of values that were met before; those of its parts are added.
        depth: How deep the value is nested.

    Returns:
        The token.

    Raises:
        TooDeepError: If the value is nested deeper than `DEPTH_LIMIT`, or endlessly.
        Refused: If a part of the value has no stable identity.
        UnstableValueError: If a function of the user raises it for a part.
    """
    leaf = _find_leaf(type(value))
    if leaf is not None:
        return leaf(value)
    known = memo.get(id(value))
    if known is not None:
        return known[0]
    if depth > DEPTH_LIMIT:
        raise TooDeepError
    form = expand(value)
    if type(form) is bytes:
        token = shorten(form)
        memo[id(value)] = (token, value)
        return token
    depth += 1
    token = join(
        form,  # type: ignore[arg-type]
        [
            leaf(part)
            if (leaf := _find_leaf(type(part))) is not None
            else shallow_token(part, memo, depth)
            for part in form.parts  # type: ignore[union-attr]
        ],
    )
    # Short ones are made again as quickly as they would be remembered.
    if token[0] == 35 or issubclass(type(value), type):
        memo[id(value)] = (token, value)
    return token


class _Node:
    """A value in the graph.

    Attributes:
        value: The value, kept alive as long as its `id` is used.
        children: The tokens of the parts that are leaves, the numbers of the others.
        token: The token, once it is known.
        parent: The number of the node it was found in and which part of it this is.
        stand_ins: How many functions of the user in a row stood a value in.
    """

    __slots__ = ("children", "form", "parent", "stand_ins", "token", "value")

    def __init__(
        self, value: object, parent: tuple[int, int] | None, stand_ins: int
    ) -> None:
        self.value = value
        self.form = Form(b"", ())
        self.children: list[bytes | int] = []
        self.token: bytes | None = None
        self.parent = parent
        self.stand_ins = stand_ins


def deep_token(root: object, path: str) -> Token:
    """Return the token of any value, or why it has none.

    Args:
        root: The value.
        path: What a path into the value begins with.
    """
    leaf = _find_leaf(type(root))
    if leaf is not None:
        return leaf(root)
    nodes = _lay_out(root, path)
    if isinstance(nodes, Unstable):
        return nodes
    _resolve(nodes)
    token = nodes[0].token
    return token if token is not None else _token_of_circles(nodes)


def _lay_out(root: object, path: str) -> list[_Node] | Unstable:
    nodes = [_Node(root, None, 0)]
    numbers = {id(root): 0}
    # The list grows while it is walked: breadth first gives the shortest paths.
    for number, node in enumerate(nodes):
        try:
            form = expand(node.value)
        except Refused as refused:
            return _unstable(nodes, node, path, refused)
        except UnstableValueError as error:
            return Unstable(str(error), error)
        if isinstance(form, bytes):
            node.token = shorten(form)
            continue
        node.form = form
        stand_ins = node.stand_ins + 1 if form.stands_in else 0
        if stand_ins > _STAND_IN_LIMIT:
            endless = Refused(node.value, "what stands in for it never ends")
            return _unstable(nodes, node, path, endless)
        for index, part in enumerate(form.parts):
            leaf = _find_leaf(type(part))
            if leaf is not None:
                node.children.append(leaf(part))
                continue
            child = numbers.get(id(part))
            if child is None:
                child = numbers[id(part)] = len(nodes)
                nodes.append(_Node(part, (number, index), stand_ins))
            node.children.append(child)
    return nodes


def _unstable(nodes: list[_Node], node: _Node, path: str, refused: Refused) -> Unstable:
    steps = []
    kind = type(refused.value)
    parent = node.parent
    while parent is not None:
        number, index = parent
        steps.append(nodes[number].form.step(index))
        parent = nodes[number].parent
    place = path + "".join(reversed(steps))
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    reason = f" ({refused.reason})" if refused.reason else ""
    return Unstable(
        f"{place}: {name} has no stable identity{reason}. {_ADVICE}", refused.__cause__
    )


def _resolve(nodes: list[_Node]) -> None:
    """Find the tokens of all nodes from which no circle is reached."""
    dependents: list[list[int]] = [[] for _ in nodes]
    missing = [0] * len(nodes)
    ready = []
    for number, node in enumerate(nodes):
        for child in node.children:
            if type(child) is int:
                dependents[child].append(number)
                missing[number] += 1
        if not missing[number]:
            ready.append(number)
    while ready:
        number = ready.pop()
        node = nodes[number]
        if node.token is None:
            node.token = join(node.form, [_known(nodes, c) for c in node.children])
        for dependent in dependents[number]:
            missing[dependent] -= 1
            if not missing[dependent]:
                ready.append(dependent)


def _known(nodes: list[_Node], child: bytes | int) -> Any:
    return child if isinstance(child, bytes) else nodes[child].token


def _token_of_circles(nodes: list[_Node]) -> bytes:
    open_nodes = [node for node in nodes if node.token is None]
    numbers = {id(node): number for number, node in enumerate(open_nodes)}
    labels = []
    children = []
    for node in open_nodes:
        tokens = [_known(nodes, child) or b"?" for child in node.children]
        if node.form.unordered:
            tokens.sort()
        labels.append(sha256(node.form.label + b"".join(tokens)).digest())
        children.append(
            [
                numbers[id(nodes[child])]
                for child in node.children
                if isinstance(child, int) and nodes[child].token is None
            ]
        )
    unordered = [node.form.unordered for node in open_nodes]

    classes = _refine(labels, children, unordered)
    # One node of each class makes the smallest graph of the same meaning, on which
    # the numbers of the classes depend on nothing but what they hold.
    chosen = {number: index for index, number in enumerate(classes)}
    order = sorted(chosen)
    place = {number: index for index, number in enumerate(order)}
    labels = [labels[chosen[number]] for number in order]
    children = [
        [place[classes[child]] for child in children[chosen[number]]]
        for number in order
    ]
    unordered = [unordered[chosen[number]] for number in order]
    final = _refine(labels, children, unordered)

    lines = [b""] * len(order)
    for index, number in enumerate(final):
        targets = [final[child] for child in children[index]]
        if unordered[index]:
            targets.sort()
        lines[number] = labels[index] + b"%d:" % len(targets)
        lines[number] += b"".join(b"%d," % target for target in targets)
    content = b"%d;" % final[place[classes[0]]] + b"".join(lines)
    return b"circle " + sha256(content).digest()


def _refine(
    labels: Sequence[bytes],
    children: Sequence[Sequence[int]],
    unordered: Sequence[bool],
) -> list[int]:
    """Number the nodes so that only indistinguishable ones have the same number.

    The biggest part of a class that falls apart keeps the number, so that a node gets
    a new one only as often as its class can be halved. All choices go by what the
    nodes hold: on a graph without indistinguishable nodes, the numbers do not depend
    on the order of the nodes.
    """
    rank = {label: number for number, label in enumerate(sorted(set(labels)))}
    classes = [rank[label] for label in labels]
    members: list[list[int]] = [[] for _ in rank]
    parents: list[list[int]] = [[] for _ in labels]
    for node, number in enumerate(classes):
        members[number].append(node)
        for child in children[node]:
            parents[child].append(node)

    def signature(node: int) -> tuple[int, ...]:
        targets = [classes[child] for child in children[node]]
        if unordered[node]:
            targets.sort()
        return tuple(targets)

    changed = set(range(len(labels)))
    while changed:
        # What is alone in its class cannot be told from itself.
        touched: dict[int, list[int]] = {}
        for node in changed:
            if len(members[classes[node]]) > 1:
                touched.setdefault(classes[node], []).append(node)
        splits = []
        for number in sorted(touched):
            groups: dict[tuple[int, ...], list[int]] = {}
            for node in touched[number]:
                groups.setdefault(signature(node), []).append(node)
            if len(touched[number]) < len(members[number]):
                moved = set(touched[number])
                rest = [node for node in members[number] if node not in moved]
                groups.setdefault(signature(rest[0]), []).extend(rest)
            if len(groups) > 1:
                splits.append((number, groups))
        renumbered = []
        for number, groups in splits:
            parts = sorted(groups.items(), key=lambda part: (-len(part[1]), part[0]))
            members[number] = parts[0][1]
            for _, part in parts[1:]:
                for node in part:
                    classes[node] = len(members)
                members.append(part)
                renumbered += part
        changed = {parent for node in renumbered for parent in parents[node]}
    return classes
