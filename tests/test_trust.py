"""Attacks that the page on trust mentions, those that work and those that do not."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import bandsaw
from bandsaw import Advice, Configuration, JsonSerializer
from bandsaw.advices.cache import CachingAdvice
from bandsaw.distribution import DistributionArchive
from bandsaw.distribution.cells.mains import STATEMENT, packed
from bandsaw.environments import Environment, installations
from bandsaw.exceptions import (
    InvalidSessionError,
    SerializationError,
    UntrustedDirectoryError,
)
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.runtime import file_cache, fork
from bandsaw.session import Session
from bandsaw.session.exchange import continue_session, receive_answer
from bandsaw.session.zip_format import SessionFile
from bandsaw.tasks import Task
from tests.configurations import loadable_configuration
from tests.workflows import HEAD, MOVING_WITHOUT_SPARE, Workflow

ran: list[Any] = []


def note(*values: Any) -> Any:
    ran.append(values)
    return values


def double(value: Any) -> Any:
    return value * 2


class Trap:
    """Calls a function of this module when a pickle of it is read."""

    def __reduce__(self) -> Any:
        return note, ("pickle",)


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pytest.fixture
def configuration(tmp_path: Path) -> Iterator[Configuration]:
    with loadable_configuration() as made:
        yield made.set_temp_directory(tmp_path)


def with_member(form: SessionFile, name: str, content: bytes) -> SessionFile:
    with zipfile.ZipFile(form._stream) as file:
        members = {member: file.read(member) for member in file.namelist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for member, old in {**members, name: content}.items():
            file.writestr(member, content if member == name else old)
    return SessionFile(stream)


class AnotherMachine(Advice):
    """Continues sessions here, and lets the owner of the machine change the result."""

    def __init__(self, content: bytes, member: str = "result.dat") -> None:
        self.content = content
        self.member = member

    def before(self, session: Session) -> None:
        sent, answer = SessionFile(io.BytesIO()), SessionFile(io.BytesIO())
        session.save_to(sent)
        continue_session(sent, answer)
        form = with_member(answer, self.member, self.content)
        failure = receive_answer(session, form)
        if failure is None:
            session.proceed()
        else:
            session.conclude(Result(exception=failure))

    def after(self, session: Session) -> None:
        """End the walk there."""


def answered_with(configuration: Configuration, result: bytes) -> Result:
    configuration.add_advice_chain(AnotherMachine(result))
    task = Task.create_task(double)
    return Session(task, Execution("e", (21,)), configuration).initiate()


def test_with_pickle_the_owner_of_another_machine_can_run_code(
    configuration: Configuration,
) -> None:
    answered_with(configuration, pickle.dumps(Result(Trap())))

    assert ran == [("pickle",)]


def json_result(value: Any) -> bytes:
    serialized = {"value": value, "exception": None}
    return json.dumps(
        {
            "_serializer": "SerializableValueSerializer",
            "value": {
                "module": "bandsaw.result",
                "type": "Result",
                "serialized": serialized,
            },
        }
    ).encode()


def exception_of(module: str, name: str) -> dict[str, Any]:
    value = {"module": module, "type": name, "args": ["run"]}
    return {"_serializer": "ExceptionSerializer", "value": value}


def test_with_json_the_owner_of_another_machine_calls_no_function(
    configuration: Configuration,
) -> None:
    configuration.set_serializer(JsonSerializer())

    result = answered_with(configuration, json_result(exception_of(__name__, "note")))

    assert isinstance(result.exception, SerializationError)
    assert "is not a subclass of" in str(result.exception)
    assert ran == []


def test_with_json_the_owner_of_another_machine_can_import_a_module(
    configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration.set_serializer(JsonSerializer())
    (tmp_path / "module_of_answer.py").write_text("class Error(Exception): pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    value = exception_of("module_of_answer", "Error")

    result = answered_with(configuration, json_result(value))

    assert type(result.value) is sys.modules["module_of_answer"].Error


def test_with_json_the_owner_of_the_workers_of_an_engine_can_run_code(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
from bandsaw.session.frame_format import SessionFrames
from bandsaw_config import engine

class Trap:
    def __reduce__(self):
        return print, ("ran",)

@bandsaw.task
def double(value):
    return 2 * value

if __name__ == "__main__":
    engine.answer = Trap()
    print(text_of(double, 21).partition(":")[0])
    # But what the answer brings is no other task.
    form = SessionFrames()
    form.members = {"task.dat": (b"{}", ())}
    head, pieces, _ = form.pack()
    engine.answer = head, b"".join(pieces), []
    print(text_of(double, 21).partition(" (")[0])
""",
        config="""
import pickle
from concurrent.futures import Executor, Future

import bandsaw
from bandsaw.advices.executor import ExecutorAdvice

class Engine(Executor):
    def submit(self, *call):
        future = Future()
        future.set_result((None, pickle.dumps(self.answer), []))
        return future

engine = Engine()
configuration = bandsaw.Configuration().set_serializer(bandsaw.JsonSerializer())
configuration.add_advice_chain(ExecutorAdvice(engine))
""",
    )
    assert output == (
        "ran\nProtocolError\nProtocolError: The interpreter that has continued the "
        "session answers with a task\n"
    )


