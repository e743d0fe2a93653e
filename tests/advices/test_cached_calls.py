"""Keys of cached calls, and how many processes compute one result."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Configuration, PickleSerializer
from bandsaw.advices.cache import CachingAdvice
from bandsaw.exceptions import (
    ConfigurationError,
    UnstableValueError,
    UntrustedDirectoryError,
)
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.serialization import SignedSerializer
from bandsaw.session import Session
from bandsaw.stores import LocalStore, MemoryStore
from bandsaw.stores.entries import Entry, pack
from tests.configurations import loadable_configuration
from tests.workflows import Workflow

# What the tasks of these tests have computed.
computed: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_computed() -> None:
    computed.clear()


@pytest.fixture(name="configuration")
def _configuration() -> Iterator[Configuration]:
    with loadable_configuration() as configuration:
        yield configuration


@pytest.fixture(name="make")
def _make(configuration: Configuration, tmp_path: Path) -> Callable[..., Any]:
    """Make a task with a cache that is given some options."""

    def make(function: Callable[..., Any], **options: Any) -> Any:
        parameter: dict[str, Any] = {}
        if "cache" in options:
            parameter["cache"] = options.pop("cache")
        if "store" not in options:
            options["directory"] = tmp_path / "cache"
        configuration.add_advice_chain(CachingAdvice(**options))
        return bandsaw.task(function, config=configuration.module_name, **parameter)

    return make


def give(value: Any, verbose: bool = False) -> Any:
    computed.append(value)
    return value


def entries(directory: Path) -> list[Path]:
    return sorted(directory.glob("cache/*/[!.]*"))


# Arguments


def test_arguments_that_do_not_matter_are_left_out(make: Any) -> None:
    task = make(give, cache={"ignore": ["verbose"]})

    assert [task(1), task(1, verbose=True), task(1, threading.Lock())] == [1, 1, 1]
    # Nor does their code.
    assert task(1, verbose=make_variant) == 1
    assert computed == [1]
    with pytest.raises(UnstableValueError, match=r"value: _thread.lock .*ignore"):
        task(threading.Lock())


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"ignore": ["verbos"]}, "has no parameter 'verbos'.*'value', 'verbose'"),
        ({"ignored": ["verbose"]}, "unknown key 'ignored'.*'code', 'compare_python'"),
        ({"code": "all"}, "code='all' is unknown.*'reachable', 'own'"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(
    make: Any, parameter: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(give, cache=parameter)(1)


def test_an_advice_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="either a directory or a store"):
        CachingAdvice()
    with pytest.raises(ConfigurationError, match="either a directory or a store"):
        CachingAdvice(tmp_path, store=MemoryStore())
    with pytest.raises(ConfigurationError, match="code='none' is unknown"):
        CachingAdvice(tmp_path, code="none")
    with pytest.raises(ConfigurationError, match="'much' is no size"):
        CachingAdvice(tmp_path, max_size="much")


def test_equal_arguments_of_other_types_are_other_calls(make: Any) -> None:
    task = make(give)
    values = [1, True, 1.0, 0, False, 0.0, -0.0, "1", b"1", None]

    for _ in range(3):
        assert list(map(repr, map(task, values))) == list(map(repr, values))
    assert len(computed) == len(values)


def test_arguments_by_keyword_are_not_taken_for_others(make: Any) -> None:
    task = make(lambda a=0, b=0, c=0: (a, b, c))

    for _ in range(3):
        assert task(1, 2) == (1, 2, 0)
        assert task(1, b=2) == (1, 2, 0)
        assert task(1, c=2) == (1, 0, 2)
        assert task(c=1, a=2) == (2, 0, 1)


class Box:
    def __init__(self, value: int) -> None:
        self.value = value


def test_a_default_that_changes_between_equal_calls_is_seen(make: Any) -> None:
    box = Box(1)
    task = make(lambda x, y=box: x + y.value)
    assert [task(1), task(1), task(1)] == [2, 2, 2]

    box.value = 2

    assert [task(1), task(1)] == [3, 3]


def test_an_id_that_was_chosen_for_the_arguments_counts(
    make: Any, configuration: Configuration, tmp_path: Path
) -> None:
    task = make(give)
    for _ in range(2):
        task(1)
    execution = Execution("chosen", (1,))

    Session(task.bandsaw_task, execution, configuration).initiate()

    assert [path.name for path in entries(tmp_path)][-1] == "chosen"
    assert computed == [1, 1]


def test_a_cache_does_not_keep_tasks_alive(make: Any) -> None:
    task = make(give)
    for _ in range(2):
        task(1)
    reference = weakref.ref(task.bandsaw_task)

    del task
    gc.collect()

    assert reference() is None


FACTOR = 2


def scale(x: int) -> int:
    return FACTOR * x


def test_code_that_changes_between_equal_calls_is_seen(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make(scale)
    assert [task(2), task(2), task(2)] == [4, 4, 4]

    monkeypatch.setitem(globals(), "FACTOR", 3)
    assert [task(2), task(2)] == [6, 6]

    monkeypatch.undo()
    assert task(2) == 4


# Code


def make_variant(amount: int) -> Callable[[int], int]:
    def variant(x: int) -> int:
        computed.append((x, amount))
        return x + amount

    return variant


def test_variants_of_one_call_are_kept_side_by_side(make: Any, tmp_path: Path) -> None:
    tasks = [make(make_variant(amount)) for amount in (1, 2, 3)]
    for task in tasks:
        task.bandsaw_task.task_id = "task"
    for _ in range(2):
        assert [task(10) for task in tasks] == [11, 12, 13]

    assert computed == [(10, 1), (10, 2), (10, 3)]
    first, *others = entries(tmp_path)
    assert len(others) == 2
    assert all(path.name.startswith(f"{first.name}-") for path in others)


APPLYING = """
    import functools

    import bandsaw
    from bandsaw.advices.cache import CachingAdvice

    import passed

    configuration = bandsaw.Configuration()
    configuration.add_advice_chain(CachingAdvice("cache"))


    @bandsaw.task(config="applying")
    def apply(function, settings=None):
        return (function or settings["functions"][0])(1)


    def calls():
        yield apply, (passed.function,), {}
        yield apply, (functools.partial(passed.function),), {}
        yield apply, (passed.Model().method,), {}
        yield apply, (None,), {"settings": {"functions": [passed.function]}}
        yield apply, (None,), {"settings": {"functions": [passed.Model()]}}


    if __name__ == "__main__":
        for task, args, kwargs in calls():
            print(task.is_cached(*args, **kwargs), task(*args, **kwargs))
