"""Tasks: their ids, what they know of their function, and how they are found again."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw.exceptions import NotMovableError
from bandsaw.execution import Execution
from bandsaw.identifier import identifier_from_string
from bandsaw.result import Result
from bandsaw.tasks import NO_DEFAULT, Task, full_task
from tests.workflows import Workflow


def free_function(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


def around(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return ["around", function(*args, **kwargs)]

    return wrapper


decorated = around(free_function)


class Class:
    def method(self, a: int) -> Any:
        return type(self), a

    @staticmethod
    def static(a: int) -> Any:
        return a

    @classmethod
    def of_class(cls, a: int) -> Any:
        return cls, a


a_lambda = lambda a: a  # noqa: E731


def generate() -> Iterator[int]:
    yield 1


async def generate_later() -> Any:
    yield 1


async def later(a: int) -> int:
    return a


def fail(error: BaseException) -> None:
    raise error


def free_function_of(module: Any) -> Any:
    function = type(free_function)(free_function.__code__, {}, "free_function")
    function.__module__ = module
    return function


def id_of(function: Any, **parameters: Any) -> str:
    return Task.create_task(function, parameters).task_id


# Ids


def test_the_id_of_a_free_function_is_the_published_one() -> None:
    assert id_of(free_function_of("test_tasks")) == "8cecc949e9edc529"
    assert id_of(free_function) == identifier_from_string(
        repr(("free_function", __name__))
    )


def test_the_version_becomes_part_of_the_id() -> None:
    for version in "2", 2, None:
        assert id_of(free_function, version=version) == identifier_from_string(
            repr(("free_function", __name__, version))
        )


def test_other_parameters_do_not_change_the_id() -> None:
    assert id_of(free_function, cache=False) == id_of(free_function)


def test_methods_count_by_their_qualified_name() -> None:
    assert id_of(Class.method) == identifier_from_string(
        repr(("Class.method", __name__))
    )


def test_decorators_between_do_not_change_the_id() -> None:
    assert id_of(decorated) == id_of(free_function)


def test_an_id_can_be_assigned() -> None:
    task = Task.create_task(free_function)
    task.task_id = "mine"

    assert task.task_id == "mine"


def test_tasks_are_equal_by_their_id() -> None:
    one, other = (Task.create_task(free_function) for _ in range(2))
    third = Task.create_task(Class.method)

    assert one == other
    assert hash(one) == hash(other)
    assert one != third
    assert one != one.task_id


def local(value: Any) -> Callable[..., Any]:
    def function(a: Any) -> Any:
        return a, value

    return function


def test_local_functions_with_equal_captured_values_have_equal_ids() -> None:
    assert id_of(local([1])) == id_of(local([1]))


def test_local_functions_with_other_captured_values_have_other_ids() -> None:
    assert len({id_of(local(value)) for value in (1, 1.0, "1", [1], None)}) == 5


def test_local_functions_with_other_code_have_other_ids() -> None:
    def make(number: int) -> Any:
        if number:

            def function() -> Any:
                return 1
        else:

            def function() -> Any:
                return 2

        return function

    assert make(0).__qualname__ == make(1).__qualname__
    assert id_of(make(0)) != id_of(make(1))


def test_local_functions_that_call_something_else_have_other_ids() -> None:
    def make(number: int) -> Any:
        if number:

            def function(a: Any) -> Any:
                return min(a)
        else:

            def function(a: Any) -> Any:
                return max(a)

        return function

    assert id_of(make(0)) != id_of(make(1))


def test_lambdas_are_told_apart_by_what_they_do() -> None:
    functions: list[Any] = [lambda a: a + 1, lambda a: a + 2, lambda a: a - 1]

    assert len({id_of(function) for function in functions}) == 3
    assert id_of(functions[0]) == id_of(functions[0])


def test_a_local_function_that_captures_what_has_no_identity_has_an_id_of_its_own() -> (
    None
):
    captured = object()
    one, other = (Task.create_task(local(captured)) for _ in range(2))

    assert one.task_id == one.task_id
    assert one.task_id != other.task_id


def test_functions_of_the_script_count_under_the_name_of_its_file(
    workflow: Workflow,
) -> None:
    script = """
