"""Measures calls in other interpreters.

``python transports.py WHAT SECONDS PEER...``: what is one of the functions of this
script, a peer is `bare`, `copy`, `execnet`, `executor` or `loky`; bandsaw takes part
anyway.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Callable, Dict

from timing import compare, peak_memory, summary
from transports_tasks import (
    array_of,
    array_of_resident,
    same,
    same_ahead,
    same_fresh,
    same_here,
    same_resident,
    same_shared,
    size_of,
    size_of_resident,
)

from bandsaw.transports import worker

SHARED_MEMORY = "/dev/shm"
MEGABYTE = 1_000_000
CALLS_IN_A_ROW = 100
CALLS_AT_ONCE = int(os.environ.get("CALLS_AT_ONCE", 1000))
THREADS = 8
SIZE = int(os.environ.get("ARRAY_SIZE", 100 * MEGABYTE))

Functions = Dict[str, Callable[[Any], Any]]


def bare_interpreter(_: object) -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def one_copy(array: Any) -> None:
    """Write an array into a new file on shared memory."""
    place = SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else None
    with tempfile.TemporaryFile(dir=place, buffering=0) as file:
        content = memoryview(array).cast("B")
        while content:
            content = content[file.write(content) or 0 :]


def peers_calling(function: Callable[[Any], Any], names: list[str]) -> Functions:
    """Return what calls a function with each of the peers."""
    found: Functions = {}
    for name in names:
        if name == "bare":
            found[name] = bare_interpreter
        elif name == "copy":
            found[name] = one_copy
        elif name == "execnet":
            found[name] = _echo()
        else:
            found[name] = functools.partial(_submit, _executor(name), function)
    return found


def _echo() -> Callable[[Any], Any]:
    import execnet

    gateway = execnet.makegateway("popen")
    channel = gateway.remote_exec("for x in channel: channel.send(x)")
    return lambda x: (channel.send(x), channel.receive())


def _end_gateways() -> None:
    """End them before the interpreter does, when no more threads can be started."""
    import execnet

    execnet.default_group.terminate(timeout=10)


def _executor(name: str, workers: int = 1) -> Any:
    if name == "executor":
        return ProcessPoolExecutor(workers)
    import loky

    return loky.get_reusable_executor(max_workers=workers, timeout=1000)


def _submit(executor: Any, function: Callable[[Any], Any], argument: object) -> Any:
    return executor.submit(function, argument).result()


def warm(seconds: float, peers: list[str]) -> Any:
    """Measure many calls in a row, as a process that others make wait grows cold."""
    functions = {"bandsaw": same_resident, **peers_calling(same, peers)}

    def in_a_row(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def call_many_times(argument: object) -> None:
            for _ in range(CALLS_IN_A_ROW):
                function(argument)

        return call_many_times

    rows = {name: in_a_row(function) for name, function in functions.items()}
    return compare(rows, 1, seconds)


def shared(seconds: float, peers: list[str]) -> Any:
    """Measure all calls that threads make, over as many that are submitted at once."""
    with ThreadPoolExecutor(THREADS) as threads:
        return _beside(
            lambda count: list(threads.map(same_shared, range(count))), seconds, peers
        )


def _results(submit: Callable[[int], Any], count: int) -> list[Any]:
    return [future.result() for future in [submit(n) for n in range(count)]]


def submitted_here(seconds: float, peers: list[str]) -> Any:
    """Measure calls in this process that are submitted at once."""
    with ThreadPoolExecutor() as executor:
        functions: Functions = {
            "bandsaw": functools.partial(_results, same_here.submit),
            "threads": functools.partial(
                _results, functools.partial(executor.submit, same)
            ),
        }
        return compare(functions, CALLS_AT_ONCE, seconds)


def submitted(seconds: float, peers: list[str]) -> Any:
    """Measure calls in other processes that are submitted at once."""
    return _beside(functools.partial(_results, same_shared.submit), seconds, peers)


def _beside(ours: Callable[[int], Any], seconds: float, peers: list[str]) -> Any:
    """Measure calls beside those that are submitted to two processes of executors."""
    functions: Functions = {"bandsaw": ours}
    with contextlib.ExitStack() as stack:
        for name in peers:
            executor = stack.enter_context(_executor(name, 2))
            functions[name] = functools.partial(
                _results, functools.partial(executor.submit, same)
            )
        return compare(functions, CALLS_AT_ONCE, seconds)


def mapped(seconds: float, peers: list[str]) -> Any:
    """Measure a map over many items in other processes."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=2) as parallel:
        functions: Functions = {
            "bandsaw": lambda count: list(same_shared.map(range(count))),
            "joblib": lambda count: parallel(delayed(same)(n) for n in range(count)),
        }
        return compare(functions, CALLS_AT_ONCE, seconds)


def fresh(seconds: float, peers: list[str]) -> Any:
    functions = {"bandsaw": same_fresh, **peers_calling(same, peers)}
    return compare(functions, 1, seconds)


def logged(seconds: float, peers: list[str]) -> Any:
    from tutorial_tasks import same_logged

    functions = {"bandsaw": same_logged, **peers_calling(same, peers)}
    return compare(functions, 1, seconds)


def ahead(seconds: float, peers: list[str]) -> Any:
    same_ahead(1)
    samples = []
    for _ in range(2 + int(5 * seconds)):
        time.sleep(min(1.0, 3 * seconds))
        start = time.perf_counter()
        same_ahead(1)
        samples.append(time.perf_counter() - start)
    return {"bandsaw": summary(samples)}


def argument(seconds: float, peers: list[str]) -> Any:
    functions = {"bandsaw": size_of_resident, **peers_calling(size_of, peers)}
    return compare(functions, array_of(SIZE), seconds)


def large_argument(seconds: float, peers: list[str]) -> Any:
    functions = {"bandsaw": size_of_resident, **peers_calling(size_of, peers)}
    return compare(functions, array_of(10 * SIZE), seconds)


def large_result(seconds: float, peers: list[str]) -> Any:
    # It is made once there, and once here.
    array = array_of(10 * SIZE)
    functions = {
        "bandsaw": lambda size: array_of_resident(size),
        "copy": lambda size: one_copy(array),
    }
    return compare(functions, 10 * SIZE, seconds)


def memory(seconds: float, peers: list[str]) -> Any:
    import numpy

    base = numpy.ones(10 * SIZE // 8, dtype="i8")
    arrays = {
        "contiguous": base,
        "strided": base[::2],
        "dates": base.view("M8[s]"),
    }
    growth = {}
    for name, array in arrays.items():
        size_of_resident(array[:100_000])
        before = peak_memory()
        size_of_resident(array)
        growth[name] = peak_memory() - before
    return growth


def main():
    what, seconds, *peers = sys.argv[1:]
    directory = tempfile.mkdtemp(prefix="benchmark-")
    os.environ["BANDSAW_HOME"] = directory
    os.environ["BENCHMARK_DIRECTORY"] = directory
    try:
        print(json.dumps(globals()[what](float(seconds), peers)))
    finally:
        worker.end_all()
        if "execnet" in peers:
            _end_gateways()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
