"""The extension that tells a backend what happens in the sessions."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from bandsaw.advice import Advice, advise_task_with_chain
from bandsaw.config import Configuration
from bandsaw.execution import Execution
from bandsaw.extensions import Extension
from bandsaw.session import Session
from bandsaw.tasks import Task
from bandsaw.timestamps import TimestampsExtension
from bandsaw.tracking import telling
from bandsaw.tracking.backend import Backend
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension
from tests.workflows import SCRIPTS

SECRET = "Tr0ub4dor&3"


class Recorder(Backend):
    """Keeps what it is told in the order in which it is told."""

    def __init__(self):
        self.told = []

    def names(self):
        return [name for name, *_ in self.told]

    def record(self, name):
        """Return what was told last under that name."""
        return [arguments for told, *arguments in self.told if told == name][-1][-1]

    def track_run(self, ids, run_info):
        self.told.append(("run", ids, run_info))

    def track_distribution_archive(self, distribution_archive):
        self.told.append(("archive", distribution_archive))

    def track_task(self, ids, task_info):
        self.told.append(("task", ids, task_info))

    def track_execution(self, ids, execution_info):
        self.told.append(("execution", ids, execution_info))

    def track_session(self, ids, session_info):
        self.told.append(("session", ids, session_info))

    def track_result(self, ids, result_info):
        self.told.append(("result", ids, result_info))

    def track_attachments(self, ids, attachments):
        self.told.append(("attachments", ids, attachments))


@pytest.fixture
def backend():
    return Recorder()


@pytest.fixture
def configuration(backend):
    return Configuration().add_extension(TrackerExtension(backend))


def identity(value):
    return value


def fail(message):
    raise ValueError(message)


def rich(a, b=2, /, c=3, *args, d, e=5, **kwargs):
    return a


def login(user, password="default-Tr0ub4dor&3", *args, **kwargs):
    return [user, password, args, kwargs]


def call(configuration, function, *args, parameters=None, **kwargs):
    task = Task.create_task(function, parameters)
    execution = Execution.of_call(task, args, kwargs)
    return advise_task_with_chain(task, execution, configuration)


def test_a_backend_is_required():
    with pytest.raises(ValueError, match="Backend must be set"):
        TrackerExtension(None)
    with pytest.raises(TypeError, match="is not of type `Backend`"):
        TrackerExtension("directory")


def test_a_backend_that_overrides_nothing_is_told_without_harm():
    configuration = Configuration().add_extension(TrackerExtension(Backend()))
    assert call(configuration, identity, 1).value == 1


def test_everything_is_told_once_and_the_end_of_each_session(configuration, backend):
    beginning = ["run", "task", "execution", "session"]
    call(configuration, identity, 1)
    assert backend.names() == [*beginning, "result", "attachments"]

    backend.told.clear()
    call(configuration, identity, 1)
    assert backend.names() == ["result", "attachments"]

    backend.told.clear()
    call(configuration, identity, 2)
    assert backend.names() == ["execution", "session", "result", "attachments"]

    backend.told.clear()
    call(configuration, fail, 2).exception  # noqa: B018
    assert backend.names() == [*beginning[1:], "result", "attachments"]


def test_the_records_are_the_documented_ones(configuration, backend, monkeypatch):
    monkeypatch.setenv("BANDSAW_RUN_ID", "my run")
    configuration.module_name = "my_config"
    configuration.add_modules_for_distribution("json")
    call(configuration, identity, [1], parameters={"version": "2"})

    task = {
        "id": Task.create_task(identity, {"version": "2"}).task_id,
        "definition": f"{__name__}.identity",
        "advice_parameters": {"version": "2"},
    }
    assert backend.record("run")["id"] == "my run"
    assert set(backend.record("run")) == {
        *("id", "start_date", "user", "command", "env", "meta"),
    }
    assert backend.record("task") == {"task": task}
    execution = backend.record("execution")
    assert execution == {
        "task": task,
        "execution": {
            "id": execution["execution"]["id"],
            "arguments": [
                {"name": "value", "type": "list", "value": "[1]", "size": "1"}
            ],
        },
    }
    session = {
        **execution,
        "run": {"id": "my run"},
        "configuration": "my_config",
        "distribution_archive": {
            "modules": ("__main__", "bandsaw", "my_config", "json"),
            "id": None,
        },
        "session": {"id": f"{task['id']}_{execution['execution']['id']}_my run"},
        "context": {},
    }
    assert backend.record("session") == session
    assert backend.record("result") == {
        **session,
        "result": {"value": [{"index": 0, "type": "int", "value": "1"}]},
    }
    ids = backend.told[0][1]
    assert {str(ids) for _, ids, _ in backend.told} == {session["session"]["id"]}
    assert ids.run_id == "my run"


@pytest.mark.skipif(sys.version_info < (3, 8), reason="positional-only parameters")
def test_every_parameter_is_described_defaults_included(configuration, backend):
    def described(*args, **kwargs):
        call(configuration, rich, *args, **kwargs)
        arguments = backend.record("execution")["execution"]["arguments"]
        return {argument["name"]: argument["value"] for argument in arguments}

    defaults = {"a": "1", "b": "2", "c": "3", "args": "()", "e": "5", "kwargs": "{}"}
    assert described(1, d=4) == {**defaults, "d": "4"}
    assert described(1, 7, 8, 9, 10, d=4, e=6, f=7) == {
        **{"a": "1", "b": "7", "c": "8", "args": "(9, 10)"},
        **{"d": "4", "e": "6", "kwargs": "{'f': 7}"},
    }
    assert described(1, d=4, c=9, a=11) == {
        **defaults,
        **{"c": "9", "d": "4", "kwargs": "{'a': 11}"},
    }


def test_a_call_that_does_not_fit_is_tracked_with_what_was_given(
    configuration, backend
):
    assert isinstance(call(configuration, identity, 1, 2, x=3).exception, TypeError)
    arguments = backend.record("execution")["execution"]["arguments"]
    assert {argument["name"]: argument["value"] for argument in arguments} == {
        "value": "1",
        "[1]": "2",
        "x": "3",
    }
    assert backend.record("result")["result"]["exception"] == "TypeError"


@pytest.mark.parametrize(
    ("value", "info"),
    [
        (1, {"type": "int", "value": "1"}),
        (None, {"type": "NoneType", "value": "None"}),
        (
            "a" * 101,
            {"type": "str", "value": f"{'a' * 85}...{'a' * 12}", "size": "101"},
        ),
        ({2, 1}, {"type": "set", "value": "[1, 2]", "size": "2"}),
        ([], []),
        ({}, []),
        ((1,), [{"index": 0, "type": "int", "value": "1"}]),
        (
            {"a": 1, 3: None, (1, 2): "x"},
            [
                {"key": "a", "type": "int", "value": "1"},
                {"key": 3, "type": "NoneType", "value": "None"},
                {"key": "(1, 2)", "type": "str", "value": "x", "size": "1"},
            ],
        ),
    ],
)
def test_results_are_described(configuration, backend, value, info):
    call(configuration, identity, value)
    assert backend.record("result")["result"] == {"value": info}


def test_of_a_huge_result_the_first_items_are_described(configuration, backend):
    call(configuration, identity, list(range(100_000)))
    result = backend.record("result")["result"]
    assert len(result["value"]) == 1000
    assert result["size"] == "100000"


def test_an_exception_is_described(configuration, backend):
    call(configuration, fail, "no such thing")
    assert backend.record("result")["result"] == {
        "exception": "ValueError",
        "message": "no such thing",
    }


def test_a_falsy_exception_is_one_too(configuration, backend):
    class Empty(Exception):
        def __len__(self):
            return 0

        def __str__(self):
            raise OSError

    def raise_empty():
        raise Empty

    call(configuration, raise_empty)
    result = backend.record("result")["result"]
    assert result["exception"] == "Empty"
    assert "OSError" in result["message"]


def test_the_record_of_the_result_knows_what_happened_since(backend):
    class Note(Advice):
        def before(self, session):
            session.context["note"]["deep"] = 1
            session.proceed()

    configuration = Configuration().add_advice_chain(Note())
    configuration.add_extension(TimestampsExtension())
    configuration.add_extension(TrackerExtension(backend))
    call(configuration, identity, 1)

    assert list(backend.record("session")["context"]) == ["timestamps"]
    context = backend.record("result")["context"]
    assert context["note"] == {"deep": 1}
    assert "after_task" in context["timestamps"]


def test_arguments_are_described_before_the_task_changes_them(configuration, backend):
    def change(values):
        values.clear()

    call(configuration, change, [1, 2])
    (argument,) = backend.record("result")["execution"]["arguments"]
    assert argument["value"] == "[1, 2]"


def test_attachments_are_told_as_they_are(backend, tmp_path):
    class Attach(Advice):
        def after(self, session):
            path = tmp_path / "file.txt"
            path.write_text("content")
            session.attachments["file.txt"] = path
            session.proceed()

    configuration = Configuration().add_advice_chain(Attach())
    configuration.add_extension(TrackerExtension(backend))
    configuration.add_extension(TrackerExtension(FileSystemBackend(tmp_path / "t")))
    call(configuration, identity, 1)

    attachments = backend.record("attachments")
    assert attachments["file.txt"].size == 7
    (copy,) = (tmp_path / "t").glob("tasks/*/*/*/attachments/file.txt")
    assert copy.read_text() == "content"


def test_a_distribution_archive_is_told_once_when_it_was_built(backend):
    class Build(Advice):
        def before(self, session):
            if session.execution.args == ("build",):
                session.distribution_archive.path  # noqa: B018
            session.proceed()

    configuration = Configuration().add_advice_chain(Build())
    configuration.add_extension(TrackerExtension(backend))
    call(configuration, identity, "first")
    assert "archive" not in backend.names()
    assert backend.record("result")["distribution_archive"]["id"] is None

    call(configuration, identity, "build")
    call(configuration, identity, "build")
    call(configuration, identity, "last")
    assert backend.names().count("archive") == 1
    archive = backend.record("archive")
    assert archive.path.is_file()
    assert backend.record("session")["distribution_archive"]["id"] == archive.archive_id
    # The archive is removed when nothing refers to it any more.
    backend.told.clear()


def test_a_session_without_a_result_is_tracked_without_one(backend):
    class Broken(Advice):
        def before(self, session):
            raise KeyboardInterrupt

    configuration = Configuration().add_advice_chain(Broken())
    configuration.add_extension(TrackerExtension(backend))
    with pytest.raises(KeyboardInterrupt):
        call(configuration, identity, 1)
    assert "session" in backend.names()
    assert "result" not in backend.names()


def test_the_same_call_again_is_tracked_with_its_last_result(tmp_path):
    configuration = Configuration()
    configuration.add_extension(TrackerExtension(FileSystemBackend(tmp_path)))
    outcomes = iter([ValueError("first"), 2, 3, ValueError("fourth")])

    def flaky():
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    task = Task.create_task(flaky)
    task.task_id = "flaky"

    def result_of_next_call():
        advise_task_with_chain(task, Execution("e"), configuration)
        (path,) = tmp_path.glob("tasks/flaky/e/*/result-info.json")
        return json.loads(path.read_text())

    assert result_of_next_call()["result"]["message"] == "first"
    assert result_of_next_call()["result"]["value"]["value"] == "2"
    assert result_of_next_call()["result"]["value"]["value"] == "3"
    last = result_of_next_call()
    assert last["result"]["message"] == "fourth"
    (kept,) = tmp_path.glob(f"tasks/flaky/e/*/{last['earlier_success']}")
    assert json.loads(kept.read_text())["result"]["value"]["value"] == "3"


# Hiding


def everything(directory):
    """All that is written, names of files included."""
    texts = []
    for path in directory.rglob("*"):
        texts.append(str(path.relative_to(directory)))
        if path.is_file():
            texts.append(path.read_text())
    return "\n".join(texts)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("me", SECRET), {}),
        (("me",), {"password": SECRET}),
        (("me",), {}),
        (("me", "x"), {"token": SECRET}),
        ((f"me with {SECRET}", SECRET), {}),
        (("me", SECRET, SECRET), {"other": [SECRET]}),
        (("me", [SECRET, {"k": SECRET}]), {}),
        (("me", SECRET.encode()), {}),
    ],
)
def test_a_hidden_argument_is_in_no_record(tmp_path, backend, args, kwargs):
    configuration = Configuration()
    configuration.add_extension(TrackerExtension(FileSystemBackend(tmp_path)))
    configuration.add_extension(TrackerExtension(backend))
    parameters = {"tracking": {"hide": ["password", "token"]}}

    call(configuration, login, *args, parameters=parameters, **kwargs)

    assert SECRET not in everything(tmp_path)
    assert "execution-info.json" in everything(tmp_path)
    arguments = backend.record("execution")["execution"]["arguments"]
    password = next(a for a in arguments if a["name"] == "password")
    assert password["value"] == "(hidden)"
    assert set(password) == {"name", "type", "value"}
    if len(args) > 1:
        assert password["type"] == type(args[1]).__name__


def test_a_hidden_argument_is_not_in_the_message_of_an_exception(tmp_path):
    def connect(password):
        raise ConnectionError(f"login with {password!r} failed")

    configuration = Configuration()
    configuration.add_extension(TrackerExtension(FileSystemBackend(tmp_path)))
    parameters = {"tracking": {"hide": ["password"]}}
    call(configuration, connect, SECRET, parameters=parameters)

    assert SECRET not in everything(tmp_path)
    assert "login with '(hidden)' failed" in everything(tmp_path)


def test_members_of_additional_keyword_arguments_are_hidden_by_name(backend):
    configuration = Configuration().add_extension(TrackerExtension(backend))
    parameters = {"tracking": {"hide": ["token"]}}
    call(configuration, login, "me", "pw", token=SECRET, b=1, parameters=parameters)

    arguments = backend.record("execution")["execution"]["arguments"]
    assert arguments[-1]["value"] == "{'token': (hidden), 'b': 1}"
    assert arguments[1]["value"] == "pw"


def test_all_additional_arguments_are_hidden_by_their_common_name(backend):
    configuration = Configuration().add_extension(TrackerExtension(backend))
    parameters = {"tracking": {"hide": ["args", "kwargs"]}}
    call(configuration, login, "me", "pw", SECRET, b=SECRET, parameters=parameters)

    assert SECRET not in str(backend.told)
    arguments = backend.record("execution")["execution"]["arguments"]
    assert [argument["value"] for argument in arguments[-2:]] == ["(hidden)"] * 2


def test_an_argument_without_a_known_name_is_hidden_when_any_is(backend):
    configuration = Configuration().add_extension(TrackerExtension(backend))
    parameters = {"tracking": {"hide": ["value"]}}
    call(configuration, identity, 1, SECRET, value=2, parameters=parameters)
    assert SECRET not in str(backend.told)


def test_a_hidden_argument_that_is_returned_is_as_hidden_as_before(backend):
    configuration = Configuration().add_extension(TrackerExtension(backend))
    call(configuration, identity, SECRET, parameters={"tracking": {"hide": "value"}})
    info = {"type": "str", "value": "(hidden)"}
    assert backend.record("result")["result"] == {"value": info}


def test_what_a_value_says_of_itself_is_searched_for_hidden_ones(backend):
    class Client:
        def value_info(self):
            return {"login": {"password": SECRET}}

    def make(password):
        return Client()

    configuration = Configuration().add_extension(TrackerExtension(backend))
    call(configuration, make, SECRET, parameters={"tracking": {"hide": "password"}})
    info = backend.record("result")["result"]["value"]
    assert info["login"] == {"password": "(hidden)"}
    assert info["type"].endswith("Client")


# Whatever happens, the workflow goes on


class Failing(Backend):
    def __init__(self, failures=10_000):
        self.failures = failures
        self.calls = []

    def _track(self, name):
        self.calls.append(name)
        if len(self.calls) <= self.failures:
            raise RuntimeError("the backend is broken")

    def track_run(self, ids, run_info):
        self._track("run")

    def track_session(self, ids, session_info):
        self._track("session")

    def track_result(self, ids, result_info):
        self._track("result")

    def track_attachments(self, ids, attachments):
        self._track("attachments")


def warnings_of(caplog):
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING
    ]


def test_all_errors_of_a_backend_are_one_warning(caplog):
    backend = Failing()
    # Several configurations may share the backend.
    for _ in range(2):
        configuration = Configuration().add_extension(TrackerExtension(backend))
        for value in (1, 2):
            assert call(configuration, identity, value).value == value

    (message,) = warnings_of(caplog)
    assert "Failing" in message
    assert "RuntimeError: the backend is broken" in message
    assert caplog.records[0].name == "bandsaw.tracking"


def test_the_other_errors_are_there_for_who_looks(caplog):
    caplog.set_level(logging.DEBUG, "bandsaw.tracking")
    configuration = Configuration().add_extension(TrackerExtension(Failing()))
    call(configuration, identity, 1)
    assert [r.levelname for r in caplog.records] == ["WARNING", *["DEBUG"] * 3]


def test_what_a_backend_failed_to_keep_is_told_again():
    backend = Failing(failures=2)
    configuration = Configuration().add_extension(TrackerExtension(backend))
    for _ in range(3):
        call(configuration, identity, 1)
    end = ["result", "attachments"]
    assert backend.calls == ["run", "session", *end, "run", "session", *end, *end]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_interruptions_are_no_errors(interruption):
    class Interrupted(Backend):
        def track_run(self, ids, run_info):
            raise interruption

    configuration = Configuration().add_extension(TrackerExtension(Interrupted()))
    with pytest.raises(interruption):
        call(configuration, identity, 1)


def test_a_directory_that_can_not_be_written_gives_one_warning(tmp_path, caplog):
    file = tmp_path / "file"
    file.write_text("in the way")
    backend = FileSystemBackend(file / "below")
    configuration = Configuration().add_extension(TrackerExtension(backend))
    for value in range(5):
        assert call(configuration, identity, value).value == value

    assert len(warnings_of(caplog)) == 1
    assert str(file) in warnings_of(caplog)[0]
    assert file.read_text() == "in the way"


def test_the_warning_is_one_line_on_stderr_when_no_logging_is_configured(workflow):
    workflow.write({"file": "in the way"})
    done = workflow.run(
        """
        import bandsaw

        @bandsaw.task
        def double(x):
            return 2 * x

        print(double(1), double(2), double(1))
        """,
        config="""
        import bandsaw
        from bandsaw.tracking.filesystem import FileSystemBackend
        from bandsaw.tracking.tracker import TrackerExtension

        backend = FileSystemBackend("file/below")
        configuration = bandsaw.Configuration()
        configuration.add_extension(TrackerExtension(backend))
        """,
        environment={"PYTHONWARNINGS": "error"},
    )
    assert done.stdout == "2 4 2\n"
    assert len(done.stderr.splitlines()) == 1
    assert str(workflow.directory / "file") in done.stderr


class Awkward:
    def __repr__(self):
        raise ValueError("no text")

    def __len__(self):
        raise ValueError("no length")

    def __eq__(self, other):
        raise ValueError("not comparable")

    def __hash__(self):
        return 1

    def value_info(self):
        raise ValueError("no info")


class AwkwardDict(dict):
    def __iter__(self):
        raise ValueError("no keys")


class AwkwardList(list):
    def __len__(self):
        raise ValueError("no length")


class Unsure:
    @property
    def __class__(self):
        raise ValueError("no class")


@pytest.mark.parametrize(
    "value",
    [
        Awkward(),
        range(10**30),
        {10**5000: 1},
        [Awkward()],
        AwkwardDict(a=1),
        AwkwardList("a"),
        {Awkward(): Awkward()},
        {1, "a", None, (1, "b"), frozenset({1}), 2.5},
        float("nan"),
        object(),
        b"\xff",
        "\ud800",
        10**5000,
        {(1, 2): {3: {4}}},
        type("Info", (), {"value_info": lambda self: {"a": {1, 2}, (1,): b"x"}})(),
        type("Info", (), {"value_info": lambda self: "no dict"})(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_are_awkward_to_describe_are_tracked(tmp_path, caplog, value):
    configuration = Configuration()
    configuration.add_extension(TrackerExtension(FileSystemBackend(tmp_path)))
    call(configuration, identity, value)

    assert warnings_of(caplog) == []
    (result,) = tmp_path.glob("tasks/*/*/*/result-info.json")
    assert json.loads(result.read_text())["result"]["value"]


def test_a_value_whose_class_cannot_be_asked_for_is_tracked(tmp_path, caplog):
    configuration = Configuration()
    configuration.add_extension(TrackerExtension(FileSystemBackend(tmp_path)))
    # Not a parameter of the test: pytest would ask for its class, too.
    call(configuration, identity, Unsure())

    assert warnings_of(caplog) == []
    (result,) = tmp_path.glob("tasks/*/*/*/result-info.json")
    assert json.loads(result.read_text())["result"]["value"]["type"] == "Unsure"


def test_context_and_parameters_may_hold_anything(tmp_path, caplog):
    class Note(Advice):
        def before(self, session):
            session.context["anything"] = {Awkward(): {1, 2}}
            session.proceed()

    configuration = Configuration().add_advice_chain(Note())
    configuration.add_extension(TrackerExtension(FileSystemBackend(tmp_path)))
    call(configuration, identity, 1, parameters={"check": len, "tags": {"a", "b"}})

    assert warnings_of(caplog) == []
    (result,) = tmp_path.glob("tasks/*/*/*/result-info.json")
    record = json.loads(result.read_text())
    assert record["task"]["advice_parameters"]["tags"] == "['a', 'b']"


def test_a_task_of_the_users_own_needs_no_more_than_an_id(configuration, backend):
    class Own:
        __slots__ = ("task_id",)

        def __init__(self):
            self.task_id = "own"

        def execute(self, execution):
            return sum(execution.args)

        def __str__(self):
            return "own task"

    execution = Execution("e", (1, 2), {"key": 3})
    advise_task_with_chain(Own(), execution, configuration)

    assert backend.record("task") == {
        "task": {"id": "own", "definition": "own task", "advice_parameters": {}}
    }
    arguments = backend.record("execution")["execution"]["arguments"]
    assert {argument["name"]: argument["value"] for argument in arguments} == {
        "[0]": "1",
        "[1]": "2",
        "kwargs": "{'key': 3}",
    }
    assert backend.record("result")["result"] == {
        "value": {"type": "int", "value": "3"}
    }


def test_a_session_whose_beginning_was_not_seen_is_tracked_at_its_end(backend):
    tracker = TrackerExtension(backend)
    configuration = Configuration()
    session = Session(Task.create_task(identity), Execution("e", (1,)), configuration)
    session.initiate()
    tracker.on_session_finished(session)
    assert backend.names() == ["result", "attachments"]


def test_what_can_not_be_described_at_all_is_a_warning(backend, caplog):
    tracker = TrackerExtension(backend)
    tracker.on_session_created(SimpleNamespace())
    tracker.on_session_finished(SimpleNamespace())
    assert len(warnings_of(caplog)) == 1


def test_a_logger_that_fails_does_not_break_the_workflow():
    class Broken(logging.Handler):
        def handle(self, record):
            raise OSError("disk full")

    handler = Broken()
    logging.getLogger("bandsaw.tracking").addHandler(handler)
    try:
        configuration = Configuration().add_extension(TrackerExtension(Failing()))
        assert call(configuration, identity, 1).value == 1
    finally:
        logging.getLogger("bandsaw.tracking").removeHandler(handler)


# Many calls


def test_memory_stays_bounded(monkeypatch):
    monkeypatch.setattr(telling, "_MOST_IDS", 50)
    tracker = TrackerExtension(Backend())
    configuration = Configuration().add_extension(tracker)
    for value in range(1_000):
        call(configuration, identity, value)
        assert len(tracker._teller._told) <= 2 * 50
    assert len(tracker._teller._facts) <= 2 * telling._MOST_TASKS


def test_a_session_bears_nothing_of_the_trackers_that_it_had():
    sessions = []

    class Witness(Extension):
        def on_session_created(self, session):
            sessions.append((session, set(vars(session))))

        def on_session_finished(self, session):
            sessions.append((session, set(vars(session))))

    backends = [Recorder(), Recorder()]
    configuration = Configuration().add_extension(Witness())
    for backend in backends:
        configuration.add_extension(TrackerExtension(backend))
    configuration.add_extension(Witness())
    call(configuration, identity, 1)

    assert backends[0].names() == backends[1].names()
    assert [name for name in vars(sessions[0][0]) if "record" in name] == []
    assert len([name for name in sessions[1][1] if "record" in name]) == 2


def test_what_was_forgotten_is_told_again(monkeypatch):
    monkeypatch.setattr(telling, "_MOST_IDS", 20)
    backend = Recorder()
    configuration = Configuration().add_extension(TrackerExtension(backend))
    for value in [*range(100), 0]:
        call(configuration, identity, value)
    assert backend.names().count("run") == 1
    assert backend.names().count("task") == 1
    assert backend.names().count("session") == 101


def test_a_tracker_keeps_neither_sessions_nor_tasks_alive(configuration):
    class Value:
        pass

    def make_task(value):
        return lambda: value

    values = [Value()]
    reference = weakref.ref(values[0])
    call(configuration, make_task(values[0]))
    call(configuration, identity, values.pop())
    configuration.extensions[0].backend.told.clear()
    gc.collect()
    assert reference() is None


def test_threads_tell_each_fact_once(configuration, backend):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: call(configuration, identity, n % 50), range(400)))
    names = backend.names()
    assert {name: names.count(name) for name in set(names)} == {
        **{"run": 1, "task": 1, "execution": 50, "session": 50},
        **{"result": 400, "attachments": 400},
    }


def test_asynchronous_tasks_and_methods_are_tracked(tmp_path):
    (tmp_path / "bandsaw_config.py").write_text(
        "import bandsaw\n"
        "from bandsaw.tracking.filesystem import FileSystemBackend\n"
        "from bandsaw.tracking.tracker import TrackerExtension\n"
        f"backend = FileSystemBackend({str(tmp_path / 'tracked')!r})\n"
        "configuration = bandsaw.Configuration()\n"
        "configuration.add_extension(TrackerExtension(backend))\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        import bandsaw

        @bandsaw.task
        async def double(x):
            await asyncio.sleep(0)
            return 2 * x

        class Account:
            @bandsaw.task(tracking={"hide": ["pin"]})
            def login(self, pin):
                return "in"

        async def many():
            return await asyncio.gather(*map(double, range(20)))

        assert asyncio.run(many()) == [2 * x for x in range(20)]
        assert Account().login(123456) == "in"
    finally:
        sys.path.remove(str(tmp_path))
    infos = (tmp_path / "tracked").glob("tasks/*/*/execution-info.json")
    records = [json.loads(info.read_text()) for info in infos]
    assert len(records) == 21
    (login,) = (r for r in records if r["task"]["definition"].endswith("login"))
    arguments = login["execution"]["arguments"]
    assert [argument["name"] for argument in arguments] == ["self", "pin"]
    assert arguments[1]["value"] == "(hidden)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_tracks_on(workflow, tmp_path):
    workflow.python(SCRIPTS / "tracking_in_children.py", tmp_path)

    assert len(list(tmp_path.glob("tasks/*/*/*/result-info.json"))) == 50
    assert len(list(tmp_path.glob("runs/*/run-info.json"))) == 1
    assert list(tmp_path.rglob("*.tmp")) == []
