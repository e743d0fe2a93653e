"""The pages on Slurm and containers, followed with both of them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from bandsaw.connections import Command, Connection
from tests.far.slurm import Cluster
from tests.far.test_calls import WORK, config
from tests.pages import MAIN_GUARD, blocks_of
from tests.waiting import SECONDS
from tests.workflows import ROOT, Workflow

PAGES = ROOT / "docs" / "how-to"


@pytest.fixture
def jobs(workflow: Workflow) -> Workflow:
    """The script and the configuration of the page."""
    blocks = blocks_of((PAGES / "slurm.md").read_text("utf-8"))
    (configuration,) = (b.code for b in blocks if b.file == "bandsaw_config.py")
    (script,) = (block.code for block in blocks if MAIN_GUARD.search(block.code))
    workflow.write_script(script, configuration)
    return workflow


def jobs_in(output: str) -> set[str]:
    """The ids of the jobs in which the calls ran."""
    lines = [line.split(" in job ") for line in output.splitlines()]
    assert [number for number, _ in lines] == ["0", "1", "2"]
    return {job for _, job in lines}


def test_the_script_runs_where_srun_is(jobs: Workflow, cluster: Cluster) -> None:
    (job,) = jobs_in(jobs.python("workflow.py").stdout)

    assert job.isdigit()


@pytest.mark.parametrize("words", ["env -u SLURM_JOB_ID -u SLURM_JOBID ", ""])
def test_the_script_runs_inside_of_a_job(
    jobs: Workflow, cluster: Cluster, words: str
) -> None:
    command = f"{words}{sys.executable} workflow.py && echo in $SLURM_JOB_ID"
    if words:
        assert words in (PAGES / "slurm.md").read_text("utf-8")
    done = subprocess.run(
        [*("sbatch", "--parsable", "--wait", "--output=output", "--wrap"), command],
        cwd=jobs.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    *lines, last = (jobs.directory / "output").read_text().splitlines()
    assert done.returncode == 0, lines
    (job,) = jobs_in("\n".join(lines))
    assert last == f"in {done.stdout.strip()}"
    assert (job == done.stdout.strip()) is (not words)


def test_the_sandbox_needs_no_file_that_can_be_changed(
    workflow: Workflow, container: Connection
) -> None:
    (block,) = blocks_of((PAGES / "containers.md").read_text("utf-8"))
    namespace: dict[str, Any] = {}
    exec(block.code, namespace)
    sandbox = namespace["sandbox"]
    assert isinstance(sandbox, Command)

    output = workflow.output(
        WORK
        + """
@bandsaw.task
def network():
    import socket
    return [name for _, name in socket.if_nameindex()]

@bandsaw.task
def write():
    open("file", "w").close()

if __name__ == "__main__":
    print(work(b"ab"), network(), text_of(write).partition(":")[0])
""",
        config=config(sandbox),
    )

    assert output == "printed there\nb'ba' ['lo'] OSError\n"