"""

PASSED = """
    def function(x):
        return x + 10


    class Model:
        def method(self, x):
            return x + 10

        def __call__(self, x):
            return self.method(x)
"""


def test_the_code_of_functions_that_are_arguments_counts(workflow: Workflow) -> None:
    def apply_all() -> list[str]:
        return workflow.python("-m", "applying").stdout.splitlines()

    workflow.write({"applying.py": APPLYING, "passed.py": PASSED})
    assert apply_all() == ["False 11"] * 5
    assert apply_all() == ["True 11"] * 5
    workflow.write({"passed.py": PASSED.replace("+ 10", "+ 100")})
    assert apply_all() == ["False 101"] * 5


@pytest.fixture(name="variants")
def _variants(make: Any) -> list[Any]:
    """Two tasks that differ in code alone, each of which was called with 10."""
    tasks = [make(make_variant(amount)) for amount in (1, 2)]
    for task in tasks:
        task.bandsaw_task.task_id = "task"
        task(10)
    computed.clear()
    return tasks


def test_a_variant_is_found_when_the_first_one_is_gone(
    variants: list[Any], tmp_path: Path
) -> None:
    entries(tmp_path)[0].unlink()

    assert variants[1](10) == 12
    assert not computed
    assert variants[0](10) == 11
    assert variants[1](10) == 12
    assert computed == [(10, 1)]
    assert len(entries(tmp_path)) == 2


def test_a_damaged_variant_is_replaced_when_the_first_one_is_gone(
    variants: list[Any], tmp_path: Path
) -> None:
    first, second = entries(tmp_path)
    first.unlink()
    second.write_bytes(second.read_bytes().replace(b" ", b"_", 1))
    with pytest.warns(RuntimeWarning, match="computed again"):
        assert variants[1](10) == 12

    assert variants[1](10) == 12
    assert computed == [(10, 2)]
    assert entries(tmp_path) == [second]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("reachable", [11, 12]), ("own", [11, 11]), ("ignore", [11, 11])],
)
def test_what_of_the_code_counts_can_be_chosen(
    make: Any, code: str, expected: list[int]
) -> None:
    tasks = [make(make_variant(amount), cache={"code": code}) for amount in (1, 2)]
    for task in tasks:
        task.bandsaw_task.task_id = "task"

    assert [task(10) for task in tasks] == expected


def test_the_version_alone_can_count(configuration: Configuration) -> None:
    store = MemoryStore()
    configuration.add_advice_chain(CachingAdvice(store=store, code="version"))

    def task(amount: int, version: str) -> Any:
        made = bandsaw.task(
            make_variant(amount), config=configuration.module_name, version=version
        )
        made.bandsaw_task.task_id = "task"
        return made

    assert task(1, "a")(10) == task(2, "a")(10) == 11
    assert task(2, "b")(10) == 12


CHANGING = {
    "bandsaw_config.py": """
        import bandsaw
        from bandsaw.advices.cache import CachingAdvice
        configuration = bandsaw.Configuration().add_advice_chain(CachingAdvice("cache"))
        """,
    "helper.py": "def helped(x):\n    return x * 2\n",
    "workflow.py": """
        import bandsaw
        import helper

        @bandsaw.task
        def work(x):
            print("computed")
            return helper.helped(x)

        if __name__ == "__main__":
            print(work(4))
        """,
}


def test_a_change_of_a_helper_in_another_module_is_seen(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.write(CHANGING)

    def run() -> str:
        return workflow.python("workflow.py").stdout

    assert run() == "computed\n8\n"
    assert run() == "8\n"
    (tmp_path / "helper.py").write_text("def helped(x):\n    return x * 3 # new\n")
    assert run() == "computed\n12\n"
    (tmp_path / "helper.py").write_text("def helped(x):\n\n    return x  *  2\n")
    assert run() == "8\n"


# Results


def test_a_large_array_comes_back_mapped_and_equal(make: Any, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(100_000.0).reshape(100, 1000)
    values = {"c": array, "f": array.T, "every other": array[::2], "x": [1, None]}
    task = make(lambda: values)
    task()
    found = task()

    for name in ("c", "f", "every other"):
        assert numpy.array_equal(found[name], values[name])
        assert found[name].dtype == values[name].dtype
        assert found[name].flags.writeable
    assert found["x"] == [1, None]
    found["c"][0, 0] = 77
    assert task()["c"][0, 0] == 0
    (entry,) = entries(tmp_path)
    entry.unlink()
    assert found["f"][5, 5] == array.T[5, 5]


def test_dates_come_back_mapped(make: Any) -> None:
    numpy = pytest.importorskip("numpy")
    dates = numpy.arange(100_000).astype("M8[s]")
    task = make(lambda: dates)
    task()

    assert numpy.array_equal(task(), dates)
    assert task().dtype == dates.dtype


LARGE = bytes(range(256)) * 1000


class Buffers(PickleSerializer):
    """Leaves bytes out, as it leaves out the buffers of arrays."""

    def serialize_with_buffers(self, value: Any, stream: Any) -> Any:
        super().serialize_with_buffers(Result(None), stream)
        return [memoryview(value.value)]

    def deserialize_with_buffers(self, content: Any, buffers: Any) -> Any:
        return Result(bytes(buffers[0]))


@pytest.fixture(name="entry_with_buffers")
def _entry_with_buffers(
    make: Any, configuration: Configuration, tmp_path: Path
) -> tuple[Any, Path]:
    """A task whose result is large, and the entry of a call of it."""
    configuration.set_serializer(Buffers())
    task = make(give)
    task(LARGE)
    (path,) = entries(tmp_path)
    return task, path


def damage(path: Path) -> None:
    """Overwrite a byte in the middle, and changes no more than that."""
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        old = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([old[0] ^ 1]))


def test_damage_inside_of_a_large_buffer_is_a_warning_and_a_miss(
    entry_with_buffers: tuple[Any, Path],
) -> None:
    task, path = entry_with_buffers
    damage(path)

    with pytest.warns(RuntimeWarning, match=r"256000 bytes at \d+ were changed"):
        assert task(LARGE) == LARGE
    assert task(LARGE) == LARGE
    assert computed == [LARGE, LARGE]


def test_a_large_result_whose_file_has_another_time_is_compared_once(
    entry_with_buffers: tuple[Any, Path],
) -> None:
    task, path = entry_with_buffers
    written = path.stat().st_mtime_ns
    os.utime(path, (1, 1))

    assert task(LARGE) == LARGE
    assert computed == [LARGE]
    assert path.stat().st_mtime_ns == written


def test_the_first_use_of_a_process_compares_a_large_result_when_asked_to(
    entry_with_buffers: tuple[Any, Path], make: Any
) -> None:
    task, path = entry_with_buffers
    written = path.stat().st_mtime_ns
    damage(path)
    os.utime(path, ns=(written, written))
    assert task(LARGE) != LARGE

    verifying = make(give, verify=True)
    with pytest.warns(RuntimeWarning, match="were changed"):
        assert verifying(LARGE) == LARGE
    assert verifying(LARGE) == LARGE
    assert computed == [LARGE, LARGE]


def test_a_large_result_is_compared_on_its_first_use_in_a_process_only(
    entry_with_buffers: tuple[Any, Path], make: Any
) -> None:
    _, path = entry_with_buffers
    task = make(give, verify=True)
    assert task(LARGE) == LARGE
    written = path.stat().st_mtime_ns
    damage(path)
    os.utime(path, ns=(written, written))

    assert task(LARGE) != LARGE


def test_a_forked_process_compares_a_large_result_itself_when_asked_to(
    entry_with_buffers: tuple[Any, Path], make: Any
) -> None:
    _, path = entry_with_buffers
    task = make(give, verify=True)
    assert task(LARGE) == LARGE
    written = path.stat().st_mtime_ns
    damage(path)
    os.utime(path, ns=(written, written))

    child = os.fork()
    if not child:
        status = 1
        try:
            with pytest.warns(RuntimeWarning, match="were changed"):
                status = 0 if task(LARGE) == LARGE else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_result_that_is_too_old_is_computed_again(make: Any) -> None:
    task = make(give, max_age=0.0)

    assert [task(1), task(1)] == [1, 1]
    assert computed == [1, 1]


def test_a_cache_keeps_to_its_size(make: Any, tmp_path: Path) -> None:
    task = make(give, max_size=20_000)
    for number in range(30):
        task(bytes([number]) * 1000)

    assert 5 < len(entries(tmp_path)) < 25
    assert sum(item.size for item in LocalStore(tmp_path / "cache").items()) <= 20_000


def test_results_are_kept_in_any_store(make: Any) -> None:
    store = MemoryStore()
    task = make(give, store=store)

    assert [task(1), task(1)] == [1, 1]
    assert computed == [1]
    assert any(item.hits == 1 for item in store.items())


# Trust


def test_a_directory_that_everybody_may_write_is_refused(
    make: Any, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)

    with pytest.raises(UntrustedDirectoryError, match="Everybody may write"):
        make(give)(1)
    assert computed == []


def signing(configuration: Configuration, key: bytes = bytes(32)) -> None:
    configuration.set_serializer(SignedSerializer(PickleSerializer(), key))


def test_who_signs_may_share_a_directory(
    make: Any, configuration: Configuration, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    signing(configuration)
    task = make(give)

    assert [task(1), task(1)] == [1, 1]
    assert computed == [1]


def test_a_signed_result_that_was_changed_is_not_read(
    make: Any, configuration: Configuration, tmp_path: Path
) -> None:
    signing(configuration)
    task = make(give)
    task("secret")
    (entry,) = entries(tmp_path)
    content = bytearray(entry.read_bytes())
    value = content.index(b"secret")
    content[value] ^= 1
    entry.write_bytes(bytes(content[: content.index(b"\n#bandsaw-cache")]))

    with pytest.warns(RuntimeWarning, match="computed again: SignatureError"):
        assert task("secret") == "secret"
    assert computed == ["secret", "secret"]


def test_signed_results_cannot_change_places(
    make: Any, configuration: Configuration, tmp_path: Path
) -> None:
    signing(configuration)
    task = make(give)
    task("first")
    task("second")
    first, second = entries(tmp_path)
    one = first.read_bytes().partition(b"\n#bandsaw-cache")[0]
    other = second.read_bytes().partition(b"\n#bandsaw-cache")[0]
    first.write_bytes(other)
    second.write_bytes(one)

    for value in ("first", "second"):
        with pytest.warns(RuntimeWarning, match="SignatureError"):
            assert task(value) == value


def test_a_signed_result_gets_no_younger(
    make: Any, configuration: Configuration, tmp_path: Path
) -> None:
    signing(configuration)
    task = make(give, max_age=3600)
    task("old")
    (path,) = entries(tmp_path)
    entry = Entry(path.read_bytes())
    later = entry.created + 60
    pieces = pack(entry.value, (), entry.record, entry.arguments, entry.code, later)
    path.write_bytes(b"".join(pieces))

    with pytest.warns(RuntimeWarning, match="SignatureError"):
        assert task("old") == "old"
    assert computed == ["old", "old"]


def test_what_was_signed_in_an_older_form_is_computed_again(
    make: Any, configuration: Configuration, tmp_path: Path
) -> None:
    signing(configuration)
    task = make(give)
    task("old")
    (path,) = entries(tmp_path)
    entry = Entry(path.read_bytes())
    value = entry.value.replace(b"bandsaw-signed-2", b"bandsaw-signed-1")
    written = entry.created
    pieces = pack(value, (), entry.record, entry.arguments, entry.code, written)
    path.write_bytes(b"".join(pieces))

    with pytest.warns(RuntimeWarning, match="SignatureError"):
        assert task("old") == "old"
    assert computed == ["old", "old"]


def test_a_store_trusts_only_those_who_sign(
    configuration: Configuration, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    store = LocalStore(tmp_path / "cache")
    configuration.add_advice_chain(CachingAdvice(store=store))

    with loadable_configuration() as signed:
        signing(signed)
        signed.add_advice_chain(CachingAdvice(store=store))
        assert bandsaw.task(config=signed.module_name)(give)(1) == 1
        with pytest.raises(UntrustedDirectoryError):
            bandsaw.task(config=configuration.module_name)(give)(1)


# One computation


def test_eight_threads_compute_once(make: Any) -> None:
    started = threading.Event()

    def slow(x: int) -> int:
        computed.append(x)
        started.wait(60)
        return x + 1

    # The state of the event is part of the code that the task reaches.
    task = make(slow, code="own")
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(task, 1) for _ in range(8)]
        started.set()
        assert [future.result() for future in futures] == [2] * 8
    assert computed == [1]


def test_others_compute_when_the_first_one_fails(make: Any) -> None:
    lock = threading.Lock()

    def fail_once(x: int) -> int:
        with lock:
            computed.append(x)
            if len(computed) == 1:
                raise LookupError("once")
        return x

    task = make(fail_once)
    outcomes = []
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(task, 1) for _ in range(4)]:
            error = future.exception()
            outcomes.append("error" if error else future.result())

    assert sorted(map(str, outcomes)) == ["1", "1", "1", "error"]
    assert len(computed) == 2


def test_waiting_has_an_end(make: Any) -> None:
    inside, leave = threading.Event(), threading.Event()

    def slow(x: int) -> int:
        computed.append(x)
        if len(computed) == 1:
            inside.set()
            leave.wait(60)
        return x

    task = make(slow, wait=0.05)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(task, 1)
        assert inside.wait(60)
        assert task(1) == 1
        leave.set()
        assert first.result() == 1
    assert computed == [1, 1]


def test_no_call_waits_when_that_is_switched_off(make: Any) -> None:
    both = threading.Barrier(2)

    def together(x: int) -> int:
        both.wait(60)
        return x

    task = make(together, wait=0)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(task, [1, 1])) == [1, 1]


def test_nested_tasks_in_opposite_order_do_not_wait_for_ever(make: Any) -> None:
    meet = threading.Barrier(2)
    met: list[int] = []

    def outer(order: Any) -> int:
        if len(order) == 2 and len(met) < 2:
            met.append(1)
            meet.wait(60)
            return int(task(order[1:]) or 0)
        return len(order)

    task = make(outer)
    before = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(task, [("a", "b"), ("b", "a")]))

    assert results == [1, 1]
    assert time.monotonic() - before < 300


def test_a_nested_task_that_is_being_computed_is_waited_for(make: Any) -> None:
    computed: list[int] = []
    meet = threading.Barrier(8)

    def inner(x: int) -> int:
        computed.append(x)
        time.sleep(0.1)  # While the other seven ask for the same
        return x

    def outer(x: int, y: int) -> int:
        meet.wait(60)
        return int(shared(x)) + y

    shared, task = make(inner), make(outer)
    with ThreadPoolExecutor(8) as pool:
        # Some of them sort before the task that they call, and some after it.
        results = list(pool.map(task, [1] * 8, range(8)))

    assert results == [1 + y for y in range(8)]
    assert computed == [1]


@pytest.mark.parametrize("advice", ["", ", SubprocessAdvice()"])
def test_processes_whose_nested_tasks_are_in_opposite_order_end(
    workflow: Workflow, advice: str
) -> None:
    config = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(CachingAdvice("cache")"""
    workflow.write_script(OPPOSITE, f"{config}{advice})")

    def run(order: str) -> str:
        return workflow.python("workflow.py", order).stdout

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, ["ab", "ba"])) == ["1\n", "1\n"]


