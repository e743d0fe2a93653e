"""A task that changes an argument in place is told of where that would be lost."""

from __future__ import annotations

import io
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Advice, Configuration, JsonSerializer
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.remote import RemoteAdvice
from bandsaw.exceptions import InvalidSessionError, MutatedArgumentWarning
from bandsaw.execution import Execution
from bandsaw.fingerprint import argument_tokens
from bandsaw.fingerprint.mutation import FirstLook
from bandsaw.interpreter import Interpreter
from bandsaw.modules import importable_modules
from bandsaw.session import Session
from bandsaw.session.exchange import answer_for
from bandsaw.tasks import Task
from bandsaw.transports.memory import MemoryTransport
from tests.configurations import loadable_configuration
from tests.workflows import Workflow

LARGE = 1 << 16


class Moving(RemoteAdvice):
    """Continues sessions in this process, with copies of their arguments."""

    def interpreter_for(self, session: Session) -> Interpreter:
        return Interpreter()

    def transport_for(self, session: Session) -> MemoryTransport:
        return MemoryTransport()


class Asking(Advice):
    """Computes the id of each call."""

    def before(self, session: Session) -> None:
        assert session.ids.execution_id
        session.proceed()


def train(weights: Any, epochs: int = 1, *, history: Any = ()) -> int:
    for _ in range(epochs):
        weights.append(0)
    if isinstance(history, list):
        history.append(epochs)
    return len(weights)


def read(weights: Any) -> int:
    return len(weights)


def look_and_change(values: Any, looks: int) -> None:
    for _ in range(looks):
        argument_tokens({"values": values})
    values[0] += 1


def fail(weights: Any) -> None:
    weights.append(0)
    raise LookupError(weights)


class Model:
    def __init__(self) -> None:
        self.steps: list[int] = []

    def fit(self, steps: int) -> int:
        self.steps.append(steps)
        return steps


class Holder:
    def __init__(self, content: bytes) -> None:
        self.content = content


def fit(model: Model) -> int:
    return model.fit(1)


def hide_a_lock(model: Model) -> None:
    model.steps = time.thread_time  # type: ignore[assignment]
    model.lock = iter(())  # type: ignore[attr-defined]


@pytest.fixture(name="configuration")
def _configuration() -> Iterator[Configuration]:
    with loadable_configuration() as configuration:
        yield configuration


Make = Callable[..., Any]


@pytest.fixture(name="make")
def _make(configuration: Configuration, tmp_path: Path) -> Make:
    """Make a task with a chain of some advices."""
    chains = {
        "cached": (CachingAdvice(tmp_path / "cached"),),
        "moved": (CachingAdvice(tmp_path / "moved"), Moving()),
        "twice moved": (CachingAdvice(tmp_path / "twice"), Moving(), Moving()),
        "cached there": (Moving(), CachingAdvice(tmp_path / "there")),
        "only asked": (Asking(),),
        "asked and moved": (Asking(), Moving()),
        "only moved": (Moving(),),
    }
    for name, advices in chains.items():
        configuration.add_advice_chain(*advices, name=name)

    def make(function: Any, chain: str = "cached", **parameters: Any) -> Any:
        options = {"config": configuration.module_name, "chain": chain}
        return bandsaw.task(function, **options, **parameters)

    return make


