"""The arguments of a call, and the id that stands for them."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from bandsaw.execution import Execution
from bandsaw.tasks import Task


def add(a: Any, b: Any = 2, *others: Any, c: Any = 3, **more: Any) -> Any:
    return a, b, others, c, more


TASK = Task.create_task(add)


def id_of(*args: Any, **kwargs: Any) -> str:
    return Execution.of_call(TASK, args, kwargs).execution_id


def test_an_execution_has_no_arguments_unless_they_are_given() -> None:
    execution = Execution("e")

    assert execution.execution_id == "e"
    assert execution.args == ()
    assert execution.kwargs == {}


def test_an_execution_keeps_its_id_and_arguments() -> None:
    execution = Execution("e", [1, 2], {"c": 3})

    assert execution.args == (1, 2)
    assert execution.kwargs == {"c": 3}
    assert repr(execution) == "Execution('e', (1, 2), {'c': 3})"


def test_the_id_can_be_assigned() -> None:
    execution = Execution.of_call(TASK, (1,), {})
    execution.execution_id = "mine"

    assert execution.execution_id == "mine"


def test_executions_are_equal_by_their_id() -> None:
    assert Execution("e", (1,)) == Execution("e", (2,))
    assert hash(Execution("e", (1,))) == hash(Execution("e", (2,)))
    assert Execution("e") != Execution("f")
    assert Execution("e") != "e"


@pytest.mark.parametrize("make", [lambda: Execution("e", (1,), {"c": 2})])
def test_an_execution_can_be_pickled_and_serialized(make: Any) -> None:
    execution = make()

    for again in (
        pickle.loads(pickle.dumps(execution)),
        Execution.deserialize(execution.serialized()),
    ):
        assert again.execution_id == "e"
        assert (again.args, again.kwargs) == ((1,), {"c": 2})


def test_equal_calls_have_equal_ids_however_they_are_written() -> None:
    same = [
        id_of(1, 2),
        id_of(1),
        id_of(a=1),
        id_of(b=2, a=1),
        id_of(1, c=3),
        Execution.of_call(TASK, (), {"c": 3, "b": 2, "a": 1}).execution_id,
    ]

    assert len(set(same)) == 1
    assert len(same[0]) == 16


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (((1,), {}), ((2,), {})),
        (((1,), {}), ((1.0,), {})),
        (((1,), {}), ((True,), {})),
        ((("1",), {}), ((b"1",), {})),
        ((((),), {}), (([],), {})),
        (((1, 2, 3), {}), ((1, 2), {"c": 3, "d": 3})),
        (((1, 2), {"d": 3}), ((1, 2), {"e": 3})),
        ((([[1], [2]],), {}), (([[1, 2]],), {})),
    ],
)
def test_different_calls_have_different_ids(one: Any, other: Any) -> None:
    assert id_of(*one[0], **one[1]) != id_of(*other[0], **other[1])


def test_arguments_that_do_not_fit_have_an_id_all_the_same() -> None:
    ids = {id_of(), id_of(1, a=1), id_of(c=1)}

    assert len(ids) == 3


def test_arguments_without_a_stable_identity_have_an_id_of_their_own() -> None:
    lock = threading.Lock()
    one, other = (Execution.of_call(TASK, (lock,), {}) for _ in range(2))

    assert one.execution_id == one.execution_id
    assert one.execution_id != other.execution_id
    assert one.instability is not None
    assert str(one.instability).startswith("a: _thread.lock has no stable identity")


def test_that_arguments_have_no_identity_is_known_where_they_are_sent() -> None:
    execution = Execution.of_call(TASK, (object(),), {})

    for again in (
        pickle.loads(pickle.dumps(execution)),
        Execution.deserialize(execution.serialized()),
    ):
        assert again.execution_id == execution.execution_id
        assert str(again.instability) == str(execution.instability) != "None"


def test_the_id_is_that_of_the_arguments_before_the_task_changes_them() -> None:
    argument: list[int] = []
    execution = Execution.of_call(TASK, (argument,), {})
    execution.pin_id()
    argument.append(1)

    assert execution.execution_id == id_of([])


class Counting:
    """An argument that counts who looks into it."""

    looked = 0

    def __reduce_ex__(self, protocol: Any) -> Any:
        type(self).looked += 1
        return Counting, ()


def test_an_id_that_is_not_asked_for_is_not_computed() -> None:
    Counting.looked = 0
    execution = Execution.of_call(TASK, (Counting(),), {})
    repr(execution)
    assert Counting.looked == 0

    first = execution.execution_id
    looked = Counting.looked

    assert looked > 0
    assert execution.execution_id == first
    assert Counting.looked == looked
