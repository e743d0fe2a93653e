"""Environments that cannot be made: what is said, and that nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest

from bandsaw.environments import Environment, installations
from bandsaw.environments.commands import Commands
from bandsaw.exceptions import EnvironmentBuildError, UntrustedDirectoryError
from bandsaw.runtime import fork
from tests.environments.conftest import left_over, python_in
from tests.environments.wheels import PackageIndex, make_project
from tests.interpreters import with_the_newest_python_only
from tests.waiting import wait_until
from tests.workflows import Workflow

pytestmark = with_the_newest_python_only


def home() -> Path:
    return Path(os.environ["BANDSAW_HOME"])


# What is asked for


@pytest.mark.parametrize("requirement", ["alpha ==77", "no-such-package"])
def test_a_requirement_that_nothing_satisfies_is_named(
    maker: str, make: Any, project: Path, requirement: str
) -> None:
    with pytest.raises(EnvironmentBuildError) as caught:
        make([requirement], name="mine").interpreter()

    text = str(caught.value)
    assert "Environment 'mine': choosing packages failed with status" in text
    assert "Command: " in text
    assert "It wrote last:" in text
    assert requirement.split()[0] in text.partition("It wrote last")[2]
    assert not (project / "bandsaw.lock").exists()
    assert left_over(home()) == []


def test_a_project_that_cannot_be_built_says_why(make: Any, project: Path) -> None:
    library = make_project(project / "my lib", "mylib")
    (library / "backend.py").write_text("raise OSError('no backend today')")

    with pytest.raises(EnvironmentBuildError, match="no backend today") as caught:
        make(["./my lib"]).interpreter()
    assert "building my lib" in str(caught.value)
    assert left_over(home()) == []


def test_an_index_that_is_not_reachable_is_an_error_in_a_bounded_time(
    maker: str, make: Any
) -> None:
    with socket.socket() as taken:  # Nothing listens there.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/simple"

        with pytest.raises(EnvironmentBuildError, match="choosing packages"):
            make(["alpha"], index_url=url).interpreter()
    assert left_over(home()) == []


def test_users_choose_themselves_how_often_an_index_is_asked(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/simple"

        with pytest.raises(EnvironmentBuildError) as caught:
            make(["alpha"], index_url=url).interpreter()
    assert "retries" not in str(caught.value)


# The machine


@pytest.mark.parametrize("place", ["a file", "a file/below"])
def test_a_home_that_cannot_be_is_named(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("BANDSAW_HOME", str(tmp_path / place))

    with pytest.raises(EnvironmentBuildError, match=r"a file.*BANDSAW_HOME"):
        make(["alpha"]).interpreter()


@pytest.mark.skipif(os.getuid() == 0, reason="Root writes everywhere")
def test_a_home_that_cannot_be_written_is_named(make: Any) -> None:
    home().chmod(0o500)
    try:
        with pytest.raises(EnvironmentBuildError, match="BANDSAW_HOME"):
            make(["alpha"]).interpreter()
    finally:
        home().chmod(0o700)


def test_a_home_that_others_can_write_is_not_trusted(make: Any) -> None:
    directory = home() / "environments"
    directory.mkdir()
    directory.chmod(0o777)

    with pytest.raises(UntrustedDirectoryError, match="BANDSAW_HOME"):
        make(["alpha"]).interpreter()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "disk", str(directory)]
    if shutil.which("mount") is None or subprocess.run(words).returncode:
        pytest.skip("This user may not mount a file system.")
    try:
        yield directory
    finally:
        fork.reset()  # Closes the file of the locks.
        words = ["umount", str(directory)]
        # What has watched over a command there may still be about to end.
        wait_until(lambda: subprocess.run(words).returncode == 0)


def test_a_full_disk_is_named_and_nothing_stays_on_it(
    maker: str, make: Any, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDSAW_HOME", str(small_disk))
    make(["alpha"]).resolution() if maker == "uv" else None
    (small_disk / "full").write_bytes(b"")
    with (small_disk / "full").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass

    with pytest.raises(EnvironmentBuildError, match="No space left"):
        make(["alpha"]).interpreter()
    assert left_over(small_disk) == []

    (small_disk / "full").unlink()
    if maker == "uv":
        assert python_in(make(["alpha"]), "print(1)") == "1"


def test_files_that_may_not_become_large_end_a_build(
    make: Any, index: PackageIndex, project: Path
) -> None:
    script = f"""
