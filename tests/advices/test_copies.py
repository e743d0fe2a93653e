"""A copy of an advice is what was given, without what belongs to this process."""

from __future__ import annotations

import copy
import pickle
import random
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest

from bandsaw import Advice, Interpreter
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.advices.dask import DaskAdvice
from bandsaw.advices.executor import ExecutorAdvice
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.ray import RayAdvice
from bandsaw.advices.retry import RetryAdvice
from bandsaw.advices.ssh import Remote, SshAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.connections import Command
from bandsaw.stores import FsspecStore, LocalStore, MemoryStore
from tests.advices.calls import Call
from tests.workflows import Workflow


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def make_executor() -> Executor:
    return ThreadPoolExecutor(1)


HOST = Remote("host", user="user", interpreter=Interpreter(executable="python3"))
ADVICES: list[Callable[[Path], Advice]] = [
    lambda path: SubprocessAdvice(directory=path, workers=2, timeout=7),
    lambda path: ConnectionAdvice(workers=3).add_connection(Command(["sh"]), "name"),
    lambda path: SshAdvice(directory=path).add_remote(HOST),
    lambda path: ExecutorAdvice(make_executor),
    lambda path: DaskAdvice("tcp://host", priority=3),
    lambda path: RayAdvice(num_gpus=1),
    lambda path: CachingAdvice(path, max_size="1 GB"),
    lambda path: RetryAdvice(5),
    lambda path: LoggingAdvice(),
]


@pytest.mark.parametrize("make", ADVICES)
@pytest.mark.parametrize("copied", [pickled, copy.copy, copy.deepcopy])
def test_an_advice_can_be_copied(
    tmp_path: Path, make: Callable[[Path], Advice], copied: Callable[[Advice], Advice]
) -> None:
    advice = make(tmp_path)

    one = copied(advice)

    assert type(one) is type(advice)
    # Whether two equal texts are one object makes a difference at first.
    assert pickle.dumps(pickled(one)) == pickle.dumps(pickled(advice))
    assert vars(one).keys() >= vars(advice).keys() - {"_calls", "store"}


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy])
def test_a_copy_of_a_cache_has_the_same_store(
    tmp_path: Path, copied: Callable[[Advice], Any]
) -> None:
    local = LocalStore(tmp_path / "local")
    far = FsspecStore(f"file://{tmp_path}/far", copy=tmp_path / "copy")
    for store in local, far, local.signed():
        store.write("task/execution", [b"content"])
        store.read("task/execution")
        other = copied(CachingAdvice(store=store)).store
        assert other is not store
        assert other.read("task/execution") == b"content"
    signed = copied(local.signed())
    assert signed.signed() is signed

    memory = CachingAdvice(store=MemoryStore())
    with pytest.raises(TypeError, match=r"^MemoryStore\(\) cannot be copied, because"):
        copied(memory)


def test_a_copy_of_an_advice_that_was_used_has_processes_of_its_own(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        """
        import os, pickle
        import bandsaw

        @bandsaw.task
        def process():
            return os.getpid()

        if __name__ == "__main__":
            configuration = process.bandsaw_configuration
            first = process()
            [advice] = configuration.chains["default"].walk.advices
            configuration.add_advice_chain(pickle.loads(pickle.dumps(advice)))
            print(process() not in (first, os.getpid()))
        """,
        config="""
        import bandsaw
        from bandsaw.advices.subprocess import SubprocessAdvice

        configuration = bandsaw.Configuration()
        configuration.add_advice_chain(SubprocessAdvice(workers=1))
        """,
    )
    assert output == "True\n"


def draw() -> float:
    return random.random()


def test_a_copy_of_a_cache_that_was_used_answers_like_it(tmp_path: Path) -> None:
    advice = CachingAdvice(tmp_path)
    first = Call(draw, advice).result

    assert Call(draw, pickled(advice)).result == first