def saved(configuration: Configuration, change: Callable[[Any], None]) -> SessionFile:
    """A session in JSON whose task its author has chosen."""
    configuration.set_serializer(JsonSerializer())
    form = SessionFile(io.BytesIO())
    Session(Task.create_task(double), Execution("e", (21,)), configuration).save_to(
        form
    )
    content = json.loads(form.peek(("task.dat",))["task.dat"].decode())
    change(content["value"]["serialized"])
    return with_member(form, "task.dat", json.dumps(content).encode())


def test_a_session_in_json_names_the_function_that_is_called(
    configuration: Configuration,
) -> None:
    form = saved(configuration, lambda task: task.update(name="note"))

    session = Session().restore_from(form)
    assert ran == []

    session.initiate()
    assert ran == [(21,)]


def cells_that_note() -> bytes:
    text = f"from {__name__} import note; note('cell')"
    return packed([(STATEMENT, "Cell In[1]", 1, text, 0)])


def test_with_json_a_session_brings_no_code_of_cells(
    configuration: Configuration,
) -> None:
    form = saved(configuration, lambda task: None)
    changed = with_member(form, "definitions.dat", cells_that_note())

    with pytest.raises(InvalidSessionError, match="not run where JsonSerializer"):
        Session().restore_from(changed)

    assert ran == []


def test_an_answer_brings_no_code_of_cells(configuration: Configuration) -> None:
    configuration.set_serializer(JsonSerializer())
    advice = AnotherMachine(cells_that_note(), member="definitions.dat")
    configuration.add_advice_chain(advice)
    task = Task.create_task(double)

    Session(task, Execution("e", (21,)), configuration).initiate()

    assert ran == []


def test_with_pickle_the_author_of_a_session_can_run_code_at_once(
    configuration: Configuration,
) -> None:
    form = SessionFile(io.BytesIO())
    Session(Task.create_task(double), Execution("e", (21,)), configuration).save_to(
        form
    )

    Session().restore_from(with_member(form, "result.dat", pickle.dumps(Trap())))

    assert ran == [("pickle",)]


def test_with_json_who_writes_to_a_cache_runs_nothing(
    configuration: Configuration, tmp_path: Path
) -> None:
    configuration.set_serializer(JsonSerializer())
    cache = CachingAdvice(tmp_path / "cache")
    configuration.add_advice_chain(cache)
    task = bandsaw.task(config=configuration.module_name)(double)
    assert task(21) == 42
    (entry,) = (tmp_path / "cache").glob("*/[!.]*")

    entry.write_bytes(json_result("another result"))
    assert task(21) == "another result"

    entry.write_bytes(json_result(exception_of(__name__, "note")))
    with pytest.warns(RuntimeWarning, match="is not a subclass of"):
        assert task(21) == 42
    assert ran == []


# The path to what Python opens


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="Only root gives files away")


@pytest.fixture
def above(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory above `BANDSAW_HOME`."""
    directory = own_home / "above"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("BANDSAW_HOME", str(directory / "home"))
    return directory


def archive_in(directory: Path) -> DistributionArchive:
    return DistributionArchive(directory / "archive.pyz", "bandsaw")


def unpacked(directory: Path) -> Path:
    """Unpack an archive of bandsaw, and return where."""
    return Path(archive_in(directory).directory)


def test_an_archive_below_what_everybody_may_write_is_refused(
    above: Path, tmp_path: Path
) -> None:
    above.chmod(0o777)
    with pytest.raises(PermissionError, match=r"Everybody may write .*BANDSAW_HOME"):
        unpacked(tmp_path)
    assert list((above / "home" / "archives").iterdir()) == []

    above.chmod(0o1777)
    assert any(unpacked(tmp_path).iterdir())


def test_an_archive_is_checked_each_time_an_interpreter_starts(
    above: Path, workflow: Workflow
) -> None:
    workflow.config = MOVING_WITHOUT_SPARE
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def double(value):
    return value * 2

if __name__ == "__main__":
    print(double(21))
    os.chmod(sys.argv[1], 0o777)
    print(text_of(double, 22))
""",
        str(above),
    )

    assert output.startswith("42\nInterpreterStartError: ")
    assert f"Everybody may write to the directory {above}," in output