import resource
from bandsaw.environments import Environment
from bandsaw.exceptions import BandsawError
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    Environment(None, ["alpha"], index_url={index.url()!r}).interpreter()
except BandsawError as error:
    print(type(error).__name__)
"""
    answer = Workflow(project).python("-c", script)
    assert answer.stdout == "EnvironmentBuildError\n"
    assert left_over(home()) == []
    assert not list(project.glob("bandsaw.lock*"))


# Commands


def run(script: str, directory: Path, shown: list[str]) -> str:
    commands = Commands("mine", str(directory), lambda _, line: shown.append(line))
    return commands.run("trying", ["/bin/sh", "-c", script])


def test_a_command_has_no_input_and_its_output_is_shown(tmp_path: Path) -> None:
    shown: list[str] = []
    answer = run("cat; echo one; echo two >&2; printf three", tmp_path, shown)
    assert answer == "one\ntwo\nthree"
    assert shown == ["", "one", "two", "three"]


def test_only_the_last_lines_of_a_command_that_fails_are_quoted(tmp_path: Path) -> None:
    script = "for i in $(seq 100); do echo line $i; done; exit 7"
    with pytest.raises(EnvironmentBuildError, match="failed with status 7") as caught:
        run(script, tmp_path, [])
    text = str(caught.value).partition("It wrote last:")[2]
    assert text.split() == " ".join(f"line {i}" for i in range(81, 101)).split()


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    commands = Commands("mine", str(tmp_path), lambda *_: None)
    with pytest.raises(EnvironmentBuildError, match="no-such-command"):
        commands.run("trying", [str(tmp_path / "no-such-command")])
    commands = Commands("mine", str(tmp_path / "absent"), lambda *_: None)
    with pytest.raises(EnvironmentBuildError, match="could not be started"):
        commands.run("trying", ["/bin/true"])


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    assert run("(while :; do read x; done) & echo done", tmp_path, []) == "done"


def test_a_command_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bandsaw.environments import commands

    monkeypatch.setattr(commands, "_LONGEST", 0.01)
    script = "echo begun; trap '' TERM; while read x </dev/zero; do :; done"
    monkeypatch.setattr(commands, "_GRACE", 0.1)
    with pytest.raises(EnvironmentBuildError, match=r"took longer(?s:.)*begun"):
        run(script, tmp_path, [])


# Builds that are interrupted

# Says each stage, and which is the one to be killed in.
BUILD = """
import logging, sys
from bandsaw.environments import Environment

class Stages(logging.Handler):
    def emit(self, record):
        print(record.getMessage(), flush=True)
        if sys.argv[3] in record.getMessage():
            print("here", flush=True)

