"""A function whose calls are advised, and how another interpreter finds it."""

from __future__ import annotations

import contextvars
import sys
from types import FunctionType

from .exceptions import MutatedArgumentWarning, NotMovableError, UnstableValueError
from .identifier import identifier_from_string, unique_identifier
from .modules import (
    describer,
    import_object,
    importable_module_name,
    is_of_doctest,
    remember_script,
)
from .result import Result
from .runtime.caller_warnings import warn_caller
from .serialization import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    import inspect
    from typing import Any, Callable, Coroutine, Mapping, Sequence

    from .advice import Advice
    from .execution import Execution

    # Of each parameter its name, its kind and its default
    Parameters = Sequence[tuple[str, int, Any]]


# Flags of code objects; the module `inspect`, which names them, costs 8 ms to import.
_VARARGS, _VARKEYWORDS, _GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 4, 8, 32, 128, 512

# The kinds of parameters, with the numbers that `inspect` gives them
POSITIONAL_ONLY, POSITIONAL_OR_KEYWORD, VAR_POSITIONAL, KEYWORD_ONLY, VAR_KEYWORD = (
    range(5)
)

#: The default of a parameter that has none.
NO_DEFAULT: Any = object()

# How a coroutine is run by a thread in which a session walks. An asynchronous caller
# sets it to something that runs the coroutine on the caller's event loop.
coroutine_runner: contextvars.ContextVar[
    Callable[[Coroutine[Any, Any, Any]], Any] | None
] = contextvars.ContextVar("bandsaw_coroutine_runner", default=None)


