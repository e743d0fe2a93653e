"""Values that are nested deep, that share parts, or that contain themselves."""

from __future__ import annotations

import sys
from random import Random
from typing import Any, List, Tuple

from hypothesis import given, strategies as st

from bandsaw.fingerprint import argument_tokens, fingerprint, is_immutable


class Node:
    """May be a member of a set, unlike a list."""

    children: Any
    name: int


# Of each node: a name, if the order of its children counts, and who they are.
Graph = List[Tuple[int, bool, List[int]]]


@st.composite
def graphs(draw: Any) -> Graph:
    size = draw(st.integers(1, 6))
    numbers = st.integers(0, size - 1)
    graph = []
    for _ in range(size):
        ordered = draw(st.booleans())
        children = draw(st.lists(numbers, max_size=3, unique=not ordered))
        graph.append((draw(st.integers(0, 1)), ordered, children))
    return graph


def built(graph: Graph, random: Random, copies: int) -> Node:
    """Objects of the same meaning as a graph, with several of each node."""
    nodes = [[Node() for _ in range(copies)] for _ in graph]
    for (name, ordered, children), alike in zip(graph, nodes):
        for node in alike:
            chosen = [random.choice(nodes[child]) for child in children]
            node.name = name
            node.children = chosen if ordered else set(chosen)
    return nodes[0][0]


def looks_the_same(a: Graph, b: Graph) -> bool:
    """Tell if following the children cannot tell the first nodes apart."""
    together = a + [
        (name, ordered, [child + len(a) for child in children])
        for name, ordered, children in b
    ]
    colors: list[Any] = [0] * len(together)
    for _ in together:
        seen: dict[Any, int] = {}
        signatures = [
            (name, ordered, tuple(children if ordered else sorted(children)))
            for name, ordered, children in (
                (name, ordered, [colors[child] for child in children])
                for name, ordered, children in together
            )
        ]
        colors = [seen.setdefault(item, len(seen)) for item in signatures]
    return bool(colors[0] == colors[len(a)])


RANDOMS = st.randoms(use_true_random=False)


@given(graphs(), RANDOMS, st.integers(1, 3))
def test_how_a_circle_is_unrolled_does_not_matter(
    graph: Graph, random: Random, copies: int
) -> None:
    unrolled = built(graph, random, copies)

    assert fingerprint(unrolled) == fingerprint(built(graph, random, 1))


@given(graphs(), graphs(), RANDOMS)
def test_circles_are_equal_if_and_only_if_they_cannot_be_told_apart(
    a: Graph, b: Graph, random: Random
) -> None:
    equal = fingerprint(built(a, random, 1)) == fingerprint(built(b, random, 2))

    assert equal == looks_the_same(a, b)


def test_one_name_in_a_circle_counts() -> None:
    found = set()
    for other in range(-1, 20):
        nodes = [Node() for _ in range(20)]
        for number, node in enumerate(nodes):
            node.name = 1 if number == other else 0
            node.children = {nodes[number - 1], nodes[number - 2]}
        found.add(fingerprint(nodes[0]))

    assert len(found) == 21


def test_what_is_nested_deeper_than_the_stack_has_a_fingerprint() -> None:
    deep: Any = []
    other: Any = [1]
    for _ in range(20 * sys.getrecursionlimit()):
        deep, other = [deep], [other]

    assert fingerprint(deep) != fingerprint(other)


def test_the_last_frames_of_the_stack_are_enough_for_a_fingerprint() -> None:
    value = [[[[[[[[[[1]]]]]]]]]]

    def descend(left: int) -> bytes:
        return fingerprint(value) if left == 0 else descend(left - 1)

    depth = 0
    frame: Any = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back

    assert descend(sys.getrecursionlimit() - depth - 20) == fingerprint(value)


def shared(depth: int, kind: Any) -> Any:
    value = kind([1])
    for _ in range(depth):
        value = kind([value, value])
    return value


def test_what_is_shared_is_looked_at_once() -> None:
    # Would never end otherwise.
    assert fingerprint(shared(60, list)) != fingerprint(shared(61, list))
    assert argument_tokens({"a": shared(60, tuple)})
    assert fingerprint(shared(15, list)) == fingerprint(separate(15))
    assert not is_immutable((*shared(60, tuple), []))
    is_immutable(shared(60, tuple))


def separate(depth: int) -> Any:
    return [separate(depth - 1), separate(depth - 1)] if depth else [1]


def test_lists_that_all_know_each_other_are_no_trouble() -> None:
    lists: list[Any] = [[number] for number in range(60)]
    for each in lists:
        each.extend(lists)

    assert fingerprint(lists[0]) != fingerprint(lists[1])


def test_a_long_chain_of_neighbours_is_no_trouble() -> None:
    def chain(length: int) -> list[Any]:
        nodes: list[Any] = [Node() for _ in range(length)]
        for before, after in zip(nodes, nodes[1:]):
            before.next, after.previous = after, before
        return nodes

    assert fingerprint(chain(2000)[0]) != fingerprint(chain(2001)[0])
