"""Descriptions of values."""

from __future__ import annotations

import array
import enum
import sys
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple

import pytest
from hypothesis import given, strategies as st

from bandsaw.infos import value_info


def published_text(value):
    """The rule of the published releases, made the simple way."""
    text = str(sorted(value)) if isinstance(value, set) else str(value)
    return text if len(text) <= 100 else f"{text[:85]}...{text[-12:]}"


class Noisy:
    """Fails the test when it is asked for its text."""

    def __repr__(self):
        raise AssertionError("asked for a text that is not shown")


class Broken:
    def __repr__(self):
        raise ValueError("no text")

    def __len__(self):
        raise OSError("no length")

    def value_info(self):
        raise KeyError("no info")


class MyList(list):
    pass


class Loud(list):
    def __repr__(self):
        return "LOUD" * 50


Point = namedtuple("Point", "x y")

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=200)
    | st.binary(max_size=200)
    | st.binary(max_size=50).map(bytearray)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.lists(inner, max_size=8).map(tuple)
        | st.lists(inner, max_size=8).map(deque)
        | st.lists(inner, max_size=8).map(MyList)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=5)
        | st.dictionaries(st.text(max_size=5), inner, max_size=5).map(OrderedDict)
        | st.dictionaries(st.text(max_size=5), inner, max_size=5).map(dict.values)
    ),
    max_leaves=20,
)


@given(values)
def test_the_text_is_the_one_of_the_published_rule(value):
    assert value_info(value)["value"] == published_text(value)


@pytest.mark.parametrize(
    "value",
    [
        1,
        1.5,
        None,
        True,
        1j,
        "abc",
        "a" * 100,
        "a" * 101,
        "a'b\n" * 1000,
        b"xyz",
        b"it's" * 1000,
        b"it's \"" * 1000,
        bytearray(b"'x" * 2000),
        ["'" * 5000],
        ["\"'" * 5000],
        {"k": "\\" * 5000},
        [],
        (),
        (1,),
        {},
        set(),
        {3, 1, 2},
        {"c", "a"},
        frozenset({1, 2}),
        frozenset(),
        [{1}, {}, set(), frozenset({2})],
        range(5),
        list(range(1000)),
        tuple(range(1000)),
        set(range(1000)),
        dict.fromkeys(range(1000)),
        dict.fromkeys(range(1000)).keys(),
        dict.fromkeys(range(1000)).items(),
        MyList(range(100)),
        Loud([1]),
        [Loud([1])],
        Point(1, [2, 3]),
        OrderedDict(),
        OrderedDict((str(i), i) for i in range(100)),
        defaultdict(list, a=[1]),
        defaultdict(int, ((i, i) for i in range(100))),
        Counter("abca"),
        deque(range(100), maxlen=50),
        deque(),
        array.array("i"),
        array.array("d", range(100)),
        array.array("b", b"abc" * 50),
        int,
        len,
        Ellipsis,
        ValueError("x", 1),
        *(sign * 10**99 + offset for sign in (1, -1) for offset in (1, 0, -1)),
        *(sign * 10**100 + offset for sign in (1, -1) for offset in (1, 0, -1)),
        10**300,
        enum.Enum("Color", "RED").RED,
        enum.IntEnum("Number", "ONE").ONE,
        [enum.IntEnum("Number", "ONE").ONE, True],
    ],
    # Not its text: that of a set depends on the hashes of the process.
    ids=lambda value: type(value).__name__,
)
def test_these_texts_are_the_ones_of_the_published_rule(value):
    assert value_info(value)["value"] == published_text(value)


def test_a_container_that_holds_itself_is_described_like_its_repr():
    values = [[], deque(), OrderedDict(), {}]
    values[0].append(values[0])
    values[1].extend([1, values[1]])
    values[2]["a"] = values[2]
    values[3]["a"] = (values[3],)

    assert [value_info(value)["value"] for value in values] == list(map(repr, values))