class Task(SerializableValue):
    """A function whose calls are advised.

    Attributes:
        callable: What a call of the task executes: the function, and the decorators
            between it and `@task`.
        function: The function itself, without any decorator.
        steps: What the parameters ask for beside the chain, as innermost steps.
        decoration: What makes the decorated function of the task's, and its arguments
            behind that; empty for a task that was not made by a decorator.
        has_warned: Whether a warning has told that the task changes its arguments.
    """

    decoration: tuple[Any, ...] = ()
    has_warned = False
    _task_id: str | None = None

    def __init__(
        self,
        function: FunctionType,
        advice_parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.callable = function
        self.function: FunctionType = unwrap(function)
        self._advice_parameters = dict(advice_parameters or {})
        self.steps: tuple[Advice, ...] = ()
        self._is_coroutine_function = bool(function.__code__.co_flags & _COROUTINE)
        self._parameters: _Parameters | None = None
        if function.__module__ == "__main__":
            # Its calls may go on in threads when the script has come to its end.
            remember_script()

    @classmethod
    def create_task(
        cls, obj: Any, advice_parameters: Mapping[str, Any] | None = None
    ) -> Task:
        """Make a task.

        Args:
            obj: The function that becomes a task.
            advice_parameters: The task's parameters for the advices.

        Raises:
            TypeError: If the object is not a function.
        """
        if not isinstance(obj, FunctionType) or not isinstance(
            unwrap(obj), FunctionType
        ):
            raise TypeError(
                f"Unsupported task object of type {type(obj)}: {obj!r} is not a "
                "function."
            )
        return cls(obj, advice_parameters)

    @property
    def task_id(self) -> str:
        """The id: made from the name, for a local function also from its code."""
        if self._task_id is None:
            # At once: threads have to agree on an id that was made up.
            return str(vars(self).setdefault("_task_id", self._compute_id()))
        return self._task_id

    @task_id.setter
    def task_id(self, task_id: str) -> None:
        self._task_id = task_id

    def _compute_id(self) -> str:
        names: tuple[Any, ...] = (self.function.__qualname__, self._module_name)
        if self._is_local:
            from .fingerprint import fingerprint

            try:
                names += (fingerprint(self.function).hex(),)
            except UnstableValueError:
                names += (unique_identifier(),)
        if "version" in self._advice_parameters:
            names += (self._advice_parameters["version"],)
        return identifier_from_string(repr(names))

    @property
    def advice_parameters(self) -> dict[str, Any]:
        """A copy of the task's parameters for the advices, by name."""
        return dict(self._advice_parameters)

    @property
    def source(self) -> str:
        """The source text of the function.

        Raises:
            OSError: If there is none.
        """
        import inspect

        return inspect.getsource(self.function)

    @property
    def bytecode(self) -> bytes:
        """The compiled instructions of the function."""
        return self.function.__code__.co_code

    @property
    def signature(self) -> inspect.Signature:
        """The signature of the function."""
        import inspect

        return inspect.signature(self.function)

    @property
    def parameters(self) -> Parameters:
        """The name, the kind and the default of each parameter of the function."""
        if "__signature__" in vars(self.function):
            return _parameters_of(self.signature)
        return self._prepared_parameters().listed()

    @property
    def is_coroutine_function(self) -> bool:
        """Whether a call gives a coroutine."""
        return self._is_coroutine_function

    @property
    def is_generator_function(self) -> bool:
        """Whether a call gives a generator, which can be neither moved nor cached."""
        return bool(self.function.__code__.co_flags & (_GENERATOR | _ASYNC_GENERATOR))

    @property
    def _module_name(self) -> str:
        return importable_module_name(self.function.__module__ or "builtins")

    @property
    def _is_local(self) -> bool:
        # Neither can be told from others by its name.
        qualname = self.function.__qualname__
        return "<locals>" in qualname or "<lambda>" in qualname

    @property
    def is_described(self) -> bool:
        """Whether it travels by its text, since no name leads to it elsewhere."""
        return self._is_local or is_of_doctest(self.function)

    def execute(self, execution: Execution) -> Result:
        """Call the function.

        Args:
            execution: The arguments.

        Returns:
            The value, or the `Exception` that the function raised.
        """
        try:
            value = self.callable(*execution.args, **execution.kwargs)
            if self._is_coroutine_function:
                value = run_coroutine(value)
        except Exception as error:
            return Result(exception=error)
        return Result(value)

    def bind(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Give each argument the name of its parameter, and add the defaults.

        Args:
            args: The positional arguments of a call.
            kwargs: Its keyword arguments.

        Returns:
            The value of each parameter, or `None` if the arguments do not fit.
        """
        return self._prepared_parameters().bind(args, kwargs)

    def _prepared_parameters(self) -> _Parameters:
        if self._parameters is None:
            self._parameters = _Parameters(self.function)
        return self._parameters

    def serialized(self) -> dict[str, Any]:
        """Return what a serializer writes of the task: where to find it.

        Raises:
            NotMovableError: If another interpreter would not find it.
        """
        values: dict[str, Any] = {
            "name": self.function.__qualname__,
            "module": self._importable_module(),
            "advice_parameters": self._advice_parameters,
            "task_id": self.task_id,
        }
        if self.is_described:
            values["function"] = self.callable
        if self.steps:
            values["steps"] = self.steps
        return values

    @classmethod
    def deserialize(cls, values: dict[str, Any]) -> Task:
        """Find the task of which a serializer has read where it is.

        Raises:
            NotMovableError: If the module, imported here, does not define it.
        """
        name, module = values["name"], values["module"]
        function = values.get("function")
        if function is None:
            function = cls._find(name, module)
        task = cls(function, values["advice_parameters"])
        task.task_id = values["task_id"]
        task.steps = tuple(values.get("steps", ()))
        return task

    @staticmethod
    def _find(name: str, module: str) -> Any:
        try:
            target = below_descriptor(import_object(name, module))
        except AttributeError as error:
            raise NotMovableError(
                f"Task {module}.{name} cannot be moved to another interpreter: its "
                "module does not define it when it is imported. Define it at the top "
                "level, not behind \"if __name__ == '__main__':\"."
            ) from error
        # What was found may be the decorated function, the function below, or
        # something that another decorator has made of the decorated function.
        decorated = getattr(target, "bandsaw_task", None)
        return target if decorated is None else decorated.callable

    def __reduce__(self) -> tuple[Any, ...]:
        return Task.deserialize, (self.serialized(),)

    def is_found_by_name(self) -> bool:
        """Tell if the name of the function refers to it; a reload may change that."""
        found: Any = sys.modules.get(self.function.__module__)
        try:
            for part in self.function.__qualname__.split("."):
                found = getattr(found, part)
        except AttributeError:
            return False
        return unwrap(found) is self.function

    def _importable_module(self) -> str:
        """Return the module in which another interpreter finds the function."""
        if self.is_generator_function:
            raise self._not_movable(
                "it is a generator function, and a generator lives where it was made. "
                "Return a list instead"
            )
        name = self._module_name
        describing = describer.get()
        if self.is_described and describing is not None:
            function = self.callable
            if describing.reduce(function) is NotImplemented and (
                name != "__main__" or is_of_doctest(function)
            ):
                raise self._not_movable(
                    "it is local to a function or has no name, and no text compiles "
                    "to what is loaded. Define it with 'def' at the top level of its "
                    "module"
                )
            return name
        if self.is_described:
            raise self._not_movable(
                "it is local to a function or has no name. Define it with 'def' at "
                "the top level of its module"
            )
        is_described = name == "__main__" and describing is not None
        if name == "__main__" and not is_described:
            raise self._not_movable(
                "it was not defined in a file that can be imported, but at a prompt, "
                "in a notebook, with 'python -c', or in a script whose name does not "
                "end with '.py'. Move it to a module"
            )
        if sys.modules.get(self.function.__module__) is None:
            raise self._not_movable(
                f"its module {self.function.__module__!r} is not a loaded module, "
                "perhaps because of 'exec'. Move it to one"
            )
        if not self.is_found_by_name():
            raise self._not_movable(
                f"the name {self.function.__qualname__!r} of module {name!r} leads to "
                "something else"
            )
        return name

    def _not_movable(self, reason: str) -> NotMovableError:
        return NotMovableError(
            f"Task {self} cannot be moved to another interpreter: {reason}."
        )

    def __str__(self) -> str:
        return f"{self._module_name}.{self.function.__qualname__}"

    def __repr__(self) -> str:
        return f"<Task {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return self.task_id == other.task_id

    def __hash__(self) -> int:
        return hash(self.task_id)


class OwnTask:
    """A task object of the user's own, with everything that the engine asks of a task.

    The object itself needs to have only `task_id` and `execute`. What else it has is
    used.

    Args:
        own: The object.
    """

    __slots__ = ("own",)

    def __init__(self, own: Any) -> None:
        self.own = own

    @property
    def task_id(self) -> str:
        """The id."""
        return self.own.task_id  # type: ignore[no-any-return]

    @property
    def advice_parameters(self) -> dict[str, Any]:
        """The task's parameters for the advices, by name."""
        return getattr(self.own, "advice_parameters", None) or {}

    @property
    def steps(self) -> tuple[Advice, ...]:
        """The steps that the parameters ask for in addition to the chain."""
        return getattr(self.own, "steps", ())

    @property
    def callable(self) -> Any:
        """The object that is called, `None` if that is not known."""
        return getattr(self.own, "callable", None)

    @property
    def function(self) -> Any:
        """The function, `None` if there is none."""
        return getattr(self.own, "function", None)

    @property
    def signature(self) -> inspect.Signature:
        """The signature of the function.

        Raises:
            AttributeError: If the object has none.
        """
        return self.own.signature  # type: ignore[no-any-return]

    @property
    def parameters(self) -> Parameters:
        """The name, the kind and the default of each parameter of the function.

        Raises:
            AttributeError: If the object has no signature.
        """
        return _parameters_of(self.signature)

    @property
    def is_generator_function(self) -> bool:
        """Whether a call gives a generator."""
        return bool(getattr(self.own, "is_generator_function", False))

    def is_found_by_name(self) -> bool:
        """Tell that the object, which names itself, is found."""
        return True

    def bind(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Give each argument the name of its parameter, `None` if there are none."""
        bind = getattr(self.own, "bind", None)
        return None if bind is None else bind(args, kwargs)

    def __str__(self) -> str:
        return str(self.own)


def full_task(task: Any) -> Task | OwnTask:
    """Return a task that has everything that the engine asks of one.

    Args:
        task: A `Task`, which is returned, or a task object of the user's own.
    """
    return task if isinstance(task, Task) else OwnTask(task)


def warn_of_changed_arguments(task: Any, names: Sequence[str]) -> None:
    """Warn that a task changes arguments in place, once for each task.

    Args:
        task: A `Task`, or a task object of the user's own.
        names: The names of the arguments.
    """
    import contextlib

    if getattr(task, "has_warned", False):
        return
    # An object of the user's own may bear no attributes.
    with contextlib.suppress(AttributeError):
        task.has_warned = True
    what = f"argument {names[0]!r}"
    if len(names) > 1:
        what = f"arguments {', '.join(map(repr, names))}"
    message = (
        f"Task {task} changes its {what} in place. Its caller does not see the change "
        "when the result comes from the cache, or when another interpreter runs the "
        "task. Change a copy in it, and return that."
    )
    code = getattr(full_task(task).function, "__code__", None)
    if code is None:
        warn_caller(message, MutatedArgumentWarning)
    else:
        import warnings

        warnings.warn_explicit(
            message, MutatedArgumentWarning, code.co_filename, code.co_firstlineno
        )


def below_descriptor(attribute: Any) -> Any:
    """Return the function that an attribute of a class was made of.

    Args:
        attribute: A bound method, a property, or anything else, which is returned.
    """
    if isinstance(attribute, property):
        return attribute.fget
    # Until the module is imported there is none of its class.
    functools: Any = sys.modules.get("functools")
    if functools is not None and isinstance(attribute, functools.cached_property):
        return attribute.func
    return getattr(attribute, "__func__", attribute)


def unwrap(function: Any) -> Any:
    """Return the function below all well-behaved decorators.

    Args:
        function: A function, a bound method, a property, or what decorators made of
            them.

    Returns:
        What the last `__wrapped__` refers to.
    """
    seen = set()
    function = below_descriptor(function)
    while hasattr(function, "__wrapped__") and id(function) not in seen:
        seen.add(id(function))
        function = function.__wrapped__
    return function


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end: on the event loop of the task's caller if it has one.

    Args:
        coroutine: What the call of a coroutine function gave.

    Returns:
        What the coroutine returns.
    """
    runner = coroutine_runner.get()
    if runner is None:
        import asyncio

        runner = asyncio.run
    return runner(coroutine)


def _parameters_of(signature: inspect.Signature) -> Parameters:
    return [
        (p.name, int(p.kind), NO_DEFAULT if p.default is p.empty else p.default)
        for p in signature.parameters.values()
    ]


class _Parameters:
    """The parameters of a function, prepared for binding many calls.

    The `bind` of `inspect.Signature` takes longer than everything else that an id
    needs.
    """

    def __init__(self, function: FunctionType) -> None:
        code = function.__code__
        names = code.co_varnames
        positional, total = (
            code.co_argcount,
            code.co_argcount + code.co_kwonlyargcount,
        )
        self.positional = names[:positional]
        self.keyword_only = names[positional:total]
        self.by_keyword = frozenset(names[code.co_posonlyargcount : total])
        self.required = frozenset(names[:total])
        self.varargs = self.varkeywords = None
        if code.co_flags & _VARARGS:
            self.varargs = names[total]
            total += 1
        if code.co_flags & _VARKEYWORDS:
            self.varkeywords = names[total]
        self.defaults = dict(function.__kwdefaults__ or {})
        defaults = function.__defaults__ or ()
        if defaults:
            self.defaults.update(zip(self.positional[-len(defaults) :], defaults))
        # How many positional arguments need nothing else beside them.
        self.complete = None
        if len(self.required) == positional and not (self.varargs or self.varkeywords):
            self.complete = positional

    def bind(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any] | None:
        if len(args) == self.complete and not kwargs:
            return dict(zip(self.positional, args))
        values = dict(self.defaults)
        named = dict(zip(self.positional, args))
        if len(args) > len(self.positional) and self.varargs is None:
            return None
        others = {}
        for name, value in kwargs.items():
            if name in self.by_keyword:
                if name in named:
                    return None
                named[name] = value
            elif self.varkeywords is None:
                return None
            else:
                others[name] = value
        values.update(named)
        if not self.required <= values.keys():
            return None
        if self.varargs is not None:
            values[self.varargs] = args[len(self.positional) :]
        if self.varkeywords is not None:
            values[self.varkeywords] = others
        return values

    def listed(self) -> Parameters:
        """Return the parameters in the signature of the function, in its order."""
        kinds = [
            (n, POSITIONAL_OR_KEYWORD if n in self.by_keyword else POSITIONAL_ONLY)
            for n in self.positional
        ]
        if self.varargs is not None:
            kinds.append((self.varargs, VAR_POSITIONAL))
        kinds += [(name, KEYWORD_ONLY) for name in self.keyword_only]
        if self.varkeywords is not None:
            kinds.append((self.varkeywords, VAR_KEYWORD))
        return [(n, kind, self.defaults.get(n, NO_DEFAULT)) for n, kind in kinds]
