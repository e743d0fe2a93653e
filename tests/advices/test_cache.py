"""The cache of results."""

from __future__ import annotations

import io
import os
import pickle
import stat
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Advice, Configuration, JsonSerializer
from bandsaw.advice import advise_task_with_chain
from bandsaw.advices.cache import CachingAdvice
from bandsaw.exceptions import (
    ConfigurationError,
    MutatedArgumentWarning,
    SerializationError,
    UnstableValueError,
)
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Session
from bandsaw.stores import LocalStore, MemoryStore
from tests.configurations import loadable_configuration
from tests.workflows import Workflow


class Caching:
    """Calls functions with a cache."""

    def __init__(self, configuration: Configuration, directory: Path) -> None:
        self.configuration = configuration
        self.directory = directory
        self.calls = 0
        self.cache = CachingAdvice(directory)
        configuration.add_advice_chain(self.cache)

    def task(self, function: Callable[..., Any], **parameters: Any) -> Any:
        """A task that counts the calls of its function."""
        name = self.configuration.module_name

        def counting(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return function(*args, **kwargs)

        made = bandsaw.task(counting, config=name, **parameters)
        made.bandsaw_task.task_id = "task"
        return made

    def entries(self) -> list[Path]:
        """The files of results, without those that stand beside."""
        return [
            path
            for path in self.directory.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        ]

    @property
    def entry(self) -> Path:
        (path,) = self.entries()
        return path


@pytest.fixture(name="caching")
def _caching(tmp_path: Path) -> Iterator[Caching]:
    with loadable_configuration() as configuration:
        yield Caching(configuration, tmp_path / "deep" / "cache")


def without_time(entry: Path | bytes) -> bytes:
    """Return the content of an entry, apart from its time of writing."""
    content = entry if isinstance(entry, bytes) else entry.read_bytes()
    return content.partition(b"\n#bandsaw-cache ")[0]


def give(value: Any) -> Any:
    return value


def test_a_relative_directory_stays_where_it_was_when_the_advice_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with loadable_configuration() as configuration:
        caching = Caching(configuration, Path("cache"))
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")

        caching.task(give)(1)

    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "cache" / "task").is_dir()
    assert caching.cache.directory == Path("cache")


def test_an_advice_with_a_store_has_no_directory() -> None:
    advice = CachingAdvice(store=MemoryStore())

    assert isinstance(advice.store, MemoryStore)
    assert not hasattr(advice, "directory")


def fail(value: Any) -> Any:
    raise LookupError(value)


# Hits and misses


@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize(
    "value", [None, 0, "", [], {}, False, 1, "text", [1, (2, 3)], {"a": [1.5]}]
)
def test_a_call_is_answered_from_the_cache(
    caching: Caching, value: Any, json: bool
) -> None:
    if json:
        caching.configuration.set_serializer(JsonSerializer())
    task = caching.task(give)

    first, second = task(value), task(value)

    assert first == second == value
    assert type(second) is type(value)
    assert caching.calls == 1


def test_other_arguments_are_another_entry(caching: Caching) -> None:
    task = caching.task(give)

    assert [task(1), task(2), task(True), task(1)] == [1, 2, True, 1]
    assert caching.calls == 3
    assert len(caching.entries()) == 3


def test_an_exception_is_not_kept(caching: Caching) -> None:
    task = caching.task(fail)
    for _ in range(2):
        with pytest.raises(LookupError):
            task(1)

    assert caching.calls == 2
    assert caching.entries() == []


def test_the_cache_can_be_switched_off(caching: Caching) -> None:
    task = caching.task(give, cache=False)

    assert [task(1), task(1)] == [1, 1]
    assert caching.calls == 2
    assert not caching.directory.exists()


def test_what_is_kept_is_not_what_the_caller_changes(caching: Caching) -> None:
    task = caching.task(lambda: [1])
    for _ in range(3):
        task().append(2)

    assert task() == [1]
    assert caching.calls == 1


def test_the_arguments_count_as_they_are_before_the_task_changes_them(
    caching: Caching,
) -> None:
    def use_up(values: list[int]) -> int:
        return values.pop()

    task = caching.task(use_up)

    with pytest.warns(MutatedArgumentWarning):
        assert [task([1, 2]), task([1, 2]), task([1])] == [2, 2, 1]
    assert caching.calls == 2


# The files


