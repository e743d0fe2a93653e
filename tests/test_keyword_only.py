"""Arguments that are easily mistaken for others are given by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Callable

import pytest

from bandsaw import Interpreter
from bandsaw.advices.explanation import Difference, Explanation
from bandsaw.advices.retry import RetryAdvice
from bandsaw.advices.ssh import Remote, SshAdvice, SshCommandLineBackend
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.connections import Slurm, Ssh
from bandsaw.environments.inline import InlineEnvironment
from bandsaw.exceptions import InterpreterError, keyword_only
from bandsaw.reporting import Progress
from bandsaw.run import Run
from bandsaw.stores.base import Item
from bandsaw.stores.fsspec import FsspecStore
from bandsaw.stores.local import LocalStore
from bandsaw.stores.memory import MemoryStore
from bandsaw.stores.pruning import Bounds, Pruned, prune
from bandsaw.transports.base import JobSettings, runner_arguments
from bandsaw.transports.pool import PoolTransport
from bandsaw.transports.process import ProcessTransport
from tests.workflows import Workflow

HERE = Interpreter()
BACKEND = SshCommandLineBackend()
SESSION: Any = object()
JOB = "directory timeout memory_limit output observe recipient"

# The function, how many arguments have a position, and those that once had one, too.
CALLS: list[tuple[Callable[..., Any], int, str, tuple[Any, ...]]] = [
    (Interpreter, 0, "path executable", (("/lib",), "/python")),
    (SubprocessAdvice, 0, "directory interpreter", ("/tmp", HERE)),
    (SubprocessAdvice.add_interpreter, 2, "name", (SubprocessAdvice(), HERE, "old")),
    (SshAdvice, 0, "directory backend", ("/tmp", BACKEND)),
    (
        *(Remote, 1, "port user key_file interpreter directory"),
        ("host", 22, "me", "key", HERE, "there"),
    ),
    (RetryAdvice, 1, "wait on timeout", (4, 0.1, InterpreterError, 3.0)),
    (
        *(Ssh, 1, "user port key_file options setup via"),
        ("host", "me", 22, "key", {"Compression": True}, "true", Ssh("gate")),
    ),
    (
        *(Slurm, 0, "gres time partition options setup via"),
        ("gpu:1", 10, "short", {"mem": "4G"}, "true", Ssh("login")),
    ),
    (Run, 1, "start_date user command env meta", ("a", "b", "c", ["d"], {}, {"e": 1})),
    (Progress, 2, "done total message", (SESSION, "task", 1, 2, "a message")),
    (Explanation, 1, "is_hit place", ("task", True, "a/place")),
    (Difference, 0, "kind name old new", ("code", "f", None, "new")),
    (Item, 1, "size written used hits", ("task/execution", 1, 2.0, 3.0, 4)),
    (Pruned, 0, "count size", (1, 2)),
    (Bounds, 1, "max_size max_age", (MemoryStore(), 1, 2)),
    (FsspecStore, 1, "copy", ("memory://cache", "/tmp/copy")),
    (LocalStore.at, 1, "path", ("cache", "/cache")),
    (prune, 1, "max_size max_age", (MemoryStore(), 1, 2)),
    (JobSettings, 1, JOB, ({}, Path(), 1.0, 2, print, print, None)),
    (PoolTransport, 1, "tasks_per_worker idle_timeout", (1, 2, 3.0)),
    (ProcessTransport, 0, "starts_ahead idle_timeout", (False, 3.0)),
    (runner_arguments, 0, "source target run_id settings", ("a", "b", "c", "d")),
    (InlineEnvironment, 1, "name directory", ("/script.py", "script", "/")),
]


@pytest.mark.parametrize(
    ("function", "count", "names", "args"),
    CALLS,
    ids=[call[0].__qualname__ for call in CALLS],
)
def test_the_old_order_is_accepted_with_a_warning_that_tells_the_new_spelling(
    function: Callable[..., Any], count: int, names: str, args: tuple[Any, ...]
) -> None:
    by_name = names.split()

    line = inspect.currentframe().f_lineno + 2  # type: ignore[union-attr]
    with pytest.warns(FutureWarning) as told:
        function(*args)

    [warning] = told
    assert (warning.filename, warning.lineno) == (__file__, line)
    parameters = inspect.signature(function).parameters
    for name in by_name:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    words = [name for name in list(parameters)[:count] if name != "self"]
    words += [f"{name}=..." for name in by_name]
    called = function.__qualname__
    assert str(warning.message) == (
        f"{called} was given {' and '.join(map(repr, by_name))} by position, where one "
        f"argument is easily mistaken for another. Write {called}({', '.join(words)})."
    )


@keyword_only("second", "third")
def function(first: int, *, second: int = 0, third: int = 0, fourth: int = 0) -> Any:
    """Return the arguments."""
    return first, second, third, fourth


def test_arguments_keep_their_meaning() -> None:
    with pytest.warns(FutureWarning, match=r"function\(first, second=...\)"):
        assert function(1, 2, fourth=4) == (1, 2, 0, 4)  # type: ignore[call-arg]
    assert function(1, second=2, third=3) == (1, 2, 3, 0)
    assert function.__doc__ == "Return the arguments."


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1, 2, 3, 4), {}), ((1, 2), {"second": 2})]
)
def test_a_call_that_was_always_wrong_is_a_type_error(args: Any, kwargs: Any) -> None:
    with pytest.raises(
        TypeError, match=r"function\(\) takes 1 positional argument but"
    ):
        function(*args, **kwargs)


def test_the_line_of_a_subclass_is_named_that_passes_arguments_on() -> None:
    class Own(SubprocessAdvice):
        def __init__(self) -> None:
            super().__init__("/tmp")  # type: ignore[call-arg]

    with pytest.warns(FutureWarning, match="SubprocessAdvice was given") as told:
        Own()
    assert told[0].lineno == Own.__init__.__code__.co_firstlineno + 1


def test_a_child_leaves_the_warning_to_its_parent(workflow: Workflow) -> None:
    done = workflow.run(
        """
import bandsaw

@bandsaw.task
def add(x, y):
    return x + y

if __name__ == "__main__":
    print(add(1, 2))
""",
        config="""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(SubprocessAdvice("files"))
""",
    )
    assert (done.stdout, done.stderr.count("SubprocessAdvice was given")) == ("3\n", 1)