import bandsaw, sys, multiprocessing

@bandsaw.task
def free_function():
    return free_function.bandsaw_task.task_id, str(free_function.bandsaw_task)

if __name__ == "__main__":
    print(*free_function())
    for method in "fork", "spawn":
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(*pool.apply(free_function))
"""
    config = "import bandsaw\nconfiguration = bandsaw.Configuration()"
    workflow.write({"test_tasks.py": script, "bandsaw_config.py": config})

    output = workflow.python("test_tasks.py")

    assert output.stdout == "8cecc949e9edc529 test_tasks.free_function\n" * 3


# What it knows


def test_a_task_knows_its_function() -> None:
    task = Task.create_task(free_function, {"version": "1"})

    assert task.function is free_function
    assert task.advice_parameters == {"version": "1"}
    assert task.source == inspect.getsource(free_function)
    assert task.bytecode == free_function.__code__.co_code
    assert task.signature == inspect.signature(free_function)
    assert not task.is_coroutine_function
    assert not task.is_generator_function


def test_a_task_knows_the_function_below_the_decorators() -> None:
    task = Task.create_task(decorated)

    assert task.function is free_function
    assert task.callable is decorated
    assert task.source == inspect.getsource(free_function)
    assert task.execute(Execution("e", (1,))) == Result(["around", 3])


def test_the_parameters_that_it_gives_are_a_copy() -> None:
    given = {"cache": False}
    task = Task.create_task(free_function, given)
    given["cache"] = True
    task.advice_parameters["cache"] = True

    assert task.advice_parameters == {"cache": False}


def test_a_task_knows_coroutine_functions_and_generators() -> None:
    assert Task.create_task(later).is_coroutine_function
    assert Task.create_task(generate).is_generator_function
    assert Task.create_task(generate_later).is_generator_function
    assert not Task.create_task(generate_later).is_coroutine_function


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (free_function, "free_function"),
        (Class.method, "Class.method"),
        (local(1), "local.<locals>.function"),
        (a_lambda, "<lambda>"),
    ],
)
def test_the_text_names_module_and_function(function: Any, text: str) -> None:
    task = Task.create_task(function)

    assert str(task) == f"{__name__}.{text}"
    assert repr(task) == f"<Task {__name__}.{text}>"


@pytest.mark.parametrize(
    "thing",
    [Class, Class(), Class().method, len, functools.partial(free_function), None, "f"],
)
def test_what_is_no_function_is_a_type_error(thing: Any) -> None:
    with pytest.raises(TypeError, match="Unsupported task object of type"):
        Task.create_task(thing)


# Execution


def test_a_task_is_executed_with_the_arguments() -> None:
    task = Task.create_task(free_function)

    assert task.execute(Execution("e", (1,), {"b": 3})) == Result(4)


def test_an_exception_is_a_result() -> None:
    error = LookupError("no")
    result = Task.create_task(fail).execute(Execution("e", (error,)))

    assert result.exception is error


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_goes_straight_up(kind: Any) -> None:
    with pytest.raises(kind):
        Task.create_task(fail).execute(Execution("e", (kind(),)))


def test_a_coroutine_function_is_executed_to_its_end() -> None:
    assert Task.create_task(later).execute(Execution("e", (1,))) == Result(1)


# Binding


def binds(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return Task.create_task(function).bind(args, kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {}),
        ((1, 2), {"k": 3}),
        ((1,), {"b": 2, "k": 3}),
        ((1, 2, 3, 4), {}),
        ((1,), {"other": 5, "a": 6}),
        ((), {"a": 1}),
        ((), {}),
        ((1, 2), {"b": 2}),
    ],
)
def test_arguments_are_bound_as_the_function_would(args: Any, kwargs: Any) -> None:
    def function(b: Any, c: Any = 1, *d: Any, k: Any = 2, **more: Any) -> None:
        pass

    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        expected = None
    else:
        bound.apply_defaults()
        expected = dict(bound.arguments)

    assert binds(function, *args, **kwargs) == expected


def test_the_parameters_are_those_of_the_signature() -> None:
    def function(a: Any, /, b: Any, c: Any = 1, *d: Any, k: Any = 2, **e: Any) -> None:
        pass

    def signed(*args: Any) -> None:
        pass

    signed.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    expected = [
        (p.name, p.kind, NO_DEFAULT if p.default is p.empty else p.default)
        for p in inspect.signature(function).parameters.values()
    ]

    assert Task(function).parameters == expected  # type: ignore[arg-type]
    assert Task(signed).parameters == expected  # type: ignore[arg-type]


def test_positional_only_parameters_are_bound_by_position_only() -> None:
    def function(a: Any, /, **more: Any) -> None:
        pass

    assert binds(function, 1) == {"a": 1, "more": {}}
    assert binds(function, 1, a=2) == {"a": 1, "more": {"a": 2}}
    assert binds(function, a=2) is None


def test_a_function_without_parameters_takes_no_arguments() -> None:
    def function() -> None:
        pass

    assert binds(function) == {}
    assert binds(function, 1) is None
    assert binds(function, a=1) is None


# Finding it again


def again(task: Task) -> Task:
    return Task.deserialize(task.serialized())


def pickled(task: Task) -> Task:
    found: Task = pickle.loads(pickle.dumps(task))
    return found


@pytest.mark.parametrize("copied", [again, pickled, copy.deepcopy])
def test_a_task_can_be_pickled_and_serialized(copied: Any) -> None:
    task = Task.create_task(free_function, {"version": "1"})
    task.task_id = "mine"

    found = copied(task)

    assert found.function is free_function
    assert found.advice_parameters == {"version": "1"}
    assert found.task_id == "mine"


@pytest.mark.parametrize(
    "function", [Class.method, Class.static, Class.__dict__["of_class"].__func__]
)
def test_methods_are_found_again(function: Any) -> None:
    found = pickled(Task.create_task(function))

    assert found.function is function
    assert found.callable is function


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (local(1), "it is local to a function"),
        (a_lambda, "has no name"),
        (generate, "it is a generator function"),
        (generate_later, "it is a generator function"),
        (free_function_of(__name__), "leads to something else"),
        (free_function_of("no.such_module"), "is not a loaded module"),
        (free_function_of(None), "its module None is not a loaded module"),
        (free_function_of("os"), "leads to something else"),
    ],
)
def test_a_task_that_would_not_be_found_says_why(function: Any, reason: str) -> None:
    task = Task.create_task(function)

    with pytest.raises(NotMovableError) as caught:
        pickle.dumps(task)

    assert str(caught.value).startswith(f"Task {task} cannot be moved")
    assert reason in str(caught.value)


def test_a_task_is_a_serializable_value() -> None:
    assert isinstance(Task.create_task(free_function), bandsaw.SerializableValue)


def test_threads_agree_on_an_id_that_is_made_up() -> None:
    def make(unstable: object) -> Task:
        def local() -> object:
            return unstable

        return Task.create_task(local)

    for _ in range(20):
        task = make(threading.Lock())
        begin = threading.Barrier(4)

        def ask(task: Task = task, begin: threading.Barrier = begin) -> str:
            begin.wait(60)
            return task.task_id

        with ThreadPoolExecutor(4) as pool:
            ids = {future.result() for future in [pool.submit(ask) for _ in range(4)]}
        assert len(ids) == 1


# Task objects of the user's own


class Own:
    task_id = "own"

    def execute(self, execution: Execution) -> Any:
        return execution.args

    def __str__(self) -> str:
        return "my own"


def test_what_an_object_of_the_users_own_lacks_is_empty() -> None:
    task = full_task(Own())

    assert task.task_id == "own"
    assert str(task) == "my own"
    assert task.advice_parameters == {}
    assert task.steps == ()
    assert task.function is None
    assert task.bind((1,), {}) is None
    assert not task.is_generator_function


def test_what_an_object_of_the_users_own_has_is_used() -> None:
    own: Any = Own()
    own.advice_parameters = {"cache": False}
    own.bind = lambda args, kwargs: {"value": args[0]}

    task = full_task(own)

    assert task.advice_parameters == {"cache": False}
    assert task.bind((1,), {}) == {"value": 1}


def test_a_task_needs_nothing_else() -> None:
    task = Task.create_task(free_function)

    assert full_task(task) is task