@pytest.mark.parametrize("kind", [str, Path])
def test_the_directory_is_an_attribute(tmp_path: Path, kind: Any) -> None:
    assert CachingAdvice(kind(tmp_path)).directory == tmp_path


class Looking(Advice):
    """Notes where the result is kept."""

    def __init__(self) -> None:
        self.paths: list[Any] = []

    def before(self, session: Session) -> None:
        self.paths.append(session.context.get("cache-item-path"))
        session.proceed()


def test_a_result_is_kept_in_a_file_named_by_its_ids(caching: Caching) -> None:
    looking = Looking()
    caching.configuration.add_advice_chain(caching.cache, looking)
    task = caching.task(give)
    task(1)
    execution = Execution.of_call(task.bandsaw_task, (1,), {})

    expected = caching.directory / "task" / execution.execution_id

    assert caching.entries() == [expected]
    assert looking.paths == [str(expected)]


@pytest.mark.parametrize("serializer", [bandsaw.PickleSerializer(), JsonSerializer()])
def test_a_file_begins_with_what_the_serializer_writes(
    caching: Caching, serializer: bandsaw.serialization.Serializer
) -> None:
    caching.configuration.set_serializer(serializer)
    caching.task(give)([1])
    stream = io.BytesIO()
    serializer.serialize(Result([1]), stream)

    content = caching.entry.read_bytes()

    assert content.startswith(stream.getvalue())
    assert serializer.deserialize(io.BytesIO(content)) == Result([1])