def test_where_links_to_an_archive_lead_is_checked(
    above: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above.chmod(0o777)
    (above.parent / "link").symlink_to(above)
    monkeypatch.setenv("BANDSAW_HOME", str(above.parent / "link" / "home"))

    with pytest.raises(PermissionError, match=f"write to the directory {above},"):
        unpacked(tmp_path)


def test_an_environment_below_what_everybody_may_write_is_refused(above: Path) -> None:
    above.chmod(0o777)

    with pytest.raises(UntrustedDirectoryError, match="Everybody may write to"):
        Environment(name="empty").at(str(above.parent)).interpreter()


@pytest.mark.parametrize("place", ["above", "above/home/environments/digest-1"])
def test_an_environment_is_checked_each_time_it_is_used(
    above: Path, place: str
) -> None:
    make_environment(above)
    assert installations.find("digest") is not None

    (above.parent / place).chmod(0o777)
    with pytest.raises(UntrustedDirectoryError, match=f"write to .*{place}, which"):
        installations.find("digest")


def make_environment(above: Path) -> Path:
    """Publish an environment of this Python without packages, and return its Python."""
    directory = Path(installations.environments_directory(), "digest-1")
    venv.create(directory, symlinks=True)
    (directory / "bandsaw-environment.json").write_text("{}")
    directory.with_name("digest").symlink_to(directory.name)
    return directory.with_name("digest") / "bin" / "python"


def refusal_of(*words: str | Path) -> str:
    """Start an interpreter that refuses to continue a session, and return why."""
    options = ["--input", "session.zip", "--output", "answer.zip", "--run-id", "run"]
    ended = subprocess.run(
        [*map(str, words), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    return ended.stderr.splitlines()[-1]


NO_SESSION = "FileNotFoundError: [Errno 2] No such file or directory: 'session.zip'"


def test_an_interpreter_refuses_its_own_archive_that_everybody_may_change(
    above: Path, tmp_path: Path
) -> None:
    started = sys.executable, unpacked(tmp_path) / "__main__.py"
    assert refusal_of(*started) == NO_SESSION

    above.chmod(0o777)
    why = refusal_of(*started)
    assert why.startswith(
        f"PermissionError: Everybody may write to the directory {above},"
    )


def test_an_interpreter_refuses_its_own_environment_that_everybody_may_change(
    above: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make_environment(above)
    monkeypatch.setenv("BANDSAW_HOME", str(above.parent / "another"))
    started = python, unpacked(tmp_path) / "__main__.py"
    assert refusal_of(*started) == NO_SESSION

    above.chmod(0o777)
    why = refusal_of(*started)
    assert why.startswith(
        f"PermissionError: Everybody may write to the directory {above},"
    )


def test_another_machine_refuses_an_archive_that_everybody_may_change(
    above: Path, tmp_path: Path
) -> None:
    sent = above.parent / "sent"
    sent.mkdir()
    path = sent / "archive.pyz"
    path.write_bytes(archive_in(tmp_path).path.read_bytes())
    started = sys.executable, "-I", path
    assert refusal_of(*started) == NO_SESSION

    sent.chmod(0o777)
    why = refusal_of(*started)
    assert why.startswith(
        f"PermissionError: Everybody may write to the directory {sent},"
    )
    assert why.endswith("or keep the archive elsewhere.")


def test_another_machine_refuses_to_unpack_where_everybody_may_write(
    above: Path, tmp_path: Path
) -> None:
    above.chmod(0o777)

    why = refusal_of(sys.executable, "-I", archive_in(tmp_path).path)

    assert why.startswith(
        f"PermissionError: Everybody may write to the directory {above},"
    )
    assert list((above / "home" / "archives").iterdir()) == []


@needs_root
def test_what_a_group_may_change_above_warns_once_in_the_process_that_starts_others(
    above: Path, workflow: Workflow
) -> None:
    workflow.config = MOVING_WITHOUT_SPARE
    os.chown(above, 0, 12345)
    above.chmod(0o770)

    ended = workflow.run(
        HEAD
        + """
@bandsaw.task
def double(value):
    return value * 2

if __name__ == "__main__":
    print(double(21), double(22))
"""
    )

    assert ended.stdout == "42 44\n"
    assert re.findall("Warning: (.*) may write to", ended.stderr) == ["A group"]


def test_what_is_remembered_of_files_is_not_used_where_everybody_may_change_it(
    above: Path, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text("")
    os.utime(path, (1_000_000, 1_000_000))

    def ask(answer: str) -> Any:
        fork.reset()
        return file_cache.cached_facts("kind", str(path), path.stat(), lambda: answer)

    assert [ask("right"), ask("asked again")] == ["right", "right"]
    above.chmod(0o777)
    assert [ask("new"), ask("newer")] == ["new", "newer"]


def test_directories_of_the_home_are_private_whatever_the_umask(
    above: Path, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        directory = unpacked(tmp_path)
    finally:
        os.umask(before)

    home = above / "home"
    modes = [path.stat().st_mode & 0o777 for path in (home, home / "archives")]
    assert modes == [0o700, 0o700]
    assert home in directory.parents
