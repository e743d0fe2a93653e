"""Values that were stored, made anew to be compared with what is read.

A name in `.forms/*/values.json` identifies the value that is expected. What a form
holds stays here as it is; more may be added for a form that is written later.
"""

from __future__ import annotations

import enum
import pickle
from collections import OrderedDict, namedtuple
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any, Callable, Dict, NamedTuple

import bandsaw
from bandsaw import exceptions
from bandsaw.advices.environment import EnvironmentAdvice
from bandsaw.advices.log import SessionIds
from bandsaw.advices.ssh import Remote, SshCommandLineBackend
from bandsaw.context import Context
from bandsaw.environments import Environment
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.run import Run
from bandsaw.serialization import Opaque, SerializableValue
from bandsaw.session import Ids, Session
from bandsaw.stores import Item
from bandsaw.tasks import Task

from . import tasks

Makers = Dict[str, Callable[[], Any]]

HERE = Path(__file__).parent

RUN = {
    "id": "run 1",
    "start_date": "2024-02-29T12:00:00.000000Z",
    "user": "user",
    "command": ["python", "workflow.py"],
    "env": {"LANG": "C.UTF-8"},
    "meta": {"purpose": "kept"},
}

# Every class that a program may find in a result, by its name.
EXCEPTIONS = (
    "AdviceError",
    "BandsawError",
    "ConfigurationError",
    "DamagedEntryError",
    "EnvironmentBuildError",
    "EnvironmentLockError",
    "InterpreterDiedError",
    "InterpreterError",
    "InterpreterStartError",
    "InvalidSessionError",
    "MainGuardError",
    "MissingExtraError",
    "NotMovableError",
    "OpaqueValueError",
    "ProtocolError",
    "PythonNotFoundError",
    "RemoteTraceback",
    "SerializationError",
    "SignatureError",
    "TaskMemoryError",
    "TaskTimeoutError",
    "UnreachableError",
    "UnreadableFileError",
    "UnstableValueError",
    "UntrustedDirectoryError",
)


def raised(name: str) -> Any:
    error = getattr(exceptions, name)(f"{name} of a task")
    if name == "OpaqueValueError":
        error.name = "missing"  # The only one with an attribute
    return error


def interpreter() -> Any:
    made = bandsaw.Interpreter(path=("/project",), executable="/usr/bin/python3")
    return made.set_environment(LANG="C")


def environment() -> Any:
    made = Environment("3.8", ["numpy <2"], constraints=["six ==1.16"], name="old")
    return made.at("/project")


def context() -> Any:
    made = Context({"note": ("a", 1)})
    made["cache"]["hit"] = True
    return made


def execution() -> Any:
    return Execution("0123456789abcdef", (1, [2]), {"c": (3,)})


def unstable_execution() -> Any:
    made = execution()
    made.instability = exceptions.UnstableValueError("args[1]: a lock")
    return made


def task() -> Any:
    return Task.create_task(tasks.double, {"version": "1", "ssh": {"remote": "gpu"}})


def task_with_environment() -> Any:
    made = task()
    made.steps = (EnvironmentAdvice(environment()),)
    return made


def session_ids() -> Any:
    execution = Execution("0123456789abcdef")
    session = Session(task(), execution, bandsaw.Configuration())
    session._ids = Ids(session.task.task_id, execution.execution_id, "run 1")
    return SessionIds(session.ids)


FACTS = {
    "type": "nowhere.Thing",
    "module": "nowhere",
    "text": "<Thing>",
    "origin": "Python 3.8.18 (python)",
}


def opaque() -> Any:
    # The class itself: nothing but its name is in the pickle.
    return Opaque(b"\x80\x04\x8c\x07nowhere\x94\x8c\x05Thing\x94\x93\x94.", FACTS)


class Pair(NamedTuple):
    """A stored form, and the value that is read of it."""

    written: Any
    read: Any


def published_result() -> Any:
    """As the published releases have pickled it, by way of its attributes."""
    state = b"}(X\5\0\0\0valueK\7X\t\0\0\0exceptionNub."
    return Pair(b"\x80\2cbandsaw.result\nResult\n)\x81" + state, Result(7))


def opened_value() -> Any:
    """A value that was closed for another reader, and is read where it is known."""
    value = Fraction(1, 3)
    return Pair(Opaque(pickle.dumps(value, 4), {**FACTS, "type": "Fraction"}), value)


def nowhere_error() -> Any:
    """An exception whose class cannot be imported, but its base."""
    bases: Any = (exceptions.InterpreterDiedError,)
    made = type("NowhereError", bases, {"__module__": "nowhere"})("too long")
    made.seconds = 5
    return made


