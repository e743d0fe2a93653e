"""Measurements of `MetricsAdvice`, and where they are left."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import multimeter
import pytest
from multimeter.probe import Probe

from bandsaw.advice import Advice
from bandsaw.advices.metrics import MetricsAdvice
from bandsaw.config import Configuration
from bandsaw.exceptions import AdviceError, ConfigurationError, MissingExtraError
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Session
from bandsaw.tasks import Task
from tests.advices.calls import Call, Failing
from tests.workflows import SCRIPTS, Workflow


class Counter(Probe):  # type: ignore[misc]
    """Counts how often it was started, and how often it has ended."""

    def __init__(self) -> None:
        self.started = 0
        self.ended = 0

    def start(self) -> None:
        self.started += 1

    def sample(self, values: dict[str, Any], time_elapsed: float) -> None:
        values["count"] = self.started

    def end(self) -> None:
        self.ended += 1


class Kept(multimeter.DummyStorage):  # type: ignore[misc]
    """Keeps the results of a meter."""

    def __init__(self) -> None:
        self.results: list[Any] = []

    def store(self, result: Any) -> None:
        self.results.append(result)


def does_nothing() -> None:
    pass


class Bench:
    """A meter, and what it has been used for."""

    def __init__(self) -> None:
        self.counter = Counter()
        self.storage = Kept()
        self.meter = multimeter.Multimeter(self.counter, storage=self.storage)

    def advice(self, **more: Any) -> MetricsAdvice:
        return MetricsAdvice(self.meter, **more)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture(autouse=True)
def nothing_is_measured_afterwards(bench: Bench) -> Any:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    assert bench.counter.started == bench.counter.ended


def test_what_was_measured_is_attached(bench: Bench) -> None:
    call = Call(lambda: None, bench.advice())

    ids = call.session.ids
    measured = json.loads(call.attachments["metrics.json"])
    assert list(call.attachments) == ["metrics.json"]
    assert measured["identifier"] == str(ids)
    assert measured["tags"] == {
        "run_id": ids.run_id,
        "task_id": ids.task_id,
        "execution_id": ids.execution_id,
        "session_id": ids.session_id,
    }
    assert measured["points"][-1]["values"] == {"count": 1}


def test_the_storage_of_the_meter_gets_the_result(bench: Bench) -> None:
    call = Call(lambda: None, bench.advice())

    assert [r.identifier for r in bench.storage.results] == [call.session.session_id]


def test_the_probe_of_the_library_works() -> None:
    meter = multimeter.Multimeter(multimeter.ResourceProbe())

    measured = json.loads(
        Call(does_nothing, MetricsAdvice(meter)).attachments["metrics.json"]
    )

    assert "process.cpu_rate_user" in measured["points"][-1]["values"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"tags": {"model": "large", "size": 3}}, {"model": "large", "size": 3}),
        ({"tags": {"task_id": "mine"}}, {"task_id": "mine"}),
        ({"tags": {}}, {}),
        ({"tags": None}, {}),
        ({}, {}),
        (None, {}),
    ],
)
def test_a_task_adds_tags_of_its_own(
    bench: Bench, parameters: Any, expected: dict[str, Any]
) -> None:
    task = Task.create_task(lambda: None, {"metrics": parameters})
    configuration = Configuration().add_advice_chain(bench.advice())
    session = Session(task, Execution("e"), configuration)

    session.initiate()
    session.remove_temp_dir()

    tags = bench.storage.results[0].tags
    assert tags["execution_id"] == "e"
    assert {name: tags[name] for name in expected} == expected
    assert len(tags) == 4 + len(expected.keys() - {"task_id"})


def test_a_task_object_of_the_users_own_needs_no_parameters(bench: Bench) -> None:
    class Own:
        task_id = "own"

        def execute(self, execution: Execution) -> Result:
            return Result(value=1)

    task: Any = Own()
    configuration = Configuration().add_advice_chain(bench.advice())
    session = Session(task, Execution("e"), configuration)

    session.initiate()
    session.remove_temp_dir()

    assert bench.storage.results[0].tags["task_id"] == "own"


def test_another_format_has_another_extension(bench: Bench) -> None:
    call = Call(lambda: None, bench.advice(file_format=multimeter.LineFormat()))

    assert list(call.attachments) == ["metrics.line"]
    assert " count=1i " in call.attachments["metrics.line"]


def test_a_directory_keeps_the_files_of_all_sessions(
    bench: Bench, tmp_path: Path
) -> None:
    directory = tmp_path / "new" / "metrics"
    advice = bench.advice(directory=str(directory))

    calls = [Call(lambda: None, advice, name=name) for name in ("one", "two", "two")]

    assert {path.name: path.read_text() for path in directory.iterdir()} == {
        f"{call.session.session_id}.json": call.attachments["metrics.json"]
        for call in calls
    }
    assert advice.directory == directory


def test_names_do_not_leave_the_directory(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDSAW_RUN_ID", "../../100%")

    Call(lambda: None, bench.advice(directory=tmp_path / "metrics"))

    (path,) = tmp_path.rglob("*.json")
    assert path.parent == tmp_path / "metrics"
    assert path.name.endswith("_e_..%2F..%2F100%25.json")


def test_a_directory_that_can_not_be_written_is_an_error(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        Call(lambda: None, bench.advice(directory=tmp_path / "file"))


def test_a_copy_that_fails_leaves_nothing_in_the_directory(
    bench: Bench, tmp_path: Path
) -> None:
    name = f"{Call(does_nothing, bench.advice()).session.session_id}.json"
    in_the_way = tmp_path / name
    in_the_way.mkdir()

    with pytest.raises(OSError, match=name):
        Call(does_nothing, bench.advice(directory=tmp_path))

    assert list(tmp_path.iterdir()) == [in_the_way]


def test_two_of_them_in_one_chain_measure_both(bench: Bench) -> None:
    other = Bench()

    call = Call(lambda: None, bench.advice(), other.advice())

    assert sorted(call.attachments) == ["metrics-2.json", "metrics.json"]
    assert len(bench.storage.results) == len(other.storage.results) == 1
    assert other.counter.ended == 1


def test_one_that_is_in_a_chain_twice_measures_twice(bench: Bench) -> None:
    advice = bench.advice()

    call = Call(lambda: None, advice, advice)

    assert sorted(call.attachments) == ["metrics-2.json", "metrics.json"]
    assert bench.counter.ended == 2


EIGHT = threading.Barrier(8)


def meets_seven_others() -> None:
    EIGHT.wait()


def test_eight_threads_measure_at_once(bench: Bench, tmp_path: Path) -> None:
    advice = bench.advice(directory=tmp_path)

    def call(number: int) -> None:
        # Two threads each make the same call.
        name = str(number // 2)
        for _ in range(3):
            call = Call(meets_seven_others, advice, name=name)
            measured = json.loads(call.attachments["metrics.json"])
            assert measured["identifier"] == call.session.session_id
            assert measured["tags"]["execution_id"] == name

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(call, number) for number in range(8)]:
            future.result()

    assert len(bench.storage.results) == 24
    assert len(list(tmp_path.iterdir())) == 4


def test_a_task_that_fails_is_measured(bench: Bench) -> None:
    def fail() -> None:
        raise ValueError("failed")

    call = Call(fail, bench.advice())

    assert call.result == Result(exception=ValueError("failed"))
    assert list(call.attachments) == ["metrics.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("is_later", [True, False])
def test_measuring_ends_when_an_advice_fails(
    bench: Bench, where: str, is_later: bool, error: type[BaseException]
) -> None:
    advices = [bench.advice(), Failing(where, error)]

    with pytest.raises(error):
        Call(lambda: None, *(advices if is_later else reversed(advices)))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_measuring_ends_when_the_task_is_interrupted(
    bench: Bench, error: type[BaseException]
) -> None:
    def interrupted() -> None:
        raise error

    with pytest.raises(error):
        Call(interrupted, bench.advice())


def test_a_storage_that_fails_is_an_error(bench: Bench) -> None:
    class Full(multimeter.DummyStorage):  # type: ignore[misc]
        def store(self, result: Any) -> None:
            raise LookupError("no room")

    bench.meter.set_storage(Full())

    with pytest.raises(LookupError, match="no room"):
        Call(lambda: None, bench.advice())


def test_a_storage_that_fails_does_not_hide_the_first_error(bench: Bench) -> None:
    class Full(multimeter.DummyStorage):  # type: ignore[misc]
        def store(self, result: Any) -> None:
            raise LookupError("no room")

    bench.meter.set_storage(Full())

    with pytest.raises(ConfigurationError):
        Call(lambda: None, bench.advice(), Failing("before", ConfigurationError))


class Freeze(Advice):
    """Saves the session, and forgets to go on."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()

    def before(self, session: Session) -> None:
        session.save(self.stream)


