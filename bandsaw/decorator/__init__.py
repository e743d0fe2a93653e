"""The decorator that turns functions into tasks."""

from __future__ import annotations

import sys

from ..advice import KNOWN_KEYS, unknown_key
from ..config import (
    configuration_for,
    configuration_of_session,
    get_configuration,
)
from ..exceptions import ConfigurationError, check_type
from ..execution import Execution
from ..methods import TaskClassMethod, TaskMethod, method_of
from ..modules import refuse_calls_of_imported_script, script_is_not_imported_yet
from ..result import Result
from ..run import reserve_run_id
from ..runtime.caller_warnings import warn_caller
from ..runtime.fork import call_at_reset
from ..runtime.functions import update_wrapper
from ..runtime.lazy import LateModule
from ..runtime.registries import code_came_at
from ..runtime.temporary import clean_up_at_exit
from ..session import Session, advise
from ..tasks import Task
from .questions import add_questions, check_class

TYPE_CHECKING = False
if not TYPE_CHECKING:
    from ..runtime.stand_ins import Protocol, overload

    P = R_co = None
    # Most scripts submit nothing.
    futures = LateModule("bandsaw.futures")
    # Most calls do not fail.
    failures = LateModule("bandsaw.tracking.failures")

if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Protocol, TypeVar, overload

    from typing_extensions import Concatenate, ParamSpec

    from .. import futures
    from ..advices.explanation import Explanation
    from ..chain import AdviceChain
    from ..config import Configuration
    from ..tracking import failures

    P = ParamSpec("P")
    Q = ParamSpec("Q")
    R = TypeVar("R")
    R_co = TypeVar("R_co", covariant=True)
    S = TypeVar("S", contravariant=True)