logging.getLogger("bandsaw.environments").addHandler(Stages())
logging.getLogger("bandsaw.environments").setLevel(logging.DEBUG)
environment = Environment(None, ["alpha", "./lib"], index_url=sys.argv[1])
environment = environment.at(sys.argv[2])
try:
    print(environment.interpreter().executable, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

# A project whose build takes until it is ended.
ENDLESS = """
import pathlib, threading
pathlib.Path("building").write_text("")
threading.Event().wait()
"""


def start_build(workflow: Workflow, stage: str = "nowhere") -> subprocess.Popen[str]:
    url = os.environ["INDEX_OF_THE_TEST"]
    return workflow.start("-c", BUILD, url, workflow.directory, stage)


def running_in(project: Path) -> list[str]:
    """The processes that build there."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        try:
            target = os.readlink(str(place))
        except OSError:
            continue
        if str(project) in target or str(home()) in target:
            found.append(place.parent.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_commands_end_with_the_process_that_builds(
    maker: str, workflow: Workflow, project: Path, number: signal.Signals
) -> None:
    library = make_project(project / "lib", "lib")
    backend = (library / "backend.py").read_text()
    (library / "backend.py").write_text(ENDLESS)
    with start_build(workflow) as process:
        wait_until((library / "building").exists)
        process.send_signal(number)
        assert process.stdout is not None
        output = process.stdout.read()
    wait_until(lambda: not running_in(project))
    if number is signal.SIGINT:
        assert "interrupted" in output
        assert left_over(home()) == []

    (library / "backend.py").write_text(backend)
    with start_build(workflow) as process:
        output = process.communicate()[0]
    assert process.returncode == 0
    assert Path(output.splitlines()[-1]).is_file()
    assert left_over(home()) == []
    assert [path.name for path in project.glob("bandsaw.lock*")] == ["bandsaw.lock"]


@pytest.mark.parametrize(
    "stage", ["building", "choosing", "has its packages", "making", "installing"]
)
def test_a_build_that_was_killed_is_begun_anew(
    maker: str, workflow: Workflow, project: Path, stage: str
) -> None:
    make_project(project / "lib", "lib")
    with start_build(workflow, stage) as process:
        assert process.stdout is not None
        while process.stdout.readline() not in ("here\n", ""):
            pass
        process.kill()
    wait_until(lambda: not running_in(home()))

    with start_build(workflow) as process:
        output = process.communicate()[0]
    assert process.returncode == 0
    assert Path(output.splitlines()[-1]).is_file()
    assert left_over(home()) == []
    assert len(installations.kept()) == 1


@pytest.mark.parametrize(
    "name",
    [
        "{}-12345678",
        "{}-12345678-scratch",
        "{}-link-12345678",
        32 * "0" + "-12345678-scratch",  # That one may never be made again.
    ],
)
def test_leftovers_of_a_killed_maker_are_removed(make: Any, name: str) -> None:
    environment = make(["alpha"])
    digest = environment.resolution().digest
    path = home() / "environments" / name.format(digest)
    if "link" in name:
        path.symlink_to("nowhere")
    else:
        path.mkdir()

    environment.interpreter()

    assert not os.path.lexists(str(path))
    assert left_over(home()) == []


def test_left_overs_are_removed_but_not_what_is_being_made(make: Any) -> None:
    environment = make(["alpha"])
    environment.interpreter()
    busy, idle = "0" * 32, "1" * 32
    directory = home() / "environments"
    for digest in (busy, idle):
        (directory / f"{digest}-12345678-scratch").mkdir()
        (directory / f"{digest}-link-12345678").symlink_to("nowhere")
    script = (
        "from bandsaw.environments.installations import remove_left_overs\n"
        "print(remove_left_overs())"
    )

    with installations.alone(f"environment/{busy}"):
        answer = Workflow(home()).python("-c", script)

    assert answer.stdout == "2\n"
    assert left_over(home()) == [f"{busy}-12345678-scratch", f"{busy}-link-12345678"]
    assert len(installations.kept()) == 1


def test_packages_are_chosen_where_nothing_is_tidied_up(
    workflow: Workflow, project: Path
) -> None:
    library = make_project(project / "lib", "lib")
    (library / "backend.py").write_text(ENDLESS)
    with start_build(workflow) as process:
        wait_until((library / "building").exists)
        try:
            before = left_over(home())
            assert len(before) == 1
            assert installations.remove_left_overs() == 0
            assert left_over(home()) == before
        finally:
            process.kill()
    wait_until(lambda: not running_in(project))
    assert installations.remove_left_overs() == 1
    assert left_over(home()) == []


def test_an_environment_is_used_although_its_use_cannot_be_noted(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: Environment = make(["alpha"])
    environment.interpreter()
    (kept,) = installations.kept()
    record = Path(kept.path) / "bandsaw-environment.json"
    os.utime(record, (0, 0))
    environment.interpreter()
    assert kept.last_use > 0

    def refuse(*args: object) -> None:
        raise OSError

    os.utime(record, (0, 0))
    monkeypatch.setattr(os, "utime", refuse)
    assert environment.interpreter()


def test_a_command_that_writes_nothing_is_shown_now_and_then(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    file = tmp_path / "second"

    def show(stage: str, line: str) -> None:
        told.append((stage, line))
        if len(told) == 2:
            file.touch()

    words = ["sh", "-c", f"until [ -e '{file}' ]; do sleep 0.1; done"]
    Commands("mine", str(tmp_path), show).run("waiting", words)

    assert set(told) == {("waiting", "")}