def nowhere_tuple() -> Any:
    make: Any = namedtuple
    return make("NowhereTuple", ["a", "b"], module="nowhere")(1, (2,))


# JSON did not hold these when the forms were written: their classes are made of two
# that are written in C.
OF_TWO_BASES = ("TaskTimeoutError", "UnreachableError", "UnreadableFileError")

VALUES: Makers = {
    **{
        f"exception {name}": partial(raised, name)
        for name in EXCEPTIONS
        if name not in OF_TWO_BASES
    },
    "Result": lambda: Result({"value": (1, None)}),
    "Result with an exception": lambda: Result(exception=raised("TaskMemoryError")),
    "Execution": execution,
    "Execution without identity": unstable_execution,
    "Context": context,
    "Task": task,
    "Task with an environment": task_with_environment,
    "Interpreter": interpreter,
    "Environment": environment,
    "EnvironmentAdvice": lambda: EnvironmentAdvice(environment()),
    "File": lambda: bandsaw.File("/data/input.csv"),
    "nested": lambda: [Result(context()), {"file": bandsaw.File("/a")}, Result()],
}

# What can be pickled, but is no value for JSON.
PICKLED: Makers = {
    **{f"exception {name}": partial(raised, name) for name in OF_TWO_BASES},
    "exception of a file": lambda: exceptions.UnreadableFileError(2, "no", "/a/file"),
    "Result of a published release": published_result,
    "Run": lambda: Run.from_json(RUN),
    "Ids": lambda: Ids("task", "execution", "run_1"),
    "SessionIds": session_ids,
    "Opaque": opaque,
    "opened value": opened_value,
    "Remote": lambda: Remote(
        "gpu",
        port=2222,
        user="user",
        key_file="/key",
        interpreter=interpreter(),
        directory="~/tmp",
    ),
    "SshCommandLineBackend": SshCommandLineBackend,
    "Item": lambda: Item("task/execution", size=3, written=1.5, used=2.5, hits=4),
    "PickleSerializer": bandsaw.PickleSerializer,
    "JsonSerializer": bandsaw.JsonSerializer,
    "task function": lambda: tasks.decorated,
    "bound task": lambda: tasks.Counter(3).add,
    # Pickled by their names, as an argument or in a result
    **{
        f"bandsaw.{name}": partial(getattr, bandsaw, name)
        for name in (
            "Configuration",
            "Extension",
            "File",
            "Interpreter",
            "JsonSerializer",
            "Opaque",
            "PickleSerializer",
            "get_configuration",
            "get_run_id",
            "identifier_from_string",
            "progress",
            "set_run_id",
            "task",
        )
    },
}

# Only the serializers of bandsaw give these back.
SERIALIZED: Makers = {
    "exception of a user": lambda: tasks.CodeError(7, reason=("a", 1)),
    "exception of a user, and of bandsaw": lambda: tasks.SessionError("no answer"),
    "exception of nowhere": nowhere_error,
}


class Color(enum.Enum):
    RED = (255, 0, 0)


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Name(str):
    pass


JSON: Makers = {
    "tuple": lambda: (1, (2, [3])),
    "named tuple": lambda: tasks.Point(1, (2,)),
    "named tuple of nowhere": nowhere_tuple,
    "enum": lambda: Color.RED,
    "flag": lambda: Access.READ | Access.WRITE,
    "subclass": lambda: [Name("text"), OrderedDict([("b", 1), ("a", (2,))])],
    "keys": lambda: {1: "a", (2, 3): "b"},
    "reserved key": lambda: {"_serializer": "TupleSerializer", "value": 1},
    "large number": lambda: 10**5000,
    "halves of a character": lambda: "\ud83d\ude00",
}


def array(**options: Any) -> Any:
    import numpy

    return numpy.arange(6, **options)


ARRAYS: Makers = {
    "array": array,
    "array of two dimensions": lambda: array().reshape(2, 3),
    "array in the order of Fortran": lambda: array().reshape(2, 3).T,
    "array of dates": lambda: array().astype("M8[D]"),
    "array of time spans": lambda: array().astype("m8[s]"),
    "array of every second number": lambda: array()[::2],
    "array of objects": lambda: array().astype(object),
    "number of numpy": lambda: array(dtype="f4")[1],
    "result with an array": lambda: Result(array()[::2]),
}