class TaskFunction(Protocol[P, R_co]):
    """A function whose calls are advised. It is called like the function itself.

    What `task` returns is a plain function, because nothing else costs as little, is
    recognised as a coroutine function and pickles by its name. In a class it is an
    attribute that binds such a function to an instance, so that `obj.work.is_cached(x)`
    asks for that instance. This class describes both, for annotations.

    Attributes:
        __wrapped__: The function itself.
        bandsaw_task: The task.
        bandsaw_configuration: The configuration whose chain is walked.
    """

    __name__: str
    __qualname__: str
    __module__: str

    @property
    def __wrapped__(self) -> Callable[P, R_co]:
        """The function itself."""

    bandsaw_task: Task
    bandsaw_configuration: Configuration

    def is_cached(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Tell if a call with these arguments would be answered from a cache."""

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Say why a call with these arguments is answered from a cache, or not."""

    def forget(self, *args: P.args, **kwargs: P.kwargs) -> int:
        """Remove the results of calls with these arguments, and say how many."""

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> futures.Future[R_co]:
        """Have the call made when it is its turn, and return what it will come to."""

    def map(
        self, *iterables: Iterable[Any], buffersize: int | None = None
    ) -> futures.Results[R_co]:
        """Return an iterator over the results of calls with items of the iterables.

        The results are in the order of the items. No more than `buffersize` calls are
        ahead of the results that were asked for, so the iterables may be endless.
        """

    def map_unordered(
        self, *iterables: Iterable[Any], buffersize: int | None = None
    ) -> futures.Results[R_co]:
        """Return an iterator over the results of such calls as they come."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function with its advices around it."""

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> TaskFunction[P, R_co]: ...

    @overload
    def __get__(
        self: TaskFunction[Concatenate[S, Q], R_co],
        instance: S,
        owner: type[Any] | None = None,
    ) -> TaskFunction[Q, R_co]: ...

    # A static method.
    @overload
    def __get__(
        self, instance: Any, owner: type[Any] | None = None
    ) -> TaskFunction[P, R_co]: ...


class TaskDecorator(Protocol):
    """The value of `task(...)` when it was not given a function."""

    def __call__(self, function: Callable[P, R], /) -> TaskFunction[P, R]:
        """Make a task of a function."""


@overload
def task(
    function: Callable[P, R],
    /,
    *,
    config: str | None = None,
    chain: str | None = None,
    **advice_parameters: Any,
) -> TaskFunction[P, R]: ...


@overload
def task(
    *,
    config: str | None = None,
    chain: str | None = None,
    **advice_parameters: Any,
) -> TaskDecorator: ...


def task(
    *function: Any,
    config: str | None = None,
    chain: str | None = None,
    **advice_parameters: Any,
) -> Any:
    """Make a task of a function, so that its calls are advised.

    Used as ``@task``, ``@task(chain="gpu", version="2")`` or ``task(function)``:

        @bandsaw.task
        def train(data):
            ...

    Args:
        *function: The function: a free function, a method, a static or class method, or
            a coroutine function.
        config: The name of the configuration's module. By default the environment
            variable names it, see `get_configuration`; else it is the `bandsaw_config`
            in the package of the calling module, or in one above, or at the top.
        chain: The name of the advice chain; `"default"` when left out.
        **advice_parameters: What the advices want to know of this task, e.g. `version`,
            `cache`, `connection`, `ssh`, `subprocess`, `metrics`, `tracking`. And
            `environment`: an `Environment` in which the function is executed, or
            ``"inline"`` for the one that the metadata of its script describes.

    Returns:
        The `TaskFunction`, or a decorator when there was no function.

    Raises:
        ModuleNotFoundError: If there is no such configuration module.
        ValueError: If the configuration has no such chain, if a parameter makes no
            sense to one of its advices or has an unknown key, or if its name is a slip
            of `config` or `chain`.
        TypeError: If what was decorated is not a function.
        RuntimeError: If there is more than one positional argument.
    """
    if len(function) > 1:
        raise RuntimeError(
            "Invalid 'task' decorator: it takes one function and keyword arguments, "
            f"but got {len(function)} positional arguments."
        )
    _check_names(advice_parameters)
    if config is None:
        config = configuration_for(_package_of(sys._getframe(1).f_globals))
    configuration = get_configuration(config)
    if chain is not None:
        check_type("task", "the name of an advice chain as chain", chain, str)
    advice_chain = configuration.chains["default" if chain is None else chain]

    def decorate(function: Any) -> Any:
        is_bound_by_itself = isinstance(function, (staticmethod, classmethod))
        decorated = _task_function(
            function.__func__ if is_bound_by_itself else function,
            configuration,
            advice_chain,
            advice_parameters,
        )
        if not is_bound_by_itself:
            return method_of(decorated)
        kind = type(function)
        return (TaskClassMethod if kind is classmethod else kind)(decorated)

    return decorate(function[0]) if function else decorate


def _package_of(namespace: dict[str, Any]) -> str | None:
    """Return the package that a module belongs to; a package belongs to itself."""
    package: str | None = namespace.get("__package__")
    name = namespace.get("__name__")
    if package is None and isinstance(name, str):
        # Python 3.8 says that of what is in a zip file when it was executed.
        package = name if "__path__" in namespace else name.rpartition(".")[0]
    return package


def _task_function(
    function: Any,
    configuration: Configuration,
    chain: AdviceChain,
    advice_parameters: Any,
) -> Any:
    if isinstance(function, TaskMethod):
        function = function.func
    task = Task.create_task(function, advice_parameters)
    reserve_run_id()
    clean_up_at_exit()
    environment = advice_parameters.get("environment")
    if environment is not None:
        from ..advices.environment import environment_step

        task.steps = (environment_step(task, environment, configuration),)
    chain = chain.for_task(task)
    if advice_parameters:
        _check_parameters(task, chain)
    wrap = _wrap_coroutine_function if task.is_coroutine_function else _wrap_function
    if "IPython" in sys.modules:
        wrap = _follow_reloads(wrap)
    wrapper = wrap(task, configuration, chain)
    if script_is_not_imported_yet():
        wrapper = refuse_calls_of_imported_script(wrapper)
    update_wrapper(wrapper, function)
    task.decoration = decorated_again, configuration.module_name, chain.name
    wrapper.bandsaw_task = task  # type: ignore[attr-defined]
    wrapper.bandsaw_configuration = configuration  # type: ignore[attr-defined]
    add_questions(wrapper, task, configuration, chain.name)
    _add_submit(wrapper, task, configuration, chain)
    return wrapper


def decorated_again(
    function: Any, config: str, chain: str, advice_parameters: dict[str, Any]
) -> Any:
    """Make a task of a function that has come from another interpreter.

    Args:
        function: The function.
        config: The name of the configuration's module.
        chain: The name of the chain.
        advice_parameters: The parameters for the advices.
    """
    configuration = configuration_of_session(config)
    advice_chain = configuration.chains[chain]
    return _task_function(function, configuration, advice_chain, advice_parameters)


_PACKAGE = __name__.partition(".")[0] + "."

# The tasks and names that were warned of
_warned: set[tuple[str, str]] = set()
call_at_reset(_warned.clear)


def _check_names(names: Iterable[str]) -> None:
    """Refuse parameters of a task that are slips of those of the decorator.

    Args:
        names: The names of the parameters.

    Raises:
        ConfigurationError: If one differs from `config` or `chain` by one edit.
    """
    for name in names:
        for right in "config", "chain":
            if _is_one_edit_from(right, name):
                raise ConfigurationError(
                    f"Invalid 'task' decorator: it takes no argument {name!r}. "
                    f"Did you mean {right!r}?"
                )


def _check_parameters(task: Task, chain: AdviceChain) -> None:
    """Have the advices of a chain check the parameters of a task.

    Args:
        task: The task, which has parameters.
        chain: The chain of its calls.

    Raises:
        ConfigurationError: If a parameter makes no sense to an advice, or has an
            unknown key.
    """
    for name, value in task.advice_parameters.items():
        if isinstance(value, dict) and KNOWN_KEYS.get(name):
            _check_keys(task, chain, name, value)
    for advice in chain.walk.advices:
        check = getattr(advice, "check_task", None)
        if check is not None:
            check(task)
    if code_came_at.get() is None:  # Otherwise the sender of the code has warned.
        _warn_of_unknown_parameters(task, chain)


def _check_keys(
    task: Task, chain: AdviceChain, name: str, parameter: dict[Any, Any]
) -> None:
    """Refuse a key that is unknown, or a slip where a reader may know others."""
    are_declared = True
    for reader in _readers_of(chain):
        kind = type(reader)
        declared = _parameters_of(kind)
        if declared is None:
            are_declared = False
        elif name in declared and not kind.__module__.startswith(_PACKAGE):
            return  # It checks that itself.
    known = KNOWN_KEYS[name]
    for key in parameter:
        if key in known:
            continue
        if are_declared or any(_is_one_edit_from(one, str(key)) for one in known):
            raise unknown_key(task, name, key)


def _readers_of(chain: AdviceChain) -> tuple[Any, ...]:
    # Not those that stand in for them, which read less.
    return *chain.advices, *chain.configured_extensions


def _warn_of_unknown_parameters(task: Task, chain: AdviceChain) -> None:
    readers = _readers_of(chain)
    known = set(KNOWN_KEYS)
    for reader in readers:
        declared = _parameters_of(type(reader))
        if declared is None:
            return
        known |= declared
    for name in task.advice_parameters if readers else ():
        if name in known or (str(task), name) in _warned:
            continue
        _warned.add((str(task), name))
        import difflib

        nearest = difflib.get_close_matches(name, sorted(known), 1, 0)[0]
        warn_caller(
            f"Task {task} has the parameter {name!r}, which no advice and no extension "
            f"of its chain {chain.name!r} reads. The nearest one is {nearest!r}.",
            UserWarning,
        )


def _parameters_of(kind: type[Any]) -> set[str] | None:
    """Return the parameters that a class reads, `None` if it does not declare them."""
    # A subclass may read more than it inherits, so it has to declare that itself.
    if not isinstance(vars(kind).get("parameters"), tuple):
        return None
    declared = [vars(base).get("parameters") for base in kind.__mro__]
    return {name for names in declared if isinstance(names, tuple) for name in names}


def _is_one_edit_from(word: str, other: str) -> bool:
    """Tell if a word becomes another by one letter, or two neighbours that swap."""
    start = 0
    while word[start : start + 1] == other[start : start + 1] != "":
        start += 1
    rest, other_rest = word[start:], other[start:]
    return word != other and (
        rest[1:] == other_rest
        or rest == other_rest[1:]
        or rest[1:] == other_rest[1:]
        or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])
    )