ONE_OF_MANY_MISSES = """
import sys
import bandsaw
from bandsaw.stores import local

@bandsaw.task
def same(x):
    return x

local._COMPARING_INTERVAL = 60
opened = []
sys.addaudithook(lambda event, details: event == "open" and opened.append(details[0]))
for number in range(3):
    opened.clear()
    same(number)
print(len(opened))
"""


def test_what_misses_again_and_again_opens_only_what_it_writes(
    workflow: Workflow,
) -> None:
    workflow.write_script(
        ONE_OF_MANY_MISSES,
        """
        import bandsaw
        from bandsaw.advices.cache import CachingAdvice

        configuration = bandsaw.Configuration()
        configuration.add_advice_chain(CachingAdvice("cache"))
        """,
    )

    assert workflow.python("workflow.py").stdout == "1\n"


OPPOSITE = """
import os, sys, time
import bandsaw

@bandsaw.task
def work(order):
    if len(order) == 1:
        return 1
    if os.path.exists(order):
        return 1  # Called by the other one
    open(order, "w").close()
    deadline = time.monotonic() + 60
    while not os.path.exists(order[::-1]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return work(order[::-1])

if __name__ == "__main__":
    print(work(sys.argv[1]))
"""

SINGLE = """
import signal, sys
import bandsaw

@bandsaw.task
def work(x):
    with open("computed", "a") as file:
        file.write("x")
    if sys.argv[1:] == ["die"]:
        print("inside", flush=True)
        signal.pause()
    return x + 1

if __name__ == "__main__":
    print(work(1))
"""


