"""Sessions that an interpreter on another machine continues, reached by a real sshd."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator
from unittest import mock

import pytest

import bandsaw
from bandsaw.advices.ssh import Remote, SshAdvice, SshBackend, SshCommandLineBackend
from bandsaw.exceptions import (
    ConfigurationError,
    InterpreterDiedError,
    InterpreterStartError,
    UnreachableError,
)
from bandsaw.runtime import fork
from tests.advices import far_tasks
from tests.interpreters import SUPPORTED, python
from tests.sshd import Sshd, free_port, start_sshd
from tests.waiting import wait_until
from tests.workflows import SECONDS, Workflow, assert_interrupted, write_files

# What a shell would take apart, expand or execute
AWKWARD = "a  b'c\"d$HOME`id`;e&f|g*h(i)~ü€\\j"

CONFIGURATION = """\
import bandsaw
from bandsaw.advices.ssh import Remote, SshAdvice, SshCommandLineBackend
from bandsaw.result import Result

{advices}

ssh = SshAdvice({backend})
ssh.add_remote(
    Remote(
        "127.0.0.1",
        port={port!r},
        user={user!r},
        key_file={key!r},
        interpreter={interpreter},
        directory={directory!r},
    )
)
configuration = bandsaw.Configuration().add_advice_chain({chain})
"""

_numbers = itertools.count()


class Far:
    """A directory that seems to be another machine.

    Attributes:
        backend: What leads there, empty for a connection.
        directory: Where the exchanges take place there.
    """

    def __init__(self, sshd: Sshd, near: Path, directory: Path, backend: str) -> None:
        self.sshd = sshd
        self.backend = backend
        self.port = sshd.port
        self.key_file = sshd.key_file
        self.directory = directory
        self._near = near
        self._modules: list[str] = []

    def configuration(
        self,
        interpreter: str = "bandsaw.Interpreter()",
        advices: str = "",
        chain: str = "ssh",
        timeout: float = 60,
    ) -> str:
        return CONFIGURATION.format(
            backend=self.backend.format(timeout=timeout),
            port=self.port,
            user=self.sshd.user,
            key=str(self.key_file),
            directory=str(self.directory),
            interpreter=interpreter,
            advices=advices,
            chain=chain,
        )

    def task(self, function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        """A function that is executed there."""
        name = f"far_configuration_{next(_numbers)}"
        write_files(self._near, {f"{name}.py": self.configuration(**options)})
        self._modules.append(name)
        made: Callable[..., Any] = bandsaw.task(function, config=name)
        return made

    def forget_modules(self) -> None:
        """Let go of the configurations, which have directories."""
        for name in self._modules:
            sys.modules.pop(name, None)

    def is_clean(self) -> bool:
        return not any(self.directory.iterdir())


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    yield from start_sshd(tmp_path_factory.mktemp("sshd"))


@pytest.fixture
def sshd(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """A server, which the commands `ssh` and `scp` know."""
    path = os.pathsep.join((str(server.commands), os.environ["PATH"]))
    monkeypatch.setenv("PATH", path)
    return server


COMMANDS = "backend=SshCommandLineBackend(timeout={timeout})"


# What differs only in the words that are sent: those of a connection, and all that can
# be wrong about it, have tests of their own.
with_commands = pytest.mark.parametrize(
    "far", [COMMANDS], ids=["commands"], indirect=True
)
with_a_connection = pytest.mark.parametrize(
    "far", [""], ids=["connection"], indirect=True
)


@pytest.fixture(params=["", COMMANDS], ids=["connection", "commands"])
def far(
    sshd: Sshd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Far]:
    """Another machine, which is as empty afterwards as it was before."""
    near = tmp_path / "near"
    near.mkdir()
    monkeypatch.syspath_prepend(str(near))
    machine = Far(sshd, near, tmp_path / "far", request.param)
    machine.directory.mkdir()
    yield machine
    machine.forget_modules()
    fork.reset()  # That ends the connection.
    assert machine.is_clean()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # A zombie is only waiting for the one who started it.
    return " Z " not in state


# --- What a session takes along, and what it brings back ----------------------------


def test_a_task_runs_in_another_process(far: Far) -> None:
    pid, executable, version = far.task(far_tasks.where)()

    assert pid != os.getpid()
    assert (executable, version) == (sys.executable, sys.version_info[:2])


def test_arguments_and_results_travel(far: Far) -> None:
    assert far.task(far_tasks.add)(1, b=2) == 3


@with_a_connection
def test_an_exception_of_the_task_arrives_as_itself(far: Far) -> None:
    with pytest.raises(LookupError) as caught:
        far.task(far_tasks.fail)()

    assert caught.value.args == ("not", "here")


def test_attachments_travel_both_ways(far: Far) -> None:
    give_and_answer = """
