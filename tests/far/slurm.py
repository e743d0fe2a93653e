"""Starts a Slurm of one node on this machine, which needs nothing of the system's."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import subprocess
from pathlib import Path
from typing import Callable, Iterator

import pytest

from tests.sshd import find, free_port
from tests.waiting import SECONDS, wait_until

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
KillWait=1
ReturnToService=2
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd.log
GresTypes=gpu
NodeName={node} NodeAddr=127.0.0.1 CPUs=8 Gres=gpu:1
PartitionName=all Nodes=ALL Default=YES
PartitionName=short Nodes=ALL MaxTime=1:00:00
"""

# It is a GPU as far as Slurm is concerned.
RESOURCES = "NodeName={node} Name=gpu File=/dev/null\n"


class Cluster:
    """A Slurm with a node of eight processors and one GPU.

    Attributes:
        configuration: The file that the variable SLURM_CONF of its commands names.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.configuration = directory / "slurm.conf"
        # Marks of the test that runs now do not belong to it.
        self._environment = {
            "PATH": os.environ["PATH"],
            "SLURM_CONF": str(self.configuration),
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        for name in ("state", "spool"):
            (directory / name).mkdir()
        key = directory / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))

    def start(self) -> None:
        """Start it, and waits until it accepts jobs; skips the test if it does not."""
        node = socket.gethostname().split(".")[0]
        self.configuration.write_text(
            CONFIGURATION.format(
                node=node,
                user=getpass.getuser(),
                directory=self.directory,
                controller_port=free_port(),
                node_port=free_port(),
            )
        )
        (self.directory / "gres.conf").write_text(RESOURCES.format(node=node))
        munged = {"key-file": "key", "socket": "socket", "pid-file": "pid"}
        munged.update({"log-file": "log", "seed-file": "seed"})
        options = [f"--{n}={self.directory}/munge.{v}" for n, v in munged.items()]
        # It would insist on directories that all users may enter, or on being another
        # user than root.
        self._run("munged", "--foreground", "--force", *options)
        self._wait_until((self.directory / "munge.socket").exists)
        self._run("slurmctld", "-D")
        self._run("slurmd", "-D")
        self._wait_until(
            lambda: set(self.ask("sinfo", "-h", "-o", "%t").split()) == {"idle"}
        )

    def _run(self, name: str, *words: str) -> None:
        with open(self.directory / f"{name}.out", "wb") as output:
            process = subprocess.Popen(
                [find(name), *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self.directory,
            )
        self._processes.append(process)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        is_ready = False
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self._has_ended() or condition())
            is_ready = not self._has_ended()
        if not is_ready:
            said = [path.read_text()[-500:] for path in self.directory.glob("*.out")]
            pytest.skip(f"Slurm cannot be started here: {' '.join(said)!r}")

    def _has_ended(self) -> bool:
        return any(process.poll() is not None for process in self._processes)

    def ask(self, *words: str) -> str:
        """Return what one of Slurm's commands says."""
        done = subprocess.run(
            words,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
        )
        return done.stdout.decode().strip()

    def jobs(self) -> list[str]:
        """Return the ids of the jobs that have not ended."""
        return self.ask("squeue", "-h", "-o", "%i").splitlines()

    def stop(self) -> None:
        """End its processes in the reverse order of their start."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait()


def start_slurm(directory: Path) -> Iterator[Cluster]:
    """Start a Slurm, and stops it again; skips the test where there is none."""
    for name in ("munged", "slurmctld", "slurmd", "srun", "squeue", "scancel", "sinfo"):
        find(name)
    cluster = Cluster(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