def test_processes_take_over_from_one_that_dies(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.write({**CHANGING, "workflow.py": SINGLE})
    first = workflow.start("workflow.py", "die")
    assert first.stdout is not None
    assert first.stdout.readline() == "inside\n"
    others = [workflow.start("workflow.py") for _ in range(3)]
    first.kill()

    assert [other.communicate()[0] for other in others] == ["2\n"] * 3
    assert (tmp_path / "computed").read_text() == "xx"


UNSEEN = {
    "bandsaw_config.py": """
        import bandsaw
        from bandsaw.advices.cache import CachingAdvice
        configuration = bandsaw.Configuration()
        configuration.add_advice_chain(CachingAdvice("cache"))
        strict = CachingAdvice("cache", strict=True)
        configuration.add_advice_chain(strict, name="strict")
        """,
    "site-packages/engines.py": """
        class Engine:
            def __reduce__(self):
                raise TypeError("it is connected")
        """,
    "script.py": """
        import logging
        import sys
        sys.path.append("site-packages")
        import bandsaw
        from engines import Engine

        log = logging.getLogger(__name__)
        engine = Engine()

        @bandsaw.task
        def fit(x):
            return x, engine is None

        @bandsaw.task(chain="strict")
        def fit_strictly(x):
            return x, engine is None

        @bandsaw.task(chain="strict")
        def logs(x):
            log.info("x")
            return x

        if __name__ == "__main__":
            fit(1)
            print(fit.explain(1))
            print(fit.explain(2).unseen)
            print(logs(1), logs.is_cached(1))
            print(fit_strictly.explain(1).reason)
            fit_strictly(1)
        """,
}


def test_what_could_not_be_looked_at_is_listed_or_refused(workflow: Workflow) -> None:
    workflow.write(UNSEEN)
    done = workflow.python("script.py", status=1)
    hit, heading, line, listed, logs, reason = done.stdout.splitlines()

    assert "is answered from" in hit
    assert heading == "Not looked at:"
    assert line.startswith("- script.engine: ")
    assert listed.startswith("{'script.engine': ")
    assert logs == "1 True"
    assert reason.startswith("it cannot be cached: script.engine, which task ")
    assert "UnstableValueError: script.engine, which task script.fit" in done.stderr
    assert "could not be looked at: " in done.stderr