class Give(bandsaw.Advice):
    def before(self, session):
        file = session.temp_dir / "given.txt"
        file.write_bytes(b"given" * 100000)
        session.attachments["given.txt"] = file
        session.proceed()

    def after(self, session):
        with session.attachments["answer.txt"].open() as stream:
            session.conclude(Result((session.result.value, stream.read())))

class Answer(bandsaw.Advice):
    def before(self, session):
        with session.attachments["given.txt"].open() as stream:
            content = stream.read()
        file = session.temp_dir / "answer.txt"
        file.write_bytes(content.upper())
        session.attachments["answer.txt"] = file
        session.proceed()
"""
    add = far.task(
        far_tasks.add, advices=give_and_answer, chain="Give(), ssh, Answer()"
    )

    assert add(1, 2) == (3, b"GIVEN" * 100000)


@with_commands
@pytest.mark.parametrize("version", [SUPPORTED[0], SUPPORTED[-1]])
def test_the_other_machine_may_have_another_python(far: Far, version: str) -> None:
    executable = str(python(version))
    interpreter = f"bandsaw.Interpreter(executable={executable!r})"

    _, _, found = far.task(far_tasks.where, interpreter=interpreter)()

    assert ".".join(map(str, found)) == version


@with_commands
def test_the_path_of_the_interpreter_is_searched(far: Far, tmp_path: Path) -> None:
    write_files(tmp_path, {"there only/found_there.py": "VALUE = 'there'"})
    interpreter = f"bandsaw.Interpreter(path=[{str(tmp_path / 'there only')!r}])"

    value = far.task(far_tasks.value_in, interpreter=interpreter)("found_there")

    assert value == "there"


def test_variables_of_the_interpreter_are_set_and_on_no_command_line(far: Far) -> None:
    interpreter = "bandsaw.Interpreter().set_environment(SECRET='$wörd 1')"

    commands, value = far.task(far_tasks.commands_and, interpreter=interpreter)(
        "SECRET"
    )

    assert value == "$wörd 1"
    assert any("--settings" in command for command in commands) == bool(far.backend)
    assert not any("$wörd" in command for command in commands)


@with_commands
@pytest.mark.parametrize("awkward", [AWKWARD, "-1", "--help", "", "line\nline"])
def test_any_text_may_be_the_id_of_the_run(
    far: Far, awkward: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDSAW_RUN_ID", awkward)

    assert far.task(far_tasks.run_id)() == awkward


@with_commands
def test_the_directory_may_have_any_name(far: Far, tmp_path: Path) -> None:
    far.directory = tmp_path / AWKWARD
    far.directory.mkdir()

    assert far.task(far_tasks.add)(1, 2) == 3


@with_commands
def test_the_executable_may_have_any_name(far: Far, tmp_path: Path) -> None:
    executable = tmp_path / AWKWARD
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    executable.chmod(0o755)
    interpreter = f"bandsaw.Interpreter(executable={str(executable)!r})"

    assert far.task(far_tasks.add, interpreter=interpreter)(1, 2) == 3


def test_a_directory_below_the_home_directory_may_be_relative(far: Far) -> None:
    # Another user's home would have to be made for this, so it leads back to here.
    relative = os.path.relpath(str(far.directory), os.path.expanduser("~"))
    far.directory = Path("~", relative)

    changes_directory = """
class Change(bandsaw.Advice):
    def before(self, session):
        import os
        os.chdir("/")
        session.proceed()