def test_files_and_directories_are_private(caching: Caching) -> None:
    caching.task(give)(1)
    entry = caching.entry

    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert stat.S_IMODE(entry.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(caching.directory.stat().st_mode) == 0o700


def test_the_directory_of_a_user_keeps_its_mode(caching: Caching) -> None:
    caching.directory.mkdir(parents=True, mode=0o755)
    caching.directory.chmod(0o755)
    caching.task(give)(1)

    assert stat.S_IMODE(caching.directory.stat().st_mode) == 0o755


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_file_that_was_put_there_by_hand_is_trusted(
    caching: Caching, end: str
) -> None:
    task = caching.task(give)
    task(1)
    stream = io.BytesIO()
    JsonSerializer().serialize(Result("by hand"), stream)
    caching.entry.write_bytes(stream.getvalue() + end.encode())
    caching.configuration.set_serializer(JsonSerializer())

    assert task(1) == "by hand"
    assert caching.calls == 1


def test_a_file_of_the_published_releases_is_read(caching: Caching) -> None:
    task = caching.task(give)
    task(1)
    # What release 0.3 has written for `Result([2])`.
    caching.entry.write_bytes(
        b"\x80\x04\x95?\x00\x00\x00\x00\x00\x00\x00\x8c\x0ebandsaw.result\x94\x8c\x06"
        b"Result\x94\x93\x94)\x81\x94}\x94(\x8c\x05value\x94]\x94K\x02a\x8c\texception"
        b"\x94Nub."
    )

    assert task(1) == [2]


# Damage


def cut(content: bytes) -> bytes:
    return content[: len(content) // 3]


def cut_at_the_end(content: bytes) -> bytes:
    return content[:-3]


def flip(content: bytes) -> bytes:
    return content[:60] + bytes((content[60] ^ 1,)) + content[61:]


def empty(content: bytes) -> bytes:
    return b""


def other(content: bytes) -> bytes:
    return b"something else"


def no_result(content: bytes) -> bytes:
    return pickle.dumps(["no result"])


@pytest.mark.parametrize("damage", [cut, cut_at_the_end, flip, empty, other, no_result])
def test_a_damaged_entry_is_a_miss_and_is_replaced(
    caching: Caching, damage: Callable[[bytes], bytes]
) -> None:
    task = caching.task(give)
    value = "a value that is long enough to be damaged in the middle of it"
    task(value)
    whole = caching.entry.read_bytes()
    caching.entry.write_bytes(damage(whole))

    with pytest.warns(RuntimeWarning, match="cannot be read and") as caught:
        assert task(value) == value
    assert [warning.filename for warning in caught] == [__file__]
    assert caching.calls == 2
    assert without_time(caching.entry) == without_time(whole)
    assert task(value) == value
    assert caching.calls == 2


def test_a_directory_in_the_place_of_an_entry_does_no_harm(caching: Caching) -> None:
    task = caching.task(give)
    task(1)
    entry = caching.entry
    entry.unlink()
    entry.mkdir()

    with pytest.warns(RuntimeWarning):
        assert task(1) == 1
    assert entry.is_dir()
    assert not list(entry.parent.glob(".writing-*"))


def test_a_directory_that_can_not_be_written_is_one_warning(caching: Caching) -> None:
    caching.directory.parent.mkdir()
    caching.directory.write_text("a file, so that root cannot write there either")
    task = caching.task(give)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [task(n) for n in range(5)] == list(range(5))

    (warning,) = caught
    assert warning.category is RuntimeWarning
    assert "could not be kept in the cache" in str(warning.message)
    assert str(caching.directory) in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.skipif(os.geteuid() == 0, reason="Root writes everywhere")
def test_a_read_only_directory_is_one_warning(caching: Caching) -> None:
    caching.directory.mkdir(parents=True)
    caching.directory.chmod(0o500)
    task = caching.task(give)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [task(n) for n in range(5)] == list(range(5))
    assert len(caught) == 1


def test_a_result_that_can_not_be_written_is_returned_all_the_same(
    caching: Caching,
) -> None:
    task = caching.task(lambda n: threading.Lock())

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [type(task(n)) for n in range(3)] == [type(threading.Lock())] * 3

    assert len(caught) == 1
    assert "lock" in str(caught[0].message)
    assert caching.entries() == []


class Interrupting:
    """Raises what is no exception when it is written."""

    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


def test_an_interrupt_while_writing_leaves_no_file(caching: Caching) -> None:
    with pytest.raises(KeyboardInterrupt):
        caching.task(Interrupting)()

    assert caching.entries() == []


# Who cannot be cached


def test_an_argument_without_a_stable_identity_is_named(caching: Caching) -> None:
    task = caching.task(give)

    for _ in range(2):
        with pytest.raises(UnstableValueError, match="lock"):
            task({"lock": threading.Lock()})
    assert caching.calls == 0


def test_it_can_be_passed_when_the_cache_is_off(caching: Caching) -> None:
    lock = threading.Lock()

    assert caching.task(give, cache=False)(lock) is lock


def test_a_generator_says_that_it_can_not_be_cached(caching: Caching) -> None:
    def count() -> Iterator[int]:
        yield 1

    name = caching.configuration.module_name
    task = bandsaw.task(count, config=name)
    with pytest.raises(SerializationError, match="cannot be cached: it is a generator"):
        task()

    assert list(bandsaw.task(count, config=name, cache=False)()) == [1]


# Other parts


class Own:
    """A task with nothing but what the engine asks for."""

    task_id = "own"

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make
        self.calls = 0

    def execute(self, execution: Execution) -> Any:
        self.calls += 1
        return self.make(execution.args[0])


def advise(caching: Caching, task: Any) -> Any:
    return advise_task_with_chain(task, Execution("e", (1,)), caching.configuration)


def test_users_own_tasks_are_cached(caching: Caching) -> None:
    task = Own(Result)

    assert advise(caching, task) == advise(caching, task) == Result(1)
    assert task.calls == 1
    assert caching.entry == caching.directory / "own" / "e"


def test_what_is_no_result_is_returned_and_not_kept(caching: Caching) -> None:
    task = Own(lambda argument: argument)

    assert advise(caching, task) == advise(caching, task) == 1
    assert task.calls == 2


def test_several_caches_stand_in_one_chain(caching: Caching, tmp_path: Path) -> None:
    near, far = CachingAdvice(tmp_path / "near"), CachingAdvice(tmp_path / "far")
    looking = Looking()
    caching.configuration.add_advice_chain(near, far, looking)
    task = caching.task(give)

    assert [task(1), task(1)] == [1, 1]
    assert caching.calls == 1
    (in_near,) = near.directory.glob("*/[!.]*")
    (in_far,) = far.directory.glob("*/[!.]*")
    assert looking.paths == [str(in_near)]

    # What the far one has goes to the near one.
    in_near.unlink()
    assert task(1) == 1
    assert caching.calls == 1
    assert without_time(in_near) == without_time(in_far)


def test_the_same_cache_may_stand_in_a_chain_twice(caching: Caching) -> None:
    caching.configuration.add_advice_chain(caching.cache, caching.cache)
    task = caching.task(give)

    assert [task(1), task(1)] == [1, 1]
    assert caching.calls == 1


def test_an_interrupted_session_can_be_carried_on_twice(tmp_path: Path) -> None:
    with loadable_configuration() as configuration:
        saved: list[bytes] = []

        class Saving(Advice):
            def before(self, session: Session) -> None:
                stream = io.BytesIO()
                session.save(stream)
                saved.append(stream.getvalue())
                session.proceed()

        cache = CachingAdvice(tmp_path)
        configuration.add_advice_chain(Saving(), cache, Saving())
        task = bandsaw.task(give, config=configuration.module_name)
        assert task(1) == 1
        for content in saved * 2:
            session = Session().restore(io.BytesIO(content))
            session.proceed()
            assert session.result == Result(1)


def test_a_later_conclusion_is_kept(caching: Caching) -> None:
    class Concluding(Advice):
        def before(self, session: Session) -> None:
            session.conclude(Result("concluded"))

    caching.configuration.add_advice_chain(caching.cache, Concluding())
    task = caching.task(give)
    assert task(1) == "concluded"
    caching.configuration.add_advice_chain(caching.cache)

    assert task(1) == "concluded"


def test_eight_threads_with_the_same_arguments_get_whole_results(
    caching: Caching,
) -> None:
    task = caching.task(lambda: list(range(10_000)))
    start = threading.Barrier(8)

    def call() -> Any:
        start.wait()
        return [task() for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(call) for _ in range(8)]
        for future in futures:
            assert future.result() == [list(range(10_000))] * 5
    assert len(caching.entries()) == 1


# Runs and projects

SCRIPT = """
import bandsaw

class Value:
    def __init__(self, x):
        self.x = x

@bandsaw.task
def make(x):
    print("computed")
    return Value(x * FACTOR)

if __name__ == "__main__":
    value = make(2)
    print(type(value) is Value, value.x)
"""

CONFIG = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice
configuration = bandsaw.Configuration().add_advice_chain(CachingAdvice("../cache"))
"""


def test_a_second_run_is_answered_with_the_scripts_own_classes(
    tmp_path: Path,
) -> None:
    workflow = Workflow(tmp_path / "a")
    script = SCRIPT.replace("FACTOR", "1")

    assert workflow.output(script, config=CONFIG) == "computed\nTrue 2\n"
    assert workflow.output(script, config=CONFIG) == "True 2\n"


def test_scripts_of_the_same_name_do_not_share_results(tmp_path: Path) -> None:
    def run(project: str, factor: str) -> str:
        script = SCRIPT.replace("FACTOR", factor)
        return Workflow(tmp_path / project).output(script, config=CONFIG)

    assert run("a", "1") == "computed\nTrue 2\n"
    assert run("b", "2") == "computed\nTrue 4\n"
    assert run("b", "2") == "True 4\n"


def test_a_changed_function_is_computed_again(tmp_path: Path) -> None:
    for factor in "12":
        script = SCRIPT.replace("FACTOR", factor)
        output = Workflow(tmp_path / "a").output(script, config=CONFIG)
        assert output == f"computed\nTrue {2 * int(factor)}\n"


MOVED = CONFIG.replace(
    'CachingAdvice("../cache")',
    'SubprocessAdvice(), CachingAdvice("../cache")',
).replace(
    "configuration =",
    "from bandsaw.advices.subprocess import SubprocessAdvice\nconfiguration =",
)


def test_a_cache_behind_a_move_is_asked_in_the_child(tmp_path: Path) -> None:
    workflow = Workflow(tmp_path / "a")
    script = (
        SCRIPT.replace("FACTOR", "1")
        + """
    try:
        make(object())
    except TypeError as error:
        print(type(error).__name__)
"""
    )

    first = workflow.output(script, config=MOVED)
    assert first == "computed\nTrue 2\nUnstableValueError\n"
    second = workflow.output(script, config=MOVED)
    assert second == "True 2\nUnstableValueError\n"


@pytest.mark.parametrize("wait", [-1, float("nan"), "10", None])
def test_a_wait_that_is_no_number_of_seconds_is_refused(wait: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs a number of seconds"):
        CachingAdvice("cache", wait=wait)


@pytest.mark.parametrize("store", ["cache", LocalStore])
def test_what_is_no_store_is_refused(store: Any) -> None:
    with pytest.raises(ConfigurationError, match="CachingAdvice needs a Store"):
        CachingAdvice(store=store)


@pytest.mark.parametrize("directory", [3, CachingAdvice("cache")])
def test_what_is_no_path_is_refused_as_directory(directory: Any) -> None:
    with pytest.raises(ConfigurationError, match="CachingAdvice needs a path"):
        CachingAdvice(directory)
