"""Tasks that are executed in other places, through the real commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from bandsaw.connections import Command, Connection, Slurm, Ssh
from tests.examples.test_two_places import assert_it_works, copy_of_example
from tests.far.conftest import run
from tests.far.slurm import Cluster
from tests.sshd import Sshd
from tests.waiting import SECONDS
from tests.workflows import HEAD, MOVING, Workflow, assert_interrupted

CONFIG = """
import sys
import bandsaw
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.connections import Command, Slurm, Ssh

there = bandsaw.Interpreter(path=(), executable=sys.executable)
configuration = bandsaw.Configuration().add_advice_chain(
    ConnectionAdvice({connection}, interpreter=there, {more})
)
"""


def config(connection: Connection, more: str = "") -> str:
    return CONFIG.format(connection=connection, more=more)


@pytest.fixture
def place(connection: Connection, request: pytest.FixtureRequest) -> Connection:
    """A connection to each of the places, where something can be kept."""
    if "container" not in request.node.callspec.params["connection"]:
        return connection
    # Nothing else can be written there.
    return Command(
        ["env", "BANDSAW_HOME=/dev/shm/home", "TMPDIR=/dev/shm"], via=connection
    )


WORK = (
    HEAD
    + """
@bandsaw.task
def where(*ignored):
    return os.getpid()

@bandsaw.task
def work(content):
    print("printed there")
    bandsaw.progress(1, 2)
    return content[::-1]

@bandsaw.task
def fail():
    raise LookupError("there")

@bandsaw.task
def hang(path):
    print(os.getppid(), flush=True)
    import time
    time.sleep(600)
"""
)


def test_calls_are_answered(workflow: Workflow, place: Connection) -> None:
    output = workflow.output(
        WORK
        + """
if __name__ == "__main__":
    first = where()
    print(first != os.getpid(), where() == first)
    content = os.urandom(3 << 20)
    print(work(content) == content[::-1], work(b"ab"))
    print(text_of(fail), where() == first)
""",
        config=config(place),
    )
    assert output == (
        "True True\nprinted there\nprinted there\nTrue b'ba'\nLookupError: there True\n"
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_everything_there_ends_with_the_caller(
    workflow: Workflow, place: Connection, end: int
) -> None:
    script = 'if __name__ == "__main__":\n    hang("begun")\n'
    workflow.write_script(WORK + script, config(place))
    process = workflow.start("workflow.py")
    assert process.stdout is not None
    assert process.stdout.readline().strip().isdigit()

    process.send_signal(end)
    process.wait()

    # The fixtures assert that no process, and no job, is left.
    # Files of a caller that is killed are removed by the next one.
    workflow.output(WORK + script.replace("hang", "where"), config=MOVING)


@pytest.mark.parametrize(
    ("name", "more", "is_shared"),
    [
        ("ssh", [], True),
        ("container", [], False),
        ("container", ["--bind", "/dev/shm", "/dev/shm"], True),
    ],
    ids=["ssh", "container", "container that shares memory"],
)
def test_large_arrays_are_mapped_where_memory_is_shared(
    workflow: Workflow,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    name: str,
    more: list[str],
    is_shared: bool,
) -> None:
    pytest.importorskip("numpy")
    place = request.getfixturevalue(name)
    if isinstance(place, Command):
        words = [*place.words, *more, "--tmpfs", str(tmp_path)]
        words += ["env", f"BANDSAW_HOME={tmp_path / 'home'}", f"TMPDIR={tmp_path}"]
        place = Command(words)
    output = workflow.output(
        WORK
        + """
import numpy as np

def maps():
    with open("/proc/self/maps") as maps:
        return "/bandsaw-shared-" in maps.read()

@bandsaw.task
def double(array):
    return 2 * array, maps()

if __name__ == "__main__":
    array = np.arange(1 << 18)
    doubled, is_mapped_there = double(array)
    print((doubled == 2 * array).all(), is_mapped_there, maps())
""",
        config=config(place),
    )
    assert output == f"True {is_shared} {is_shared}\n"


def test_a_machine_that_refuses_is_an_error_with_what_ssh_says(
    workflow: Workflow, sshd: Sshd
) -> None:
    unknown = sshd.directory / "unknown_key"
    connection = Ssh("127.0.0.1", user=sshd.user, port=sshd.port, key_file=unknown)
    output = workflow.output(
        WORK + '\nif __name__ == "__main__":\n    print(text_of(where))\n',
        config=config(connection),
    )
    assert output.startswith(
        "UnreachableError: The connection 'default' failed while reaching Python: the "
        "command ended with status 255."
    )
    assert "Permission denied" in output


ATTACHING = """
class Attaching(bandsaw.Advice):
    def before(self, session):
        session.attachments["zeros"] = "zeros"
        session.proceed()

    def after(self, session):
        session.proceed()