"""
    add = far.task(far_tasks.add, advices=changes_directory, chain="ssh, Change()")
    result = add(1, 2)

    far.directory = far.directory.expanduser()
    assert result == 3


@with_commands
def test_the_directory_is_private_and_of_the_call_alone(far: Far) -> None:
    look = far.task(far_tasks.modes_below)

    first, second = look(str(far.directory)), look(str(far.directory))

    (directory,) = first.keys() - second.keys()
    assert directory.startswith("bandsaw-")
    assert first[directory] == "0o700"
    for name in ("session.zip", "settings.json", "answer.zip.part"):
        assert first[name] == "0o600"


@with_a_connection
def test_each_call_has_a_process_and_a_directory_of_its_own_behind_one_connection(
    far: Far,
) -> None:
    look = far.task(far_tasks.process_and_modes_below)

    first, second = look(str(far.directory)), look(str(far.directory))

    assert first[0] != second[0]
    assert first[1] == second[1]
    (directory,) = first[2].keys() - second[2].keys()
    assert directory.startswith("bandsaw-")
    assert first[2][directory] == "0o700"
    # The session is no file there.
    assert set(first[2]) == {directory, ".lock"}


def test_many_threads_at_once(far: Far) -> None:
    add = far.task(far_tasks.add)
    # Commands take long.
    numbers = range(3 if far.backend else 8)

    with ThreadPoolExecutor(len(numbers)) as pool:
        results = list(pool.map(add, numbers, numbers))

    assert results == [2 * number for number in numbers]


# --- The streams of the process ------------------------------------------------------


def test_what_the_task_prints_arrives_here(
    far: Far, capfd: pytest.CaptureFixture[str]
) -> None:
    with capfd.disabled():
        say = far.task(far_tasks.say)
    say("Hällo")

    assert capfd.readouterr() == ("Hällo\n", "HÄLLO\n")


def test_what_the_task_prints_arrives_where_this_process_prints(far: Far) -> None:
    out, err = io.StringIO(), io.StringIO()

    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        far.task(far_tasks.say)("hello")

    assert (out.getvalue(), err.getvalue()) == ("hello\n", "HELLO\n")


@with_a_connection
def test_a_quiet_task_adds_nothing_to_the_output(
    far: Far, capfd: pytest.CaptureFixture[str]
) -> None:
    far.task(far_tasks.add)(1, 2)

    assert capfd.readouterr() == ("", "")


def test_the_standard_input_of_the_task_is_empty(far: Far) -> None:
    assert far.task(far_tasks.read_all_input)() == ""


# --- Failures ------------------------------------------------------------------------


def test_a_killed_process_is_a_dead_interpreter(far: Far) -> None:
    with pytest.raises(InterpreterDiedError, match=r"127.0.0.1"):
        far.task(far_tasks.kill_itself)()


@with_commands
@pytest.mark.parametrize("status", [0, 3, 255])
def test_a_process_without_an_answer_is_a_dead_interpreter(
    far: Far, status: int
) -> None:
    said = f"exited with status {status},? without" if status else "exited .*without"
    with pytest.raises(InterpreterDiedError, match=said):
        far.task(far_tasks.exit_silently)(status)


@with_commands
def test_a_missing_executable_is_named(far: Far) -> None:
    interpreter = "bandsaw.Interpreter(executable='/no/python')"

    with pytest.raises(InterpreterStartError, match="/no/python"):
        far.task(far_tasks.add, interpreter=interpreter)(1, 2)


def test_a_directory_that_can_not_be_made_is_named(far: Far, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory, far.directory = far.directory, tmp_path / "file" / "below"

    said = r"mkdir -p .*status 1: mkdir: " if far.backend else "NotADirectoryError: "
    with pytest.raises(InterpreterStartError, match=said):
        far.task(far_tasks.add)(1, 2)

    far.directory = directory


@with_commands
def test_a_refused_connection_is_an_unreachable_machine(far: Far) -> None:
    far.port = free_port()

    with pytest.raises(UnreachableError, match=r"(?s)status 255[:.].*refused"):
        far.task(far_tasks.add)(1, 2)


@with_commands
def test_a_key_that_is_not_known_there_is_an_unreachable_machine(far: Far) -> None:
    far.key_file = far.sshd.directory / "unknown_key"

    with pytest.raises(
        UnreachableError, match=r"(?s)status 255[:.].*Permission denied"
    ):
        far.task(far_tasks.add)(1, 2)


@with_commands
def test_a_machine_that_is_not_known_here_is_unreachable(far: Far) -> None:
    known = far.sshd.directory / "known_hosts"
    unused = known.rename(known.with_suffix(".unused"))

    try:
        with pytest.raises(
            UnreachableError, match=r"(?s)status 255[:.].*verification failed"
        ):
            far.task(far_tasks.add)(1, 2)
    finally:
        unused.rename(known)


@with_commands
def test_a_silent_machine_is_unreachable_after_a_while(far: Far) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        far.port = silent.getsockname()[1]

        with pytest.raises(
            UnreachableError, match=r"did not answer within 0.5 seconds"
        ):
            far.task(far_tasks.add, timeout=0.5)(1, 2)


def test_a_failure_is_a_result_that_earlier_advices_see(far: Far) -> None:
    far.port = free_port()
    advices = """
class Instead(bandsaw.Advice):
    def after(self, session):
        session.conclude(Result(type(session.result.exception).__name__))
"""
    add = far.task(far_tasks.add, advices=advices, chain="Instead(), ssh")

    assert add(1, 2) == "UnreachableError"


# --- Ends ----------------------------------------------------------------------------


WORKFLOW = """
import signal
import sys
import bandsaw
from tests.advices import far_tasks

wait = bandsaw.task(far_tasks.wait_for_the_end)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wait(sys.argv[1])
"""


IN_A_THREAD = """
import sys
from concurrent.futures import ThreadPoolExecutor
import bandsaw
from tests.advices import far_tasks

wait = bandsaw.task(far_tasks.wait_for_the_end)