def test_a_session_that_ends_elsewhere_is_not_measured(bench: Bench) -> None:
    freeze = Freeze()
    configuration = Configuration().add_advice_chain(bench.advice(), freeze)
    first = Session(Task.create_task(does_nothing), Execution("e"), configuration)
    with pytest.raises(AdviceError):
        first.initiate()

    freeze.stream.seek(0)
    second = Session(configuration=configuration).restore(freeze.stream)
    second.proceed()

    for session in first, second:
        assert not session.attachments
        session.remove_temp_dir()
    assert second.is_finished


class FakeMeter:
    """A meter that does not need multimeter."""

    def measure(self, identifier: str, **tags: str) -> Any:
        raise AssertionError("Nothing is to be measured.")


def call_without_multimeter(
    monkeypatch: pytest.MonkeyPatch, function: Callable[[], Any]
) -> Result | None:
    monkeypatch.setitem(sys.modules, "multimeter", None)
    return Call(function, MetricsAdvice(FakeMeter())).result


def test_the_error_names_the_extra_when_multimeter_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(MissingExtraError, match=r"bandsaw\[multimeter\]"):
        call_without_multimeter(monkeypatch, lambda: None)


def test_the_task_is_not_executed_in_vain_when_multimeter_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executed: list[int] = []

    with pytest.raises(MissingExtraError):
        call_without_multimeter(monkeypatch, lambda: executed.append(1))

    assert executed == []


def test_multimeter_is_imported_on_first_use(workflow: Workflow) -> None:
    script = (
        "import sys, bandsaw.advices.metrics as metrics\n"
        "class Meter:\n"
        "    def measure(self, name, **tags): ...\n"
        "metrics.MetricsAdvice(Meter())\n"
        "assert 'multimeter' not in sys.modules\n"
    )

    workflow.python("-c", script)


def test_what_cannot_measure_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="MetricsAdvice needs a Multimeter"):
        MetricsAdvice("metrics")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system cannot fork.")
def test_a_forked_child_measures_on_its_own(workflow: Workflow) -> None:
    workflow.python(SCRIPTS / "measuring_in_a_child.py")