configuration.add_advice_chain(Attaching(), *configuration.get_advice_chain("default"))
"""


@pytest.mark.parametrize(
    ("size", "phase", "place"),
    [
        (
            300_000,
            "The connection 'default' failed while sending code",
            "home/archives/",
        ),
        (
            8_000_000,
            "The other interpreter failed while restoring the session",
            "bandsaw-",
        ),
    ],
    ids=["code", "attachment"],
)
def test_a_full_disk_there_is_named_with_its_place(
    workflow: Workflow, container: Connection, size: int, phase: str, place: str
) -> None:
    assert isinstance(container, Command)
    words = [*container.words, "--size", str(size), "--tmpfs", "/dev/shm"]
    words += ["env", "BANDSAW_HOME=/dev/shm/home", "TMPDIR=/dev/shm"]
    (workflow.directory / "zeros").write_bytes(bytes(8_000_000))
    output = workflow.output(
        WORK + '\nif __name__ == "__main__":\n    print(text_of(where))\n',
        config=config(Command(words)) + ATTACHING,
    )
    assert output.startswith(
        f"InterpreterStartError: {phase}: OSError: [Errno 28] No space left on device: "
        f"'/dev/shm/{place}"
    )


def test_an_environment_of_a_job_is_made_where_srun_runs(
    workflow: Workflow, cluster: Cluster, ssh: Connection
) -> None:
    setup = "PLACE=$SLURM_JOB_ID:; export PLACE"
    connection = Slurm(setup=setup, via=ssh)
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def place():
    return os.environ["PLACE"], "/environments/" in sys.prefix

class Tell(bandsaw.Extension):
    def on_progress(self, progress):
        print(progress.message)

if __name__ == "__main__":
    bandsaw.get_configuration().add_extension(Tell())
    job, is_in_environment = place()
    print(job[:-1].isdigit(), is_in_environment)
""",
        config=config(connection).replace(
            "interpreter=there", "interpreter=bandsaw.environments.Environment()"
        ),
    )
    assert output.startswith("Environment 'python': making\n")
    assert output.endswith("\nTrue True\n")


def test_the_example_runs_in_jobs_by_one_other_line(
    workflow: Workflow, cluster: Cluster, tmp_path: Path
) -> None:
    example = copy_of_example(tmp_path)
    configuration = example / "bandsaw_config.py"
    text = configuration.read_text()
    line = 'return Command(["sh", "-c", in_directory, str(REGIONS / region)])'
    assert line in text
    # A login shell has a PATH of its own, in which there is no uv.
    setup = f"PATH={os.path.dirname(sys.executable)}:$PATH; cd "
    job = "from bandsaw.connections import Slurm, shell_line; return Slurm"
    job += f"(setup={setup!r} + shell_line([str(REGIONS / region)]))"
    configuration.write_text(text.replace(line, job))

    assert_it_works(example, workflow)


@pytest.fixture
def full(cluster: Cluster) -> Iterator[str]:
    """A job that has the whole node."""
    words = Slurm(options={"exclusive": True}).wrap(
        ["sh", "-c", "echo ready; exec cat"]
    )
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        [job] = cluster.jobs()
        yield job
        process.communicate()


WAITING = """
class Tell(bandsaw.Extension):
    def on_progress(self, progress):
        print(progress.message, flush=True)

configuration.add_extension(Tell())
"""


@pytest.mark.parametrize("place", ["slurm", "slurm_by_ssh"])
def test_a_job_that_waits_is_told_and_takes_none_of_the_time_to_start(
    workflow: Workflow, full: str, request: pytest.FixtureRequest, place: str
) -> None:
    connection = request.getfixturevalue(place)
    workflow.write_script(
        WORK + '\nif __name__ == "__main__":\n    print(type(where()))\n',
        config(connection, "start_timeout=10") + WAITING,
    )
    process = workflow.start("workflow.py")
    assert process.stdout is not None
    # The reason may be another one for a moment, or not be known yet.
    for line in process.stdout:
        assert "waits in a queue" in line
        if line.endswith(": Resources.\n"):
            break

    run(Slurm().cancel(full))

    assert process.stdout.readline() == "<class 'int'>\n"
    assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("place", ["slurm", "slurm_by_ssh"])
def test_an_interrupt_cancels_a_job_that_waits(
    workflow: Workflow,
    full: str,
    cluster: Cluster,
    request: pytest.FixtureRequest,
    place: str,
) -> None:
    connection = request.getfixturevalue(place)
    workflow.write_script(
        WORK + '\nif __name__ == "__main__":\n    where()\n',
        config(connection) + WAITING,
    )
    process = workflow.start("workflow.py")
    assert process.stdout is not None
    assert "waits in a queue" in process.stdout.readline()

    process.send_signal(signal.SIGINT)

    _, errors = process.communicate(timeout=SECONDS)
    assert_interrupted(errors)
    assert cluster.jobs() == [full]


@pytest.mark.parametrize("place", ["slurm", "slurm_by_ssh"])
def test_a_job_that_is_cancelled_is_told_from_a_process_that_was_killed(
    workflow: Workflow, request: pytest.FixtureRequest, cluster: Cluster, place: str
) -> None:
    connection = request.getfixturevalue(place)
    workflow.write_script(
        WORK + '\nif __name__ == "__main__":\n    print(text_of(hang, ""))\n',
        config(connection),
    )
    process = workflow.start("workflow.py")
    assert process.stdout is not None
    assert process.stdout.readline().strip().isdigit()
    [job] = cluster.jobs()

    run(Slurm().cancel(job))

    assert process.stdout.readline().startswith(
        "InterpreterDiedError: The connection 'default' failed while running: its job "
        "was cancelled."
    )
    process.communicate(timeout=SECONDS)
    # What is left of a job that was killed is removed by the next one.
    workflow.output(
        WORK + '\nif __name__ == "__main__":\n    where()\n',
        config=config(connection),
    )