def _add_submit(
    wrapper: Any, task: Task, configuration: Configuration, chain: AdviceChain
) -> None:
    owner = task.function.__qualname__.rpartition(".")[0]
    is_in_class = owner != "" and not owner.endswith("<locals>")

    def submit(*args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Have the call made when it is its turn, and return what it will come to."""
        if is_in_class:
            check_class(task, args)
        return futures.submit(task, configuration, chain, args, kwargs)

    if script_is_not_imported_yet():
        submit = refuse_calls_of_imported_script(submit)
    wrapper.submit = submit
    root = configuration.chains[chain.name]

    def make_lists() -> futures.Lists | None:
        return None if is_in_class else futures.Lists(task, configuration, chain)

    def map(*iterables: Any, buffersize: int | None = None) -> futures.Results[Any]:
        """Return an iterator over the results of calls with items of the iterables."""
        return futures.Results(submit, iterables, root, buffersize, make_lists())

    def map_unordered(
        *iterables: Any, buffersize: int | None = None
    ) -> futures.Results[Any]:
        """Return an iterator over the results of such calls as they come."""
        return futures.UnorderedResults(
            submit, iterables, root, buffersize, make_lists()
        )

    wrapper.map, wrapper.map_unordered = map, map_unordered


def _wrap_function(
    task: Task, configuration: Configuration, chain: AdviceChain
) -> Callable[..., Any]:
    # A closure with one test is the cheapest thing that can stand before a function.
    function, name = task.callable, chain.name

    def call(*args: Any, **kwargs: Any) -> Any:
        if chain.idle:
            return function(*args, **kwargs)
        session = Session(
            task, Execution.of_call(task, args, kwargs), configuration, name
        )
        try:
            result = advise(session)
        except BaseException as error:
            result = Result(exception=error)
        if result.exception is not None:
            try:
                raise failures.told(result.exception, session)
            finally:
                del result  # It holds the exception, which holds this frame.
        return result.value

    return call


def _wrap_coroutine_function(
    task: Task, configuration: Configuration, chain: AdviceChain
) -> Callable[..., Any]:
    function, name = task.callable, chain.name

    async def call(*args: Any, **kwargs: Any) -> Any:
        if chain.idle:
            return await function(*args, **kwargs)
        from .coroutines import advise_coroutine

        session = Session(
            task, Execution.of_call(task, args, kwargs), configuration, name
        )
        try:
            result = await advise_coroutine(session)
        except BaseException as error:
            result = Result(exception=error)
        if result.exception is not None:
            try:
                raise failures.told(result.exception, session)
            finally:
                del result  # It holds the exception, which holds this frame.
        return result.value

    return call


def _follow_reloads(wrap: Callable[..., Any]) -> Callable[..., Any]:
    """Let what wraps a task follow the reloader of IPython.

    That gives an old function the attributes of a new one, from IPython 9 on also its
    default values, but not always its closure. So the function reads there what it has
    to call.

    Args:
        wrap: Makes what is called.
    """

    def wrap_again(task: Task, *arguments: Any) -> Any:
        def call(*args: Any, _bandsaw_wrapper: Any = None, **kwargs: Any) -> Any:
            return _bandsaw_wrapper.bandsaw_call(*args, **kwargs)

        async def call_coroutine_function(
            *args: Any, _bandsaw_wrapper: Any = None, **kwargs: Any
        ) -> Any:
            return await _bandsaw_wrapper.bandsaw_call(*args, **kwargs)

        wrapper: Any = call
        if task.is_coroutine_function:
            wrapper = call_coroutine_function
        wrapper.__kwdefaults__ = {"_bandsaw_wrapper": wrapper}
        wrapper.bandsaw_call = wrap(task, *arguments)
        return wrapper

    return wrap_again