def warnings_of(task: Any, *args: Any, **kwargs: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        task(*args, **kwargs)
    assert {one.category for one in caught} <= {MutatedArgumentWarning}
    return [str(one.message) for one in caught]


TOLD = ["cached", "moved", "twice moved", "cached there", "asked and moved"]


@pytest.mark.parametrize("chain", TOLD)
def test_a_changed_argument_is_named(make: Make, chain: str) -> None:
    (text,) = warnings_of(make(train, chain), [1, 2], 3)

    assert "train changes its argument 'weights' in place." in text
    assert "Change a copy in it, and return that." in text


@pytest.mark.parametrize("chain", TOLD)
def test_arguments_that_are_only_read_are_not_told_of(make: Make, chain: str) -> None:
    assert warnings_of(make(read, chain), [1, 2]) == []


@pytest.mark.parametrize("chain", ["only asked", "only moved"])
def test_nothing_is_told_where_nothing_is_lost_or_known(make: Make, chain: str) -> None:
    assert warnings_of(make(train, chain), [1, 2]) == []


def test_a_task_that_keeps_no_result_may_change_its_arguments(make: Make) -> None:
    assert warnings_of(make(train, cache=False), [1, 2]) == []


@pytest.mark.parametrize("chain", ["cached", "moved"])
def test_each_task_is_told_of_once(make: Make, chain: str) -> None:
    task = make(train, chain)

    told = [len(warnings_of(task, [n])) for n in range(3)]

    assert told == [1, 0, 0]
    assert len(warnings_of(make(train, chain), [3])) == 1


@pytest.mark.parametrize("value", [[1], bytearray(LARGE // 2)])
def test_a_hit_of_a_changed_argument_is_told_of_too(
    configuration: Configuration, tmp_path: Path, value: Any
) -> None:
    def call() -> list[str]:
        # As another process sees the cache.
        configuration.add_advice_chain(CachingAdvice(tmp_path))
        task = bandsaw.task(train, config=configuration.module_name)
        return warnings_of(task, type(value)(value)) + warnings_of(task, value[:])

    first, second = call(), call()

    assert len(first) == 1
    assert first == second
    assert len(list(tmp_path.glob("*/*"))) == 2  # The result, and what it is made of


def test_a_hit_of_arguments_that_are_only_read_tells_nothing(
    configuration: Configuration, tmp_path: Path
) -> None:
    for _ in range(2):
        configuration.add_advice_chain(CachingAdvice(tmp_path))
        task = bandsaw.task(read, config=configuration.module_name)
        assert warnings_of(task, [1]) == []


@pytest.mark.parametrize("chain", ["cached", "moved"])
def test_all_changed_arguments_are_named(make: Make, chain: str) -> None:
    (text,) = warnings_of(make(train, chain), [1, 2], history=[])

    assert "arguments 'history', 'weights'" in text


def test_an_argument_that_the_cache_ignores_is_compared(make: Make) -> None:
    task = make(train, cache={"ignore": ["history"]})

    (text,) = warnings_of(task, [1, 2], 0, history=[])

    assert "argument 'history'" in text


def test_a_changed_default_is_named(make: Make) -> None:
    def remember(value: int, memory: list[int] = []) -> int:  # noqa: B006
        memory.append(value)
        return value

    (text,) = warnings_of(make(remember), 1)

    assert "argument 'memory'" in text


@pytest.mark.parametrize("chain", ["cached", "moved"])
def test_a_changed_object_is_named(make: Make, chain: str) -> None:
    (text,) = warnings_of(make(fit, chain), Model())

    assert "argument 'model'" in text


def test_an_object_that_has_lost_its_identity_is_named(make: Make) -> None:
    (text,) = warnings_of(make(hide_a_lock), Model())

    assert "argument 'model'" in text


@pytest.mark.parametrize("chain", ["cached", "moved"])
def test_a_task_that_fails_is_not_told_of(make: Make, chain: str) -> None:
    with pytest.raises(LookupError):
        make(fail, chain)([1])


def test_the_warning_leads_to_the_task(make: Make) -> None:
    with pytest.warns(MutatedArgumentWarning) as caught:
        make(train)([1])

    assert caught[0].filename == __file__
    assert caught[0].lineno == train.__code__.co_firstlineno


class OwnTask:
    """A task object that has no more than it needs."""

    task_id = "own"

    def execute(self, execution: Execution) -> Any:
        train(*execution.args)
        return None


def test_a_task_object_of_the_users_own_is_told_of(tmp_path: Path) -> None:
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(CachingAdvice(tmp_path))
        execution = Execution(None, ([1],))
        session = Session(OwnTask(), execution, configuration)  # type: ignore[arg-type]
        with pytest.warns(MutatedArgumentWarning, match="'args'"):
            session.initiate()


# Large arguments


@pytest.mark.parametrize("chain", ["cached", "moved"])
@pytest.mark.parametrize(("size", "told"), [(LARGE - 1000, 1), (100 * LARGE, 0)])
def test_a_large_argument_of_a_quick_call_is_not_compared(
    make: Make, chain: str, size: int, told: int
) -> None:
    task = make(look_and_change, chain)

    assert len(warnings_of(task, bytearray(size), 0)) == told


@pytest.mark.parametrize("chain", ["cached", "moved"])
def test_a_large_argument_of_a_long_call_is_compared(make: Make, chain: str) -> None:
    task = make(look_and_change, chain)

    (text,) = warnings_of(task, bytearray(16 * LARGE), 200)

    assert "argument 'values'" in text


def look_at(value: object, seconds: float) -> FirstLook:
    """A first look at an argument that took some time."""
    return FirstLook(seconds, argument_tokens({"value": value}))


def changes(before: object, after: object) -> list[str]:
    """The changes that are found although a second look takes long."""
    look = look_at(before, seconds=1.0)
    return look.names_of_changed({"value": after}, seconds=0.0)


def test_a_second_look_takes_at_most_a_tenth_of_the_call() -> None:
    look = look_at([], seconds=1.0)

    assert look.names_of_changed({"value": bytearray(LARGE)}, seconds=9.9) == []
    assert look.names_of_changed({"value": bytearray(LARGE)}, seconds=10.1) == ["value"]


@pytest.mark.parametrize(
    "value",
    [
        [bytes(1000)] * 1000,
        {"a": [{"b": bytearray(LARGE // 2)}]},
        list(range(1000)),
        (Model(), train, len, time, Model),
    ],
    ids=["shared", "nested", "numbers", "code"],
)
def test_an_argument_below_64_kib_is_always_compared(value: Any) -> None:
    assert changes([], value) == ["value"]


@pytest.mark.parametrize(
    "value",
    [
        [bytes([n]) * 1000 for n in range(100)],
        {"a": [{"b": bytearray(LARGE)}]},
        list(range(1000, 10_000)),
        {str(number): number for number in range(5000)},
        [Holder(bytes(LARGE))],
    ],
    ids=["many", "nested", "numbers", "dict", "object"],
)
def test_a_larger_argument_is_not_compared_when_that_takes_long(value: Any) -> None:
    assert changes([], value) == []


def test_an_endless_argument_has_a_size() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert changes([], endless) == ["value"]


def test_the_size_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(bytes(1000))
    large.write_bytes(bytes(LARGE))

    assert changes([], bandsaw.File(small)) == ["value"]
    assert changes([], bandsaw.File(large)) == []


def test_the_size_of_an_array_is_that_of_what_it_shows() -> None:
    numpy = pytest.importorskip("numpy", reason="needs numpy")
    large = numpy.zeros(LARGE, dtype="uint8")
    objects = numpy.array([None], dtype=object)
    objects[0] = bytes(LARGE)

    assert changes([], large[:1000]) == ["value"]
    assert changes([], large[::1]) == []
    assert changes([], objects[:0]) == ["value"]
    assert changes([], objects) == []


class Broken:
    """Raises when it is looked at a second time."""

    looks = 0

    def __fingerprint__(self) -> str:
        Broken.looks += 1
        if Broken.looks > 1:
            raise RuntimeError("It is broken.")
        return "whole"


def test_a_call_does_not_fail_because_of_the_second_look(make: Make) -> None:
    def take(value: Any) -> None:
        pass

    assert warnings_of(make(take), [Broken()]) == []
    assert Broken.looks > 1


# On the way


def test_only_what_is_the_same_there_is_compared_in_another_environment(
    make: Make,
) -> None:
    answer_for(importable_modules())
    try:
        assert warnings_of(make(read_where, "moved"), Where([1])) == []
        assert len(warnings_of(make(train, "moved"), [1])) == 1
    finally:
        answer_for(None)


class Where:
    """Is identified by whether it has been read from a session."""

    arrived = False

    def __init__(self, values: list[int]) -> None:
        self.values = values

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state, arrived=True)


def read_where(where: Where) -> int:
    return len(where.values)


@pytest.mark.parametrize("json", [False, True])
def test_a_saved_session_knows_what_its_arguments_were(
    configuration: Configuration, json: bool
) -> None:
    if json:
        configuration.set_serializer(JsonSerializer())
    configuration.add_advice_chain(Asking())
    content = saved(configuration, [1, 2])

    session = Session().restore(io.BytesIO(content))
    with pytest.warns(MutatedArgumentWarning, match="'weights'"):
        session.initiate()


def test_arguments_that_cannot_change_travel_without_a_look(
    configuration: Configuration,
) -> None:
    content = saved(configuration, (1, "2"))

    assert "first_look.json" not in zipfile.ZipFile(io.BytesIO(content)).namelist()


@pytest.mark.parametrize(
    "look", [b"5", b"{}", b'{"seconds": 0, "tokens": {"weights": "?"}}', b"{"]
)
def test_a_damaged_look_is_refused(configuration: Configuration, look: bytes) -> None:
    source = zipfile.ZipFile(io.BytesIO(saved(configuration, [1])))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name in source.namelist():
            is_look = name == "first_look.json"
            file.writestr(name, look if is_look else source.read(name))

    with pytest.raises(InvalidSessionError, match=r"first_look\.json"):
        Session().restore(target)


def saved(configuration: Configuration, value: Any) -> bytes:
    task = Task.create_task(train)
    stream = io.BytesIO()
    Session(task, Execution.of_call(task, (value,), {}), configuration).save(stream)
    return stream.getvalue()


def test_a_child_process_tells_its_parent(workflow: Workflow) -> None:
    output = workflow.output(
        """
import warnings
import bandsaw

@bandsaw.task
def train(weights):
    weights.append(0)

@bandsaw.task(chain="kept")
def train_there(weights):
    # Only a later call, which says less to a process that knows the task
    if weights[0] > 3:
        weights.append(0)

if __name__ == "__main__":
    for task in (train, train_there):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for number in range(6):
                task([number])
        print([(one.category.__name__, "'weights'" in str(one.message))
               for one in caught])
""",
        config="""
import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.remote import RemoteAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
configuration = bandsaw.Configuration()
configuration.add_advice_chain(CachingAdvice("cache"), SubprocessAdvice())
class Asking(bandsaw.Advice):
    def before(self, session):
        session.ids.execution_id
        session.proceed()
configuration.add_advice_chain(Asking(), SubprocessAdvice(workers=1), name="kept")
""",
    )
    assert output == "[('MutatedArgumentWarning', True)]\n" * 2
