"""The decorator and what it returns."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import multiprocessing
import os
import pickle
import threading
import typing
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Advice, Configuration, Extension
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.retry import RetryAdvice
from bandsaw.advices.ssh import SshAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.exceptions import AdviceError, ConfigurationError
from bandsaw.result import Result
from bandsaw.session import Session
from tests import decorated
from tests.configurations import loadable_configuration
from tests.workflows import Workflow, read_script


class Noting(Advice):
    def __init__(self) -> None:
        self.sessions: list[Session] = []

    def before(self, session: Session) -> None:
        self.sessions.append(session)
        session.proceed()


class Tasks:
    """Makes tasks with a configuration whose chain `advised` has an advice."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.noting = Noting()
        configuration.add_advice_chain(self.noting, name="advised")

    def of(self, *function: Any, **options: Any) -> Any:
        return bandsaw.task(*function, config=self.configuration.module_name, **options)


@pytest.fixture(name="tasks")
def _tasks() -> Iterator[Tasks]:
    with loadable_configuration() as configuration:
        yield Tasks(configuration)


def _plain(a: int) -> int:
    return a


BOTH = pytest.mark.parametrize("chain", ["default", "advised"])


def add(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


add.unit = "metre"  # type: ignore[attr-defined]


def fail(error: BaseException) -> None:
    raise error


# Calls


@BOTH
def test_a_call_returns_the_value(tasks: Tasks, chain: str) -> None:
    task = tasks.of(add, chain=chain)

    assert task(1) == 3
    assert task(a=1, b=5) == 6
    assert len(tasks.noting.sessions) == (2 if chain == "advised" else 0)


@BOTH
@pytest.mark.parametrize("value", [None, 0, "", [], False, NotImplemented])
def test_falsy_values_are_returned(tasks: Tasks, chain: str, value: Any) -> None:
    def function() -> Any:
        return value

    assert tasks.of(function, chain=chain)() is value


@BOTH
def test_a_call_raises_the_exception_itself(tasks: Tasks, chain: str) -> None:
    error = LookupError("no")

    with pytest.raises(LookupError) as caught:
        tasks.of(fail, chain=chain)(error)

    assert caught.value is error


class FalsyError(Exception):
    def __len__(self) -> int:
        return 0


@BOTH
def test_a_falsy_exception_is_raised_all_the_same(tasks: Tasks, chain: str) -> None:
    with pytest.raises(FalsyError):
        tasks.of(fail, chain=chain)(FalsyError())


@BOTH
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_passes_through_and_leaves_nothing(
    tasks: Tasks, chain: str, kind: Any, tmp_path: Path
) -> None:
    class Ending(Extension):
        ended = 0

        def on_session_finished(self, session: Session) -> None:
            type(self).ended += 1

    class Filing(Advice):
        def before(self, session: Session) -> None:
            (session.temp_dir / "file").touch()
            session.proceed()

    tasks.configuration.set_temp_directory(tmp_path)
    if chain == "advised":
        tasks.configuration.add_advice_chain(Filing(), name=chain)
        tasks.configuration.add_extension(Ending())

    with pytest.raises(kind):
        tasks.of(fail, chain=chain)(kind())

    assert Ending.ended == (1 if chain == "advised" else 0)
    assert not any(tmp_path.iterdir())


@BOTH
def test_wrong_arguments_are_the_type_error_of_the_function(
    tasks: Tasks, chain: str
) -> None:
    with pytest.raises(TypeError, match=r"add\(\) missing 1 required positional"):
        tasks.of(add, chain=chain)()
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        tasks.of(add, chain=chain)(1, c=1)


@BOTH
def test_a_function_may_have_parameters_of_any_name(tasks: Tasks, chain: str) -> None:
    def function(self: Any, task: Any, args: Any, kwargs: Any, **more: Any) -> Any:
        return self, task, args, kwargs, more

    task = tasks.of(function, chain=chain)

    assert task(self=1, task=2, args=3, kwargs=4, session=5, function=6) == (
        *(1, 2, 3, 4),
        {"session": 5, "function": 6},
    )


def test_a_forgetful_advice_is_named(tasks: Tasks) -> None:
    class Forgetful(Advice):
        def after(self, session: Session) -> None:
            pass

    tasks.configuration.add_advice_chain(Advice(), Forgetful(), name="advised")

    with pytest.raises(AdviceError, match=r"Forgetful\.after\(\) \(2 of 2\)"):
        tasks.of(add, chain="advised")(1)


def test_a_task_may_call_tasks(tasks: Tasks) -> None:
    def factorial(n: int) -> int:
        return n * task(n - 1) if n else 1

    task = tasks.of(factorial, chain="advised")

    assert task(5) == 120
    assert len(tasks.noting.sessions) == 6


def test_advices_and_extensions_that_are_added_later_count(tasks: Tasks) -> None:
    task = tasks.of(add)
    task(1)
    tasks.configuration.add_advice_chain(tasks.noting)
    task(1)
    tasks.configuration.add_advice_chain()
    task(1)
    assert len(tasks.noting.sessions) == 1

    class Counting(Extension):
        sessions = 0

        def on_session_created(self, session: Session) -> None:
            type(self).sessions += 1

    tasks.configuration.add_extension(Counting())
    task(1)
    assert Counting.sessions == 1


# What a call without advices touches


class Untouchable:
    """Fails when it is looked into."""

    def _fail(self, *args: Any) -> Any:
        raise AssertionError("looked into")

    __reduce__ = __reduce_ex__ = __eq__ = __bool__ = __len__ = __iter__ = _fail
    __copy__ = __deepcopy__ = __getstate__ = __repr__ = __str__ = _fail
    __hash__ = _fail  # type: ignore[assignment]


def test_without_advices_the_arguments_are_not_looked_into(tasks: Tasks) -> None:
    def function(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    argument, other = Untouchable(), Untouchable()

    (found,), kwargs = tasks.of(function)(argument, other=other)

    assert found is argument
    assert kwargs["other"] is other


def test_without_advices_the_result_is_not_looked_into(tasks: Tasks) -> None:
    value = Untouchable()

    def function() -> Any:
        return value

    assert tasks.of(function)() is value


@BOTH
def test_arguments_need_not_be_picklable(tasks: Tasks, chain: str) -> None:
    class Closed:
        def __reduce_ex__(self, protocol: Any) -> Any:
            raise RuntimeError("not this one")

    def function(value: Any) -> Any:
        return value

    values = [Closed(), threading.Lock(), (n for n in range(3)), function]

    assert tasks.of(function, chain=chain)(values) is values
    for value in values:
        assert tasks.of(function, chain=chain)(value) is value


@BOTH
def test_a_task_can_change_the_arguments_of_its_caller(
    tasks: Tasks, chain: str
) -> None:
    def function(values: list[int]) -> None:
        values.append(1)

    values: list[int] = []
    tasks.of(function, chain=chain)(values)

    assert values == [1]


# Ways to use it


def test_it_is_used_with_and_without_parameters(tasks: Tasks) -> None:
    for task in (
        tasks.of(add),
        tasks.of()(add),
        tasks.of(add, chain="default"),
        tasks.of(chain="default")(add),
        tasks.of(add, version="1"),
        tasks.of(version="1")(add),
    ):
        assert task(1) == 3
        assert task.__wrapped__ is add


def test_one_decorator_can_decorate_many_functions(tasks: Tasks) -> None:
    decorator = tasks.of(version="1")

    assert decorator(add)(1) == 3
    assert decorator(lambda: 2)() == 2


def test_more_than_one_positional_argument_is_an_error(tasks: Tasks) -> None:
    with pytest.raises(RuntimeError, match="Invalid 'task' decorator"):
        tasks.of(add, add)


def test_a_missing_configuration_is_an_error_before_there_is_a_function() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'nowhere'"):
        bandsaw.task(config="nowhere")


def test_an_unknown_chain_is_an_error_before_there_is_a_function(tasks: Tasks) -> None:
    with pytest.raises(ValueError, match=r"Unknown advice chain 'nope'.*'advised'"):
        tasks.of(chain="nope")
    with pytest.raises(ConfigurationError, match="needs the name of an advice chain"):
        tasks.of(chain=["advised"])


@pytest.mark.parametrize(
    "thing", [int, Configuration, len, functools.partial(add), functools.lru_cache(add)]
)
def test_what_is_no_function_is_refused(tasks: Tasks, thing: Any) -> None:
    with pytest.raises(TypeError, match="Unsupported task object of type"):
        tasks.of(thing)
    with pytest.raises(TypeError, match="Unsupported task object of type"):
        tasks.of(version="1")(thing)


def test_a_class_is_refused_when_it_is_decorated(tasks: Tasks) -> None:
    with pytest.raises(TypeError):

        @tasks.of
        class Class:
            pass


@pytest.mark.parametrize(
    ("advice", "name", "value", "message"),
    [
        (RetryAdvice(), "retry", {"number": 5}, "unknown key 'number'.*'attempts'"),
        (RetryAdvice(), "retry", 5, "dict with keys like 'attempts'.* and not 5"),
        (
            RetryAdvice(),
            "retry",
            {"attempts": 0},
            "needs a positive number of attempts",
        ),
        (
            ConnectionAdvice(),
            "connection",
            {"place": "a"},
            "unknown key 'place'.*'name'",
        ),
        (ConnectionAdvice(), "connection", 3, "keys like 'name', .* and not 3"),
        (
            ConnectionAdvice(),
            "connection",
            {"name": None},
            "text as name, and not None",
        ),
        (SubprocessAdvice(), "subprocess", 3, "keys like 'interpreter', .* and not 3"),
        (
            SubprocessAdvice(),
            "subprocess",
            {"timeout": 0},
            "positive number as timeout",
        ),
        (SubprocessAdvice(), "subprocess", {"memory_limit": "much"}, "as memory_limit"),
        (SshAdvice(), "ssh", "name", "like {'remote': 'default'}, and not 'name'"),
        (CachingAdvice("cache"), "cache", {"size": 1}, "unknown key 'size'"),
        (CachingAdvice("cache"), "cache", {"code": "all"}, "code='all' is unknown"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_an_error_of_the_decorator(
    tasks: Tasks, advice: Advice, name: str, value: Any, message: str
) -> None:
    tasks.configuration.add_advice_chain(tasks.noting, advice, name="checking")

    with pytest.raises(ConfigurationError, match=message):
        tasks.of(_plain, chain="checking", **{name: value})


@pytest.mark.parametrize("name", ["connection", "subprocess", "ssh"])
def test_what_a_task_chooses_by_name_may_be_added_later(
    tasks: Tasks, name: str
) -> None:
    advices = ConnectionAdvice(), SubprocessAdvice(), SshAdvice()
    tasks.configuration.add_advice_chain(*advices, name="checking")
    keys = {"connection": "name", "subprocess": "interpreter", "ssh": "remote"}

    assert tasks.of(_plain, chain="checking", **{name: {keys[name]: "later"}})


def test_an_advice_of_the_user_checks_tasks_with_parameters(tasks: Tasks) -> None:
    class Checking:
        before = after = Noting.before

        def check_task(self, task: Any) -> None:
            raise LookupError(task.advice_parameters["place"])

    tasks.configuration.add_advice_chain(Checking(), name="checking")

    with pytest.raises(LookupError, match="nowhere"):
        tasks.of(_plain, chain="checking", place="nowhere")
    assert tasks.of(_plain, chain="checking")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("confg", "config"),
        ("configs", "config"),
        ("konfig", "config"),
        ("cofnig", "config"),
        ("hain", "chain"),
        ("chai", "chain"),
        ("Chain", "chain"),
        ("chian", "chain"),
        ("cahin", "chain"),
        ("chan", "chain"),
        ("chainn", "chain"),
    ],
)
def test_a_slip_of_config_or_chain_is_an_error_with_the_right_word(
    name: str, right: str
) -> None:
    # It comes before the configuration, which may be the one that it should name.
    with pytest.raises(ConfigurationError, match=f"{name!r}. Did you mean {right!r}"):
        bandsaw.task(**{name: "default"})


def test_what_is_two_edits_from_config_and_chain_is_a_parameter(tasks: Tasks) -> None:
    names = "main", "brain", "configure", "conf", "chairs", "", "niahc"

    task = tasks.of(add, **dict.fromkeys(names, 1))
    assert {*task.bandsaw_task.advice_parameters} == {*names}


class Limiting(Noting):
    parameters = ("limit",)


class CachingAndLimiting(CachingAdvice):
    parameters = ("limit",)


class Quiet(CachingAdvice):
    pass


class Watching(Extension):
    parameters = ()


@pytest.mark.parametrize(
    ("advice", "name", "nearest"),
    [
        (CachingAdvice("cache"), "chache", "cache"),
        (RetryAdvice(), "versoin", "version"),
        (Limiting(), "limits", "limit"),
        (CachingAndLimiting("cache"), "limt", "limit"),
    ],
)
def test_a_parameter_that_a_declared_chain_does_not_read_is_warned_of_once(
    tasks: Tasks, advice: Advice, name: str, nearest: str
) -> None:
    tasks.configuration.add_advice_chain(advice, name="declared")
    tasks.configuration.add_extension(Watching())
    message = f"{name!r}.* 'declared' reads. The nearest one is {nearest!r}"

    with pytest.warns(UserWarning, match=message) as warned:
        tasks.of(_plain, chain="declared", **{name: 1})
    assert [warning.filename for warning in warned] == [__file__]
    tasks.of(_plain, chain="declared", **{name: 1})


@pytest.mark.parametrize(
    "advices", [(), (Noting(),), (Limiting(), Noting()), (Quiet("cache"),)]
)
def test_a_chain_that_does_not_declare_what_it_reads_is_given_anything(
    tasks: Tasks, advices: tuple[Advice, ...]
) -> None:
    tasks.configuration.add_advice_chain(*advices, name="undeclared")

    assert tasks.of(_plain, chain="undeclared", chache=False)


def test_an_extension_that_does_not_declare_what_it_reads_is_given_anything(
    tasks: Tasks,
) -> None:
    tasks.configuration.add_advice_chain(Limiting(), name="declared")
    tasks.configuration.add_extension(Extension())

    assert tasks.of(_plain, chain="declared", limits=1)


def test_what_an_advice_of_the_library_reads_is_no_slip_elsewhere(tasks: Tasks) -> None:
    advices = LoggingAdvice(), CachingAdvice("cache")
    tasks.configuration.add_advice_chain(*advices, name="declared")

    assert tasks.of(_plain, chain="declared", ssh={"remote": "a"}, version="1")


def test_what_stands_in_for_advices_reads_what_they_read(tasks: Tasks) -> None:
    tasks.configuration.add_advice_chain(Limiting(), SubprocessAdvice(), name="moving")
    tasks.configuration.set_moves("memory")

    assert tasks.of(_plain, chain="moving", limit=1, subprocess={"timeout": 60})


@pytest.mark.parametrize(
    ("name", "key", "right"),
    [
        ("cache", "compare_pyhton", "compare_python"),
        ("connection", "nmae", "name"),
        ("dask", "priorty", "priority"),
        ("metrics", "tag", "tags"),
        ("ray", "num_gpu", "num_gpus"),
        ("retry", "attemps", "attempts"),
        ("ssh", "remotes", "remote"),
        ("subprocess", "timout", "timeout"),
        ("tracking", "hdie", "hide"),
    ],
)
@pytest.mark.parametrize(
    "advices", [(), (LoggingAdvice(), SubprocessAdvice()), (Noting(),)]
)
def test_a_slip_in_the_keys_of_a_parameter_is_an_error_with_the_right_word(
    tasks: Tasks, advices: tuple[Advice, ...], name: str, key: str, right: str
) -> None:
    tasks.configuration.add_advice_chain(*advices, name="some")
    message = f"parameter {name} of .* unknown key {key!r}. Did you mean {right!r}"

    with pytest.raises(ConfigurationError, match=message):
        tasks.of(_plain, chain="some", **{name: {key: 3}})


class Connecting(Noting):
    parameters = ("connection",)


def test_an_unknown_key_is_an_error_unless_a_reader_may_know_it(tasks: Tasks) -> None:
    def place(*advices: Advice) -> Any:
        tasks.configuration.add_advice_chain(*advices, name="some")
        return tasks.of(_plain, chain="some", connection={"region": "north"})

    for advices in (), (CachingAdvice("cache"),), (Limiting(),):
        with pytest.raises(ConfigurationError, match="Known are 'name', 'timeout'"):
            place(*advices)
    for reader in Noting(), Connecting():
        assert place(CachingAdvice("cache"), reader)


# What it returns


def test_it_carries_the_function_the_task_and_the_configuration(tasks: Tasks) -> None:
    task = tasks.of(add, version="1", ssh={"remote": "a"})

    assert task.__wrapped__ is add
    assert task.bandsaw_task.function is add
    assert task.bandsaw_task.advice_parameters == {
        "version": "1",
        "ssh": {"remote": "a"},
    }
    assert task.bandsaw_configuration is tasks.configuration


def test_the_advice_parameters_are_a_copy(tasks: Tasks) -> None:
    task = tasks.of(add, version="1")
    task.bandsaw_task.advice_parameters["version"] = "2"

    assert task.bandsaw_task.advice_parameters == {"version": "1"}


def test_configuration_and_chain_are_no_advice_parameters(tasks: Tasks) -> None:
    assert tasks.of(add, chain="advised").bandsaw_task.advice_parameters == {}


def test_it_looks_like_the_function(tasks: Tasks) -> None:
    task = tasks.of(add)

    for name in ("__name__", "__qualname__", "__module__", "__doc__", "unit"):
        assert getattr(task, name) == getattr(add, name)
    assert inspect.signature(task) == inspect.signature(add)
    assert typing.get_type_hints(task) == {"a": int, "b": int, "return": int}
    assert inspect.isfunction(task)
    assert not inspect.iscoroutinefunction(task)


def test_the_class_of_task_functions_stands_in_annotations() -> None:
    from bandsaw.decorator import TaskFunction

    kind: Any = TaskFunction
    assert kind[[int], int] is kind


# Other kinds of functions


def test_closures_and_lambdas_are_tasks(tasks: Tasks) -> None:
    def adding(number: int) -> Any:
        return tasks.of(lambda other: number + other, chain="advised")

    assert adding(1)(2) == 3
    assert adding(2)(2) == 4


@BOTH
def test_a_generator_function_runs_here(tasks: Tasks, chain: str) -> None:
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    assert list(tasks.of(count, chain=chain)(3)) == [0, 1, 2]


def test_a_method_is_a_task() -> None:
    methods = decorated.Methods(1)

    assert methods.plus(2) == 3
    assert decorated.Methods.plus(methods, 2) == 3
    assert decorated.Derived(1).plus(2) == 30


def test_a_bound_method_is_what_python_makes_of_one() -> None:
    methods = decorated.Methods(1)
    bound: Any = methods.plus

    assert inspect.signature(bound) == inspect.signature(bound.__wrapped__)
    assert list(inspect.signature(bound).parameters) == ["other"]
    assert (bound.__self__, bound.__func__) == (methods, decorated.Methods.plus)
    assert bound.__wrapped__(2) == 3
    assert (bound.__name__, bound.__qualname__) == ("plus", "Methods.plus")
    assert (bound.__doc__, bound.__module__) == (
        "Add to the value.",
        "tests.decorated",
    )
    assert bound.bandsaw_task is decorated.Methods.plus.bandsaw_task
    assert repr(bound).startswith("<bound task Methods.plus of <tests.decorated")
    assert bound == methods.plus
    assert hash(bound) == hash(methods.plus)
    assert bound != decorated.Methods(1).plus
    assert bound != methods.decorated_above
    assert weakref.WeakMethod(bound)() == bound
    assert inspect.isfunction(decorated.Methods.plus)
    with pytest.raises(AttributeError, match="nothing"):
        bound.nothing  # noqa: B018


def test_a_bound_method_is_copied_with_its_instance() -> None:
    methods = decorated.Methods(1)

    copied = copy.deepcopy(methods.plus)

    assert copied.__self__ is not methods
    assert copied(2) == 3


def test_a_coroutine_function_stays_one_as_a_method() -> None:
    methods = decorated.Methods(1)

    assert inspect.iscoroutinefunction(methods.later)
    assert inspect.iscoroutinefunction(decorated.Methods.later)
    # Decorators above look at what stands in the class.
    assert inspect.iscoroutinefunction(vars(decorated.Methods)["later"])
    assert asyncio.run(methods.later(2)) == 3


def test_other_decorators_stand_above_the_task_of_a_method() -> None:
    methods: Any = decorated.Methods(1)

    assert methods.decorated_above(2) == 6
    assert methods.decorated_above.__name__ == "decorated_above"
    assert methods.advised_twice(2) == 3
    assert methods.static_advised_twice(2) == 3


@pytest.mark.parametrize("owner", [decorated.Methods, decorated.Methods(1)])
@pytest.mark.parametrize("name", ["static_above", "static_below"])
def test_a_static_method_is_a_task(owner: Any, name: str) -> None:
    method = getattr(owner, name)

    assert method(1) == 2
    assert method.bandsaw_task.function.__name__ == name


@pytest.mark.parametrize("name", ["class_above", "class_below"])
def test_a_class_method_is_a_task(name: str) -> None:
    assert getattr(decorated.Methods, name)(1) == (decorated.Methods, 1)
    assert getattr(decorated.Derived(1), name)(1) == (decorated.Derived, 1)


def test_a_property_is_a_task() -> None:
    assert decorated.Methods(2).twice == 4
    assert decorated.Methods(2).thrice == 6


@pytest.mark.parametrize(
    "name",
    [
        *("plus", "later", "decorated_above", "advised_twice"),
        *("static_above", "static_below", "class_above", "class_below"),
        *("twice", "thrice"),
    ],
)
def test_the_tasks_of_a_class_are_found_again(name: str) -> None:
    from bandsaw.tasks import Task, below_descriptor

    function = below_descriptor(decorated.Methods.__dict__[name])
    task: Task = function.bandsaw_task

    assert pickle.loads(pickle.dumps(task)).function is task.function


# Other decorators


def test_decorators_above_and_below_do_what_they_do() -> None:
    assert decorated.decorated_above(1) == 4
    assert decorated.decorated_below(1) == 4
    assert decorated.remembered(1) is decorated.remembered(1)


@pytest.mark.parametrize("name", ["decorated_above", "decorated_below", "remembered"])
def test_a_task_between_decorators_is_found_again(name: str) -> None:
    function = getattr(decorated, name)
    task = function.bandsaw_task

    assert pickle.loads(pickle.dumps(task)).function is task.function
    assert pickle.loads(pickle.dumps(function)) is function
    assert task.function.__name__ == name


def test_a_task_of_a_task_has_the_advices_of_both(tasks: Tasks) -> None:
    task = tasks.of(tasks.of(add, chain="advised"), chain="advised")

    assert task(1) == 3
    assert len(tasks.noting.sessions) == 2
    assert task.bandsaw_task.function is add


def test_a_task_keeps_calling_its_function_when_the_name_is_bound_again() -> None:
    assert decorated.first_rebound(1) == ("first", 1)
    assert decorated.rebound(1) == ("second", 1)


# Other processes


def test_it_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(decorated.add)) is decorated.add
    bound = pickle.loads(pickle.dumps(decorated.Methods(1).plus))
    assert bound(2) == 3
    for name in "class_above", "class_below":
        method = getattr(decorated.Methods, name)
        assert pickle.loads(pickle.dumps(method))(1) == (decorated.Methods, 1)
    static = decorated.Methods.static_above
    assert pickle.loads(pickle.dumps(static)) is static


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_call_it(workflow: Workflow, method: str) -> None:
    output = workflow.run(read_script("pools.py"), method).stdout

    assert output == "[[3, 4], [2, 3], [2, 3], [2, 3]]\n" * 2 + "0\n"


def test_a_pool_of_this_process_calls_it() -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(decorated.process).result() != os.getpid()


def test_a_pool_gets_the_exception_of_a_task(tasks: Tasks) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(LookupError):
        pool.submit(tasks.of(fail, chain="advised"), LookupError()).result()


# Where functions may come from

ANYWHERE = """
import bandsaw

configuration = bandsaw.Configuration().add_advice_chain(bandsaw.Advice())
"""

ADDING = """
import bandsaw

VALUE = 1

class Own:
    pass

@bandsaw.task
def add(own):
    return type(own) is Own, VALUE

VALUE = 2
print(*add(Own()), add.bandsaw_task)
"""


def at_a_prompt(text: str) -> str:
    """End compound statements, as one does at a prompt."""
    return text.replace("    pass\n", "    pass\n\n").replace("VALUE\n", "VALUE\n\n")


@pytest.mark.parametrize(
    ("arguments", "input", "name"),
    [
        (["script"], "", "__main__"),
        (["-c", ADDING], "", "__main__"),
        (["-"], ADDING, "__main__"),
        (["-i", "-q"], at_a_prompt(ADDING), "__main__"),
        (["-c", f"exec({ADDING!r})"], "", "__main__"),
        (["-c", f"exec({ADDING!r}, {{}})"], "", "builtins"),
        (["-c", f"exec({ADDING!r}, {{'__name__': 'no.where'}})"], "", "no.where"),
        (["-m", "script2"], "", "script2"),
        (["workflow.py"], "", "workflow"),
        (["train-model.py"], "", "train-model"),
    ],
)
def test_tasks_run_wherever_they_are_defined(
    workflow: Workflow, arguments: list[str], input: str, name: str
) -> None:
    scripts = ["script", "script2.py", "workflow.py", "train-model.py"]
    workflow.write({**dict.fromkeys(scripts, ADDING), "bandsaw_config.py": ANYWHERE})

    output = workflow.python(*arguments, input=input).stdout

    assert output.splitlines()[-1].replace(">>> ", "").strip() == f"True 2 {name}.add"


def test_a_concluded_result_is_returned_or_raised(tasks: Tasks) -> None:
    class Concluding(Advice):
        def __init__(self, result: Result) -> None:
            self.result = result

        def before(self, session: Session) -> None:
            session.conclude(self.result)

    def called(result: Result) -> Callable[..., Any]:
        tasks.configuration.add_advice_chain(Concluding(result), name="advised")
        made: Callable[..., Any] = tasks.of(add, chain="advised")
        return made

    assert called(Result(0))(1) == 0
    assert called(Result())(1) is None
    with pytest.raises(FalsyError):
        called(Result(exception=FalsyError()))(1)