if __name__ == "__main__":
    with ThreadPoolExecutor(1) as executor:
        executor.submit(wait, sys.argv[1]).result()
"""


@pytest.fixture
def waiting(far: Far, workflow: Workflow) -> tuple[subprocess.Popen[str], int]:
    """A workflow, and the pid of the process over there that it waits for."""
    started = workflow.directory / "started"
    process = start(workflow, far, WORKFLOW, started)
    wait_until(lambda: started.exists() or process.poll() is not None)
    pid = int(started.read_text())
    assert is_running(pid)
    return process, pid


def start(
    workflow: Workflow, far: Far, script: str, *arguments: Path
) -> subprocess.Popen[str]:
    """Start a script that may leave its temporary files, as it is killed."""
    directory = workflow.directory / "temporary"
    directory.mkdir()
    workflow.write_script(script, far.configuration())
    environment = {"TMPDIR": str(directory), "PYTHONWARNINGS": "ignore"}
    return workflow.start("workflow.py", *arguments, environment=environment)


def test_an_interrupt_ends_the_processes_of_an_executor_over_there(
    far: Far, workflow: Workflow, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    process = start(workflow, far, IN_A_THREAD, started)
    wait_until(lambda: started.exists() or process.poll() is not None)
    pid = int(started.read_text())

    process.send_signal(signal.SIGINT)

    _, said = process.communicate(timeout=SECONDS)
    assert_interrupted(said)
    wait_until(far.is_clean)
    wait_until(lambda: not is_running(pid))


def test_an_interrupt_ends_the_process_over_there(
    far: Far, waiting: tuple[subprocess.Popen[str], int]
) -> None:
    process, pid = waiting

    process.send_signal(signal.SIGINT)
    _, said = process.communicate()

    assert process.returncode == -signal.SIGINT
    assert_interrupted(said)
    wait_until(far.is_clean)
    wait_until(lambda: not is_running(pid))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_process_over_there_does_not_outlive_the_workflow(
    far: Far, waiting: tuple[subprocess.Popen[str], int], number: signal.Signals
) -> None:
    process, pid = waiting

    process.send_signal(number)
    process.communicate()

    wait_until(lambda: not is_running(pid))
    wait_until(far.is_clean)


def test_the_process_over_there_does_not_outlive_a_lost_connection(
    far: Far, waiting: tuple[subprocess.Popen[str], int]
) -> None:
    process, pid = waiting
    found = Path(f"/proc/{process.pid}/task").glob("*/children")
    (child,) = " ".join(children.read_text() for children in found).split()

    os.kill(int(child), signal.SIGKILL)
    _, said = process.communicate()

    assert "\nbandsaw.exceptions.UnreachableError: " in said
    wait_until(lambda: not is_running(pid))


@with_commands
def test_the_directory_of_a_process_that_runs_over_there_stays(
    far: Far, waiting: tuple[subprocess.Popen[str], int]
) -> None:
    process, pid = waiting
    (directory,) = far.directory.iterdir()
    make_old(directory)

    assert far.task(far_tasks.add)(1, 2) == 3

    assert is_running(pid)
    assert list(far.directory.iterdir()) == [directory]
    process.kill()
    process.communicate()
    wait_until(far.is_clean)


def test_a_forked_process_does_not_keep_the_one_over_there(
    far: Far, workflow: Workflow
) -> None:
    forking = """
        import os
        import signal
        import sys
        import threading
        import time
        import bandsaw
        from tests.advices import far_tasks

        wait = bandsaw.task(far_tasks.wait_for_the_end)

        if __name__ == "__main__":
            threading.Thread(target=wait, args=(sys.argv[1],), daemon=True).start()
            while not os.path.exists(sys.argv[1]):
                time.sleep(0.01)
            child = os.fork()
            if child:
                print(child, flush=True)
            signal.pause()
    """
    started = workflow.directory / "started"
    process = start(workflow, far, forking, started)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    pid = int(started.read_text())
    process.kill()
    try:
        wait_until(lambda: not is_running(pid))
        wait_until(far.is_clean)
        assert is_running(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_cancelled_call_ends_the_process_over_there(far: Far, tmp_path: Path) -> None:
    import asyncio

    started = tmp_path / "started"
    wait = far.task(far_tasks.wait_in_vain)

    async def cancel() -> None:
        waiting = asyncio.ensure_future(wait(str(started)))
        while not started.exists():
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancel())

    pid = int(started.read_text())
    wait_until(lambda: not is_running(pid))
    wait_until(far.is_clean)


def test_a_cancelled_call_does_not_wait_for_a_silent_machine(far: Far) -> None:
    import asyncio

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        far.port = silent.getsockname()[1]
        wait = far.task(far_tasks.wait_in_vain, timeout=3600)

        async def cancel() -> None:
            waiting = asyncio.ensure_future(wait("never"))
            connection, _ = await asyncio.get_running_loop().run_in_executor(
                None, silent.accept
            )
            waiting.cancel()
            with connection, pytest.raises(asyncio.CancelledError):
                await waiting

        asyncio.run(cancel())


# --- The command lines ---------------------------------------------------------------


def make_remote(**options: Any) -> Remote:
    options.setdefault("host", "far.example")
    options.setdefault("user", "me")
    options.setdefault("interpreter", bandsaw.Interpreter(executable="/far/python"))
    return Remote(**options)


def words_of(call: Callable[[SshCommandLineBackend], None]) -> list[str]:
    with mock.patch("subprocess.check_call") as check_call:
        call(SshCommandLineBackend())
    ((words,), how), *others = check_call.call_args_list
    assert not others
    assert how["stdin"] is not None
    assert how["start_new_session"]
    return list(words)


@pytest.mark.parametrize(
    ("options", "ssh", "scp"),
    [
        ({}, "ssh -p 22", "scp -P 22"),
        ({"port": "2222"}, "ssh -p 2222", "scp -P 2222"),
        ({"key_file": "/k y"}, "ssh -p 22 -i /k_y", "scp -P 22 -i /k_y"),
        ({"port": 1, "key_file": Path("k")}, "ssh -p 1 -i k", "scp -P 1 -i k"),
    ],
)
def test_the_command_lines_are_those_that_were_published(
    options: Any, ssh: str, scp: str
) -> None:
    remote = make_remote(**options)
    here, there = Path("/here/file.zip"), Path("/far/dir_1/file-2.zip")

    def expected(line: str) -> list[str]:
        return [word.replace("k_y", "k y") for word in line.split()]

    assert words_of(lambda backend: backend.create_dir(remote, there)) == expected(
        f"{ssh} me@far.example mkdir -p {there}"
    )
    assert words_of(
        lambda backend: backend.copy_file_to_remote(remote, here, there)
    ) == expected(f"{scp} {here} me@far.example:{there}")
    assert words_of(
        lambda backend: backend.copy_file_from_remote(remote, there, here)
    ) == expected(f"{scp} me@far.example:{there} {here}")
    assert words_of(
        lambda backend: backend.execute_remote(remote, "/far/python", "a=1", "b@%+,-_")
    ) == expected(f"{ssh} me@far.example /far/python a=1 b@%+,-_")
    assert words_of(lambda backend: backend.delete_dir(remote, there)) == expected(
        f"{ssh} me@far.example rm -Rf {there}"
    )


def test_what_a_shell_would_touch_is_quoted() -> None:
    remote = make_remote()
    there = Path("/a b/c'd")

    assert words_of(lambda backend: backend.create_dir(remote, there))[-1] == (
        "'/a b/c'\"'\"'d'"
    )
    assert words_of(
        lambda backend: backend.execute_remote(remote, "/p n", "", "$(id)", "ok")
    )[-4:] == ["'/p n'", "''", "'$(id)'", "ok"]


@pytest.mark.parametrize(
    ("local", "word"),
    [("-file", "./-file"), ("a:b", "./a:b"), ("/a:b", "/a:b"), ("file", "file")],
)
def test_a_local_file_is_never_taken_for_something_else(local: str, word: str) -> None:
    remote, there = make_remote(), Path("/far/file")

    to_remote = words_of(lambda b: b.copy_file_to_remote(remote, Path(local), there))
    from_remote = words_of(
        lambda b: b.copy_file_from_remote(remote, there, Path(local))
    )

    assert (to_remote[-2], from_remote[-1]) == (word, word)


def test_an_address_with_colons_is_told_from_the_path() -> None:
    remote, path = make_remote(host="::1"), Path("/f")

    assert SshCommandLineBackend.login(remote) == "me@::1"
    assert words_of(lambda backend: backend.copy_file_to_remote(remote, path, path))[
        -1
    ] == ("me@[::1]:/f")


def test_a_path_or_a_program_that_looks_like_an_option_is_refused() -> None:
    remote, option, path = make_remote(), Path("-oProxyCommand=id"), Path("/p")
    backend = SshCommandLineBackend()
    with mock.patch("subprocess.check_call") as check_call:
        for call in (
            lambda: backend.create_dir(remote, option),
            lambda: backend.make_private(remote, option),
            lambda: backend.copy_file_to_remote(remote, path, option),
            lambda: backend.copy_file_from_remote(remote, option, path),
            lambda: backend.execute_remote(remote, str(option)),
            lambda: backend.delete_dir(remote, option),
        ):
            with pytest.raises(ConfigurationError, match="taken for an option"):
                call()
    check_call.assert_not_called()


def test_ssh_has_no_askpass_program_unless_the_user_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def environment() -> Any:
        with mock.patch("subprocess.check_call") as check_call:
            SshCommandLineBackend().create_dir(make_remote(), Path("/p"))
        return check_call.call_args[1]["env"]

    monkeypatch.delenv("SSH_ASKPASS_REQUIRE", raising=False)
    assert environment()["SSH_ASKPASS_REQUIRE"] == "never"
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    assert environment()["SSH_ASKPASS_REQUIRE"] == "force"


# --- Remotes -------------------------------------------------------------------------


def test_a_remote_has_defaults() -> None:
    interpreter = bandsaw.Interpreter()

    remote = Remote(host="far", interpreter=interpreter)

    from bandsaw.user import get_current_username

    assert (remote.port, remote.user) == (22, get_current_username())
    assert (remote.key_file, remote.directory) == (None, Path("/tmp"))
    assert remote.interpreter is interpreter


def test_a_remote_needs_a_host_and_an_interpreter() -> None:
    with pytest.raises(ValueError, match="Remote needs a host"):
        Remote(interpreter=bandsaw.Interpreter())
    with pytest.raises(ValueError, match="Remote needs an interpreter"):
        Remote("host")


@pytest.mark.parametrize(
    "options", [{"host": "-oX"}, {"user": "-oX"}, {"directory": "-x"}, {"port": "x"}]
)
def test_a_remote_refuses_what_makes_no_sense(options: Any) -> None:
    with pytest.raises(ConfigurationError):
        make_remote(**options)


# --- Backends of the user's own ------------------------------------------------------


class LocalBackend(SshBackend):
    """Plays another machine, the way a backend for the published releases would."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.failing: list[str] = []

    def _note(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name in self.failing:
            raise ConnectionResetError(f"No {name} here")

    def create_dir(self, remote: Remote, remote_path: Path) -> None:
        self._note("create_dir", remote, remote_path)
        remote_path.mkdir(parents=True)

    def copy_file_to_remote(
        self, remote: Remote, local_path: Path, remote_path: Path
    ) -> None:
        self._note("copy_file_to_remote", remote, local_path, remote_path)
        shutil.copy(str(local_path), str(remote_path))

    def copy_file_from_remote(
        self, remote: Remote, remote_path: Path, local_path: Path
    ) -> None:
        self._note("copy_file_from_remote", remote, remote_path, local_path)
        shutil.copy(str(remote_path), str(local_path))

    def execute_remote(self, remote: Remote, executable: str, *arguments: str) -> None:
        self._note("execute_remote", remote, executable, *arguments)
        # In the process group of the tests, and with their standard input
        subprocess.check_call([executable, *arguments])

    def delete_dir(self, remote: Remote, remote_path: Path) -> None:
        self._note("delete_dir", remote, remote_path)
        shutil.rmtree(str(remote_path))


class Setting:
    """A configuration with a backend of the user's own, only half of which travels."""

    def __init__(self, configuration: bandsaw.Configuration, directory: Path) -> None:
        self.directory = directory
        self.backend = LocalBackend()
        self.remote = make_remote(
            interpreter=bandsaw.Interpreter(), directory=directory
        )
        self.advice = SshAdvice(backend=self.backend).add_remote(self.remote)
        self.module = configuration.module_name
        configuration.add_advice_chain(self.advice)

    def call(self, function: Callable[..., Any], *args: Any, **parameters: Any) -> Any:
        return bandsaw.task(function, config=self.module, **parameters)(*args)

    def names(self) -> list[str]:
        return [name for name, *_ in self.backend.calls]


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    name = f"local_configuration_{next(_numbers)}"
    text = """
        import bandsaw
        from bandsaw.advices.ssh import SshAdvice

        configuration = bandsaw.Configuration().add_advice_chain(SshAdvice())
    """
    write_files(tmp_path / "near", {f"{name}.py": text})
    monkeypatch.syspath_prepend(str(tmp_path / "near"))
    made = Setting(bandsaw.get_configuration(name), tmp_path / "far")
    made.directory.mkdir()
    yield made
    del sys.modules[name]


def test_a_backend_is_told_each_step(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDSAW_RUN_ID", "run")

    setting.advice.directory = setting.directory.parent / "exchanges"
    assert setting.call(far_tasks.add, 1, 2) == 3

    calls = setting.backend.calls
    assert calls[2][2].parent.parent == setting.advice.directory
    directory = calls[0][2]
    assert directory.parent == setting.directory
    assert setting.names() == [
        "create_dir",
        "copy_file_to_remote",
        "copy_file_to_remote",
        "copy_file_to_remote",
        "execute_remote",
        "copy_file_from_remote",
        "delete_dir",
    ]
    assert {remote for _, remote, *_ in calls} == {setting.remote}
    assert [call[3] for call in calls[1:4]] == [
        directory / name for name in ("archive.pyz", "session.zip", "settings.json")
    ]
    assert calls[4][2:] == (
        *(sys.executable, str(directory / "archive.pyz")),
        *("--input", str(directory / "session.zip")),
        *("--output", str(directory / "answer.zip"), "--run-id", "run"),
        *("--settings", str(directory / "settings.json")),
    )
    assert calls[5][2] == directory / "answer.zip"
    assert calls[6][2] == directory
    assert not directory.exists()


@pytest.mark.parametrize(
    "step", ["copy_file_to_remote", "execute_remote", "copy_file_from_remote"]
)
def test_the_directory_is_deleted_also_when_a_step_fails(
    setting: Setting, step: str
) -> None:
    setting.backend.failing = [step]

    with pytest.raises(UnreachableError, match=f"ConnectionResetError: No {step} here"):
        setting.call(far_tasks.add, 1, 2)

    assert setting.names()[-1] == "delete_dir"
    assert not any(setting.directory.iterdir())


def test_a_directory_that_is_not_deleted_does_not_hide_the_failure(
    setting: Setting,
) -> None:
    setting.backend.failing = ["copy_file_to_remote", "delete_dir"]

    with pytest.raises(UnreachableError, match="No copy_file_to_remote here"):
        setting.call(far_tasks.add, 1, 2)


def test_a_directory_that_is_not_deleted_costs_a_warning_and_not_the_result(
    setting: Setting,
) -> None:
    setting.backend.failing = ["delete_dir"]

    with pytest.warns(UserWarning, match=r"was not removed: .*No delete_dir here"):
        assert setting.call(far_tasks.add, 1, 2) == 3


def test_an_interpreter_that_died_is_unreachable_when_its_machine_is(
    setting: Setting,
) -> None:
    setting.backend.failing = ["delete_dir"]

    with pytest.raises(UnreachableError, match="No delete_dir here"):
        setting.call(far_tasks.exit_silently, 255)


def test_an_answer_counts_also_when_the_process_ended_badly(setting: Setting) -> None:
    assert setting.call(far_tasks.exit_with_status_at_the_end, 3) == 3


def test_a_backend_that_brings_no_file_has_no_answer(setting: Setting) -> None:
    setting.backend.copy_file_from_remote = (  # type: ignore[method-assign]
        lambda *arguments: None
    )

    with pytest.raises(InterpreterDiedError, match="exited without an answer"):
        setting.call(far_tasks.add, 1, 2)


def test_an_interrupt_in_a_backend_passes_through(setting: Setting) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    setting.backend.execute_remote = interrupt  # type: ignore[method-assign]

    with pytest.raises(KeyboardInterrupt):
        setting.call(far_tasks.add, 1, 2)

    assert setting.names()[-1] == "delete_dir"


DYING = """
import os
import shutil
import signal
import subprocess
import bandsaw
from bandsaw.advices.ssh import Remote, SshAdvice, SshBackend

class Dying(SshBackend):
    steps = 0

    def count(self):
        self.steps += 1
        if self.steps == {steps}:
            os.kill(os.getpid(), signal.SIGKILL)

    def create_dir(self, remote, remote_path):
        remote_path.mkdir()
        self.count()

    def copy_file_to_remote(self, remote, local_path, remote_path):
        shutil.copy(str(local_path), str(remote_path))
        self.count()

    def copy_file_from_remote(self, remote, remote_path, local_path):
        raise NotImplementedError

    def execute_remote(self, remote, executable, *arguments):
        subprocess.check_call([executable, *arguments])
        self.count()

    def delete_dir(self, remote, remote_path):
        raise NotImplementedError

ssh = SshAdvice(backend=Dying())
ssh.add_remote(Remote("far", interpreter=bandsaw.Interpreter(), directory={there!r}))
configuration = bandsaw.Configuration().add_advice_chain(ssh)
"""

CALLING = """
import bandsaw
from tests.advices import far_tasks

if __name__ == "__main__":
    bandsaw.task(far_tasks.add)(1, 2)
"""


def leave_directory(setting: Setting, workflow: Workflow, steps: int) -> Path:
    """Kill a workflow after some steps of a call, and return what it leaves there."""
    temporary = workflow.directory / "temporary"
    temporary.mkdir()
    workflow.run(
        CALLING,
        config=DYING.format(steps=steps, there=str(setting.directory)),
        environment={"TMPDIR": str(temporary)},
        status=-signal.SIGKILL,
    )
    (left,) = setting.directory.iterdir()
    return left


def make_old(directory: Path) -> None:
    """Let a directory look as if nothing there had been changed for two days."""
    then = time.time() - 2 * 24 * 60 * 60
    for path in (*directory.iterdir(), directory):
        os.utime(path, (then, then))


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        (1, set()),
        (2, {"archive.pyz"}),
        (4, {"archive.pyz", "session.zip", "settings.json"}),
        (5, {"archive.pyz", "session.zip", "settings.json", "answer.zip"}),
    ],
    ids=["made", "being copied to", "not started", "with an answer"],
)
def test_what_a_killed_workflow_leaves_is_removed_by_a_later_call(
    setting: Setting, workflow: Workflow, steps: int, names: set[str]
) -> None:
    left = leave_directory(setting, workflow, steps)
    assert {path.name for path in left.iterdir()} - {".interpreter"} == names
    make_old(left)

    assert setting.call(far_tasks.add, 1, 2) == 3

    assert not any(setting.directory.iterdir())