def test_a_value_has_a_type_and_perhaps_a_size():
    class Local:
        pass

    assert value_info(7) == {"type": "int", "value": "7"}
    assert value_info([1, 2]) == {"type": "list", "value": "[1, 2]", "size": "2"}
    assert value_info(Local())["type"].endswith("<locals>.Local")
    assert value_info(Local)["type"] == "type"


def test_a_value_adds_what_its_own_method_says():
    class Table:
        def __len__(self):
            return 5

        def value_info(self):
            return {"shape": (3, 4), "value": "a table"}

    info = value_info(Table())
    assert info["shape"] == (3, 4)
    assert info["value"] == "a table"
    assert info["size"] == "5"
    assert "shape" not in value_info(Table)


def test_a_value_that_raises_at_every_question_is_described_all_the_same():
    assert value_info(Broken()) == {
        "type": "Broken",
        "value": "<Broken that has no text: ValueError>",
    }
    assert value_info([Broken()])["size"] == "1"


def test_sets_of_mixed_types_are_sorted_the_same_in_every_process(workflow):
    script = (
        "from bandsaw.infos import value_info\n"
        "nan = float('nan')\n"
        "mixed = {1, 'a', 'b', None, 2.5, b'x', (1, 'z'), ('y', 2), nan, 'c',"
        " frozenset({'p', 'q', 'r'}), frozenset({'s'})}\n"
        "print(value_info(mixed)['value'], value_info([mixed])['value'])\n"
        "print(value_info({frozenset({'p', 'q'}), frozenset('abc')})['value'])\n"
    )
    texts = {
        workflow.python("-c", script, environment={"PYTHONHASHSEED": seed}).stdout
        for seed in "012"
    }
    assert len(texts) == 1


def test_no_text_is_made_for_what_is_not_shown():
    hidden = [Noisy()] * 1000
    many = ["a" * 50, "b" * 50, *hidden, "z" * 20]

    assert value_info(many)["value"].endswith("zzz']")
    assert value_info(tuple(many))["value"].startswith("('aaa")
    assert value_info(dict(enumerate(many)))["size"] == "1003"
    assert value_info(deque(many))["size"] == "1003"
    assert "no text" not in value_info([many, many])["value"]
    assert "no text" not in value_info([hidden[:0], *many])["value"]


def test_a_text_is_the_same_whether_or_not_it_is_made_in_full():
    for value in ("x'" * 100_000, b"x'" * 100_000, bytearray(b'"' * 100_000)):
        assert value_info([value])["value"] == published_text([value])
    million = list(range(1_000_000))
    text = value_info(million)["value"]
    assert text == str(million[:100])[:85] + "..." + str(million[-10:])[-12:]
    assert value_info(set(million))["value"] == text


def test_structures_that_share_their_parts_are_described_by_what_is_shown():
    value: list = ["leaf"]
    for _ in range(60):
        value = [value, value]

    assert value_info(value)["value"] == (
        "[" * 61 + "'leaf'], ['leaf']], [['l" + "..." + "]" * 12
    )


def test_very_deep_nesting_is_no_problem():
    value: list = []
    for _ in range(100_000):
        value = [value]

    assert value_info(value)["value"] == "[" * 85 + "..." + "]" * 12
    while value:
        value = value.pop()


def test_integers_that_python_refuses_to_write_are_described():
    huge = 1 << 1_000_000
    assert value_info(huge)["value"] == "<int of 1000001 bits>"
    assert value_info([huge])["value"] == "[<int of 1000001 bits>]"


def test_a_large_array_is_summarized_whatever_numpy_is_told_to_print():
    numpy = pytest.importorskip("numpy")
    small, large = numpy.arange(6).reshape(2, 3), numpy.arange(1_000_000)
    summary = value_info(large)["value"]

    assert value_info(small)["value"] == str(small)
    assert summary == str(large)
    with numpy.printoptions(threshold=sys.maxsize):
        assert value_info(large)["value"] == summary
    assert "size" not in value_info(numpy.array(1))


def test_nothing_of_an_iterator_is_used_up():
    iterator = iter([1, 2, 3])
    value_info(iterator)
    assert list(iterator) == [1, 2, 3]
