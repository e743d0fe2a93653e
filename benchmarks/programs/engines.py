"""Measures calls on a cluster of this machine.

``python engines.py WHAT SECONDS ENGINE``: what is one of the functions of this script,
the engine is `dask` or `ray`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from engines_tasks import TASKS, array_of, same, size_of
from timing import compare

MEGABYTE = 1_000_000
CALLS_AT_ONCE = int(os.environ.get("CALLS_AT_ONCE", 1000))
SIZE = int(os.environ.get("ARRAY_SIZE", 100 * MEGABYTE))
CALLS_WITH_ARRAY = 20
WORKERS = 2


class Dask:
    """The bare engine: a client, and futures of it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def calls(self, function: Callable[[Any], Any], count: int) -> list[Any]:
        submit = self._client.submit
        return self._client.gather(
            [submit(function, number, pure=False) for number in range(count)]
        )

    def calls_with(
        self, function: Callable[[Any], Any], value: object, count: int
    ) -> list[Any]:
        kept = self._client.scatter(value)
        submit = self._client.submit
        return self._client.gather(
            [submit(function, kept, pure=False) for _ in range(count)]
        )


@contextmanager
def dask(directory: str) -> Iterator[Dask]:
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "error"
    os.environ["DASK_TEMPORARY_DIRECTORY"] = directory
    from distributed import Client, LocalCluster

    with LocalCluster(
        n_workers=WORKERS,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=":0",
    ) as cluster, Client(cluster) as client:
        yield Dask(client)


class Ray:
    """The bare engine: remote functions."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._functions: dict[Any, Any] = {}

    def _remote(self, function: Callable[[Any], Any]) -> Any:
        if function not in self._functions:
            self._functions[function] = self._ray.remote(function).remote
        return self._functions[function]

    def calls(self, function: Callable[[Any], Any], count: int) -> list[Any]:
        remote = self._remote(function)
        return self._ray.get([remote(number) for number in range(count)])

    def calls_with(
        self, function: Callable[[Any], Any], value: object, count: int
    ) -> list[Any]:
        remote = self._remote(function)
        kept = self._ray.put(value)
        return self._ray.get([remote(kept) for _ in range(count)])


@contextmanager
def ray(directory: str) -> Iterator[Ray]:
    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(
        num_cpus=WORKERS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=1 << 30,
        _temp_dir=f"{directory}/ray",
    )
    try:
        yield Ray(ray)
    finally:
        ray.shutdown()


def submitted(bare: Any, task: Any, seconds: float) -> Any:
    """Measure small calls that are submitted at once."""

    def ours(count: int) -> list[Any]:
        return [f.result() for f in [task.submit(number) for number in range(count)]]

    functions = {"bandsaw": ours, "bare": lambda count: bare.calls(same, count)}
    return compare(functions, CALLS_AT_ONCE, seconds)


def mapped_array(bare: Any, task: Any, seconds: float) -> Any:
    """Measure a map whose calls have the same large argument."""
    array = array_of(SIZE)
    functions = {
        "bandsaw": lambda count: list(task.map([array] * count)),
        "bare": lambda count: bare.calls_with(size_of, array, count),
    }
    return compare(functions, CALLS_WITH_ARRAY, seconds)


def main() -> None:
    what, seconds, engine = sys.argv[1:]
    # Sockets need a short path.
    directory = tempfile.mkdtemp(prefix="bench-")
    os.environ["BANDSAW_HOME"] = f"{directory}/home"
    try:
        with globals()[engine](directory) as bare:
            answer = globals()[what](bare, TASKS[engine, what], float(seconds))
        print(json.dumps(answer))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
