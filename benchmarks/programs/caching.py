"""Measures hits and misses of caches.

``python caching.py WHAT SECONDS PEER...``: what is one of the functions of this
script, a peer is `joblib`, `joblib-mapped` or `diskcache`; bandsaw takes part anyway.
Everything is kept on shared memory, where there is one, so that no disk is measured.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import tempfile
from typing import Any, Callable

from timing import compare

SHARED_MEMORY = "/dev/shm"


def same(x):
    return x


def size_of(array):
    return array.nbytes


def make_array(size):
    import numpy

    return numpy.ones(size, dtype="uint8")


def cached(peer: str, function: Callable[[Any], Any], directory: str) -> Any:
    if peer == "bandsaw":
        import bandsaw

        return bandsaw.task(config="caching_config")(function)
    if peer == "diskcache":
        import diskcache

        cache = diskcache.Cache(os.path.join(directory, peer), size_limit=1 << 40)
        return cache.memoize()(function)
    import joblib

    mode = "r" if peer == "joblib-mapped" else None
    memory = joblib.Memory(os.path.join(directory, peer), verbose=0, mmap_mode=mode)
    return memory.cache(function)


def hit_small(functions: dict[str, Callable[..., Any]], seconds: float) -> Any:
    return compare(functions, 1, seconds)


def miss_small(functions: dict[str, Callable[..., Any]], seconds: float) -> Any:
    numbers = itertools.count()

    def missing(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda _: function(next(numbers))

    wrapped = {name: missing(function) for name, function in functions.items()}
    return compare(wrapped, None, seconds)


def _array(size: int, order: str = "C") -> Any:
    import numpy

    if order == "F":
        return numpy.ones((size // 8000, 1000)).T
    if order == "strided":
        return numpy.ones((size // 8000, 2000))[:, ::2]
    return numpy.ones((size // 8000, 1000))


SIZE = int(os.environ.get("ARRAY_SIZE", 100_000_000))


def hit_argument(functions: dict[str, Callable[..., Any]], seconds: float) -> Any:
    return compare(functions, _array(SIZE), seconds)


def hit_argument_f(functions: dict[str, Callable[..., Any]], seconds: float) -> Any:
    return compare(functions, _array(SIZE, "F"), seconds)


def hit_argument_strided(
    functions: dict[str, Callable[..., Any]], seconds: float
) -> Any:
    return compare(functions, _array(SIZE, "strided"), seconds)


def hit_result(functions: dict[str, Callable[..., Any]], seconds: float) -> Any:
    return compare(functions, SIZE, seconds)


def hit_large_result(functions: dict[str, Callable[..., Any]], seconds: float) -> Any:
    return compare(functions, 10 * SIZE, seconds)


FUNCTIONS = {
    "hit_argument": size_of,
    "hit_argument_f": size_of,
    "hit_argument_strided": size_of,
    "hit_large_result": make_array,
    "hit_result": make_array,
}


def main():
    what, seconds, *peers = sys.argv[1:]
    place = SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else None
    directory = tempfile.mkdtemp(prefix="benchmark-", dir=place)
    os.environ["CACHE_DIRECTORY"] = os.environ["BANDSAW_HOME"] = directory
    try:
        function = FUNCTIONS.get(what, same)
        functions = {
            peer: cached(peer, function, directory) for peer in ("bandsaw", *peers)
        }
        print(json.dumps(globals()[what](functions, float(seconds))))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
