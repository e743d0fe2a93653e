"""The notes that are left at a session."""

from __future__ import annotations

import pickle
from typing import Any, Callable

import pytest

from bandsaw.context import Context


def test_values_are_set_and_read_by_name() -> None:
    context = Context({"a": 1})
    context["b"] = 2

    assert (context["a"], context["b"]) == (1, 2)
    assert context.attributes == {"a": 1, "b": 2}
    assert list(context) == ["a", "b"]
    assert len(context) == 2


def test_a_missing_key_is_a_child_that_is_kept() -> None:
    context = Context()
    context["cache"]["hits"]["today"] = 3

    assert context["cache"] is context["cache"]
    assert context["cache"]["hits"]["today"] == 3
    assert isinstance(context["cache"], Context)


def test_in_and_get_make_no_child() -> None:
    context = Context()

    assert "a" not in context
    assert context.get("a") is None
    assert context.get("a", 1) == 1
    assert len(context) == 0


def test_a_value_is_set_once() -> None:
    context = Context({"a": None})

    with pytest.raises(TypeError) as caught:
        context["a"] = 1

    assert str(caught.value) == "Overwriting values in Context is not supported."
    assert context["a"] is None


def test_a_child_that_was_asked_for_is_not_replaced() -> None:
    context = Context()
    _ = context["a"]

    with pytest.raises(TypeError, match="Overwriting"):
        context["a"] = 1


def _delete(context: Context) -> None:
    del context["a"]


@pytest.mark.parametrize(
    "remove",
    [_delete, lambda c: c.pop("a"), lambda c: c.popitem(), lambda c: c.clear()],
)
def test_no_value_is_removed(remove: Callable[[Context], Any]) -> None:
    context = Context({"a": 1})

    with pytest.raises(TypeError) as caught:
        remove(context)

    assert str(caught.value) == "Deleting values from Context is not supported."
    assert context.attributes == {"a": 1}


def test_setdefault_sets_what_is_not_there_only() -> None:
    context = Context({"a": 1})

    assert context.setdefault("a", 2) == 1
    assert context.setdefault("b", 2) == 2
    assert context.attributes == {"a": 1, "b": 2}


def test_update_adds_but_does_not_overwrite() -> None:
    context = Context({"a": 1})
    context.update(b=2)

    with pytest.raises(TypeError, match="Overwriting"):
        context.update(a=3)


def test_the_mapping_that_it_is_made_of_stays_as_it_is() -> None:
    given = {"a": 1}
    Context(given)["b"] = 2

    assert given == {"a": 1}


def test_it_tells_its_values_as_plain_dicts() -> None:
    context = Context({"a": 1})
    context["b"]["c"]["d"] = [2]

    info = context.value_info()

    assert info == {"a": 1, "b": {"c": {"d": [2]}}}
    assert type(info["b"]["c"]) is dict


def test_it_is_equal_to_contexts_only() -> None:
    assert Context({"a": 1}) == Context({"a": 1})
    assert Context({"a": 1}) != Context({"a": 2})
    assert Context({"a": 1}) != {"a": 1}
    assert Context() != {}


def test_it_can_not_be_hashed() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Context())


def test_its_text_shows_what_it_holds() -> None:
    context = Context({"a": 1})
    context["b"]["c"] = 2

    assert repr(context) == "Context({'a': 1, 'b': Context({'c': 2})})"


def test_it_can_be_pickled_and_serialized() -> None:
    context = Context({"a": 1})
    context["b"]["c"] = (2,)

    assert pickle.loads(pickle.dumps(context)) == context
    assert Context.deserialize(context.serialized()) == context