#: What was written in which way.
BY_WAY: dict[str, Makers] = {
    "plain pickle": {**VALUES, **PICKLED, **ARRAYS},
    "PickleSerializer": {**VALUES, **PICKLED, **SERIALIZED, **ARRAYS},
    "pickle with buffers": {**ARRAYS, "samples": lambda: tasks.large(512)},
    "JsonSerializer": {**VALUES, **SERIALIZED, **JSON},
}

# The sessions, and the cached call, that have an array
NEEDING_NUMPY = frozenset(("arrays",))


# Sessions: the task, the arguments, and the steps at which they were saved


class Call(NamedTuple):
    """A call whose session was saved at some moments."""

    task: Callable[[], Any]
    args: Callable[[], tuple[Any, ...]]
    kwargs: Callable[[], dict[str, Any]]
    moments: tuple[str, ...]


def nothing() -> Any:
    return {}


SESSIONS = {
    "double": Call(
        task,
        lambda: ([1, (2, "x")],),
        lambda: {"context": context(), "on": interpreter()},
        ("created", "before", "after", "finished"),
    ),
    "fail": Call(
        lambda: Task.create_task(tasks.fail), lambda: (7,), nothing, ("after",)
    ),
    "environment": Call(task_with_environment, lambda: (1,), nothing, ("created",)),
    "arrays": Call(
        lambda: Task.create_task(tasks.double),
        lambda: (array(),),
        nothing,
        ("before", "after"),
    ),
}

CONTEXT = {"made": {"by": ("a", 1)}}
ATTACHMENT = b"an attachment\n"


# Cache entries: the function, the argument, the parameters of the task


class Kept(NamedTuple):
    """A call whose result was kept, and by which serializers."""

    function: Any
    value: Callable[[], Any]
    cache: Any
    serializers: tuple[str, ...]


WITH_JSON = ("pickle", "json", "signed", "signed-json")
NOT_CODE = {"code": "ignore"}

KEPT = {
    "small": Kept(tasks.small, lambda: 3, True, WITH_JSON),
    "file": Kept(tasks.name_file, lambda: "/data/input.csv", NOT_CODE, WITH_JSON),
    "opaque": Kept(tasks.give_back, opaque, NOT_CODE, ("pickle", "signed")),
    "large": Kept(tasks.large, lambda: 1 << 16, True, ("pickle",)),
    "arrays": Kept(tasks.arrays, lambda: 1 << 13, NOT_CODE, ("pickle",)),
    # Their identity holds the names of their classes.
    **{
        f"take-{name}": Kept(tasks.take, value, NOT_CODE, ("pickle",))
        for name, value in {
            "File": lambda: bandsaw.File(HERE / "input.txt"),
            "Interpreter": interpreter,
            "Environment": environment,
            "Result": lambda: Result({"value": (1, None)}),
            "Context": context,
            "Execution": execution,
            "Ids": PICKLED["Ids"],
            "Run": PICKLED["Run"],
            "Opaque": opaque,
            "exception": partial(raised, "TaskTimeoutError"),
            "class": lambda: bandsaw.Interpreter,
            "function": lambda: bandsaw.progress,
            "task": lambda: tasks.decorated,
            "Remote": PICKLED["Remote"],
        }.items()
    },
}


# What two values have in common that mean the same


def described(value: Any) -> Any:
    """Describe a value so that equal descriptions mean: equal, and of equal types."""
    kind = type(value)
    if kind.__module__ == "nowhere":
        # It is made anew each time.
        return ["nowhere", kind.__qualname__, *kind.__mro__[1:], *_content(value)]
    return [kind, *_content(value)]


def _content(value: Any) -> list[Any]:
    if isinstance(value, (type, FunctionType, str, enum.Enum)):
        return [value]
    if type(value).__module__ == "numpy":
        return [str(value.dtype), value.shape, value.tolist()]
    if isinstance(value, BaseException):
        names = ("name", "errno", "strerror", "filename")
        return [
            described(value.args),
            described(dict(vars(value))),
            [getattr(value, name, None) for name in names],
        ]
    if isinstance(value, Execution):
        return [described(value.serialized()), str(value.instability)]
    if isinstance(value, SerializableValue):
        return [described(value.serialized())]
    if isinstance(value, Run):
        return [value.to_json()]
    if isinstance(value, Opaque):
        return [value.type_name, value.module, value.text, value.origin, value.size]
    if isinstance(value, dict):
        return [[described(key), described(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if hasattr(value, "__func__"):
        return [value.__func__, described(value.__self__)]
    if isinstance(value, (Ids, Item)):
        return [getattr(value, name) for name in type(value).__slots__]
    if hasattr(value, "__dict__"):
        return [described(vars(value))]
    return [value]
