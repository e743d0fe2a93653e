"""Keeping the values of arguments out of records."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bandsaw.infos import text_of
from bandsaw.tracking.hiding import Eraser, names_to_hide


@pytest.mark.parametrize(
    "hide", [["password"], ("password",), {"password"}, "password"]
)
def test_names_are_given_in_any_collection(hide):
    names = names_to_hide({"tracking": {"hide": hide}})
    assert "password" in names
    assert "user" not in names


@pytest.mark.parametrize("tracking", [None, True, {}, {"hide": []}, {"other": 1}])
def test_nothing_is_hidden_unless_asked_for(tracking):
    assert names_to_hide({"tracking": tracking}) is None
    assert names_to_hide({}) is None


@pytest.mark.parametrize("hide", [True, 1, [1], iter(["password"]), [["password"]]])
def test_what_is_no_collection_of_names_hides_everything(hide):
    assert "anything" in names_to_hide({"tracking": {"hide": hide}})
    assert "anything" in names_to_hide({"tracking": [hide]})


secrets = st.text(min_size=4, max_size=30)
SECRET = "Tr0ub4dor&3"


@given(
    st.lists(st.text(st.characters(categories=["Ll"]), max_size=60), max_size=6),
    st.integers(0, 200),
    st.integers(1, 60),
)
def test_no_part_of_a_secret_survives_where_a_text_is_cut(words, before, times):
    value = ["x" * before, *words, *[SECRET] * times, "y" * before]
    text = Eraser([SECRET]).text_of(value)
    assert len(text) <= 103
    for start in range(len(SECRET) - 3):
        assert SECRET[start : start + 4] not in text


@given(st.recursive(st.text() | st.integers(), st.lists, max_leaves=10))
def test_texts_without_a_secret_are_the_usual_ones(value):
    assert Eraser([SECRET]).text_of(value) == text_of(value)
    assert Eraser([]).text_of(value) == text_of(value)


def test_members_of_a_hidden_container_are_secrets_too():
    eraser = Eraser([{"key": ["inner secret", b"raw secret"]}, 987654, 1, None, True])
    assert eraser.erase("inner secret raw secret 987654 1 None True") == (
        "(hidden) (hidden) (hidden) 1 None True"
    )


def test_a_secret_is_found_as_it_looks_inside_of_containers():
    secret = 'it\'s\na "secret"'
    assert Eraser([secret]).text_of([secret, 1]) in ("['(hidden)', 1]",)


def test_a_short_secret_is_a_word():
    assert Eraser(["a"]).erase("a cat says a") == "(hidden) cat says (hidden)"


def test_a_huge_secret_is_recognized_by_its_ends():
    secret = "".join(map(str, range(100_000)))
    text = Eraser([secret]).text_of(secret)
    assert text.startswith("(hidden)")
    assert text.endswith("(hidden)")
    assert secret[:8] not in text


def test_whatever_a_value_says_of_itself_is_searched():
    class Odd:
        def __repr__(self):
            return f"Odd({SECRET})"

    info = {"a": [SECRET, 1, 2.5, None, (SECRET,)], SECRET: Odd()}
    assert Eraser([SECRET]).erase_all(info) == {
        "a": ["(hidden)", 1, 2.5, None, ["(hidden)"]],
        "(hidden)": "Odd((hidden))",
    }