@pytest.mark.parametrize("steps", [1, 5], ids=["made", "with an answer"])
def test_what_a_workflow_may_still_need_stays(
    setting: Setting, workflow: Workflow, steps: int
) -> None:
    left = leave_directory(setting, workflow, steps)

    assert setting.call(far_tasks.add, 1, 2) == 3

    assert list(setting.directory.iterdir()) == [left]


def test_a_file_that_was_just_copied_shows_that_a_workflow_lives(
    setting: Setting,
) -> None:
    living = setting.directory / f"bandsaw-{'0' * 32}"
    living.mkdir()
    (living / "archive.pyz").touch()
    then = time.time() - 2 * 24 * 60 * 60
    os.utime(living, (then, then))

    assert setting.call(far_tasks.add, 1, 2) == 3

    assert living.exists()


@pytest.mark.parametrize("name", [".interpreter", ".interpreter.new"])
def test_the_directory_of_a_process_that_cannot_be_seen_stays(
    setting: Setting, name: str
) -> None:
    other = setting.directory / f"bandsaw-{'0' * 32}"
    other.mkdir()
    # It runs on another machine, or its file system has no locks.
    (other / name).write_text("1 another-machine")
    make_old(other)

    assert setting.call(far_tasks.add, 1, 2) == 3

    assert other.exists()


