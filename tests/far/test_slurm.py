"""Jobs of a real Slurm: what its commands say of them, and what their words do."""

from __future__ import annotations

import subprocess
from typing import IO, Iterator

import pytest

from bandsaw.connections import Connection, Event, Slurm
from tests.far.conftest import run
from tests.far.slurm import Cluster
from tests.waiting import SECONDS, wait_until

READY = ["sh", "-c", "echo ready; exec sleep 1000"]


@pytest.fixture(params=["slurm", "slurm_by_ssh"])
def via(request: pytest.FixtureRequest) -> Connection | None:
    """Return the connection by which the commands of Slurm run."""
    made = request.getfixturevalue(request.param)
    assert isinstance(made, Slurm)
    return made.via


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Commands that have been started."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.terminate()
        process.communicate(timeout=SECONDS)


def start(
    words: list[str], started: list[subprocess.Popen[str]]
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    return process


def wait_for_line(stream: IO[str] | None, line: str) -> None:
    assert stream is not None
    assert stream.readline().strip() == line


def next_event(job: Slurm, process: subprocess.Popen[str]) -> Event | None:
    """Return the next event that a command tells, `None` if it tells no more."""
    assert process.stderr is not None
    for line in process.stderr:
        event = job.read(line)
        if event is not None:
            return event
    return None


def all_events(job: Slurm, process: subprocess.Popen[str]) -> set[Event]:
    """Return all further events that a command tells."""
    return set(iter(lambda: next_event(job, process), None))


@pytest.fixture
def full(cluster: Cluster, started: list[subprocess.Popen[str]]) -> str:
    """A job that has the whole node."""
    process = start(Slurm(options={"exclusive": True}).wrap(READY), started)
    wait_for_line(process.stdout, "ready")
    [job] = cluster.jobs()
    return job


def test_a_job_has_what_it_was_given(via: Connection | None) -> None:
    job = Slurm(
        gres="gpu:1",
        time="0:30",
        partition="short",
        options={"cpus-per-task": 3, "comment": "a 'b' $c"},
        via=via,
    )
    shown = run(job.wrap(["sh", "-c", 'scontrol show job "$SLURM_JOB_ID"'])).stdout

    for text in (
        *("Partition=short", "TimeLimit=00:01:00", "NumCPUs=3", "gres:gpu:1"),
        "Comment=a 'b' $c",
    ):
        assert text in shown


def test_a_setup_runs_on_the_node_before(via: Connection | None) -> None:
    job = Slurm(setup="echo said; export A='b c'", via=via)

    done = run(job.wrap(["sh", "-c", 'echo "$A"']))

    assert done.stdout == "b c\n"
    assert "said" in done.stderr


def test_a_setup_that_fails_ends_the_job(via: Connection | None) -> None:
    done = run(Slurm(setup="no-such-command", via=via).wrap(["echo", "started"]))

    assert done.returncode == 127
    assert done.stdout == ""
    assert "no-such-command" in done.stderr


def test_a_waiting_job_tells_that_it_waits_and_why(
    full: str, via: Connection | None, started: list[subprocess.Popen[str]]
) -> None:
    job = Slurm(via=via)
    process = start(job.wrap(["true"]), started)

    event = next_event(job, process)

    assert event is not None
    assert event.kind == "queued"
    wait_until(lambda: run(job.ask(event.job)).stdout.strip() == "Resources")
    run(Slurm().cancel(full))
    assert next_event(job, process) == Event("started", event.job)
    assert process.wait(SECONDS) == 0


def test_a_waiting_job_is_cancelled(
    full: str,
    cluster: Cluster,
    via: Connection | None,
    started: list[subprocess.Popen[str]],
) -> None:
    job = Slurm(via=via)
    process = start(job.wrap(["true"]), started)
    event = next_event(job, process)
    assert event is not None

    assert run(job.cancel(event.job)).returncode == 0

    cancelled = next_event(job, process)
    assert cancelled is not None
    assert cancelled.kind == "cancelled"
    assert process.wait(SECONDS) != 0
    assert cluster.jobs() == [full]


def test_a_running_job_is_cancelled(
    cluster: Cluster, via: Connection | None, started: list[subprocess.Popen[str]]
) -> None:
    job = Slurm(via=via)
    process = start(job.wrap(READY), started)
    wait_for_line(process.stdout, "ready")
    [number] = cluster.jobs()

    run(job.cancel(number))

    # Which job that was is not always said.
    told = all_events(job, process)
    assert told
    assert told <= {Event("cancelled", number), Event("cancelled")}
    assert process.wait(SECONDS) != 0


def test_a_killed_program_is_no_cancelled_job(
    via: Connection | None, started: list[subprocess.Popen[str]]
) -> None:
    job = Slurm(via=via)
    process = start(job.wrap(["sh", "-c", "kill -KILL $$"]), started)

    assert next_event(job, process) is None
    assert process.wait(SECONDS) == 137


@pytest.mark.stress
def test_a_job_whose_time_is_over_is_told_from_a_cancelled_one(
    cluster: Cluster, started: list[subprocess.Popen[str]]
) -> None:
    job = Slurm(time="0:01")
    process = start(job.wrap(READY), started)
    wait_for_line(process.stdout, "ready")
    [number] = cluster.jobs()

    assert Event("time limit", number) in all_events(job, process)


def test_a_job_ends_with_the_command(
    via: Connection | None, cluster: Cluster, started: list[subprocess.Popen[str]]
) -> None:
    words = Slurm(via=via).wrap(["sh", "-c", "echo ready; exec cat"])
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        wait_for_line(process.stdout, "ready")
        process.kill()

    wait_until(lambda: not cluster.jobs())
