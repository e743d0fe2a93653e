"""Starts one cluster of each engine for all tests, from processes without bandsaw."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

DIRECTORY = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of this directory to `tox -e engines`."""
    for item in items:
        if DIRECTORY in Path(item.path).parents:
            item.add_marker(pytest.mark.engines)


class Cluster:
    """A cluster of processes.

    Attributes:
        process: The one that has started the others.
        address: What the engine is told.
    """

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address

    def kill(self) -> None:
        """End all of its processes at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@contextlib.contextmanager
def started(script: str, *arguments: str, **variables: str) -> Iterator[Cluster]:
    environment = {**os.environ, **variables}
    environment.pop("PYTHONPATH", None)
    with subprocess.Popen(
        [sys.executable, str(DIRECTORY / script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        cluster = Cluster(process, process.stdout.readline().strip())
        try:
            assert cluster.address, f"{script} has not started."
            yield cluster
            process.communicate(timeout=60)
        finally:
            cluster.kill()


def need(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        version = ".".join(map(str, sys.version_info[:2]))
        pytest.skip(f"There is no {module} for Python {version}")


class Clusters:
    """The addresses of the clusters, by the name of the engine.

    Attributes:
        home: Where their workers keep what users keep.
        addresses: Of those that are installed.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.addresses: dict[str, str] = {}


@pytest.fixture(scope="session", autouse=True)
def clusters(request: pytest.FixtureRequest) -> Iterator[Clusters]:
    # Started before the first test looks at what there is. Sockets need a short path.
    names = "".join(item.name for item in request.session.items)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="engines-"))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        made = Clusters(Path(directory, "home"))
        made.home.mkdir(0o700)
        patch.setenv("BANDSAW_HOME", str(made.home))
        patch.setenv("HOME", directory)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "150")
        # What has no room in the memory of its store does not go to the disk.
        patch.setenv("RAY_local_fs_capacity_threshold", "0.0")
        patch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
        # A busy machine takes its time to start a worker in the place of a dead one.
        patch.setenv("DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT", "600 s")
        for engine, module in ("dask", "distributed"), ("ray", "ray"):
            if f"[{engine}" in names and importlib.util.find_spec(module):
                arguments = [f"{directory}/ray"] if engine == "ray" else []
                cluster = started(f"{engine}_cluster.py", *arguments)
                made.addresses[engine] = stack.enter_context(cluster).address
        yield made


@pytest.fixture(params=["loky", "dask", "ray"])
def engine(
    request: pytest.FixtureRequest, clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The name of an engine, which is the name of its chain."""
    name: str = request.param
    need({"dask": "distributed"}.get(name, name))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_TASK_MAX_RETRIES", "0")
    for known, address in clusters.addresses.items():
        monkeypatch.setenv(f"{known.upper()}_OF_TESTS", address)
    return name