@pytest.mark.parametrize("digits", ["0" * 31, "0" * 31 + "x", "0" * 33])
def test_a_directory_with_another_name_stays(setting: Setting, digits: str) -> None:
    other = setting.directory / f"bandsaw-{digits}"
    other.mkdir()
    make_old(other)

    assert setting.call(far_tasks.add, 1, 2) == 3

    assert other.exists()


def test_a_link_leads_to_nothing_that_is_removed(
    setting: Setting, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "file").touch()
    make_old(target)
    link = setting.directory / f"bandsaw-{'0' * 32}"
    link.symlink_to(target)
    then = target.stat().st_mtime
    os.utime(link, (then, then), follow_symlinks=False)

    assert setting.call(far_tasks.add, 1, 2) == 3

    assert (target / "file").exists()
    assert link.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another user")
def test_the_directory_of_another_user_stays(setting: Setting) -> None:
    other = setting.directory / f"bandsaw-{'0' * 32}"
    other.mkdir()
    make_old(other)
    os.chown(other, 12345, 12345)

    assert setting.call(far_tasks.add, 1, 2) == 3

    assert other.exists()


def test_a_task_chooses_its_machine(setting: Setting) -> None:
    other = make_remote(host="other", interpreter=bandsaw.Interpreter())
    other.directory = setting.directory / "other"

    assert setting.advice.add_remote(other, "second") is setting.advice
    assert setting.call(far_tasks.add, 1, 2, ssh={"remote": "second"}) == 3

    assert setting.advice.remotes == {"default": setting.remote, "second": other}
    assert {remote for _, remote, *_ in setting.backend.calls} == {other}


def test_an_unknown_machine_is_named_with_the_known_ones(setting: Setting) -> None:
    with pytest.raises(ConfigurationError, match=r"'third'.* Known are: 'default'"):
        setting.call(far_tasks.add, 1, 2, ssh={"remote": "third"})


def test_a_parameter_that_makes_no_sense_is_named(setting: Setting) -> None:
    with pytest.raises(ConfigurationError, match="'gpu'"):
        setting.call(far_tasks.add, 1, 2, ssh="gpu")


def test_what_is_no_machine_or_backend_is_refused() -> None:
    wrong: Any = "gpu.example"
    with pytest.raises(ConfigurationError, match=r"add_remote needs a Remote, and not"):
        SshAdvice().add_remote(wrong)
    with pytest.raises(ConfigurationError, match="Ssh needs a number from 1 to 65535"):
        SshAdvice().add_remote(make_remote(port=0))
    with pytest.raises(ConfigurationError, match="SshAdvice needs an SshBackend"):
        SshAdvice(backend=wrong)
