"""Functions to be called behind connections, in a module that imports little else."""

from __future__ import annotations

import functools
import os
import re
import time

import bandsaw


def task(chain):
    return bandsaw.task(config="connections_config", chain=chain)


@functools.lru_cache(maxsize=1)
def array_of(size):
    import numpy

    return numpy.ones(size // 8)


def peak_of(process):
    """Return the most memory that a process has had, in megabytes."""
    with open(f"/proc/{process}/status") as file:
        found = re.search(r"VmHWM:\s*(\d+) kB", file.read())
    return int(found.group(1)) * 1024 / 1e6


@task("pool")
def same_of_pool(x):
    return x


@task("command")
def same_behind_command(x):
    return x


@task("ssh")
def same_over_ssh(x):
    return x


@task("ssh")
def size_over_ssh(array):
    return array.nbytes


@task("ssh")
def array_over_ssh(size):
    return array_of(size)


@task("apart")
def size_apart(array):
    return array.nbytes


@task("apart")
def array_apart(size):
    return array_of(size)


@task("ssh")
def peaks_over_ssh(array):
    return peak_of(os.getpid()), peak_of(os.getppid())


@task("delayed")
def rest(x):
    time.sleep(0.02)
    return x
