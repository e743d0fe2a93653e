"""The backend that keeps what is tracked as JSON files."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bandsaw.exceptions import UntrustedDirectoryError
from bandsaw.session import Ids
from bandsaw.session.attachments import Attachments
from bandsaw.tracking.filesystem import FileSystemBackend
from tests.workflows import SCRIPTS

IDS = Ids("task", "execution", "run")
SESSION = Path("tasks/task/execution/run")
SUCCESS = {"result": {"value": {"type": "int", "value": "1"}}}
FAILURE = {"result": {"exception": "ValueError", "message": "no"}}
FACTS = ("task-info.json", "execution/execution-info.json")


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "tracked"


@pytest.fixture
def backend(directory):
    return FileSystemBackend(directory)


def read(path):
    return json.loads(path.read_text())


def files_below(directory):
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file()
    )


def attachments_of(tmp_path, **contents):
    attachments = Attachments()
    for name, content in contents.items():
        path = tmp_path / f"{name}.txt"
        path.write_text(content)
        attachments[f"{name}.txt"] = path
    return attachments


def track_all(backend, ids, result=SUCCESS):
    backend.track_run(ids, {"id": ids.run_id})
    backend.track_task(ids, {"task": {"id": ids.task_id}})
    backend.track_execution(ids, {"execution": {"id": ids.execution_id}})
    backend.track_session(ids, {"session": {"id": ids.session_id}})
    backend.track_result(ids, result)


def test_everything_has_its_place(backend, directory, tmp_path):
    track_all(backend, IDS)
    backend.track_attachments(IDS, attachments_of(tmp_path, log="lines"))

    assert backend.directory == directory
    assert files_below(directory) == [
        "runs/run/run-info.json",
        "runs/run/task_execution_run",
        "tasks/task/execution/execution-info.json",
        "tasks/task/execution/run/attachments/log.txt",
        "tasks/task/execution/run/result-info.json",
        "tasks/task/execution/run/session-info.json",
        "tasks/task/task-info.json",
    ]
    assert read(directory / "runs/run/run-info.json") == {"id": "run"}
    assert (directory / "runs/run/task_execution_run").read_bytes() == b""
    assert read(directory / SESSION / "result-info.json") == SUCCESS
    assert (directory / SESSION / "attachments/log.txt").read_text() == "lines"


def test_nothing_is_made_before_something_is_tracked(backend, directory):
    assert not directory.exists()


def test_each_record_can_be_the_first(directory, tmp_path):
    attachments = attachments_of(tmp_path, log="lines")
    for number, (method, record) in enumerate(
        [
            ("track_session", {}),
            ("track_result", SUCCESS),
            ("track_result", FAILURE),
            ("track_attachments", attachments),
            ("track_execution", {}),
        ]
    ):
        place = directory / str(number)
        getattr(FileSystemBackend(place), method)(IDS, record)
        assert files_below(place)


def test_saying_everything_again_changes_nothing(backend, directory, tmp_path):
    attachments = attachments_of(tmp_path, log="lines")
    states = []
    for _ in range(3):
        track_all(backend, IDS)
        backend.track_attachments(IDS, attachments)
        states.append({f: (directory / f).read_bytes() for f in files_below(directory)})
    assert states[0] == states[1] == states[2]


def test_only_what_has_changed_of_a_task_or_an_execution_is_written_again(directory):
    paths = [directory / "tasks/task" / name for name in FACTS]
    for number, definition in enumerate(["one", "one", "another", "an"]):
        backend = FileSystemBackend(directory)
        record = {"task": {"definition": definition}}
        backend.track_task(IDS, record)
        backend.track_execution(IDS, record)
        for path in paths:
            assert read(path) == record
            first = path.with_name("first")
            if number == 0:
                os.link(path, first)
            assert path.samefile(first) == (definition == "one")


def test_a_directory_may_disappear_at_any_time(backend, directory):
    track_all(backend, IDS)
    shutil.rmtree(directory)
    backend.track_result(IDS, SUCCESS)
    backend.track_attachments(IDS, Attachments())
    assert files_below(directory) == [f"{SESSION}/result-info.json"]


def test_it_stays_where_it_was_when_the_working_directory_changes(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    backend = FileSystemBackend("relative")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    track_all(backend, IDS)
    assert (tmp_path / "relative/runs").is_dir()


PLANTED_DIRECTORIES = ["runs", "runs/run", "tasks", "tasks/task"]
PLANTED_DIRECTORIES += ["tasks/task/execution", str(SESSION)]
PLANTED_FILES = ["runs/run/run-info.json", f"runs/run/{IDS.session_id}"]
PLANTED_FILES += ["tasks/task/task-info.json", f"{SESSION}/result-info.json"]


@pytest.mark.parametrize("place", PLANTED_DIRECTORIES)
def test_a_link_in_the_place_of_a_directory_does_not_lead_outside(
    backend, directory, tmp_path, place
):
    outside = tmp_path / "outside"
    outside.mkdir()
    (directory / place).parent.mkdir(parents=True, exist_ok=True)
    (directory / place).symlink_to(outside)

    with pytest.raises(UntrustedDirectoryError, match="remove it"):
        track_all(backend, IDS)

    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("place", PLANTED_FILES)
@pytest.mark.parametrize("result", [SUCCESS, FAILURE], ids=["success", "failure"])
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_pipe_or_a_link_in_the_place_of_a_file_neither_hangs_nor_leads_outside(
    backend, directory, tmp_path, place, result, kind
):
    outside = tmp_path / "outside"
    (directory / place).parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(directory / place)
    else:
        (directory / place).symlink_to(outside)

    track_all(backend, IDS, result)

    assert not outside.exists()
    assert read(directory / SESSION / "result-info.json")["result"] == result["result"]


@pytest.mark.parametrize(
    "text",
    [
        "a/b",
        "../../../escaped",
        "..",
        ".",
        "",
        "/absolute",
        "with space",
        "Prüfung-ß",
        "new\nline",
        "nul\0byte",
        "\udcff\ud800",
        "100%",
        "x" * 5_000,
        "ü/" * 3_000,
        "run-info.json",
        "execution-info.json",
        "task-info.json",
        "C:\\windows",
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_no_id_leaves_its_directory(backend, directory, tmp_path, text):
    before = set(tmp_path.parent.iterdir())
    for ids in (Ids(text, "e", "r"), Ids("t", text, "r"), Ids("t", "e", text)):
        track_all(backend, ids)
    track_all(backend, Ids(text, text, text), FAILURE)

    assert {path.name for path in directory.iterdir()} == {"runs", "tasks"}
    assert list(tmp_path.iterdir()) == [directory]
    assert set(tmp_path.parent.iterdir()) == before
    # Two runs with three sessions in one of them and one in the other.
    assert len(list(directory.glob("runs/*/run-info.json"))) == 2
    assert len(files_below(directory / "runs")) == 2 + 4
    assert len(list(directory.glob("tasks/*/*/*/session-info.json"))) == 4


def test_ids_that_differ_have_different_places(backend, directory):
    runs = ["a/b", "a%2Fb", "a_b", "a b", "%", "", "..", "%2E.", "x" * 300, "x" * 301]
    for run in runs:
        track_all(backend, Ids("t", "e", run))
    assert len(list((directory / "runs").iterdir())) == len(runs)
    infos = (directory / "runs").glob("*/run-info.json")
    assert {read(info)["id"] for info in infos} == set(runs)


def test_an_attachment_can_not_leave_its_directory(backend, directory, tmp_path):
    class Text:
        def open(self):
            return open(__file__, "rb")

    names = ["../up", "/root", "..", "plain", "100%.txt", ".hidden", "a\\b"]
    backend.track_attachments(IDS, dict.fromkeys(names, Text()))

    found = {p.name for p in (directory / SESSION / "attachments").iterdir()}
    assert found == {"..%2Fup", "%2Froot", "%2E.", *names[3:]}
    assert list(tmp_path.iterdir()) == [directory]


def test_the_last_result_counts(backend, directory):
    for value in ("1", "2", "3"):
        backend.track_result(IDS, {"result": {"value": value}})
    assert files_below(directory) == [f"{SESSION}/result-info.json"]
    assert read(directory / SESSION / "result-info.json")["result"] == {"value": "3"}


def test_a_success_replaces_a_failure(backend, directory):
    backend.track_result(IDS, FAILURE)
    backend.track_result(IDS, SUCCESS)
    assert files_below(directory) == [f"{SESSION}/result-info.json"]
    assert read(directory / SESSION / "result-info.json") == SUCCESS


def test_a_failure_replaces_a_failure(backend, directory):
    backend.track_result(IDS, {"result": {"exception": "OSError", "message": ""}})
    backend.track_result(IDS, FAILURE)
    assert files_below(directory) == [f"{SESSION}/result-info.json"]
    assert read(directory / SESSION / "result-info.json") == FAILURE


def test_a_failure_keeps_the_success_before_it_beside(backend, directory, tmp_path):
    track_all(backend, IDS)
    backend.track_attachments(IDS, attachments_of(tmp_path, model="good"))
    for _ in range(2):
        track_all(backend, IDS, FAILURE)
        backend.track_attachments(IDS, attachments_of(tmp_path, log="bad"))

        place = directory / SESSION
        result = read(place / "result-info.json")
        assert result == {**FAILURE, "earlier_success": "earlier-success-info.json"}
        assert read(place / result["earlier_success"]) == SUCCESS
        kept = place / "earlier-success-attachments"
        assert files_below(kept) == ["model.txt"]
        assert (kept / "model.txt").read_text() == "good"
        assert files_below(place / "attachments") == ["log.txt"]

    track_all(backend, IDS)
    assert read(place / "result-info.json") == SUCCESS


def test_a_result_that_can_not_be_read_is_not_thrown_away(backend, directory):
    place = directory / SESSION
    place.mkdir(parents=True)
    (place / "result-info.json").write_text("{broken")
    backend.track_result(IDS, FAILURE)
    assert (place / "earlier-success-info.json").read_text() == "{broken"


def test_a_file_system_without_links_will_do(backend, directory, monkeypatch):
    def no_links(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    backend.track_result(IDS, SUCCESS)
    backend.track_result(IDS, FAILURE)
    assert files_below(directory / SESSION) == [
        "earlier-success-info.json",
        "result-info.json",
    ]


def test_no_success_is_lost_among_threads_that_fail(backend, directory):
    def track(number):
        if number == 77:
            backend.track_result(IDS, SUCCESS)
        else:
            backend.track_result(IDS, FAILURE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(track, range(200)))

    place = directory / SESSION
    results = [read(place / name) for name in files_below(place)]
    assert SUCCESS in results
    assert len(results) <= 2


def test_the_attachments_are_those_of_the_last_execution(backend, directory, tmp_path):
    track_all(backend, IDS)
    backend.track_attachments(IDS, attachments_of(tmp_path, a="1", b="1"))
    track_all(backend, IDS)
    backend.track_attachments(IDS, attachments_of(tmp_path, b="2", c="2"))
    place = directory / SESSION / "attachments"
    assert {name: (place / name).read_text() for name in files_below(place)} == {
        "b.txt": "2",
        "c.txt": "2",
    }

    FileSystemBackend(directory).track_attachments(IDS, Attachments())
    assert files_below(place) == []


def test_an_attachment_that_can_not_be_read_leaves_nothing(backend, directory):
    class Broken:
        def open(self):
            raise OSError("gone")

    track_all(backend, IDS)
    with pytest.raises(OSError, match="gone"):
        backend.track_attachments(IDS, {"broken": Broken()})
    assert files_below(directory / SESSION) == ["result-info.json", "session-info.json"]


def test_the_first_start_of_a_run_is_kept(backend, directory):
    backend.track_run(IDS, {"id": "run", "start_date": "first"})
    FileSystemBackend(directory).track_run(IDS, {"id": "run", "start_date": "second"})
    assert read(directory / "runs/run/run-info.json")["start_date"] == "first"


def test_whatever_json_does_not_know_is_written_as_its_text(backend, directory):
    class Broken(dict):
        def __getitem__(self, key):
            raise OSError

    class Silent:
        __qualname__ = "Silent"

        def __repr__(self):
            raise OSError

    class Text(str):
        pass

    cycle: list = [1]
    cycle.append(cycle)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    odd = {
        "set": {2, 1},
        "bytes": b"x",
        "nan": float("nan"),
        "infinity": [float("inf"), 1.5],
        "path": Path("/a"),
        "text": Text("t"),
        "huge": 10**5000,
        "surrogate": "\ud800",
        "cycle": cycle,
        "deep": deep,
        "broken": Broken(a=1),
        "silent": Silent(),
        (1, 2): ("tuple", None, True),
        None: 1,
        3: {4.5: 5},
    }
    backend.track_task(IDS, odd)
    found = read(directory / "tasks/task/task-info.json")
    while deep:
        deep = deep.pop()

    assert found.pop("deep")
    assert found == {
        "set": "[1, 2]",
        "bytes": "b'x'",
        "nan": "nan",
        "infinity": ["inf", 1.5],
        "path": "/a",
        "text": "t",
        "huge": "<int of 16610 bits>",
        "surrogate": "\ud800",
        "cycle": [1, "..."],
        "broken": "{'a': 1}",
        "silent": "<Silent that has no text: OSError>",
        "(1, 2)": ["tuple", None, True],
        "null": 1,
        "3": {"4.5": 5},
    }


def test_a_write_that_fails_leaves_no_file(backend, directory, monkeypatch):
    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    track_all(backend, IDS)
    before = files_below(directory)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            backend.track_result(IDS, SUCCESS)
    assert files_below(directory) == before


def test_eight_processes_track_one_run(workflow, directory):
    script = SCRIPTS / "tracking_at_once.py"
    processes = [workflow.start(script, directory, str(n)) for n in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate()[1] for process in processes]

    assert errors == [""] * 8
    records = {name: directory / name for name in files_below(directory)}
    for name, path in records.items():
        if name.endswith(".json"):
            read(path)
        assert not name.endswith(".tmp")
    assert len(list(directory.glob("runs/run/t_*"))) == 20 + 20 * 8
    for call in range(20):
        place = directory / f"tasks/t/e{call}/run"
        results = [read(path).get("result", {}) for path in place.glob("*-info.json")]
        assert any("value" in result for result in results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked_processes_write_to_files_of_their_own(workflow, directory):
    done = workflow.python(SCRIPTS / "tracking_forks.py", directory)

    assert len(set(done.stdout.split())) == 4
    assert files_below(directory) == ["tasks/t/task-info.json"]
